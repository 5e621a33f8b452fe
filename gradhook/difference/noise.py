"""How noisy one evaluation of a line is, measured.

Seven values at equally spaced points, so close that the line is a polynomial of low degree there,
are differenced again and again.  The polynomial dies out; what remains is noise, and the ``k``-th
differences of independent noise of standard deviation ``sigma`` have the variance
``(2k)! / (k!)**2 * sigma**2``.  So each order gives an estimate of ``sigma``, and where three in a
row agree, and the differences have both signs as noise must, they agree on the noise.  With too
long a spacing the line itself shows in every order; with too short a one the values do not change,
or all by the same number of units in the last place.

``measure_noise`` chooses spacings for a loss, along a line on which one unit moves every block by
its own scale: ``√(grain/contrast)``, where ``contrast`` is what the loss varies by over one unit.
Second differences of a smooth loss are then about as large as its rounding, whether that is
float64's, float32's or that of a large constant in it.  Where a coarse term is added to a fine one
no value shows its grain, and points that lie close see the fine one alone: mismatches that this
makes are looked into where they arise.

Source: ECnoise, J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM Journal on
Scientific Computing 33 (2011) 1292-1314.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.difference.base import EPS, Line, Samples, check_step

__all__ = ["COARSE", "Noise", "NoiseEstimate", "grain", "measure_noise", "noise_level"]

TABLE_POINTS = range(7)
"""On one side of 0: a kink at 0 is not noise, and no parity of the line cancels differences."""

DECIMALS = 10
"""Decimals that a value may be rounded to: of those of order one that float64
holds one in 1e5 is by chance."""

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

Reason: TypeAlias = Literal["", "spacing too small", "spacing too large"]


@dataclass(frozen=True, slots=True)
class NoiseEstimate:
    """What a difference table said of a line's noise.

    Args:
        level: Root mean square of the noise of one evaluation, in units of loss.  Where it was not
            reached, the best guess on the safe side; 0 where the values were all alike, or on a
            straight line to the bit.
        spacing: Distance of the points of the last table, in units of ``t``.
        evaluations: Evaluations of the line over all tables.
        reached: Whether the criterion was met; else ``reason`` says why not.
        reason: ``"spacing too small"``, ``"spacing too large"``, or an empty string.
        floor: Half the grain of the last table's values (see ``grain``), in units of loss: no
            noise is less.

    Example:
        >>> from gradhook.difference import noise_level
        >>> found = noise_level(lambda t: 2.5, spacing=1e-8)
        >>> found.level, found.reached, found.reason
        (0.0, False, 'spacing too small')
    """

    level: float
    spacing: float
    evaluations: int
    reached: bool
    reason: Reason = ""
    floor: float = 0.0


def noise_level(
    line: Line, *, spacing: float = 1e-8, at_zero: float | None = None, tables: int = 3
) -> NoiseEstimate:
    """Measure the noise of a line from difference tables of 7 values, at most three of them.

    A table whose spacing turns out too small or too large is followed by one with a hundred times,
    or a hundredth of, the spacing; where that goes too far, by one in between.

    Args:
        line: The loss along one direction, as a function of ``t``.
        spacing: Distance of the points of the first table, in units of ``t``.  1e-8 suits float64:
            the second differences of a line of unit scale are then about its rounding; float32
            takes it to 1e-4.
        at_zero: ``line(0)`` where it is known already; saves one evaluation.
        tables: How many tables may be made; default 3.

    Returns:
        The estimate.  The caller takes ``max(level, floor)`` for the noise.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
        OptionError: ``spacing`` is not a positive finite number.

    Example:
        >>> import math
        >>> from gradhook.difference import noise_level
        >>> found = noise_level(lambda t: math.sin(t) + 1e6, spacing=1e-8)
        >>> 1e-11 < found.level < 1e-9, found.reached
        (True, True)
    """
    check_step(spacing)
    samples = Samples(line, at_zero=at_zero)
    factor, reason = 100.0, ""
    while True:
        values = [samples(k * spacing) for k in TABLE_POINTS]
        before, (level, reason) = reason, _read_table(np.array(values))
        tables -= 1
        if not reason or tables <= 0:
            break
        if before not in ("", reason):
            factor = math.sqrt(factor)
        spacing *= factor if reason == "spacing too small" else 1 / factor
    return NoiseEstimate(
        level,
        spacing,
        evaluations=samples.evaluations,
        reached=not reason,
        reason=reason,
        floor=grain(values),
    )


def grain(values: Iterable[float]) -> float:
    """Return half the grain of the values: no evaluation is better than that.

    Args:
        values: Values of one line, in units of loss; at least one.

    Returns:
        ``eps * max|value| / 2`` in units of loss, ``eps`` that of the coarsest of float16, float32
        and float64 that holds every value exactly; at least half of the last place where all are
        rounded to at most 10 decimals, and not all equal.  A lone round number such as 1.0 counts
        as float16: pass values that vary.

    Example:
        >>> import numpy as np
        >>> from gradhook.difference import grain
        >>> values = np.sqrt([2.0, 3.0])
        >>> [f"{grain(each):.0e}" for each in (values, values.astype(np.float32), values.round(2))]
        ['2e-16', '1e-07', '5e-03']
    """
    seen = np.array(list(values), dtype=np.float64)
    largest = float(np.max(np.abs(seen)))
    with np.errstate(over="ignore"):
        exact = (t for t in (np.float16, np.float32) if np.array_equal(seen.astype(t), seen))
        info = np.finfo(next(exact, np.float64))
        places = (10.0**-d for d in range(DECIMALS + 1) if np.array_equal(seen.round(d), seen))
        place = next(places, 0.0) if np.ptp(seen) > 0 else 0.0
    # Below the normal numbers the spacing no longer follows the size.
    spacings = float(info.eps) * largest, float(info.smallest_subnormal), place
    return 0.5 * max(spacings) if largest else 0.0


def _read_table(values: Array) -> tuple[float, Reason]:
    levels: list[float] = []
    both_signs: list[bool] = []
    differences, gamma = values, 1.0
    for k in range(1, len(values)):
        differences = np.diff(differences)
        gamma *= k / (2 * (2 * k - 1))  # (k!)**2 / (2k)!, from one order to the next
        levels.append(math.sqrt(gamma * float(np.mean(differences**2))))
        both_signs.append(bool(differences.min() < 0 < differences.max()))
    if levels[1] == 0:
        # On a straight line to the bit: this shows no more of the rounding than values all alike.
        return 0.0, "spacing too small"
    if np.count_nonzero(np.diff(values) == 0) >= len(values) / 2:
        return max(levels), "spacing too small"
    for k in range(len(levels) - 2):
        if both_signs[k] and max(levels[k : k + 3]) <= 4 * min(levels[k : k + 3]):
            return levels[k], ""
    # The line adds least to the highest orders; one of them alone may be zero by accident.
    return max(levels[-3:]), "spacing too large"


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy one evaluation is."""

    level: float  # in units of loss
    coarse: bool  # whether as of a loss computed in float32 or coarser, whatever it is given
    contrast: float = 0.0  # what the loss varies by over one unit, in units of loss; 0 if unknown
    # What the noise of the line was multiplied by for other directions: more than 1 where sums
    # swallow what is added to them.
    allowance: float = 1.0


def measure_noise(
    line: Callable[[float], float],
    *,
    at_zero: float,
    elsewhere: float = math.nan,
    known: float | None = None,
    most: float = math.inf,
) -> Noise:
    """The noise of one evaluation along a line; how it is looked for is told at the top.

    ``elsewhere`` is the loss at some other point, about one unit away, and ``known`` what may be
    the noise, going by another point where kinks were told from it: a table will do then, whose
    points lie as far apart as stairs of that height ask for.  Beyond ``most`` evaluations no
    further table is made.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
    """
    seen = Samples(line, at_zero=at_zero)
    values = [seen(0.0)]
    if not math.isfinite(elsewhere) or elsewhere == at_zero:
        elsewhere = seen(0.1)  # a lone value would tell neither grain nor contrast
    values.append(elsewhere)
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
    level = found.level
    # Whether every value shows a coarse grain, and no fine part of it hides one.
    grained = found.floor > COARSE * size
    usual = (ROUNDED if grained else SUSPICIOUS) * found.floor

    def closer(by: float, tables: int) -> NoiseEstimate:
        return noise_level(seen, spacing=found.spacing / by, at_zero=at_zero, tables=tables)

    if known is None and level > usual and seen.evaluations + 6 <= most:
        # Kinks between the points look like noise but shrink with the spacing; noise does not.
        by = CLOSER if most == math.inf and not grained else math.sqrt(CLOSER)
        table = closer(by, 1 if grained else 3)
        if grained and table.reason == "spacing too small" and seen.evaluations + 6 <= most:
            by = math.sqrt(by)
            table = closer(by, 1)
        # Of values with a grain a table that was still too wide errs on the safe side.
        told = table.reached or (grained and table.reason == "spacing too large")
        finer = told and table.level < level / 3
        if finer and grained and seen.evaluations + 6 <= most:
            # A term may have stairs that the fine digits of another hide from close points: half
            # way there is little left of kinks, and most of stairs.
            finer = closer(math.sqrt(by), 1).level <= level / HALF_WAY
        # Kinks fall by more than the points come closer; what does not is noise, of which the first
        # table saw most.
        if finer and table.level <= max(usual, level / by):
            level = table.level
    # A loss is made of terms of the size that it has elsewhere, and rounds as they do.
    level = max(level, found.floor, EPS / 2 * size)
    coarse = level > COARSE * size
    # Among kinks a loss in float32 may seem as noisy, but by no more than is usual for its grain.
    rounded = level / SUSPICIOUS < found.floor < SWALLOWING * size
    allowance = SWALLOWED if level > SWALLOWING * size and not rounded else 1.0
    return Noise(allowance * level, coarse, contrast, allowance)
