"""The noise of a loss at a point, along one direction that moves every block by its own scale."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Mapping
from typing import Any

from gradhook.difference.noise_table import Noise, measure_noise
from gradhook.errors import NonFiniteLossError
from gradhook.evaluation.directions import seeded, spread
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.line import Line

__all__ = ["joint_noise"]

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
    workspace = evaluator.workspace
    parts = [
        (name, spread(array.size, seeded(seed, 4, i)), scales[name])
        for i, (name, array) in enumerate(workspace.arrays.items())
        if array.size
    ]
    tables: dict[str, Any] = {"elsewhere": elsewhere}
    if before is not None:
        tables = {"wide": (), "closer": False, "known": before}
    tables["most"] = most
    with Line(workspace, parts, evaluator.loss) as line:
        # Where the domain ends close by, a shorter way may stay inside it.
        with contextlib.suppress(NonFiniteLossError):
            return measure_noise(line, at_zero=loss, **tables)
        tables.pop("elsewhere", None)
        with contextlib.suppress(NonFiniteLossError):
            return measure_noise(lambda t: line(t * NEARBY), at_zero=loss, **tables)
    return Noise(sys.float_info.epsilon * abs(loss), coarse=False)
