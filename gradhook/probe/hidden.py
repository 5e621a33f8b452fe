"""Noise that hides from the first table, looked for along a mismatch before it counts.

Noise is measured along one direction, and a term that is rounded, or computed in coarse numbers,
may hardly change along it.  Between the two sides of a short step such a term stands still and its
slope is missing; over a longer step, across many stairs, it is there.  So a mismatch is in doubt
where the slope over a long step is the analytic one and contradicts the one measured, beyond both
errors; a table of that width then tells stairs from a line that bends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gradhook.difference.base import Samples
from gradhook.difference.noise_table import Noise, measure_noise
from gradhook.difference.slopes import sharp_slope
from gradhook.difference.stairs import STAIR, WIDE
from gradhook.errors import NonFiniteLossError
from gradhook.probe.evidence import Probe

__all__ = ["hidden_noise", "outstands"]

CLOSE = 0.1
"""Share of the mismatch by which a slope over many stairs may be off, whatever its error: a whole
number of them looks like a straight line."""


def hidden_noise(
    line: Callable[[float], float], probe: Probe, *, at_zero: float, scale: float, noise: float
) -> Noise | None:
    """The noise that has made a mismatch; ``None`` if nothing says so.

    Costs two evaluations where a long step confirms the mismatch.

    Args:
        line: The loss along the probe's direction.
        probe: The mismatch.
        at_zero: ``line(0)``.
        scale: What ``t`` is by which the block moves by its own scale.
        noise: Absolute noise that was reckoned with, in units of loss.
    """
    seen = Samples(line)
    for wide in WIDE:
        with contextlib.suppress(NonFiniteLossError):
            if _acquits(seen, probe, wide * scale, at_zero, noise):
                found = measure_noise(
                    lambda t: line(t * scale), at_zero=at_zero, wide=(wide,), waves=False
                )
                return found if found.level > STAIR * noise else None
    return None


def outstands(line: Callable[[float], float], probe: Probe, *, scale: float, noise: float) -> bool:
    """Whether a mismatch is there over a long step too, beyond a noise that was found since.

    Args:
        line: The loss along the probe's direction.
        probe: The mismatch.
        scale: What ``t`` is by which the block moves by its own scale.
        noise: Absolute noise, in units of loss.
    """
    for wide in WIDE:
        step = wide * scale
        far = (line(step) - line(-step)) / (2 * step)
        if not abs(far - probe.analytic) <= STAIR * noise / step:  # nan outside of the domain
            return True
    return False


def _acquits(line: Samples, probe: Probe, step: float, at_zero: float, noise: float) -> bool:
    """Whether the slope over a long step is the analytic one, and not the one measured."""
    near = probe.slope
    far = (line(step) - line(-step)) / (2 * step)
    if abs(far - near.value) <= abs(far - probe.analytic):
        return False
    slope = sharp_slope(
        line,
        at_zero,
        noise=noise,
        step=step,
        longest=step,
        good=lambda slope: True,
        rounds=1,
    )
    apart, off = abs(slope.value - near.value), abs(slope.value - probe.analytic)
    agrees = off <= max(STAIR * slope.error, CLOSE * apart)
    return agrees and apart > STAIR * (slope.error + near.error)
