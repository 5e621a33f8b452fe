"""How noisy one evaluation of the loss is, measured at the point where it matters.

One difference table (ECnoise: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33 (2011) 1292-1314) along one direction that moves every block by its own scale, never
below half the grain of the values seen: a loss that survives a round trip through float32 knows no
more than float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gradhook.difference import grain, noise_level
from gradhook.errors import NonFiniteLossError

__all__ = ["Noise", "measure_noise"]

SPACING = 1e-8
"""Shortest distance of neighbouring points, in units of the blocks' scales."""

COARSE = 1e-9
"""Noise, relative to the loss, between those of float64's and float32's rounding."""

SUSPICIOUS = 100.0
"""Noise, in units of half the grain, beyond what rounding alone usually makes."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy one evaluation is.

    Args:
        level: Absolute noise, in units of loss.
        coarse: Whether it is that of a loss computed in float32 or coarser, whatever it is given.
    """

    level: float
    coarse: bool


def measure_noise(
    line: Callable[[float], float], *, at_zero: float, elsewhere: float = math.nan
) -> Noise:
    """The noise of one evaluation along a line.

    The points lie ``√(grain/contrast)`` apart, where ``contrast`` is what the loss varies by over
    one unit: second differences of a smooth loss are then about as large as its rounding, whether
    that is float64's, float32's or that of a large constant in the loss.

    Args:
        line: The loss along a direction in which one unit moves every block by its scale.
        at_zero: ``line(0)``.
        elsewhere: The loss at some other point, about one unit away; ``nan`` if none is known.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
    """
    if not math.isfinite(at_zero):  # for a loss that was finite before
        raise NonFiniteLossError(f"the line is {at_zero:g} at t = 0, where it starts")
    if not math.isfinite(elsewhere) or elsewhere == at_zero:
        elsewhere = line(0.1)  # a lone value would tell neither grain nor contrast
    known = [value for value in (at_zero, elsewhere) if math.isfinite(value)]
    contrast = (max(known) - min(known)) or abs(at_zero)
    spacing = math.sqrt(grain(known) / contrast) if contrast else SPACING
    spacing = min(max(spacing, SPACING), 0.03)
    found = noise_level(line, spacing=spacing, at_zero=at_zero)
    level = found.level
    for _ in range(2):
        if level <= SUSPICIOUS * found.floor:
            break
        # Kinks between the points look like noise but shrink with the spacing; noise does not, and
        # a staircase of coarser numbers shows only at the wider one.
        spacing /= 100
        closer = noise_level(line, spacing=spacing, at_zero=at_zero)
        if not closer.reached or closer.level > level / 3:
            break
        level = closer.level
    level = max(level, found.floor)
    return Noise(level, level > COARSE * abs(at_zero))
