"""Where in a block the gradient is wrong, once every element has been measured.

What is wrong is known then, element by element; only few boxes are wanted to tell it by.
"""

from __future__ import annotations

import numpy as np

from gradhook._types import Array, Box
from gradhook.evaluation.directions import cut, size_of, whole
from gradhook.probe.evidence import BlockEvidence, Location

__all__ = ["locate_by_element"]


def locate_by_element(
    evidence: BlockEvidence, gradient: Array, *, resolved: float, rounding: float
) -> Location:
    """What is wrong of a block that was measured element by element."""
    shape = gradient.shape
    floor = rounding * evidence.analytic_norm
    wrong = np.array(
        [abs(p.residual) > resolved * (p.slope.error + floor) for p in evidence.probes]
    ).reshape(shape)
    boxes = _boxes_of(wrong)
    if not boxes:
        return Location(evidence.name, shape)
    residual = np.array([p.residual for p in evidence.probes]).reshape(shape)
    numerical = np.array([p.slope.value for p in evidence.probes]).reshape(shape)
    inside = np.zeros(shape, dtype=bool)
    for box in boxes:
        inside[box] = True
    elements = {
        tuple(int(i) for i in where): evidence.probes[int(np.ravel_multi_index(where, shape))]
        for where in np.argwhere(wrong & inside)
        if all(size_of(box) == 1 for box in boxes)
    }
    return Location(
        evidence.name,
        shape,
        boxes,
        residual_norm=float(np.linalg.norm(residual[inside])),
        analytic_norm=float(np.linalg.norm(gradient[inside])),
        numerical_norm=float(np.linalg.norm(numerical[inside])),
        elements=elements,
    )


def _boxes_of(wrong: Array) -> tuple[Box, ...]:
    """Wrong elements as few boxes: slices or single elements; none if most are wrong."""
    count = int(np.count_nonzero(wrong))
    if 2 * count > wrong.size or wrong.ndim == 0:
        return ()
    positions = np.argwhere(wrong)
    for axis in range(wrong.ndim):
        slices = np.unique(positions[:, axis])
        if 2 * count > len(slices) * wrong.size // wrong.shape[axis] and wrong.ndim > 1:
            full = whole(wrong.shape)
            return tuple(cut(full, axis, int(i), int(i) + 1) for i in slices)
    return tuple(tuple(slice(int(i), int(i) + 1) for i in where) for where in positions)
