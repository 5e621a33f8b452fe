"""How noisy one evaluation of a line is, measured.

Seven values at equally spaced points, so close that the line is a polynomial of low degree there,
are differenced again and again.  The polynomial dies out; what remains is noise, and the ``k``-th
differences of independent noise of standard deviation ``sigma`` have the variance
``(2k)! / (k!)**2 * sigma**2``.  So each order gives an estimate of ``sigma``, and where three in a
row agree, and the differences have both signs as noise must, they agree on the noise.  With too
long a spacing the line itself shows in every order; with too short a one the values do not change,
or all by the same number of units in the last place.

Source: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM Journal on Scientific
Computing 33 (2011) 1292-1314.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.difference.base import Line, Samples, check_step

__all__ = ["NoiseEstimate", "grain", "noise_level"]

TABLE_POINTS = range(7)
"""On one side of 0: a kink at 0 is not noise, and no parity of the line cancels differences."""

DECIMALS = 10
"""Decimals that a value may be rounded to: of those of order one that float64
holds one in 1e5 is by chance."""

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
    level: float
    reason: Reason = ""
    previous: Reason = ""
    factor, made = 100.0, 0
    while True:
        values = [samples(k * spacing) for k in TABLE_POINTS]
        previous, (level, reason) = reason, _read_table(np.array(values))
        made += 1
        if not reason or made >= tables:
            break
        if previous not in ("", reason):
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
