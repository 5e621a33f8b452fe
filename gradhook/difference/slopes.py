"""The slope of a line with an error estimate that kinks do not fool.

With ``E(h) = (phi(h) + phi(-h))/2 - phi(0)`` and ``S(h) = (phi(h) - phi(-h))/2h`` a smooth line has
``E(2h) = 4 E(h)`` and ``S(2h) - S(h) = O(h²)``.  A kink of strength ``k`` at distance ``t`` inside
the step breaks both.  Two estimates are used, neither of which ever sees the analytic gradient:

*sharp*, four evaluations at ``±h, ±2h``: the error is ``|S(2h) - S(h)| + |E(2h) - 4 E(h)|/h +
2·noise/h``.  For a smooth line it is O(h²); for one kink anywhere inside ``±h`` it bounds the true
error ``k(1 - t/h)/2``, because where one of the two differences vanishes the other does not.

*pair*, two evaluations at ``±h``: the error is ``max(|D⁺ - D⁻|/2, 2·noise/h)``, half the distance
of the one-sided slopes.  It bounds the error of a smooth line and equals it for one kink; at ``h =
√(4·noise/|phi''|)``, where both terms balance, it is as sharp as float64 allows for two
evaluations, and the step is so small that kinks are rare.

Both rescale ``h`` while truncation and noise differ by more than 16 times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from gradhook.difference.base import Estimate

__all__ = ["DISAGREE", "LOST", "PAIR_ROUNDS", "SHARP_ROUNDS", "pair_slope", "sharp_slope"]

SHARP_ROUNDS, PAIR_ROUNDS = 4, 5
"""Steps that may be tried."""

BALANCE = 16.0
"""Truncation and noise may differ by this factor before the step is rescaled."""

LOST = 6.0
"""Truncation below this many times the noise term may be noise itself: two standard deviations of
``|E(2h) - 4 E(h)|/h`` are ten times the noise of one evaluation over ``h``."""

STUCK = 0.5
"""A truncation that keeps this share of itself while the step shrinks is that of a kink."""

GROWN = 4.0
"""A truncation that grows by more than this while the step shrinks, to over 1/SHRINK² times the
noise, is no kink's: it is that of stairs, or of a line that waves within the longer step."""

NEARER = 4.0
"""How much shorter a step tells the two apart: there a line that waves bends by less, as a smooth
one does, and stairs stand still or rise more steeply."""

ABRUPT = 1.5
"""Power of the step between that by which truncation falls where a kink lies inside, at most 1, and
that of a smooth line, 2."""

WORTH = 3.0
"""How much smaller an error has to be promised for another round between two steps already seen."""

GROW = 30.0
SHRINK = 1e-3
"""Largest changes of the step at once: from 1e-5 to 1e-2 of a scale in two rounds."""

POOR = 1e-5
"""Relative error above which a line whose step had to shrink is said to have kinks."""

DISAGREE = 3.0
"""Multiple of both errors beyond which the slopes at two steps contradict each other."""

NOISY = 2.0
"""Error, in units of that of noise alone, up to which no kink is to blame."""

OUTSIDE = 1e-2
"""Change of the step where the loss was not finite on one of the sides."""


def sharp_slope(
    line: Callable[[float], float],
    at_zero: float,
    *,
    noise: float,
    step: float,
    longest: float,
    good: Callable[[Estimate], bool],
    enough: Callable[[Estimate], bool] = lambda slope: False,
    rounds: int = SHARP_ROUNDS,
    grow: bool = True,
) -> Estimate:
    """Four evaluations a round, until the estimate is good or cannot become better.

    Args:
        line: ``phi``.
        at_zero: ``phi(0)``.
        noise: Absolute noise of one evaluation.
        step: First ``h``.
        longest: Largest ``h`` allowed.
        good: Whether an estimate needs no further round.
        enough: Whether an estimate that noise limits is not worth a longer step.
        rounds: Largest number of rounds.
        grow: Whether a first step at which noise dominates may be lengthened, rather than being
            known for the best.

    Returns:
        The estimate with the smallest error; ``nan`` value and infinite error where no step gave
        finite values.
    """

    def estimate(h: float) -> tuple[Estimate, float]:
        return _four(line, at_zero, h, noise)

    first = min(step, longest)
    return _searched(estimate, 2, noise, first, longest, good, enough, rounds, grow=grow)


def pair_slope(
    line: Callable[[float], float],
    at_zero: float,
    *,
    noise: float,
    step: float,
    good: Callable[[Estimate], bool],
    rounds: int = PAIR_ROUNDS,
) -> Estimate:
    """Two evaluations a round, shrinking the step while a kink or curvature dominates.

    Args and result as for ``sharp_slope``.
    """

    def estimate(h: float) -> tuple[Estimate, float]:
        slope = _two(line, at_zero, h, noise)
        return slope, abs(slope.gap)

    return _searched(estimate, 1, noise, step, step, good, good, rounds, grow=False)


def _searched(
    estimate: Callable[[float], tuple[Estimate, float]],
    order: int,
    noise: float,
    step: float,
    longest: float,
    good: Callable[[Estimate], bool],
    enough: Callable[[Estimate], bool],
    rounds: int,
    *,
    grow: bool,
) -> Estimate:
    """Look for the step at which truncation and noise balance; the best estimate on the way.

    The truncation of a smooth line falls like ``h**order``.
    """
    best = Estimate(math.nan, math.inf, step)
    visited: list[Estimate] = []
    h, too_short, too_long, previous = step, 0.0, math.inf, math.inf
    shrunk, abrupt, unresolved, before = False, False, False, best
    for _ in range(rounds):
        slope, truncation = estimate(h)
        if math.isnan(slope.value):
            h *= OUTSIDE
            continue
        noisy = 2 * noise / h
        finer = (unresolved and truncation > LOST * noisy) or (
            h < best.step and truncation > BALANCE * noisy and _contradict(slope, best)
        )
        if finer and _bends(truncation, estimate(h / NEARER)[1], 2 * noise * NEARER / h, order):
            # The longer steps say nothing of the slope here.
            visited, best, previous, unresolved = [], slope, math.inf, False
        visited.append(slope)
        if slope.error < best.error:
            best = slope
        if good(slope):
            break
        if h < too_long < math.inf:
            abrupt = abrupt or truncation > previous * (h / too_long) ** ABRUPT
        if truncation > BALANCE * noisy:
            if too_short and best.error <= WORTH * _attainable(truncation, h, noise):
                break
            if too_long < math.inf and truncation > STUCK * previous:
                if truncation <= max(GROWN * previous, noisy / SHRINK**2):
                    break  # a kink at the point itself: no step escapes it
                before, unresolved = best if not unresolved else before, True
            shrunk = shrunk or not too_short  # else growing had overshot, and nothing is odd
            too_long, previous = h, truncation
            # Noise grows like 1/h while truncation falls like h**2 (smooth) or h (kinks): the
            # square root leads to the shorter step, which serves both.
            shorter = h * min(0.5, max(SHRINK, math.sqrt(max(noisy, 1e-300) / truncation)))
            h = max(shorter, math.sqrt(too_short * h))
        elif truncation < LOST * noisy and h < longest and (grow or too_long < math.inf):
            too_short = h
            if enough(best):
                break
            h = min(h * GROW, longest, math.sqrt(h * too_long))
            if h < 2 * too_short:
                break
        else:
            break
    if unresolved:
        return replace(before, kink=True)
    # An error covers what kinks do.  A slope beyond it at a longer step is that of a line which is
    # a staircase, seen from a single stair.
    beyond = max(
        (
            abs(best.value - other.value)
            for other in visited
            if other.step > best.step and _contradict(best, other)
        ),
        default=0.0,
    )
    if beyond:
        return replace(best, error=max(best.error, beyond))
    poor = shrunk and abrupt and best.error > POOR * abs(best.value)
    return replace(best, kink=poor and best.error > NOISY * 2 * noise / best.step)


def _bends(truncation: float, nearer: float, noisy: float, order: int) -> bool:
    """Whether truncation falls with the step as that of a smooth line, or drowns in the noise."""
    falls: float = NEARER**order
    if truncation / falls < LOST * noisy:
        return nearer < 2 * LOST * noisy
    return bool(truncation / falls**1.5 < nearer < truncation / falls**0.5)


def _contradict(one: Estimate, other: Estimate) -> bool:
    return abs(one.value - other.value) > DISAGREE * (one.error + other.error)


def _attainable(truncation: float, h: float, noise: float) -> float:
    """The least of ``A·t² + 2·noise/t`` over all steps ``t``, where ``A = truncation/h²``.

    That is the error of a smooth line at its best step.
    """
    return float(3 * (truncation / h**2) ** (1 / 3) * noise ** (2 / 3))


def _two(line: Callable[[float], float], at_zero: float, h: float, noise: float) -> Estimate:
    plus, minus = line(h), line(-h)
    if not (math.isfinite(plus) and math.isfinite(minus)):
        return Estimate(math.nan, math.inf, h)
    # Differences from phi(0) first: they are small and exact where the sum of two large losses
    # would round.
    forward, backward = (plus - at_zero) / h, (at_zero - minus) / h
    gap = (forward - backward) / 2
    error = max(abs(gap), 2 * noise / h)
    return Estimate((forward + backward) / 2, error, h, gap=gap, curvature=2 * abs(gap) / h)


def _four(
    line: Callable[[float], float], at_zero: float, h: float, noise: float
) -> tuple[Estimate, float]:
    near = _two(line, at_zero, h, noise)
    far = _two(line, at_zero, 2 * h, noise)
    if math.isnan(far.value) or math.isnan(near.value):
        return Estimate(math.nan, math.inf, h), math.inf
    # gap = E(h)/h, so that the even difference (E(2h) - 4 E(h))/h is 2 * far.gap - 4 * near.gap.
    truncation = abs(far.value - near.value) + abs(2 * far.gap - 4 * near.gap)
    return replace(near, error=truncation + 2 * noise / h), truncation
