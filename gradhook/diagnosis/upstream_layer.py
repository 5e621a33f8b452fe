"""The layer above the wrong blocks, tried with its block made symmetric or zero.

What a layer passes down depends on its own block.  A transpose or a flip that was forgotten does
nothing to a block that is symmetric under it, so the fault vanishes there.  At a block of zeros
only the path around the layer is left, whose gradient may be lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.experiment import revisit, vanishes, without
from gradhook.diagnosis.wording import listed
from gradhook.diagnosis.wrong_block import is_vector
from gradhook.report import Cause

__all__ = ["layer_above"]


def layer_above(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """The cause of blocks that are wrong by what the layer above them passes down.

    Args:
        scene: The setting.
        names: The blocks.
    """
    last = max(scene.order.index(name) for name in names)
    right_below = [
        n
        for n in scene.order[:last]
        if n in scene.right and not is_vector(scene.gradients[n].shape)
    ]
    above = [n for n in scene.order[last + 1 :] if n in scene.right]
    if not above or right_below:
        return
    block = above[0]
    values = scene.evaluator.workspace.values(block)
    cause = _made_symmetric(scene, names, block, values) or _made_zero(scene, names, block, values)
    if cause is not None:
        yield cause


def _made_symmetric(scene: Scene, names: Sequence[str], block: str, values: Array) -> Cause | None:
    if values.ndim == 2 and values.shape[0] == values.shape[1]:
        kind, mirrored = "W_not_transposed", values.T
        words = "multiplied by it where its transpose belongs (or the reverse)"
    elif values.ndim == 4:
        kind, mirrored = "conv_no_flip", values[:, :, ::-1, ::-1]
        words = "the kernel is flipped on the way back, or not flipped where it should be"
    else:
        return None
    changed = revisit(scene, names, values={block: (values + mirrored) / 2})
    if not vanishes(scene, changed, names):
        return None
    return Cause(
        "W", kind, tuple(names),
        f"{listed(names)} wrong, and right once {block} is made symmetric: {words}",
        where=f"what the layer of {block} passes down",
        evidence=f"the difference vanishes for a symmetric {block}",
        refuted_by="a difference that stays",
    )  # fmt: skip


def _made_zero(scene: Scene, names: Sequence[str], block: str, values: Array) -> Cause | None:
    if not np.any(values):
        return None
    # A penalty would add the same to both.
    plain = next(without(scene, "penalty"), None)
    changed = revisit(scene, names, switches=plain, values={block: np.zeros_like(values)})
    if changed is None:
        return None
    slopes = [probe.slope for probe in changed.probes]
    if any(abs(slope.value) <= 100 * slope.error for slope in slopes):
        return None
    factors = [probe.analytic / probe.slope.value for probe in changed.probes]
    errors = [abs(slope.error / slope.value) for slope in slopes]
    for factor, kind, words in (
        (0.0, "skip_missing", "the gradient of the path around it is lost"),
        (2.0, "double_count", "the gradient of the path around it is counted twice"),
    ):
        if all(abs(f - factor) <= 1e-9 + 5 * e for f, e in zip(factors, errors, strict=True)):
            return Cause(
                "A", kind, tuple(names),
                f"{listed(names)} wrong where a path around {block} joins: {words}",
                where=f"the join below {block}",
                evidence=f"with {block} at zero the gradient is {factor:g} times the numerical one",
                refuted_by="another factor there",
                confidence="family",
            )  # fmt: skip
    return None
