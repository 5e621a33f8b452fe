"""Biases that are wrong beside weights that are right: their sum over the batch.

A sum over the rows does not depend on their order, and adds up what the rows give one by one.  A
bias whose gradient is wrong and does neither as it should lost something in that sum; one whose
gradient is wrong in some other way, squared or cut, keeps the order of the rows out of it and does
not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.acts_as_bias import bias_of
from gradhook.diagnosis.experiment import SAME_GRADIENT, revisit, with_rows, without
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["BiasSum"]

BIAS = 0.3
"""A vector all of whose entries exceed this is a gain and no bias."""

WRONG_SUMS = {
    "bias_oversum": "every element is the same, a sum over all axes",
    "conv_bias_nospatial": "it is not the sum over rows, height and width",
    "bias_wrong_axis": "it is summed over the wrong axis, or not over every row",
}
"""What went wrong with the sum."""


class BiasSum(Hypothesis):
    """A bias that is wrong beside the weight that it belongs to."""

    family, said, by_elimination = "B", "bias_sum", True

    def __init__(self, mismatch: Mismatch, name: str, weight: str) -> None:
        self.blocks, self.weight = (name,), weight
        a = mismatch.blocks[name].gradient
        if a.size > 1 and np.ptp(a) <= SAME_GRADIENT * np.max(np.abs(a)):
            self.kind = "bias_oversum"
        elif mismatch.gradients[weight].ndim > 2:
            self.kind = "conv_bias_nospatial"
        else:
            self.kind = "bias_wrong_axis"
        self.confidence = "exact" if self.kind == "bias_oversum" else "family"
        self.support = f"{weight} is right, made from the same gradient of the layer's output"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            weight = _right_weight(mismatch, name)
            # What is zero may as well be disconnected, and a sum over the wrong axis spoils all.
            if weight is None or not np.any(mismatch.blocks[name].gradient):
                continue
            if not mismatch.located(name).concentrated:
                yield cls(mismatch, name, weight)

    def refute(self, mismatch: Mismatch) -> Refutation:
        (name,) = self.blocks
        found = bias_of(mismatch, name)
        if found.refuted:
            return NOT_MADE if found.trial is None else Refutation((found.trial,))
        if found.weight in mismatch.right:
            self.weight = found.weight
        sums = _oversummed if self.kind == "bias_oversum" else _sum_is_lost
        trial = sums(mismatch, name, self.weight)
        if trial is None:
            return NOT_MADE
        return Refutation((trial,) if found.trial is None else (found.trial, trial))

    def sentence(self) -> str:
        return say(
            self.said,
            d=listed(self.blocks),
            weight=listed([self.weight]),
            how=WRONG_SUMS[self.kind],
        )


def _oversummed(mismatch: Mismatch, name: str, weight: str) -> Trial | None:
    """Whether every element is the same on other rows too."""
    seen = revisit(mismatch, [], batch=with_rows(mismatch, [1, 0]), probes=0)
    if seen is None:
        return None
    a = seen.gradients[name]
    alike = bool(np.ptp(a) <= SAME_GRADIENT * np.max(np.abs(a)))
    return Trial("two rows alone", f"elements {'all the same' if alike else 'differ'}", not alike)


def _sum_is_lost(mismatch: Mismatch, name: str, weight: str) -> Trial | None:
    """Whether the gradient depends on the order of the rows, or adds up over positions in them."""
    plain = next(without(mismatch, "penalty"), None)
    rows = mismatch.rows
    order = [*range(1, rows), 0]
    here = revisit(mismatch, [], switches=plain, probes=0)
    seen = revisit(mismatch, [], switches=plain, batch=with_rows(mismatch, order), probes=0)
    if here is None or seen is None:
        return None
    if not _alike(here.gradients[weight], seen.gradients[weight]):
        return None  # the order of the rows means something
    if not _alike(here.gradients[name], seen.gradients[name]):
        return Trial("the rows in another order", f"{listed([name])} alone changes")
    if mismatch.gradients[weight].ndim < 3:
        return Trial("the rows in another order", "the gradient stays", refuted=True)
    parts = [
        revisit(mismatch, [], switches=plain, batch=with_rows(mismatch, part), probes=0)
        for part in (range(rows // 2), range(rows // 2, rows))
    ]
    first, second = parts
    if first is None or second is None:
        return None
    pair = np.stack([each.gradients[weight].ravel() for each in (first, second)], axis=1)
    share = np.linalg.lstsq(pair, here.gradients[weight].ravel(), rcond=None)[0]
    tried = "both halves of the rows by themselves"
    for which, target in ((weight, here.gradients[weight]), (name, here.gradients[name])):
        total = share[0] * first.gradients[which] + share[1] * second.gradients[which]
        if not _alike(target, total):
            return Trial(tried, f"{which} does not add up", refuted=True)
    return Trial(tried, "they add up, so that what is lost is lost within the rows")


def _alike(one: Array, other: Array) -> bool:
    return bool(np.linalg.norm(one - other) <= SAME_GRADIENT * np.linalg.norm(one))


def _right_weight(mismatch: Mismatch, name: str) -> str | None:
    """The weight of which a block may be the bias, if it is right and so is all above it."""
    place = mismatch.order.index(name)
    weight = mismatch.order[place - 1] if place else name
    shape, beside = mismatch.blocks[name].shape, mismatch.gradients[weight].shape
    if weight not in mismatch.right or not _is_bias(shape, beside) or _is_gain(mismatch, name):
        return None
    above = mismatch.order[place + 1 :]
    if any(o in mismatch.blocks and not is_vector(mismatch.blocks[o].shape) for o in above):
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


def _is_gain(mismatch: Mismatch, name: str) -> bool:
    values = np.asarray(mismatch.evaluator.workspace.tree.blocks[name])
    return values.size > 0 and float(np.min(values)) > BIAS
