"""The numbers that a factor may come from, read off the batch, the blocks and the switches.

Rows, outputs, rows that a mask lets count, lengths of axes, the probability that dropout keeps a
unit: ``verdict.constants`` knows what a factor made of them means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradhook._scene import Scene
from gradhook._types import Array
from gradhook.verdict.constants import Circumstance

__all__ = ["circumstance"]


def circumstance(scene: Scene) -> Circumstance:
    """Where a constant factor may come from in a scene."""
    rows, batch = scene.rows, scene.evaluator.batch
    shapes = [scene.gradients[name].shape for name in scene.order]
    outputs = next((shape[-1] for shape in reversed(shapes) if shape), 0)
    arrays = [item for item in batch if isinstance(item, np.ndarray)]
    masks = [item for item in arrays if item.shape == (rows,) and _is_mask(item)]
    labels = [item for item in arrays if item.dtype.kind == "i" and np.any(item < 0)]
    return Circumstance(
        rows,
        outputs,
        counted=(
            *(int(np.count_nonzero(item)) for item in masks),
            *(int(np.count_nonzero(item >= 0)) for item in labels),
        ),
        widths=frozenset(length for shape in shapes for length in shape),
        kept=_kept(scene),
        regression=any(
            isinstance(item, np.ndarray)
            and item.dtype.kind == "f"
            and item.shape == (rows, outputs)
            for item in batch[1:]
        ),
    )


def _is_mask(item: Array) -> bool:
    return item.dtype.kind == "b" or (item.dtype.kind == "f" and set(np.unique(item)) <= {0, 1})


def _kept(scene: Scene) -> float:
    """Probability that dropout keeps a unit, where a switch says so and it is on."""
    for switch, state in scene.measured.setting.switches:
        value: Any = switch.on
        is_on = switch.role == "dropout" and state == "on"
        if is_on and isinstance(value, (int, float)) and 0 < value < 1:
            return float(value if switch.off_values[:1] == (1.0,) else 1 - value)
    return 0.0
