"""One wrong element of a block with both its numbers, for people to see.

Nobody knows the worst element of a large block without measuring all.  Where the analytic gradient
is largest, or the weight, most faults show; where the fault was located, inside of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.evaluation.directions import Coordinate, seeded
from gradhook.verdict.evidence import Location, Probe

__all__ = ["worst_element"]

TRIED = 4
"""Elements that are tried until one stands out of its error."""


def worst_element(
    mismatch: Mismatch, name: str, where: Location | None, mask: Array | None
) -> dict[tuple[int, ...], Probe]:
    """Measure an element that is wrong; empty where none of those tried is.

    Args:
        mismatch: The setting.
        name: The block.
        where: What a search found, if it did.
        mask: The part that is wrong, where it is one.
    """
    block, tolerance = mismatch.blocks[name], mismatch.options.tolerance
    inside = np.ones(block.shape, dtype=bool) if mask is None else mask
    if where is not None and where.boxes:
        inside = np.zeros(block.shape, dtype=bool)
        for box in where.boxes:
            inside[box] = True
    mismatch.enter()
    share = 1 / block.gradient.size
    wanted = tolerance.explained * block.residual_norm * share**0.5
    found: dict[tuple[int, ...], Probe] = {}
    for index in _candidates(mismatch, name, inside):
        if mismatch.budget.left < 4:
            break
        parts = [(name, Coordinate(index), 1.0)]
        probe = mismatch.measured.prober.along(parts, share=share, wanted=wanted)
        if probe.z > tolerance.resolved:
            at = tuple(int(i) for i in np.unravel_index(index, block.shape)) if block.shape else ()
            found[at] = probe
            break
    return found


def _candidates(mismatch: Mismatch, name: str, inside: Array) -> Iterator[int]:
    """Positions at which a fault is likely to show, in C order."""
    block = mismatch.blocks[name]
    kept = np.flatnonzero(inside)
    if not len(kept):
        return
    order = mismatch.evaluator.workspace.names.index(name)
    random = np.random.default_rng(seeded(mismatch.options.seed, 19, order))
    a, w = np.abs(block.gradient).ravel()[kept], np.abs(block.values).ravel()[kept]
    tried = [int(kept[np.argmax(a)]), int(kept[np.argmax(w)])]
    tried += [int(i) for i in random.choice(kept, size=min(TRIED, len(kept)), replace=False)]
    yield from list(dict.fromkeys(tried))[:TRIED]
