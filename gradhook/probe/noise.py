"""How noisy one evaluation of the loss is, measured at the point where it matters.

One difference table (ECnoise: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33 (2011) 1292-1314) along one direction that moves every block by its own scale, never
below half the grain of the values seen: a loss that survives a round trip through float32 knows no
more than float32.
"""

from __future__ import annotations

from collections.abc import Callable

from gradhook.difference import noise_level

__all__ = ["measure_noise"]

SPACING = 1e-8
"""Distance of neighbouring points, in units of the blocks' scales, at which a smooth loss looks straight."""


def measure_noise(line: Callable[[float], float], *, spacing: float = SPACING) -> float:
    """Absolute noise of one evaluation along a line, in units of loss.

    Args:
        line: The loss along a direction in which one unit moves every block by its scale.
        spacing: Distance of neighbouring points.

    Raises:
        NonFiniteLossError: The line was NaN or infinite there.
    """
    found = noise_level(line, spacing=spacing)
    return max(found.level, found.floor)
