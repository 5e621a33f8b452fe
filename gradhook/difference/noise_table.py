"""How noisy one evaluation of the loss is, measured at the point where it matters.

One difference table (ECnoise: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33 (2011) 1292-1314) along one direction that moves every block by its own scale, never
below half the grain of the values seen: a loss that survives a round trip through float32 knows no
more than float32.  Where a coarse term is added to a fine one no value shows its grain, and points
that lie close see the fine one alone: mismatches that this makes are looked into where they arise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gradhook.difference import grain, noise_level
from gradhook.difference.base import EPS, Samples
from gradhook.errors import NonFiniteLossError

__all__ = ["COARSE", "Noise", "measure_noise"]

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
        known: What may be the noise, going by another point where kinks were told from it, so that
            a table will do here, whose points lie as far apart as stairs of that height ask for;
            ``None`` if nothing is known.
        most: Evaluations beyond which no further table is made.

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
    tables = 3 if most == math.inf else 2  # six evaluations each
    found = noise_level(seen, spacing=spacing, at_zero=at_zero, tables=tables)
    level = loudest = found.level
    # Whether every value shows a coarse grain, and no fine part of it hides one.
    grained = found.floor > COARSE * size
    usual = ROUNDED if grained else SUSPICIOUS
    if known is None and level > usual * found.floor and seen.evaluations + 6 <= most:
        # Kinks between the points look like noise but shrink with the spacing; noise does not.
        by = CLOSER if most == math.inf and not grained else math.sqrt(CLOSER)
        tables = 1 if grained else 3
        table = noise_level(seen, spacing=found.spacing / by, at_zero=at_zero, tables=tables)
        if grained and table.reason == "spacing too small" and seen.evaluations + 6 <= most:
            by = math.sqrt(by)
            table = noise_level(seen, spacing=found.spacing / by, at_zero=at_zero, tables=1)
        # Of values with a grain a table that was still too wide errs on the safe side.
        told = table.reached or (grained and table.reason == "spacing too large")
        finer = told and table.level < level / 3
        if finer and grained and seen.evaluations + 6 <= most:
            # A term may have stairs that the fine digits of another hide from close points: half
            # way there is little left of kinks, and most of stairs.
            half = found.spacing / math.sqrt(by)
            finer = (
                noise_level(seen, spacing=half, at_zero=at_zero, tables=1).level <= level / HALF_WAY
            )
        if finer:
            level = table.level
        if level > max(usual * found.floor, loudest / by):
            level = loudest  # kinks fall by more: it is noise, of which the first table saw most
    # A loss is made of terms of the size that it has elsewhere, and rounds as they do.
    level = max(level, found.floor, EPS / 2 * size)
    coarse = level > COARSE * size
    # Among kinks a loss in float32 may seem as noisy, but by no more than is usual for its grain.
    rounded = level / SUSPICIOUS < found.floor < SWALLOWING * size
    allowance = SWALLOWED if level > SWALLOWING * size and not rounded else 1.0
    return Noise(allowance * level, coarse, contrast, allowance)
