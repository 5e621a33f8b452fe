"""The choice of a step size, without a look at the analytic gradient.

For a formula of order ``p`` the error is ``truncation + round_off``, the first growing like
``h**p``, the second falling like ``1 / h``; their sum is least where both are of one size.  Where
the truncation stands out of the noise it is measured, and the balance follows from it.  Where it
does not, the step is too short or just right, and which of the two is told from the units of ``t``:
a displacement of order one is natural, so the derivatives that matter are about as large as the
slope itself.  Every step that was tried carries its own error; the least wins.

A line that bends on a scale far below one in ``t``, and whose bending drowns in noise at the
shorter steps, cannot be told from a straight one; pass a step where that may be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gradhook.difference.base import EPS, Estimate, Line, Samples, check_noise
from gradhook.errors import NonFiniteLossError

__all__ = ["Formula", "Reading", "estimate"]

LONGEST = 2.0**-4
"""No step is chosen beyond this: the formulas reach up to three times as far, a fifth of a natural
displacement."""

ATTEMPTS = 4
"""Steps tried at most.  One is enough for a line without an offset; a hidden scale takes three."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one step size says of the derivative.

    Args:
        slope: The derivative.
        step: The step size ``h``.
        truncation: Bound on the truncation error, from the values alone.
        round_off: Bound on the round-off error, ``k * noise / h`` for the formula's ``k``.
        noise: Absolute noise of one evaluation, never below the rounding of the values read.
    """

    slope: float
    step: float
    truncation: float
    round_off: float
    noise: float

    @property
    def error(self) -> float:
        """Truncation and round-off together."""
        return self.truncation + self.round_off


Formula: TypeAlias = Callable[[Samples, float, float], Reading]
"""Reads the derivative off the samples, given a step size and the noise."""


def estimate(
    line: Line, formula: Formula, *, step: float | None, noise: float, order: int
) -> Estimate:
    """Apply a formula of the given order at the step, or at the best of the steps tried."""
    check_noise(noise)
    samples = Samples(line)
    best = (
        formula(samples, step, noise)
        if step is not None
        else _search(samples, formula, noise=noise, order=order)
    )
    return Estimate(best.slope, best.error, step=best.step, evaluations=samples.evaluations)


def _search(samples: Samples, formula: Formula, *, noise: float, order: int) -> Reading:
    step = _first_step(samples(0.0), noise, order)
    readings = [formula(samples, step, noise)]
    while len(readings) < ATTEMPTS:
        step = _next_step(readings[-1], order)
        # Within a factor of 4 of a step already tried nothing is to be gained.
        if any(0.25 <= step / reading.step <= 4 for reading in readings):
            break
        try:
            reading = formula(samples, step, noise)
        except NonFiniteLossError:
            break  # A longer step left the domain; what the shorter ones said still stands.
        if step < readings[-1].step and reading.truncation > readings[-1].truncation / 2:
            break  # A kink at 0: the jump is the same at every step.
        readings.append(reading)
    return min(readings, key=lambda reading: reading.error)


def _first_step(value: float, noise: float, order: int) -> float:
    # The balance for derivatives as large as the value, if the value says anything of the line's
    # scale: noise above float16's 1e-3 of it means that the value is zero by accident.
    share = noise / abs(value) if value else math.inf
    return _balance(share if EPS / 2 <= share <= 1e-3 else EPS / 2, order)


def _next_step(reading: Reading, order: int) -> float:
    if reading.truncation > 8 * reading.round_off:
        shrink = (reading.round_off / reading.truncation) ** (1 / (order + 1))
        return _power_of_two(reading.step * max(shrink, 1e-6))
    if not reading.noise:
        return reading.step
    scale = abs(reading.slope)
    longer = _balance(reading.noise / scale, order) if scale else LONGEST
    return max(longer, reading.step)


def _balance(share: float, order: int) -> float:
    # Minimises h**order / (order + 1)! + share / h up to a factor near one, for derivatives of size
    # one.
    return _power_of_two(min((3.0 * share) ** (1 / (order + 1)), LONGEST))


def _power_of_two(step: float) -> float:
    # x + h is then exact for most x, so that the step taken is the step divided by.
    return 2.0 ** round(math.log2(step))
