"""The numbers of a batch and a network that a constant factor may come from, as they are seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.constants import Sizes
from gradhook.diagnosis.mismatch import Mismatch, rows_of

__all__ = ["rows_that_count", "sizes_seen"]


def sizes_seen(mismatch: Mismatch, batch: Batch | None = None) -> Sizes:
    """The sizes of the mismatch's batch, or of another one.

    Args:
        mismatch: The setting.
        batch: The other batch.
    """
    batch = mismatch.evaluator.batch if batch is None else batch
    rows = rows_of(batch, mismatch.options.sample_axis)
    shapes = [mismatch.gradients[name].shape for name in mismatch.order]
    outputs = next((shape[-1] for shape in reversed(shapes) if shape), 0)
    arrays = [item for item in batch if isinstance(item, np.ndarray)]
    masks = [item for item in arrays if item.shape == (rows,) and _is_mask(item)]
    labels = [item for item in arrays if item.dtype.kind == "i" and np.any(item < 0)]
    return Sizes(
        rows,
        outputs,
        counted=(
            *(int(np.count_nonzero(item)) for item in masks),
            *(int(np.count_nonzero(item >= 0)) for item in labels),
        ),
        widths=frozenset(length for shape in shapes for length in shape),
        kept=_kept(mismatch),
        whole=mismatch.context.batch_rows,
        regression=any(
            isinstance(item, np.ndarray)
            and item.dtype.kind == "f"
            and item.ndim > 1
            and item.shape[-1] == outputs
            for item in batch[1:]
        ),
    )


def rows_that_count(mismatch: Mismatch) -> list[int]:
    """Rows that the first mask of the batch lets count; none where it has no mask."""
    for item in mismatch.evaluator.batch:
        if not isinstance(item, np.ndarray) or item.shape != (mismatch.rows,):
            continue
        if _is_mask(item):
            return [int(row) for row in np.flatnonzero(item)]
        if item.dtype.kind == "i" and np.any(item < 0):
            return [int(row) for row in np.flatnonzero(item >= 0)]
    return []


def _is_mask(item: Array) -> bool:
    return item.dtype.kind == "b" or (item.dtype.kind == "f" and set(np.unique(item)) <= {0, 1})


def _kept(mismatch: Mismatch) -> float:
    """Probability that dropout keeps a unit, where a switch says so and it is on."""
    for switch, state in mismatch.measured.setting.switches:
        value: Any = switch.on
        is_on = switch.role == "dropout" and state == "on"
        if is_on and isinstance(value, (int, float)) and 0 < value < 1:
            return float(value if switch.off_values[:1] == (1.0,) else 1 - value)
    return 0.0
