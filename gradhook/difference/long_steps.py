"""The slope of a smooth line that drowns in noise, from long steps.

Noise ``n`` in each value leaves an error of about ``n / h`` in a slope over steps of ``h``; where
noise limits, only longer steps see further, and these a line bends within.  So the bending is
fitted along.  The line is read at pairs ``±t`` and taken apart,

    odd(t)  = (phi(t) - phi(-t)) / 2            =  phi'(0)·t + c·t³ + d·t⁵ + ...
    even(t) = (phi(t) + phi(-t)) / 2 - phi(0)   =  J·|t| + a·t² + b·t⁴ + ...,

where ``2·J`` is the jump of the slope at 0, none on a smooth line.  Least squares over the nine
pairs within a *reach* ``H`` give the slope from one, two or three odd powers.  A slope's error is
the sum of what noise, or the misfit where that is more, makes of it; the change to the model with
one more power; the change to the slope at half the reach; and ``|J|``: a kink nearer to 0 than the
shortest pair is invisible to odd parts, and takes the slope off by as much.

The pairs stand at ``H·2^(-i/2)``, so that a reach that is shorter by ``√2`` costs one more pair and
each reach has the same weights, worked out once.  The search begins at the longest reach and ends
when the error is as small as wanted, or when noise alone forbids shorter reaches to give a smaller
one.

Guard: a line with kinks may agree with itself by accident.  A reach counts only where both parts
fit their richest model to within the noise, there and at half the reach; where none does the error
is infinite.  Nor does one within which the line does not move by a bit, though it moves beyond: it
lies on one stair of a rounded loss, and its equal values are one observation and not eighteen.
And a misfit that stays as the reach shrinks is no matter of powers or kinks: to an eighth of the
reach that of a line with kinks falls by 8 and of a smooth one by far more.  Stairs and short waves
leave the same misfit at every reach, until one lies within a single stair or wave and fits without
the rest of the line; which of its slopes is meant nothing here can tell, and no reach counts.
Where few stairs are within reach, and noise is known to be larger along some directions, that much
of what longer reaches leave is taken for noise.

Source: for the fit of odd powers A. Savitzky and M. J. E. Golay, "Smoothing and differentiation of
data by simplified least squares procedures", Analytical Chemistry 36 (1964) 1627-1639.  The
constants were measured on lines of networks: ``tests/benchmarks/error_estimates.py``.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import Array
from gradhook.difference.base import EPS, Estimate, Line, floored

__all__ = ["long_steps"]

LONGEST_REACH, MOST_PAIRS = 0.5, 30
"""Longest step, in units of ``t``, and how many pairs are read at most."""

PAIRS = 9
"""Pairs within a reach, from ``H`` to ``H/16``: the kink term, ``J``, needs some near 0."""

NEXT_DISTANCE = math.sqrt(0.5)
"""Of a pair's distance to the next longer one's."""

POWERS = 3
"""Odd powers, and even ones beside ``|t|``, of the richest model."""

HALF = 2
"""How many reaches further on the reach is half as long."""

DEVIATIONS = 2.0
"""Standard deviations of the slope that count as its error."""

KINK_DEVIATIONS = 0.5
"""Standard deviations of ``J`` that are added to its size."""

EIGHTH, STAYS = 6, math.sqrt(8)
"""How many reaches further on the reach is an eighth as long, and by what a misfit falls to there
at most that stays: half way, in powers, between stairs and kinks."""

LOUD = 6.0
"""Misfit, in units of the noise, of more than noise: its tables agree within a factor of four."""

FITS = 1.5
"""Misfit, in units of the noise, of a smooth line at most: independent noise leaves 0.7 ± 0.2."""


def long_steps(
    line: Line, at_zero: float, *, noise: float, allowance: float = 1.0, goal: float = 0.0
) -> Estimate:
    """Estimate ``line'(0)`` by odd least squares, with an error that kinks do not fool.

    Worth its evaluations where noise limits what ``Central`` sees: on smooth lines its error is
    several times smaller.  The error is infinite and the value ``nan`` where no reach tells: the
    line is kinked, not finite, or noisier than was said.

    A displacement of one is natural on the line, whose value at 0 is known.  The noise along it may
    be ``allowance`` times what is given; as much of that is believed as reaches up to eight times
    as long left unfitted.  The ``goal`` is the error at which no further evaluation is made.
    """
    best = Estimate(math.nan, math.inf, LONGEST_REACH)
    kink, reached = (0.0, math.inf), math.inf
    odd: list[float] = []
    even: list[float] = []
    levels: list[float] = []
    fits: list[_Fit] = []
    for k in range(MOST_PAIRS):
        t = LONGEST_REACH * NEXT_DISTANCE**k
        ahead, behind = line(t), line(-t)
        # Differences from phi(0) first: they are small where the values are large.
        odd.append(((ahead - at_zero) - (behind - at_zero)) / 2)
        even.append(((ahead - at_zero) + (behind - at_zero)) / 2)
        levels.append(floored(noise, at_zero, *filter(math.isfinite, (ahead, behind))))
        if len(odd) < PAIRS:
            continue
        reach = t / NEXT_DISTANCE ** (PAIRS - 1)
        parts = np.array(odd[-PAIRS:]), np.array(even[-PAIRS:])
        if not np.any(parts) and any(odd):
            break  # it stands on one stair, and so do all shorter reaches
        fits.append(_fit(*parts, reach, max(levels[-PAIRS:])))
        fit, half = fits[-1 - HALF :][0], fits[-1]
        longer = fits[-1 - EIGHTH].misfit if len(fits) > EIGHTH else math.inf
        if LOUD < half.misfit < math.inf and longer <= STAYS * half.misfit:
            return Estimate(math.nan, math.inf, LONGEST_REACH, evaluations=2 * len(odd))
        if len(fits) > HALF and fit.misfit <= FITS and half.misfit <= FITS:
            kink = min(kink, fit.kink, key=operator.itemgetter(1))
            # What longer reaches did not fit may be noise that a single stair hides.
            misfits = (each.misfit for each in fits[-1 - HALF - EIGHTH :])
            unfitted = max(misfit for misfit in misfits if misfit < math.inf)
            unseen = max(0.0, min(allowance, unfitted) - 1) * fit.least
            error = fit.error + unseen + abs(fit.slope - half.slope)
            if error < best.error:
                best = Estimate(fit.slope, error, fit.reach)
        # How far a kink may have taken the slope off counts in full.
        reached = best.error + (abs(kink[0]) + KINK_DEVIATIONS * kink[1])
        if reached <= max(goal, half.least):
            break
    return replace(best, error=reached, evaluations=2 * len(odd))


@dataclass(frozen=True, slots=True)
class _Fit:
    """What one reach, ``H``, says."""

    reach: float
    misfit: float  # that of the richest model, of the part that fits worse, in units of the noise
    slope: float = math.nan  # that of the model with the smallest error
    error: float = math.inf  # kinks at 0 and shorter reaches apart
    kink: tuple[float, float] = (0.0, math.inf)  # J and its error, of the model where it is least
    least: float = 0.0  # the error that noise alone leaves here; more at every shorter reach


def _fit(odd: Array, even: Array, reach: float, noise: float) -> _Fit:
    if not (np.isfinite(odd).all() and np.isfinite(even).all()):
        return _Fit(reach, math.inf)
    deviation = noise / math.sqrt(2)  # of the mean of two values
    bent, kinked, smooth = _weights()
    errors = [DEVIATIONS * max(w.misfit(odd), deviation) * w.spread / reach for w in bent]
    # No model is richer than the richest: its own error stands for the change.
    slope, error = _surest(bent, odd, reach, errors, errors[-1])
    # The value at 0 has the noise of one value, √2 times that of a pair's mean.
    centred = np.concatenate([[0.0], even]) * _CENTRED
    rest = smooth.misfit(centred)
    spreads = [max(rest, deviation) * w.spread / reach for w in kinked]
    kink = _surest(kinked, centred, reach, spreads)
    # The fit rounds as its values do, by half a unit in the last place of the largest.
    rounding = 0.5 * EPS * float(max(np.abs(odd).max(), np.abs(even).max()))
    worse = max(bent[-1].misfit(odd), rest)
    left = worse / (noise + rounding) if worse else 0.0
    least = DEVIATIONS * deviation * bent[0].spread / reach
    return _Fit(reach, left, slope, error, kink, least)


def _surest(
    models: list[_Weights], values: Array, reach: float, errors: list[float], *last: float
) -> tuple[float, float]:
    """The coefficient with the smallest error, the change to the next richer model included."""
    found = [float(weights.row @ values) / reach for weights in models]
    changes = [*(abs(b - a) for a, b in itertools.pairwise(found)), *last]
    totals = [*map(operator.add, errors, changes)]
    return found[totals.index(min(totals))], min(totals)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Least squares for one coefficient, that of ``t`` or ``|t|``, at a reach of one."""

    row: Array  # weights of the values in it
    residuals: Array  # the matrix that leaves the residuals
    spread: float  # standard deviation of the coefficient for values of standard deviation one
    freedom: int  # degrees of freedom of the residuals

    @classmethod
    def of(cls, *columns: Array) -> _Weights:
        """The weights of the coefficient of a model's first column."""
        matrix = np.stack(columns, axis=1)
        # From an orthonormal basis the residuals of what the model holds are those of rounding.
        basis, triangle = np.linalg.qr(matrix)
        rows, count = matrix.shape
        row = np.linalg.solve(triangle, basis.T)[0]
        return cls(row, np.eye(rows) - basis @ basis.T, float(np.linalg.norm(row)), rows - count)

    def misfit(self, values: Array) -> float:
        """Standard deviation of the values from the model, as the residuals tell."""
        return float(np.linalg.norm(self.residuals @ values)) / math.sqrt(self.freedom)


_CENTRED = np.array([math.sqrt(0.5), *[1.0] * PAIRS])
"""Weights of the value at 0 and of the pairs: the inverse of their standard deviations."""


@functools.cache
def _weights() -> tuple[list[_Weights], list[_Weights], _Weights]:
    """Of one to three odd powers, of ``|t|`` beside one to three even ones, of these without it."""
    t, counts = NEXT_DISTANCE ** np.arange(PAIRS), range(1, POWERS + 1)
    odd = [t ** (2 * k + 1) for k in range(POWERS)]
    t = np.array([0.0, *t])
    even = [_CENTRED, *(t ** (2 * k + 2) * _CENTRED for k in range(POWERS))]
    bent = [_Weights.of(*odd[:count]) for count in counts]
    kinked = [_Weights.of(t * _CENTRED, *even[: count + 1]) for count in counts]
    return bent, kinked, _Weights.of(*even)
