"""Difference formulas, and the one search for their step, without a look at the analytic gradient.

A formula reads a slope and its error off a line near 0, at one step ``h``.  With ``E(h) = (phi(h) +
phi(-h))/2 - phi(0)`` and ``S(h) = (phi(h) - phi(-h))/2h`` a smooth line has ``E(2h) = 4 E(h)`` and
``S(2h) - S(h) = O(h²)``.  A kink of strength ``k`` at distance ``t`` inside the step breaks both.

*Sharp*, four evaluations at ``±h, ±2h``: the truncation is ``|S(2h) - S(h)| + |E(2h) - 4 E(h)|/h``.
For a smooth line it is O(h²); for one kink anywhere inside ``±h`` it bounds the true error
``k(1 - t/h)/2``, because where one of the two differences vanishes the other does not.

*Pair*, two evaluations at ``±h``: the truncation is ``|D⁺ - D⁻|/2``, half the distance of the
one-sided slopes.  It bounds the error of a smooth line and equals it for one kink; at ``h =
√(4·noise/|phi''|)``, where both terms balance, it is as sharp as float64 allows for two
evaluations, and the step is so small that kinks are rare.

*One-sided*, three evaluations at ``h, 2h, 3h`` on one side: the truncation is O(h) only.

For a formula of order ``p`` the error is ``truncation + round_off``, the first growing like
``h**p``, the second falling like ``1 / h``; their sum is least where both are of one size.  The
search changes ``h`` while the two differ by more than 16 times: where truncation stands out it is
measured, and the balance follows from it; where round-off does, the step is lengthened.  Every step
that was tried carries its own error; the least wins.

What truncation does while the step shrinks tells kinks and stairs apart: that of a smooth line
falls with ``h**p``, that of a kink inside the step with ``h`` until the kink is outside, that of a
kink at 0 not at all; of stairs, or a line that waves within the longer step, it grows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gradhook.difference.base import Estimate, Line, floored

__all__ = [
    "DISAGREE",
    "GROW",
    "LOST",
    "PAIR",
    "SHARP",
    "SHRINK",
    "Formula",
    "SearchOptions",
    "one_sided",
    "pair",
    "search",
    "sharp",
]

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

SHORTER_TELLS = 4.0
"""How much shorter a step tells the two apart: there a line that waves bends by less, as a smooth
one does, and stairs stand still or rise more steeply."""

SMOOTH_POWER = 1.5
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


def pair(line: Line, at_zero: float, h: float, noise: float) -> Estimate:
    """The central slope from two evaluations at one step; ``nan`` where a value was not finite.

    Where the rounding of the values read is more than the noise given, it counts instead.
    """
    plus, minus = line(h), line(-h)
    if not (math.isfinite(plus) and math.isfinite(minus)):
        return Estimate(math.nan, math.inf, h, truncation=math.inf)
    # Differences from phi(0) first: they are small and exact where the sum of two large losses
    # would round.
    forward, backward = (plus - at_zero) / h, (at_zero - minus) / h
    gap = (forward - backward) / 2
    # The noise of the slope is noise / (sqrt(2) * h); 2 * noise / h is 2.8 times that.
    round_off = 2 * floored(noise, at_zero, plus, minus) / h
    return Estimate(
        (forward + backward) / 2,
        max(abs(gap), round_off),
        h,
        gap=gap,
        curvature=2 * abs(gap) / h,
        truncation=abs(gap),
        round_off=round_off,
    )


def sharp(line: Line, at_zero: float, h: float, noise: float) -> Estimate:
    """The same from four evaluations: what doubling the step changes is the truncation."""
    near, far = pair(line, at_zero, h, noise), pair(line, at_zero, 2 * h, noise)
    if math.isnan(far.value) or math.isnan(near.value):
        return Estimate(math.nan, math.inf, h, truncation=math.inf)
    # gap = E(h)/h, so that the even difference (E(2h) - 4 E(h))/h is 2 far.gap - 4 near.gap.
    truncation = abs(far.value - near.value) + abs(2 * far.gap - 4 * near.gap)
    round_off = max(near.round_off, 2 * far.round_off)  # the same noise, over twice the step
    return replace(near, error=truncation + round_off, truncation=truncation, round_off=round_off)


def one_sided(side: int, line: Line, at_zero: float, h: float, noise: float) -> Estimate:
    """The slope from three evaluations at ``t > 0`` where ``side`` is 1, at ``t < 0`` for -1."""
    values = [line(side * multiple * h) for multiple in (1, 2, 3)]
    if not all(map(math.isfinite, values)):
        return Estimate(math.nan, math.inf, h, truncation=math.inf)
    slopes = [(v - at_zero) / (side * k * h) for k, v in enumerate(values, start=1)]
    # For a cubic with a = h phi'' / 2 and b = h**2 phi''' / 6 the error is a + b, the first change
    # a + 3b and the second difference 2b: their sizes together are never less, even where the
    # first change is zero by accident.
    change, next_change = slopes[1] - slopes[0], slopes[2] - slopes[1]
    truncation = abs(change) + abs(next_change - change)
    # The noise of the slope is sqrt(2) * noise / h; 4 * noise / h is 2.8 times that.
    round_off = 4 * floored(noise, at_zero, *values) / h
    error = truncation + round_off
    return Estimate(slopes[0], error, h, truncation=truncation, round_off=round_off)


@dataclass(frozen=True, slots=True)
class Formula:
    """How a slope and its error are read off a line, and what a search must know of it."""

    read: Callable[[Line, float, float, float], Estimate]  # of line, phi(0), step and noise
    order: int  # power of the step by which the truncation of a smooth line falls
    points: int  # evaluations that one step takes, the value at 0 apart
    rounds: int  # steps that a search may try


PAIR, SHARP = Formula(pair, 1, points=2, rounds=5), Formula(sharp, 2, points=4, rounds=4)


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Where a search begins, how far it may go, and when it is done."""

    step: float
    longest: float | None = None  # the first step if None
    good: Callable[[Estimate], bool] = lambda _: False  # needs no further round
    enough: Callable[[Estimate], bool] = lambda _: False  # not worth a longer step
    rounds: int | None = None  # most steps tried; None is the formula's own
    # By how much a first step at which noise dominates may be lengthened at once; 0 where it is
    # known for the best.
    grow: float = GROW


def search(
    line: Line, at_zero: float, formula: Formula, options: SearchOptions, *, noise: float
) -> Estimate:
    """Look for the step at which truncation and noise balance; the best estimate on the way.

    The line need not be finite everywhere, ``at_zero`` is its value at 0, and ``noise`` that of one
    evaluation.  Value ``nan`` and an infinite error say that no step gave finite values.
    """
    longest = options.step if options.longest is None else options.longest
    rounds = formula.rounds if options.rounds is None else options.rounds
    h, too_short, too_long, previous = min(options.step, longest), 0.0, math.inf, math.inf
    best = Estimate(math.nan, math.inf, h)
    visited: list[Estimate] = []
    shrunk, abrupt, unresolved, before = False, False, False, best
    for _ in range(rounds):
        slope = formula.read(line, at_zero, h, noise)
        if math.isnan(slope.value):
            h *= OUTSIDE
            continue
        truncation, noisy = slope.truncation, slope.round_off
        finer = (unresolved and truncation > LOST * noisy) or (
            h < best.step and truncation > BALANCE * noisy and _contradict(slope, best)
        )
        if finer:
            nearer = formula.read(line, at_zero, h / SHORTER_TELLS, noise)
            if _bends(slope, nearer, formula.order):
                # The longer steps say nothing of the slope here.
                visited, best, previous, unresolved = [], slope, math.inf, False
        visited.append(slope)
        if slope.error < best.error:
            best = slope
        if options.good(slope):
            break
        if h < too_long < math.inf:
            abrupt = abrupt or truncation > previous * (h / too_long) ** SMOOTH_POWER
        if truncation > BALANCE * noisy:
            if too_short and best.error <= WORTH * _attainable(slope, formula.order):
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
        elif truncation < LOST * noisy and h < longest and (options.grow or too_long < math.inf):
            too_short = h
            if options.enough(best):
                break
            h = min(h * (options.grow or GROW), longest, math.sqrt(h * too_long))
            if h < 2 * too_short:
                break
        else:
            break
    if unresolved:
        return replace(before, kink=True)
    # An error covers what kinks do.  A slope beyond it at a longer step is that of a line which is
    # a staircase, seen from a single stair.
    others = [o for o in visited if o.step > best.step and _contradict(best, o)]
    if others:
        beyond = max(abs(best.value - other.value) for other in others)
        return replace(best, error=max(best.error, beyond))
    poor = shrunk and abrupt and best.error > POOR * abs(best.value)
    return replace(best, kink=poor and best.error > NOISY * best.round_off)


def _bends(slope: Estimate, nearer: Estimate, order: int) -> bool:
    """Whether truncation falls with the step as that of a smooth line, or drowns in the noise."""
    falls: float = SHORTER_TELLS**order
    if slope.truncation / falls < LOST * nearer.round_off:
        return nearer.truncation < 2 * LOST * nearer.round_off
    return bool(slope.truncation / falls**1.5 < nearer.truncation < slope.truncation / falls**0.5)


def _contradict(one: Estimate, other: Estimate) -> bool:
    return abs(one.value - other.value) > DISAGREE * (one.error + other.error)


def _attainable(slope: Estimate, order: int) -> float:
    """The least of ``A·t**p + B/t`` over all steps ``t``, for the truncation and round-off seen.

    That is the error of a smooth line at its best step, ``(1 + p)·(A·(B/p)**p)**(1/(p + 1))``; in
    units of ``h``, so that ``A`` and ``B`` are the two errors there.
    """
    balance: float = slope.truncation * (slope.round_off / order) ** order
    return float((1 + order) * balance ** (1 / (order + 1)))
