"""Experiments that each change one thing, at which a fault vanishes or stays.

A switch that is turned off, weights or a mask that are set to one, a batch of one row, one block
made symmetric: a fault that vanishes lies in what was changed.  Each takes a gradient call and a
few joint probes, and none is made for what a guess has explained already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradhook._scene import Scene
from gradhook._switches import BoundSwitch, SwitchState
from gradhook._types import Array, Batch, Blocks
from gradhook.report import Cause
from gradhook.verdict.naming import listed, name_penalty
from gradhook.verdict.wrong import is_vector

__all__ = ["experiments", "told_by_penalty"]

EQUAL = 1e-9
"""Relative difference below which two analytic gradients are the same."""

JITTER = 0.1
"""How far inputs are moved apart, in units of their standard deviation."""

BIAS = 0.3
"""A vector all of whose entries exceed this is a gain and no bias."""


def experiments(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
    """Causes of the blocks that no guess explains.

    Args:
        scene: The setting.
        names: The blocks.
        order: All blocks in forward order.
        free: Switches that the user did not name but the functions have.

    Yields:
        Confirmed causes.
    """
    for stage in (_dropout, _penalty, _weights, _ties, _rows, _sums, _repeated, _blocks_above):
        for cause in stage(scene, names, order, free):
            yield cause
            names = [name for name in names if name not in cause.blocks]
        if not names:
            return


def told_by_penalty(scene: Scene, cause: Cause, free: Sequence[BoundSwitch]) -> Cause | None:
    """What the penalty's switch says of a cause of family R, whose residual is known.

    Args:
        scene: The setting.
        cause: Says that the residual is a multiple of the block, or of its sign.
        free: Switches that the user did not name.

    Returns:
        The cause as the switch tells it, the cause given where there is no switch or it has no part
        in it, ``None`` where that refutes it.
    """
    names, refuted = list(cause.blocks), False
    for without in _without(scene, "penalty", free):
        changed = scene.at(names, switches=without)
        if scene.vanishes(changed, names, additive=True):
            assert changed is not None
            return _penalty_of(scene, names, changed.gradients)
        refuted = changed is not None
    # A multiple of the weights is the same by whatever way it came in.
    return None if refuted and cause.kind not in ("reg_missing", "reg_coefficient") else cause


def _dropout(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
    for without in _without(scene, "dropout", free):
        if scene.vanishes(scene.at(names, switches=without), names):
            yield Cause(
                "W", "dropout_mask_missing", tuple(names),
                f"{listed(names)} wrong with dropout on and right with it off: its backward pass "
                "lacks the mask, its scale, or draws another mask",
                evidence="the difference vanishes when dropout is turned off",
                refuted_by="a difference that stays with dropout off",
                confidence="family",
            )  # fmt: skip
            return


def _penalty(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
    for without in _without(scene, "penalty", free):
        changed = scene.at(names, switches=without)
        if scene.vanishes(changed, names, additive=True):
            assert changed is not None
            yield _penalty_of(scene, names, changed.gradients)
            return


def _penalty_of(scene: Scene, names: Sequence[str], off: Blocks) -> Cause:
    """What is wrong with a penalty, from the gradients with it on and off.

    The analytic half is the difference of both; the numerical half is that less the residual.
    """
    said = [_told(scene, name, scene.gradients[name] - off[name]) for name in names]
    kind, words = said[0] if len({kind for kind, _ in said}) == 1 else ("reg_coefficient", "")
    words = words or "; ".join(f"{n}: {w}" for n, (_, w) in zip(names, said, strict=True))
    return name_penalty(names, kind, words, "the difference vanishes when the penalty is off")


def _told(scene: Scene, name: str, analytic: Array) -> tuple[str, str]:
    block = scene.blocks[name]
    w = block.values
    wanted = block.along(analytic) - block.residuals
    size = float(np.linalg.norm(w)) or 1.0
    basis, shape = min(
        ((w, "W"), (np.sign(w), "sign(W)")), key=lambda item: _left(wanted, block.along(item[0]))
    )
    along = block.along(basis)
    noise = 3 * float(np.linalg.norm(block.errors))
    if float(np.linalg.norm(wanted)) <= max(noise, 1e-6 * float(np.linalg.norm(block.residuals))):
        if np.ptp(analytic) <= 1e-9 * np.max(np.abs(analytic)) and analytic.size > 1:
            return "reg_ones_on_bias", (
                f"the loss has no penalty on it, the gradient adds {float(analytic.flat[0]):.3e} "
                "to every element"
            )
        kind = "reg_on_bias" if block.is_vector else "reg_coefficient"
        return kind, "the loss has no penalty on it, the gradient has"
    true = float(along @ wanted / (along @ along)) if np.any(along) else 0.0
    if not np.any(analytic):
        return "reg_missing", (
            f"lacks {true:.3e} * {shape}: the penalty is in the loss and not in the gradient (leave "
            "it out of the loss if the optimiser applies it, as decoupled weight decay does)"
        )
    factor = float(np.vdot(basis, analytic) / np.vdot(basis, basis))
    if np.linalg.norm(analytic - factor * basis) <= 1e-6 * np.linalg.norm(analytic):
        return _coefficient(factor / true if true else 0.0, scene.rows, size, shape)
    for other, kind, words in (
        (w * w, "reg_square", "W**2 where the derivative is W"),
        (np.sign(w), "reg_l1_form", "sign(W) where the loss has the square of W"),
        (w, "reg_coefficient", "W where the loss has its absolute value"),
    ):
        c = float(np.vdot(other, analytic) / np.vdot(other, other))
        if np.linalg.norm(analytic - c * other) <= 1e-6 * np.linalg.norm(analytic):
            return kind, f"the penalty's gradient is a multiple of {words}"
    return "reg_coefficient", "the penalty's gradient has another form than the loss's penalty"


def _coefficient(ratio: float, rows: int, size: float, shape: str) -> tuple[str, str]:
    """The kind and words of a penalty's gradient that is ``ratio`` times what it should be."""
    known = [
        (2.0, "reg_double", "twice what the loss has"),
        (0.5, "reg_half", "half of what the loss has"),
        (-1.0, "reg_sign", "of the wrong sign"),
        (1 / size, "reg_unsquared", f"divided by the norm of the block, {size:.6g}"),
    ]
    if rows > 1:
        known.insert(2, (1 / rows, "reg_over_N", f"divided by the number of rows, {rows}"))
    for value, kind, words in known:
        if abs(ratio - value) <= 1e-4 * abs(value):
            return kind, f"the penalty's gradient, a multiple of {shape}, is {words}"
    return "reg_coefficient", f"the penalty's gradient is {ratio:.6g} times what the loss has"


def _left(wanted: Array, along: Array) -> float:
    size = float(along @ along)
    if not size:
        return float(np.linalg.norm(wanted))
    return float(np.linalg.norm(wanted - along * (along @ wanted / size)))


def _weights(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
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


def _ties(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
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


def _rows(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
    """Gradients that are those of one row."""
    if scene.rows < 2 or scene.options.subset is not None:
        return
    plain = next(iter(_without(scene, "penalty", free)), None)
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
            and _proportional(whole.gradients[n], single.gradients[n])
        ]
        weights = [name for name in same if not is_vector(scene.blocks[name].shape)]
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
        if len(shape) > axis and shape[axis] == rows:
            return item[(slice(None),) * axis + (slice(row, row + 1),)]
        return item[row : row + 1] if shape == (rows,) else item

    return tuple(one(item) for item in scene.evaluator.batch)


def _proportional(a: Array, b: Array) -> bool:
    size = float(np.vdot(b, b))
    # Elements that are all as large, by a cut or a sum, are proportional to anything like them.
    if not size or np.ptp(np.abs(a)) <= EQUAL * np.max(np.abs(a)):
        return False
    return bool(np.linalg.norm(a - b * (np.vdot(a, b) / size)) <= EQUAL * np.linalg.norm(a))


def _sums(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
    """A bias that is wrong beside weights that are right: its sum over the batch."""
    sources = scene.evaluator.workspace.tree.blocks
    for name in names:
        block = scene.blocks[name]
        weights = [o for o in order[: order.index(name)] if not is_vector(_shape(scene, o))]
        gain = block.gradient.size and float(np.min(np.asarray(sources[name]))) > BIAS
        if not block.is_vector or not weights or weights[-1] not in scene.right or gain:
            continue
        above = order[order.index(name) + 1 :]
        if any(o in scene.blocks and not is_vector(_shape(scene, o)) for o in above):
            continue  # what comes from above is wrong already
        a = block.gradient
        convolved = len(_shape(scene, weights[-1])) > 2
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
            f"{listed([name])} wrong, {listed([weights[-1]])} right: {words}",
            evidence="the gradient that both share is right, since the weights are",
            refuted_by="a wrong weight gradient in the same layer",
            confidence="exact" if kind == "bias_oversum" else "family",
        )  # fmt: skip


def _shape(scene: Scene, name: str) -> tuple[int, ...]:
    return scene.gradients[name].shape


def _repeated(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
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


def _blocks_above(
    scene: Scene, names: Sequence[str], order: Sequence[str], free: Sequence[BoundSwitch]
) -> Iterator[Cause]:
    """The layer above the wrong blocks, tried with its block made symmetric or zero."""
    last = max(order.index(name) for name in names)
    wrong_below = [n for n in order[:last] if n in scene.right and not is_vector(_shape(scene, n))]
    above = [n for n in order[last + 1 :] if n in scene.right]
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
    plain = next(iter(_without(scene, "penalty", free)), None)
    changed = scene.at(names, switches=plain, values={block: np.zeros_like(values)})
    if changed is None:
        return
    factors = []
    for probe in changed.probes:
        if abs(probe.slope.value) <= 100 * probe.slope.error:
            return
        factors.append(probe.analytic / probe.slope.value)
    for factor, kind, words in (
        (0.0, "skip_missing", "the gradient of the path around it is lost"),
        (2.0, "double_count", "the gradient of the path around it is counted twice"),
    ):
        if all(abs(each - factor) <= 1e-2 for each in factors):
            yield Cause(
                "A", kind, tuple(names),
                f"{listed(names)} wrong where a path around {block} joins: {words}",
                where=f"the join below {block}",
                evidence=f"with {block} at zero the gradient is {factor:g} times the numerical one",
                refuted_by="another factor there",
                confidence="family",
            )  # fmt: skip
            return


def _without(
    scene: Scene, role: str, free: Sequence[BoundSwitch]
) -> Iterator[list[tuple[BoundSwitch, SwitchState]]]:
    """The scene's switches with those of a role turned off, one after the other."""
    standing = list(scene.measured.setting.switches)
    for k, (switch, state) in enumerate(standing):
        if switch.role == role and state != "off" and not switch.always_off:
            yield [*standing[:k], (switch, "off"), *standing[k + 1 :]]
    for switch in free:
        if switch.role == role and not switch.always_off:
            yield [*standing, (switch, "off")]
