"""Noise that only a long step shows: what has made a mismatch, or has not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gradhook.difference.base import Samples
from gradhook.difference.formulas import Sharp
from gradhook.difference.noise_table import measure_noise
from gradhook.difference.search import DISAGREE
from gradhook.difference.stairs import WIDE
from gradhook.errors import NonFiniteLossError
from gradhook.probe.prober import Prober
from gradhook.verdict.evidence import Probe

__all__ = ["hidden_noise", "outstands"]

CLOSE = 0.1
"""Share of the mismatch by which a slope over many stairs may be off, whatever its error: a whole
number of them looks like a straight line."""


def hidden_noise(
    prober: Prober, line: Callable[[float], float], probe: Probe, *, scale: float
) -> float:
    """The noise that has made a mismatch; 0 if nothing says so.

    Costs two evaluations where a long step confirms the mismatch.

    Args:
        prober: At the point of the probe, with the noise that was reckoned with.
        line: The loss along the probe's direction.
        probe: The mismatch.
        scale: What ``t`` is by which the block moves by its own scale.
    """
    seen, at_zero, noise = Samples(line), prober.loss, prober.noise
    for wide in WIDE:
        with contextlib.suppress(NonFiniteLossError):
            if _acquits(seen, probe, wide * scale, at_zero, noise):
                found = measure_noise(
                    lambda t: line(t * scale), at_zero=at_zero, wide=(wide,), waves=False
                )
                return found.level if found.level > DISAGREE * noise else 0.0
    return 0.0


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
        if not abs(far - probe.analytic) <= DISAGREE * noise / step:  # nan outside of the domain
            return True
    return False


def _acquits(line: Samples, probe: Probe, step: float, at_zero: float, noise: float) -> bool:
    """Whether the slope over a long step is the analytic one, and not the one measured."""
    near = probe.slope
    far = (line(step) - line(-step)) / (2 * step)
    if abs(far - near.value) <= abs(far - probe.analytic):
        return False
    slope = Sharp()(line, at_zero, step, noise)
    apart, off = abs(slope.value - near.value), abs(slope.value - probe.analytic)
    agrees = off <= max(DISAGREE * slope.error, CLOSE * apart)
    return agrees and apart > DISAGREE * (slope.error + near.error)
