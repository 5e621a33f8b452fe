"""How noisy one evaluation of the loss is, measured at the point where it matters.

One difference table (ECnoise: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33 (2011) 1292-1314) along one direction that moves every block by its own scale, never
below half the grain of the values seen: a loss that survives a round trip through float32 knows no
more than float32.  Where a coarse term is added to a fine one no value shows its grain, and points
that lie close see the fine one alone.

A loss that is rounded, or computes a part of itself in coarse numbers, moves in stairs: it is
constant, or as fine as float64, between points that lie close; the slope across many stairs, and
the edges between them, tell.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradhook.difference import NoiseEstimate, grain, noise_level
from gradhook.difference.base import EPS, Samples
from gradhook.difference.formulas import Sharp
from gradhook.difference.search import DISAGREE
from gradhook.errors import NonFiniteLossError

__all__ = ["WIDE", "Noise", "measure_noise"]

SPACING = 1e-8
"""Shortest distance of neighbouring points, in units of the blocks' scales."""

LONGEST_SPACING, LONGEST_GUESSED = 0.03, 1e-3
"""Longest distance at first, and where only another point tells of the noise."""

HOPELESS = 0.03
"""Noise elsewhere over what the loss varies by here, beyond which no better one is looked for."""

COARSE = 1e-9
"""Noise, relative to the loss, between those of float64's and float32's rounding."""

SWALLOWING, SWALLOWED = 1e-6, 30.0
"""Noise over the loss, between those of float32 and float16, from which on sums swallow what is
added to them; errors are then larger along some directions than the noise along one tells."""

CLOSER = 1e4
"""How much closer the points of a second table lie, which tells noise from kinks; its root where
values have a coarse grain, and the root of that where they stand still."""

WIDE = (1e-2, 1e-1)
"""Distances over which a slope is that of many stairs, in units of the blocks' scales, the second
for numbers as coarse as float16's."""

DEPARTURE, BENDS_AT_ONCE, SECOND = 0.1, 100.0, 1.37
"""Share of the difference of both slopes at which a line has left the first; by how much more than
at any shorter distance, if it bends at once; and where else its slope beyond is looked at, over a
window that is as much shorter, lest as many stairs lie in both."""

LONGER = 4.0
"""By how much longer each way is along which a line is seen to leave its slope."""

NARROWER = (8.0, 32.0)
"""Parts of that window in which a line that waves is straight, and stairs are either still or
wilder."""

DIVISORS, AGREE = (3.0, 4.7, 6.1), 3.0
"""Parts of that distance that tables are spaced by, and the factor within which two agree."""

SUSPICIOUS, ROUNDED, HALF_WAY = 100.0, 4.0, 2.0
"""Noise, in units of half the grain, beyond what rounding alone usually makes; the second where
values have a coarse grain, whose tables are so wide that many kinks may lie in one; and by what
that of stairs falls at most in a table of a tenth of the width, of which kinks leave a tenth."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy one evaluation is.

    Args:
        level: Absolute noise, in units of loss.
        coarse: Whether it is that of a loss computed in float32 or coarser, whatever it is given.
        contrast: What the loss varies by over one unit, in units of loss; 0 if unknown.
        allowance: What the noise of the line was multiplied by for other directions: more than 1
            where sums swallow what is added to them.
    """

    level: float
    coarse: bool
    contrast: float = 0.0
    allowance: float = 1.0


def measure_noise(
    line: Callable[[float], float],
    *,
    at_zero: float,
    elsewhere: float = math.nan,
    known: float | None = None,
    wide: Sequence[float] | None = None,
    most: float = math.inf,
) -> Noise:
    """The noise of one evaluation along a line.

    The points lie ``√(grain/contrast)`` apart, where ``contrast`` is what the loss varies by over
    one unit: second differences of a smooth loss are then about as large as its rounding, whether
    that is float64's, float32's or that of a large constant in the loss.

    Args:
        line: The loss along a direction in which one unit moves every block by its scale.
        at_zero: ``line(0)``.
        elsewhere: The loss at some other point, about one unit away; ``nan`` if none is known.
        known: What may be the noise, going by another point where stairs and kinks were looked for,
            so that a table will do here, whose points lie as far apart as stairs of that height ask
            for; ``None`` if nothing is known.
        wide: Distances over which stairs are looked for, the later only where noise is coarse; by
            default ``WIDE``, and none where the noise is known.  Given where a mismatch is in doubt
            already: stairs are likelier then than a line that waves over such a distance.
        most: Evaluations beyond which no further table is made and no stairs are looked for.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
    """
    if not math.isfinite(at_zero):  # for a loss that was finite before
        raise NonFiniteLossError(f"the line is {at_zero:g} at t = 0, where it starts")
    seen = Samples(line, at_zero=at_zero)
    if not math.isfinite(elsewhere) or elsewhere == at_zero:
        elsewhere = seen(0.1)  # a lone value would tell neither grain nor contrast
    values = [value for value in (at_zero, elsewhere) if math.isfinite(value)]
    contrast = (max(values) - min(values)) or abs(at_zero)
    size = max(abs(at_zero), contrast)  # the loss may be zero just here
    if known is not None and known > HOPELESS * contrast:
        return Noise(known, known > COARSE * size, contrast)
    spacing = math.sqrt(grain(values) / contrast) if contrast else SPACING
    spacing = min(max(spacing, SPACING), LONGEST_SPACING)
    if known and contrast:
        spacing = max(spacing, min(math.sqrt(known / contrast), LONGEST_GUESSED))
    first = spacing
    tables = 3 if most == math.inf else 2  # six evaluations each
    found = noise_level(seen, spacing=spacing, at_zero=at_zero, tables=tables)
    spacing, level, single = found.spacing, found.level, _stair(seen, first, found)
    loudest = level
    # Whether every value shows a coarse grain, and no fine part of it hides one.
    grained = found.floor > COARSE * size
    usual = ROUNDED if grained else SUSPICIOUS
    if known is None and level > usual * found.floor and seen.evaluations + 6 <= most:
        # Kinks between the points look like noise but shrink with the spacing; noise does not.
        # The less close they are, the fewer ways there are to look along for the first stair.
        by = CLOSER if most == math.inf and not grained else math.sqrt(CLOSER)
        tables = 1 if grained else 3
        table = noise_level(seen, spacing=spacing / by, at_zero=at_zero, tables=tables)
        if grained and table.reason == "spacing too small" and seen.evaluations + 6 <= most:
            by = math.sqrt(by)
            table = noise_level(seen, spacing=spacing / by, at_zero=at_zero, tables=1)
        # Of values with a grain a table that was still too wide errs on the safe side.
        told = table.reached or (grained and table.reason == "spacing too large")
        finer = told and table.level < level / 3
        if finer and grained and seen.evaluations + 6 <= most:
            # A term may have stairs that the fine digits of another hide from close points: half
            # way there is little left of kinks, and most of stairs.
            between = noise_level(seen, spacing=spacing / math.sqrt(by), at_zero=at_zero, tables=1)
            finer = between.level <= level / HALF_WAY
        if finer:
            spacing, level = table.spacing, table.level
        if level > max(usual * found.floor, loudest / by):
            # Kinks fall by more: it is noise, of which the first table saw most.
            spacing, level = found.spacing, loudest
    waves = wide is None
    if wide is None:
        wide = WIDE if known is None else ()
    for far in wide:
        if seen.evaluations + 4 > most:
            break
        # Where a grain shows no stairs are hidden, and what kinks made is not looked into.
        jump, fine = 0.0, max(loudest if grained else level, found.floor)
        # Over a shorter way the noise alone may make as steep a slope as the line has.
        reach = max(6 * spacing, 2 * fine / contrast if contrast else 0.0)
        with contextlib.suppress(NonFiniteLossError):
            jump = _jump(seen, min(reach, far / 10), fine, far, waves=waves, most=most)
        if jump:
            spacing = far / DIVISORS[0]
            before, level = level, max(level, _wide_level(seen, far, at_zero, loudest))
            if level <= SUSPICIOUS * max(before, found.floor):
                level = max(level, jump / math.sqrt(12))  # a single stair, a value anywhere on it
        if level <= COARSE * size:
            break  # as fine as float64: stairs that are wider still would be very low
    # A loss is made of terms of the size that it has elsewhere, and rounds as they do.
    level = max(level, single, found.floor, EPS / 2 * size)
    coarse = level > COARSE * size
    # Among kinks a loss in float32 may seem as noisy, but by no more than is usual for its grain.
    rounded = level / SUSPICIOUS < found.floor < SWALLOWING * size
    allowance = SWALLOWED if level > SWALLOWING * size and not rounded else 1.0
    return Noise(allowance * level, coarse, contrast, allowance)


def _wide_level(line: Samples, far: float, at_zero: float, likely: float) -> float:
    """The noise of stairs, between points that many of them part.

    Steps of a whole number of stairs hide them; of several lengths, two that agree are enough.
    """
    levels = [likely]
    for k in DIVISORS:
        level = noise_level(line, spacing=far / k, at_zero=at_zero).level
        agree = any(AGREE * min(level, other) >= max(level, other) for other in levels)
        levels.append(level)
        if agree:
            break
    return max(levels)


def _stair(line: Samples, first: float, found: NoiseEstimate) -> float:
    """The noise of a line that stood still over the first table and rises further on; 0 of others.

    Steps of a whole number of stairs make it a straight line to the bit.
    """
    reach, far = 6 * first, 6 * found.spacing
    if line(reach) != line(0.0) or reach == far:
        return 0.0
    if abs(line(far) - line(0.0)) * reach / far <= SUSPICIOUS * found.floor:
        return 0.0
    while line(reach) == line(0.0) and reach < far:
        reach = min(4 * reach, far)
    return abs(line(reach) - line(0.0)) / math.sqrt(12)


def _jump(
    line: Samples, reach: float, level: float, h: float, *, waves: bool, most: float
) -> float:
    """How far a line rises over ``h`` beyond what its slope within ``reach`` foretells, if at all.

    A term that is computed in coarse numbers, or a loss that is rounded, is constant between close
    points and hides its noise there; the slope across many stairs is right all the same, and its
    error covers what kinks do to it.
    """
    near = (line(reach) - line(0.0)) / reach
    across = Sharp()(line, line(0.0), h, level)
    near_error = 2 * level / reach + abs(across.gap) * reach / h
    apart = abs(near - across.value)
    if apart <= DISAGREE * (near_error + across.error):
        return 0.0
    # A line that bends leaves its slope by and by, one with a kink or with stairs all at once; past
    # a kink the slope is another and the same everywhere, on stairs it is the first again, or wild.
    window, rungs = reach, math.ceil(math.log(h / reach, LONGER))

    def change(rung: int) -> float:
        """How far the slope has changed after so many times the window as ``LONGER**rung``."""
        at = window * LONGER**rung
        return abs((line(at) - line(0.0)) / at - near) / apart

    within, beyond, before, after = 0, rungs, 0.0, math.inf
    while beyond - within > 1 or after == math.inf:
        if line.evaluations + 6 >= most:  # what telling stairs takes
            return 0.0
        # With few evaluations left the short ways come first, where edges usually are.
        inside = (within + beyond) // 2 if most == math.inf else within + 1
        middle = inside if beyond - within > 1 else beyond
        changed = change(middle)
        if changed > DEPARTURE:
            beyond, after = middle, changed
        elif middle == rungs:
            return 2 * h * apart
        else:
            within, before = middle, changed
    if within > 1 and after <= BENDS_AT_ONCE * before:
        # Past an edge, or a wave, the slope may come near the first for once.
        nearer = change(within - 1)
        while nearer > DEPARTURE:
            within, after, before = within - 1, nearer, 0.0
            beyond = within
            nearer = before = change(within - 1) if within > 1 else 0.0
    at_once = after > BENDS_AT_ONCE * before
    if not at_once and before * apart > near_error:  # no noise of the slope makes such a change
        return 0.0
    reach = window * LONGER**beyond
    stairs = _has_edges(line, reach, window, near, apart, at_once=at_once, waves=waves)
    return 2 * h * apart if stairs else 0.0


def _has_edges(
    line: Samples,
    reach: float,
    window: float,
    near: float,
    apart: float,
    *,
    at_once: bool,
    waves: bool,
) -> bool:
    """Whether a line has the slope ``near`` again at some distance, or wild ones.

    A window over an edge has a slope that its width decides; on a line that waves it does not.
    """

    def slope(at: float, width: float) -> float:
        return (line(at + width) - line(at)) / width

    first, second = slope(reach, window), slope(SECOND * reach, window / SECOND)
    away = abs(first - near), abs(second - near)
    if not at_once:
        return max(away) < DEPARTURE * apart
    if min(away) < DEPARTURE * apart:
        return True
    if abs(first - second) <= DEPARTURE * max(away):
        return False
    if not waves:
        return True
    narrow, narrower = (slope(reach, window / k) for k in NARROWER)
    still = abs(narrower - near) < DEPARTURE * apart
    return still or abs(narrower - narrow) > DEPARTURE * max(abs(narrower), abs(narrow))
