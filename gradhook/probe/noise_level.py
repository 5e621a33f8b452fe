"""The noise of a loss at a point, along one direction that moves every block by its own scale."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping

from gradhook.difference.base import Samples
from gradhook.difference.formulas import Sharp
from gradhook.difference.noise_table import Noise, measure_noise
from gradhook.difference.search import DISAGREE
from gradhook.difference.stairs import WIDE
from gradhook.errors import NonFiniteLossError
from gradhook.evaluation.directions import Direction, random_direction, seeded
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.line import Line
from gradhook.evaluation.workspace import Workspace
from gradhook.verdict.evidence import Probe

__all__ = ["all_blocks", "hidden_noise", "joint_noise", "outstands"]

NEARBY = 1e-4
"""Length, in units of the scales, of a line that stays inside a domain whose end is near."""


def joint_noise(
    evaluator: Evaluator,
    scales: Mapping[str, float],
    *,
    loss: float,
    seed: int,
    elsewhere: float = math.nan,
    before: float | None = None,
    most: float = math.inf,
) -> Noise:
    """Measure the noise of one evaluation.

    Args:
        evaluator: At the point.
        scales: The blocks' scales.
        loss: The loss at the point.
        seed: Seed of the direction.
        elsewhere: The loss at another point, a first guess of what it varies by.
        before: The noise at another point or with other switches, where stairs and kinks were
            looked for, so that a difference table will do here; ``None`` if there is none.
        most: Evaluations that it should keep to.
    """
    parts = all_blocks(evaluator.workspace, scales, seed, 4)
    with Line(evaluator.workspace, parts, evaluator.loss) as line:
        with contextlib.suppress(NonFiniteLossError):
            return measure_noise(line, at_zero=loss, elsewhere=elsewhere, known=before, most=most)
        # Where the domain ends close by, a shorter way may stay inside it.
        with contextlib.suppress(NonFiniteLossError):
            return measure_noise(lambda t: line(t * NEARBY), at_zero=loss, known=before, most=most)
    return Noise(sys.float_info.epsilon * abs(loss), coarse=False)


def all_blocks(
    workspace: Workspace, scales: Mapping[str, float], seed: int, *labels: int
) -> list[tuple[str, Direction, float]]:
    """A random direction over all blocks, each at its own scale, as the parts of a line."""
    return [
        (name, random_direction(array.size, seeded(seed, *labels, index)), scales[name])
        for index, (name, array) in enumerate(workspace.arrays.items())
        if array.size
    ]


CLOSE = 0.1
"""Share of the mismatch by which a slope over many stairs may be off, whatever its error: a whole
number of them looks like a straight line."""


def hidden_noise(
    line: Callable[[float], float], probe: Probe, *, at_zero: float, scale: float, noise: float
) -> float:
    """The noise that has made a mismatch; 0 if nothing says so.

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
