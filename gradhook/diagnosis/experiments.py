"""Experiments that each change one thing, at which a fault vanishes or stays.

A switch that is turned off, weights or a mask that are set to one, inputs moved apart: a fault that
vanishes lies in what was changed.  Each takes a gradient call and a few joint probes, and none is
made for what a guess has explained already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.case import Scene
from gradhook.diagnosis.experiment import revisit, vanishes, without
from gradhook.diagnosis.penalty import penalty_of
from gradhook.diagnosis.row_sums import one_row, repeated, sums
from gradhook.diagnosis.upstream_layer import layer_above
from gradhook.diagnosis.wording import listed
from gradhook.report import Cause

__all__ = ["experiments"]

JITTER = 0.1
"""How far inputs are moved apart, in units of their standard deviation."""


def experiments(scene: Scene, names: Sequence[str], doubted: Collection[str]) -> Iterator[Cause]:
    """Causes of the blocks that no guess explains.

    Args:
        scene: The setting.
        names: The blocks.
        doubted: Blocks for which a guess held on the probes and could not be confirmed.

    Yields:
        Confirmed causes.
    """
    for stage in (_dropout, _penalty, _weights, _ties, one_row, sums, repeated, layer_above):
        for cause in stage(scene, names):
            # What goes by elimination must have nothing else to say for itself.
            if stage is sums and set(cause.blocks) & set(doubted):
                continue
            yield cause
            names = [name for name in names if name not in cause.blocks]
        if not names:
            return


def _dropout(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    for switches in without(scene, "dropout"):
        if vanishes(scene, revisit(scene, names, switches=switches), names):
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
        changed = revisit(scene, names, switches=switches)
        if changed is not None and vanishes(scene, changed, names, additive=True):
            yield penalty_of(scene, names, changed.gradients)
            return


def _weights(scene: Scene, names: Sequence[str]) -> Iterator[Cause]:
    batch, rows = scene.evaluator.batch, scene.rows
    for position, item in enumerate(batch):
        ones, mask = _unweighted(item, rows)
        if ones is None:
            continue
        changed = revisit(scene, names, batch=(*batch[:position], ones, *batch[position + 1 :]))
        if vanishes(scene, changed, names):
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
    if tied and vanishes(scene, revisit(scene, names, batch=tuple(moved)), names):
        yield Cause(
            "K", "pool_all_ties", tuple(names),
            f"{listed(names)} wrong where inputs are equal (padding, black pixels), and right once "
            "they are moved apart: every one of several largest values gets the gradient, or none",
            evidence="the difference vanishes for inputs that do not tie",
            refuted_by="a difference that stays",
            confidence="family",
        )  # fmt: skip
