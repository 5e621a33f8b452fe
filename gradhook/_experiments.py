"""Experiments that each change one thing, at which a fault vanishes or stays.

A switch that is turned off, weights or a mask that are set to one, a batch of one row, one block
made symmetric: a fault that vanishes lies in what was changed.  Each takes a gradient call and a
few joint probes, and none is made for what a guess has explained already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from gradhook._penalty_told import penalty_of, without
from gradhook._scene import Scene
from gradhook._types import Array, Batch
from gradhook.report import Cause
from gradhook.verdict.naming import listed
from gradhook.verdict.wrong import is_vector

__all__ = ["experiments"]

EQUAL = 1e-9
"""Relative difference below which two analytic gradients are the same."""

SHORT = 4
"""Elements up to which one gradient is a multiple of another by accident."""

ROWS = 4
"""Rows of an embedding that are looked at one by one."""

JITTER = 0.1
"""How far inputs are moved apart, in units of their standard deviation."""

BIAS = 0.3
"""A vector all of whose entries exceed this is a gain and no bias."""


def experiments(scene: Scene, names: Sequence[str], doubted: Collection[str]) -> Iterator[Cause]:
    """Causes of the blocks that no guess explains.

    Args:
        scene: The setting.
        names: The blocks.
        doubted: Blocks for which a guess held on the probes and could not be confirmed.

    Yields:
        Confirmed causes.
    """
    for stage in (_dropout, _penalty, _weights, _ties, _rows, _sums, _repeated, _blocks_above):
        for cause in stage(scene, names):
            # What goes by elimination must have nothing else to say for itself.
            if stage is _sums and set(cause.blocks) & set(doubted):
                continue
            yield cause
            names = [name for name in names if name not in cause.blocks]
        if not names:
            return


def _dropout(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    for switches in without(scene, "dropout"):
        if scene.vanishes(scene.at(names, switches=switches), names):
            yield Cause(
                "W", "dropout_mask_missing", tuple(names),
                f"{listed(names)} wrong with dropout on and right with it off: its backward pass "
                "lacks the mask, its scale, or draws another mask",
                evidence="the difference vanishes when dropout is turned off",
                refuted_by="a difference that stays with dropout off",
                confidence="family",
            )  # fmt: skip
            return


def _penalty(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    for switches in without(scene, "penalty"):
        changed = scene.at(names, switches=switches)
        if scene.vanishes(changed, names, additive=True):
            assert changed is not None
            yield penalty_of(scene, names, changed.gradients)
            return


def _weights(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    batch, rows = scene.evaluator.batch, scene.rows
    for position, item in enumerate(batch):
        ones, mask = _unweighted(item, rows)
        if ones is None:
            continue
        changed = scene.at(names, batch=(*batch[:position], ones, *batch[position + 1 :]))
        if scene.vanishes(changed, names):
            kind = "mask_ignored" if mask else "sample_weight_ignored"
            what = "the mask" if mask else "the sample weights"
            yield Cause(
                "W" if mask else "S", kind, tuple(names),
                f"{listed(names)} wrong unless {what} (item {position} of the batch) let every row "
                "count alike: the loss uses them and the gradient does not",
                evidence=f"the difference vanishes when item {position} is set to one",
                refuted_by="a difference that stays then",
                confidence="family",
            )  # fmt: skip
            return


def _unweighted(item: Any, rows: int) -> tuple[Array | None, bool]:
    """An item with all rows counting alike, and whether it masks; ``None`` if it weighs nothing."""
    if not isinstance(item, np.ndarray) or item.size != rows or rows < 2:
        return None, False
    if item.dtype.kind == "b":
        return np.ones_like(item), True
    if item.dtype.kind == "f" and np.all(item >= 0) and np.ptp(item) > 0:
        return np.ones_like(item), bool(set(np.unique(item)) <= {0.0, 1.0})
    if item.dtype.kind == "i" and np.any(item < 0) and np.any(item >= 0):
        return np.where(item < 0, np.max(item), item), True
    return None, False


def _ties(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """Inputs that tie, moved apart: padding, black pixels."""
    random = np.random.default_rng(scene.options.seed)
    moved, tied = [], False
    for item in scene.evaluator.batch:
        if isinstance(item, np.ndarray) and item.dtype.kind == "f" and item.ndim > 1:
            values, counts = np.unique(item, return_counts=True)
            tied = tied or int(counts.max()) > len(values) ** 0.5
            item = item + JITTER * np.std(item) * random.standard_normal(item.shape)
        moved.append(item)
    if tied and scene.vanishes(scene.at(names, batch=tuple(moved)), names):
        yield Cause(
            "K", "pool_all_ties", tuple(names),
            f"{listed(names)} wrong where inputs are equal (padding, black pixels), and right once "
            "they are moved apart: every one of several largest values gets the gradient, or none",
            evidence="the difference vanishes for inputs that do not tie",
            refuted_by="a difference that stays",
            confidence="family",
        )  # fmt: skip


def _rows(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """Gradients that are those of one row."""
    if scene.rows < 2 or scene.options.subset is not None:
        return
    plain = next(iter(without(scene, "penalty")), None)
    whole = scene.at([], switches=plain, probes=0)
    if whole is None:
        return
    for row, which in ((0, "first"), (scene.rows - 1, "last")):
        single = scene.at([], switches=plain, batch=_row(scene, row), probes=0)
        if single is None:
            continue
        same = [
            n
            for n in names
            if scene.blocks[n].gradient.size > 1
            and _is_that_of_one(whole.gradients[n], single.gradients[n], scene.rows)
        ]
        weights = [name for name in same if not is_vector(scene.blocks[name].shape)]
        if not weights:  # of a bias by itself the weight beside it must be right
            same = [n for n in same if scene.order[max(0, scene.order.index(n) - 1)] in scene.right]
        if not same:
            continue
        if not weights:
            kind = "bias_first_sample" if row == 0 else "loop_overwrite"
        else:
            kind = "early_return" if row == 0 else "loop_overwrite"
        how = {
            "bias_first_sample": "taken from the first row instead of summed",
            "early_return": "a return inside the loop over the rows",
            "loop_overwrite": "overwritten in the loop over the rows instead of added to",
        }[kind]
        yield Cause(
            "B" if kind == "bias_first_sample" else "A", kind, tuple(same),
            f"{listed(same)} is that of the {which} row alone: {how}",
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


def _sums(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """A bias that is wrong beside weights that are right: its sum over the batch."""
    sources = scene.evaluator.workspace.tree.blocks
    for name in names:
        block, place = scene.blocks[name], scene.order.index(name)
        weight = scene.order[place - 1] if place else name
        gain = block.gradient.size and float(np.min(np.asarray(sources[name]))) > BIAS
        if weight not in scene.right or gain or not _is_bias(block.shape, _shape(scene, weight)):
            continue
        if not np.any(block.gradient):
            continue  # it may as well be disconnected
        above = scene.order[place + 1 :]
        if any(o in scene.blocks and not is_vector(_shape(scene, o)) for o in above):
            continue  # what comes from above is wrong already
        a = block.gradient
        convolved = len(_shape(scene, weight)) > 2
        if scene.located(name).concentrated:
            continue  # a sum over the wrong axis spoils every element
        if a.size > 1 and np.ptp(a) <= EQUAL * np.max(np.abs(a)):
            kind, words = "bias_oversum", "every element is the same: summed over all axes"
        elif convolved:
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


def _is_bias(shape: tuple[int, ...], weight: tuple[int, ...]) -> bool:
    """Whether a block may be the bias of a weight: one number for each of its outputs."""
    if not is_vector(shape) or is_vector(weight):
        return False
    outputs = (
        {weight[0], weight[-1]} if len(shape) < 2 else {weight[0] if shape[1] == 1 else weight[-1]}
    )
    return max(shape, default=1) in outputs


def _shape(scene: Scene, name: str) -> tuple[int, ...]:
    return scene.gradients[name].shape


def _repeated(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """An embedding that is wrong only in the rows that the batch uses more than once."""
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


def _blocks_above(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    """The layer above the wrong blocks, tried with its block made symmetric or zero."""
    last = max(scene.order.index(name) for name in names)
    wrong_below = [
        n for n in scene.order[:last] if n in scene.right and not is_vector(_shape(scene, n))
    ]
    above = [n for n in scene.order[last + 1 :] if n in scene.right]
    if not above or wrong_below:
        return
    block = above[0]
    values = scene.evaluator.workspace.values(block)
    tries: list[tuple[str, Array, str]] = []
    if values.ndim == 2 and values.shape[0] == values.shape[1]:
        words = "multiplied by it where its transpose belongs (or the reverse)"
        tries.append(("W_not_transposed", (values + values.T) / 2, words))
    if values.ndim == 4:
        turned = values[:, :, ::-1, ::-1]
        words = "the kernel is flipped on the way back, or not flipped where it should be"
        tries.append(("conv_no_flip", (values + turned) / 2, words))
    for kind, symmetric, words in tries:
        changed = scene.at(names, values={block: symmetric})
        if scene.vanishes(changed, names):
            yield Cause(
                "W", kind, tuple(names),
                f"{listed(names)} wrong, and right once {block} is made symmetric: {words}",
                where=f"what the layer of {block} passes down",
                evidence=f"the difference vanishes for a symmetric {block}",
                refuted_by="a difference that stays",
            )  # fmt: skip
            return
    # A penalty would add the same to both.
    plain = next(iter(without(scene, "penalty")), None)
    if not np.any(values):
        return
    changed = scene.at(names, switches=plain, values={block: np.zeros_like(values)})
    if changed is None:
        return
    factors = []
    for probe in changed.probes:
        if abs(probe.slope.value) <= 100 * probe.slope.error:
            return
        factors.append((probe.analytic / probe.slope.value, probe.slope.error / probe.slope.value))
    for factor, kind, words in (
        (0.0, "skip_missing", "the gradient of the path around it is lost"),
        (2.0, "double_count", "the gradient of the path around it is counted twice"),
    ):
        if all(abs(each - factor) <= 1e-9 + 5 * abs(error) for each, error in factors):
            yield Cause(
                "A", kind, tuple(names),
                f"{listed(names)} wrong where a path around {block} joins: {words}",
                where=f"the join below {block}",
                evidence=f"with {block} at zero the gradient is {factor:g} times the numerical one",
                refuted_by="another factor there",
                confidence="family",
            )  # fmt: skip
            return
