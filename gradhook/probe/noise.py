"""How noisy one evaluation of the loss is, measured at the point where it matters.

One difference table (ECnoise: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33 (2011) 1292-1314) along one direction that moves every block by its own scale, never
below half the grain of the values seen: a loss that survives a round trip through float32 knows no
more than float32.  Where a coarse term is added to a fine one no value shows its grain, and points
that lie close see the fine one alone; a slope across a longer way tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradhook.difference import NoiseEstimate, grain, noise_level
from gradhook.difference._base import Samples
from gradhook.errors import NonFiniteLossError

__all__ = ["STAIR", "WIDE", "Noise", "measure_noise"]

SPACING = 1e-8
"""Shortest distance of neighbouring points, in units of the blocks' scales."""

LONGEST, LONGEST_GUESSED = 0.03, 1e-3
"""Longest distance at first, and where only another point tells of the noise."""

HOPELESS = 1e-3
"""Noise elsewhere over what the loss varies by here, beyond which no better one is looked for."""

COARSE = 1e-9
"""Noise, relative to the loss, between those of float64's and float32's rounding."""

WIDE, STAIR = (1e-2, 1e-1), 3.0
"""Distances over which a slope is that of many stairs, in units of the blocks' scales, the second
for numbers as coarse as float16's; and multiple of both errors by which it must differ from the one
between close points."""

ABRUPT, AT_ONCE, SECOND = 0.1, 100.0, 1.37
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

SWALLOWING, SWALLOWED = 1e-6, 30.0
"""Noise over the loss, between those of float32 and float16, from which on sums swallow what is
added to them; errors are then larger along some directions than the noise along one tells."""

CLOSER = 1e4
"""How much closer the points of a second table lie, which tells noise from kinks."""

SUSPICIOUS = 100.0
"""Noise, in units of half the grain, beyond what rounding alone usually makes."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy one evaluation is.

    Args:
        level: Absolute noise, in units of loss.
        coarse: Whether it is that of a loss computed in float32 or coarser, whatever it is given.
        contrast: What the loss varies by over one unit, in units of loss; 0 if unknown.
    """

    level: float
    coarse: bool
    contrast: float = 0.0


def measure_noise(
    line: Callable[[float], float],
    *,
    at_zero: float,
    elsewhere: float = math.nan,
    known: float = 0.0,
    wide: Sequence[float] | None = None,
    closer: bool = True,
    waves: bool = True,
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
        known: What may be the noise, going by another point: points that lie as far apart as this
            one asks for see stairs of that height.
        wide: Distances over which stairs are looked for, the later only where noise is coarse; by
            default ``WIDE``.
        closer: Whether points that lie ``CLOSER`` times closer are seen too where the noise looks
            like kinks.
        waves: Whether a line may wave over such a distance; where a mismatch is in doubt already,
            stairs are likelier.
        most: Evaluations beyond which no further table is made and no stairs are looked for.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
    """
    if not math.isfinite(at_zero):  # for a loss that was finite before
        raise NonFiniteLossError(f"the line is {at_zero:g} at t = 0, where it starts")
    seen = Samples(lambda t: line(t) if t else at_zero)
    if not math.isfinite(elsewhere) or elsewhere == at_zero:
        elsewhere = seen(0.1)  # a lone value would tell neither grain nor contrast
    values = [value for value in (at_zero, elsewhere) if math.isfinite(value)]
    contrast = (max(values) - min(values)) or abs(at_zero)
    if known > HOPELESS * contrast:
        return Noise(known, known > COARSE * max(abs(at_zero), contrast), contrast)
    spacing = math.sqrt(grain(values) / contrast) if contrast else SPACING
    spacing = min(max(spacing, SPACING), LONGEST)
    if known and contrast:
        spacing = max(spacing, min(math.sqrt(known / contrast), LONGEST_GUESSED))
    first = spacing
    tables = 3 if most == math.inf else 2  # six evaluations each
    found = noise_level(seen, spacing=spacing, at_zero=at_zero, tables=tables)
    spacing, level, stair = found.spacing, found.level, _stair(seen, first, found)
    loudest = level
    if closer and level > SUSPICIOUS * found.floor and seen.evaluations + 6 <= most:
        # Kinks between the points look like noise but shrink with the spacing; noise does not.
        table = noise_level(seen, spacing=spacing / CLOSER, at_zero=at_zero)
        if table.reached and table.level < level / 3:
            spacing, level = table.spacing, table.level
        if level > max(SUSPICIOUS * found.floor, loudest / CLOSER):
            level = loudest  # kinks fall by more: it is noise, of which the first table saw most
    for far in WIDE if wide is None else wide:
        if seen.evaluations + 4 > most:
            break
        # No difference of slopes tells anything that the noise over so short a way may make.
        blurred = 2 * max(level, found.floor) / (6 * spacing) > contrast
        jump = not blurred and _jump(
            seen, spacing, max(level, found.floor), far, waves=waves, most=most
        )
        if jump:
            spacing = far / DIVISORS[0]
            before, level = level, max(level, _wide_level(seen, far, at_zero, loudest))
            if level <= SUSPICIOUS * max(before, found.floor):
                level = max(level, jump / math.sqrt(12))  # a single stair, a value anywhere on it
        if level <= COARSE * max(contrast, abs(at_zero)):
            break  # as fine as float64: stairs that are wider still would be very low
    level = max(level, stair, found.floor)
    size = max(abs(at_zero), contrast)  # the loss may be zero just here
    coarse = level > COARSE * size
    if level > SWALLOWING * size:
        level *= SWALLOWED
    return Noise(level, coarse, contrast)


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
    still = line(reach) == line(0.0)
    if (
        not still
        or reach == far
        or abs(line(far) - line(0.0)) * reach / far <= (SUSPICIOUS * found.floor)
    ):
        return 0.0
    while line(reach) == line(0.0) and reach < far:
        reach = min(4 * reach, far)
    return abs(line(reach) - line(0.0)) / math.sqrt(12)


def _jump(
    line: Samples, spacing: float, level: float, wide: float, *, waves: bool, most: float
) -> float:
    """What the line rises by more between distant points than close ones foretell; 0 if nothing.

    A term that is computed in coarse numbers, or a loss that is rounded, is constant between close
    points and hides its noise there; the slope across many stairs is right all the same.  The error
    of that slope, ``|S(2h) - S(h)| + |E(2h) - 4 E(h)|/h``, covers what kinks do to it.
    """
    reach, h = 6 * spacing, wide
    if reach > h / 10:
        return 0.0
    try:
        near = (line(reach) - line(0.0)) / reach
        sides = [(line(t) - line(0.0), line(0.0) - line(-t)) for t in (h, 2 * h)]
    except NonFiniteLossError:
        return 0.0
    (s1, e1), (s2, e2) = ((f + b, f - b) for f, b in sides)
    slope, even = s1 / (2 * h), abs(e1) / (2 * h)
    far_error = abs(s2 / (4 * h) - slope) + abs(e2 - 4 * e1) / (2 * h) + 2 * level / h
    near_error = 2 * level / reach + even * reach / h
    apart = abs(near - slope)
    if apart <= STAIR * (near_error + far_error):
        return 0.0
    # A line that bends leaves its slope by and by, one with a kink or with stairs all at once; past
    # a kink the slope is another and the same everywhere, on stairs it is the first again, or wild.
    window, rungs = reach, math.ceil(math.log(h / reach, LONGER))

    def change(rung: int) -> float:
        """How far the slope has changed after so many times the window as ``LONGER**rung``."""
        at = window * LONGER**rung
        return abs((line(at) - line(0.0)) / at - near) / apart

    try:
        within, beyond, before, after = 0, rungs, 0.0, math.inf
        while beyond - within > 1 or after == math.inf:
            if line.evaluations + 6 >= most:  # what telling stairs takes
                return 0.0
            middle = (within + beyond) // 2 if beyond - within > 1 else beyond
            changed = change(middle)
            if changed > ABRUPT:
                beyond, after = middle, changed
            elif middle == rungs:
                return 2 * h * apart
            else:
                within, before = middle, changed
        if within > 1 and after <= AT_ONCE * before:
            # Past an edge, or a wave, the slope may come near the first for once.
            nearer = change(within - 1)
            while nearer > ABRUPT:
                within, after, before = within - 1, nearer, 0.0
                beyond = within
                nearer = before = change(within - 1) if within > 1 else 0.0
        at_once = after > AT_ONCE * before
        reach = window * LONGER**beyond
        stairs = at_once and _on_stairs(line, reach, window, near, apart, waves=waves)
    except NonFiniteLossError:
        return 0.0
    return 2 * h * apart if stairs else 0.0


def _on_stairs(
    line: Samples, reach: float, window: float, near: float, apart: float, *, waves: bool
) -> bool:
    """Whether a line has the slope ``near`` again at some distance, or wild ones.

    A window over an edge has a slope that its width decides; on a line that waves it does not.
    """

    def slope(at: float, width: float) -> float:
        return (line(at + width) - line(at)) / width

    first, second = slope(reach, window), slope(SECOND * reach, window / SECOND)
    if min(abs(first - near), abs(second - near)) < ABRUPT * apart:
        return True
    if abs(first - second) <= ABRUPT * max(abs(first - near), abs(second - near)):
        return False
    if not waves:
        return True
    narrow, narrower = (slope(reach, window / k) for k in NARROWER)
    still = abs(narrower - near) < ABRUPT * apart
    return still or abs(narrower - narrow) > ABRUPT * max(abs(narrower), abs(narrow))
