"""Difference formulas: a slope and its error, read off a line near 0 at one step ``h``.

With ``E(h) = (phi(h) + phi(-h))/2 - phi(0)`` and ``S(h) = (phi(h) - phi(-h))/2h`` a smooth line has
``E(2h) = 4 E(h)`` and ``S(2h) - S(h) = O(h²)``.  A kink of strength ``k`` at distance ``t`` inside
the step breaks both.  No formula ever sees the analytic gradient.

*Sharp*, four evaluations at ``±h, ±2h``: the truncation is ``|S(2h) - S(h)| + |E(2h) - 4 E(h)|/h``.
For a smooth line it is O(h²); for one kink anywhere inside ``±h`` it bounds the true error
``k(1 - t/h)/2``, because where one of the two differences vanishes the other does not.

*Pair*, two evaluations at ``±h``: the truncation is ``|D⁺ - D⁻|/2``, half the distance of the
one-sided slopes.  It bounds the error of a smooth line and equals it for one kink; at ``h =
√(4·noise/|phi''|)``, where both terms balance, it is as sharp as float64 allows for two
evaluations, and the step is so small that kinks are rare.

*OneSided*, three evaluations at ``h, 2h, 3h`` on one side: the truncation is O(h) only.

Each is called with the line, ``phi(0)``, the step size and the noise of one evaluation, where the
rounding of the values read counts if that is more.  Its ``order`` is the power of ``h`` by which
the truncation of a smooth line falls, ``points`` the evaluations that one step takes, the value at
0 apart, and ``rounds`` the steps that a search may try; how ``h`` is chosen is told there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from gradhook.difference.base import Estimate, Line, floored

__all__ = ["Formula", "OneSided", "Pair", "Sharp"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two evaluations: half the distance of the one-sided slopes is the truncation."""

    order: ClassVar[int] = 1
    points: ClassVar[int] = 2
    rounds: ClassVar[int] = 5

    def __call__(self, line: Line, at_zero: float, h: float, noise: float) -> Estimate:
        """The central slope at one step; ``nan`` where a value was not finite."""
        plus, minus = line(h), line(-h)
        if not (math.isfinite(plus) and math.isfinite(minus)):
            return _unknown(h)
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


@dataclass(frozen=True, slots=True)
class Sharp:
    """Four evaluations: what doubling the step changes is the truncation."""

    order: ClassVar[int] = 2
    points: ClassVar[int] = 4
    rounds: ClassVar[int] = 4

    def __call__(self, line: Line, at_zero: float, h: float, noise: float) -> Estimate:
        """The central slope at one step; ``nan`` where a value was not finite."""
        near, far = Pair()(line, at_zero, h, noise), Pair()(line, at_zero, 2 * h, noise)
        if math.isnan(far.value) or math.isnan(near.value):
            return _unknown(h)
        # gap = E(h)/h, so that the even difference (E(2h) - 4 E(h))/h is 2 far.gap - 4 near.gap.
        truncation = abs(far.value - near.value) + abs(2 * far.gap - 4 * near.gap)
        round_off = max(near.round_off, 2 * far.round_off)  # the same noise, over twice the step
        return replace(
            near, error=truncation + round_off, truncation=truncation, round_off=round_off
        )


@dataclass(frozen=True, slots=True)
class OneSided:
    """Three evaluations on one side of 0."""

    side: int  # 1 to look at t > 0, -1 at t < 0
    order: ClassVar[int] = 1
    points: ClassVar[int] = 3
    rounds: ClassVar[int] = 4

    def __call__(self, line: Line, at_zero: float, h: float, noise: float) -> Estimate:
        """The one-sided slope at one step; ``nan`` where a value was not finite."""
        values = [line(self.side * multiple * h) for multiple in (1, 2, 3)]
        if not all(map(math.isfinite, values)):
            return _unknown(h)
        slopes = [(v - at_zero) / (self.side * k * h) for k, v in enumerate(values, start=1)]
        # For a cubic with a = h phi'' / 2 and b = h**2 phi''' / 6 the error is a + b, the first
        # change a + 3b and the second difference 2b: their sizes together are never less, even
        # where the first change is zero by accident.
        change, next_change = slopes[1] - slopes[0], slopes[2] - slopes[1]
        truncation = abs(change) + abs(next_change - change)
        # The noise of the slope is sqrt(2) * noise / h; 4 * noise / h is 2.8 times that.
        round_off = 4 * floored(noise, at_zero, *values) / h
        return Estimate(
            slopes[0],
            truncation + round_off,
            h,
            truncation=truncation,
            round_off=round_off,
        )


Formula: TypeAlias = Pair | Sharp | OneSided
"""Reads a slope off a line at one step."""


def _unknown(h: float) -> Estimate:
    return Estimate(math.nan, math.inf, h, truncation=math.inf)
