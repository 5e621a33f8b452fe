"""Sums over the batch that lost something on the way back.

Forward, every row adds its share to the loss, so backward a gradient is a sum over rows.  It may
hold one row alone, a bias may be summed over the wrong axes beside weights that are right, and
``dE[index] += g`` adds once per index, however often the batch uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.experiment import revisit, without
from gradhook.diagnosis.wording import listed
from gradhook.diagnosis.wrong_block import is_vector
from gradhook.report import Cause

__all__ = ["one_row", "repeated", "sums"]

EQUAL = 1e-9
"""Relative difference below which two analytic gradients are the same."""

SHORT = 4
"""Elements up to which one gradient is a multiple of another by accident."""

ROWS = 4
"""Rows of an embedding that are looked at one by one."""

BIAS = 0.3
"""A vector all of whose entries exceed this is a gain and no bias."""

HOW = {
    "bias_first_sample": "taken from the first row instead of summed",
    "early_return": "a return inside the loop over the rows",
    "loop_overwrite": "overwritten in the loop over the rows instead of added to",
}
"""How a gradient comes to be that of one row."""


def one_row(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """Gradients that are those of the first row, or of the last.

    Args:
        scene: The setting.
        names: The blocks.
    """
    if scene.rows < 2 or scene.options.subset is not None:
        return
    plain = next(without(scene, "penalty"), None)
    whole = revisit(scene, [], switches=plain, probes=0)
    if whole is None:
        return
    for row, which in ((0, "first"), (scene.rows - 1, "last")):
        single = revisit(scene, [], switches=plain, batch=_row(scene, row), probes=0)
        if single is None:
            continue
        same = [
            n
            for n in names
            if scene.blocks[n].gradient.size > 1
            and _is_that_of_one(whole.gradients[n], single.gradients[n], scene.rows)
        ]
        biases = all(is_vector(scene.blocks[name].shape) for name in same)
        if biases:  # of a bias by itself the weight beside it must be right
            same = [n for n in same if scene.order[max(0, scene.order.index(n) - 1)] in scene.right]
        if not same:
            continue
        kind = "loop_overwrite" if row else "bias_first_sample" if biases else "early_return"
        yield Cause(
            "B" if kind == "bias_first_sample" else "A", kind, tuple(same),
            f"{listed(same)} is that of the {which} row alone: {HOW[kind]}",
            evidence=f"proportional to the gradient of the {which} row",
            refuted_by="a batch of which the other rows change it",
        )  # fmt: skip
        names = [name for name in names if name not in same]


def _row(scene: Scene, row: int) -> Batch:
    axis, rows = scene.options.sample_axis, scene.rows

    def one(item: Any) -> Any:
        shape = getattr(item, "shape", ())
        if -len(shape) <= axis < len(shape) and shape[axis] == rows:
            return item[(slice(None),) * (axis % len(shape)) + (slice(row, row + 1),)]
        return item[row : row + 1] if shape == (rows,) else item

    return tuple(one(item) for item in scene.evaluator.batch)


def _is_that_of_one(whole: Array, single: Array, rows: int) -> bool:
    """Whether a gradient is that of one row: divided by the rows, or any multiple if it is long."""
    size = float(np.vdot(single, single))
    # Elements that are all as large, by a cut or a sum, are proportional to anything like them.
    if not size or np.ptp(np.abs(whole)) <= EQUAL * np.max(np.abs(whole)):
        return False
    factor = float(np.vdot(whole, single)) / size
    if np.linalg.norm(whole - factor * single) > EQUAL * np.linalg.norm(whole):
        return False
    counted = any(abs(factor * n - 1) <= EQUAL for n in range(1, rows + 1))
    return counted if np.count_nonzero(single) <= SHORT else True


def sums(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """Biases that are wrong beside weights that are right: their sum over the batch.

    Args:
        scene: The setting.
        names: The blocks.
    """
    for name in names:
        a, weight = scene.blocks[name].gradient, _right_weight(scene, name)
        if weight is None or not np.any(a):
            continue  # what is zero may as well be disconnected
        if scene.located(name).concentrated:
            continue  # a sum over the wrong axis spoils every element
        if a.size > 1 and np.ptp(a) <= EQUAL * np.max(np.abs(a)):
            kind, words = "bias_oversum", "every element is the same: summed over all axes"
        elif scene.gradients[weight].ndim > 2:
            kind, words = "conv_bias_nospatial", "the sum over rows, height and width"
        else:
            kind, words = (
                "bias_wrong_axis",
                "the sum over the batch: its axis, or the rows it takes",
            )
        yield Cause(
            "B", kind, (name,),
            f"{listed([name])} wrong, {listed([weight])} right: {words}",
            evidence="the gradient that both share is right, since the weights are",
            refuted_by="a wrong weight gradient in the same layer",
            confidence="exact" if kind == "bias_oversum" else "family",
        )  # fmt: skip


def _right_weight(scene: Scene, name: str) -> str | None:
    """The weight of which a block may be the bias, if it is right and so is all above it."""
    place = scene.order.index(name)
    weight = scene.order[place - 1] if place else name
    shape, beside = scene.blocks[name].shape, scene.gradients[weight].shape
    if weight not in scene.right or not _is_bias(shape, beside) or _is_gain(scene, name):
        return None
    above = scene.order[place + 1 :]
    if any(o in scene.blocks and not is_vector(scene.blocks[o].shape) for o in above):
        return None  # what comes from above is wrong already
    return weight


def _is_bias(shape: tuple[int, ...], weight: tuple[int, ...]) -> bool:
    """Whether a block may be the bias of a weight: one number for each of its outputs."""
    if not is_vector(shape) or is_vector(weight):
        return False
    outputs = (
        {weight[0], weight[-1]} if len(shape) < 2 else {weight[0] if shape[1] == 1 else weight[-1]}
    )
    return max(shape, default=1) in outputs


def _is_gain(scene: Scene, name: str) -> bool:
    values = np.asarray(scene.evaluator.workspace.tree.blocks[name])
    return values.size > 0 and float(np.min(values)) > BIAS


def repeated(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """Embeddings that are wrong only in the rows that the batch uses more than once.

    Args:
        scene: The setting.
        names: The blocks.
    """
    for name in names:
        a = scene.blocks[name].gradient
        for item in scene.evaluator.batch:
            if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size):
                continue
            if a.ndim != 2 or item.min() < 0 or item.max() >= len(a):
                continue
            uses = np.bincount(item.ravel(), minlength=len(a))
            if not (np.any(uses == 1) and np.any(uses > 1)):
                continue
            mask = np.zeros(a.shape, dtype=bool)
            mask[uses > 1] = True
            # A fault in one row may well sit in one that is used twice.
            some = np.flatnonzero(uses > 1)[:ROWS]
            if len(some) < 2 or len(scene.wrong_slices(name, 0, some)) < len(some):
                continue
            if scene.confirms({name: a}, {name: mask}):
                yield Cause(
                    "A", "emb_fancy_iadd", (name,),
                    f"{listed([name])} wrong only in rows that the batch uses more than once: "
                    "`dE[index] += g` adds once per index; use np.add.at",
                    where=f"{name}[rows used more than once]",
                    evidence="rows that are used once, or never, are right",
                    refuted_by="a wrong row that is used once",
                )  # fmt: skip
                break
