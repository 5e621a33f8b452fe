"""Sums over the rows of a batch that lost something: all rows but one, or an axis of a bias.

A gradient that is that of one row follows the data of that row and of no other.  A sum over the
rows does not depend on their order, and adds up what the rows give one by one.  A bias whose
gradient is wrong and does neither as it should lost something in that sum; one whose gradient is
wrong in some other way, squared or cut, keeps the order of the rows out of it and does not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Blocks
from gradhook.diagnosis.acts_as_bias import bias_of
from gradhook.diagnosis.experiment import Changed, revisit, with_rows, without
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say
from gradhook.diagnosis.wrong_block import (
    SAME_GRADIENT,
    is_uniform,
    is_vector,
    multiple_of,
    same_gradient,
)

__all__ = ["BiasSum", "OneRow"]

ROW_FAULTS = {
    "bias_first_sample": "taken from the first row instead of summed",
    "early_return": "a return inside the loop over the rows",
    "loop_overwrite": "overwritten in the loop over the rows instead of added to",
}
"""How a gradient comes to be that of one row."""

WRONG_SUMS = {
    "bias_oversum": "every element is the same, a sum over all axes",
    "conv_bias_nospatial": "it is not the sum over rows, height and width",
    "bias_wrong_axis": "it is summed over the wrong axis, or not over every row",
}
"""What went wrong with the sum."""


class OneRow(Hypothesis):
    """Blocks whose gradient is that of one row."""

    said = "one_row"

    def __init__(self, names: Sequence[str], row: int, whole: Blocks, *, biases: bool) -> None:
        self.blocks, self.row, self._whole = tuple(names), row, whole
        self.kind = "loop_overwrite" if row else "bias_first_sample" if biases else "early_return"
        self.family = "B" if self.kind == "bias_first_sample" else "A"
        self.which = "last" if row else "first"
        self.support = f"proportional to the gradient of the {self.which} row"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        seen = _on_rows(mismatch, range(mismatch.rows))
        if seen is None:
            return
        whole = seen.gradients
        order = list(mismatch.order)
        for row in (0, mismatch.rows - 1):
            seen = _on_rows(mismatch, [row])
            if seen is None:
                continue
            single = seen.gradients
            same = [
                n
                for n in names
                if mismatch.blocks[n].gradient.size > 1
                # Elements that are all as large are proportional to anything like them.
                and not is_uniform(np.abs(whole[n]))
                and multiple_of(whole[n], single[n], SAME_GRADIENT) is not None
            ]
            biases = all(is_vector(mismatch.blocks[name].shape) for name in same)
            if biases:  # of a bias by itself the weight beside it must be right
                same = [n for n in same if order[max(0, order.index(n) - 1)] in mismatch.right]
            if same:
                yield cls(same, row, whole, biases=biases)
                names = [name for name in names if name not in same]

    def refute(self, mismatch: Mismatch) -> Refutation:
        """Exchange that row for another, then the others: which does the gradient follow?"""
        rows = list(range(mismatch.rows))
        inner = rows[1:-1] or rows[1:]
        without_it = [inner[0] if k == self.row else k for k in rows]
        others = [k if k == self.row else inner[(i + 1) % len(inner)] for i, k in enumerate(rows)]
        penalised = next(without(mismatch, "penalty"), None) is not None
        trials = []
        for chosen, moves, tried in (
            (without_it, True, f"the {self.which} row exchanged for another"),
            (others, False, "the other rows exchanged"),
        ):
            seen = _on_rows(mismatch, chosen)
            if seen is None:
                return NOT_MADE
            if not moves and not penalised and seen.loss == mismatch.measured.prober.loss:
                return Refutation((Trial(tried, "the loss stays: only that row counts", True),))
            follows = any(not same_gradient(seen.gradients[n], self._whole[n]) for n in self.blocks)
            out = "the gradient follows" if follows else "the gradient stays"
            trials.append(Trial(tried, out, refuted=follows is not moves))
        return Refutation(tuple(trials))

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks), which=self.which, how=ROW_FAULTS[self.kind])


def _on_rows(mismatch: Mismatch, rows: Sequence[int]) -> Changed | None:
    """The gradients on some rows without the penalty; ``None`` where the batch cannot be cut."""
    batch = with_rows(mismatch, rows)
    if batch is None:
        return None
    plain = next(without(mismatch, "penalty"), None)
    return revisit(mismatch, [], switches=plain, batch=batch, probes=0)


class BiasSum(Hypothesis):
    """A bias that is wrong beside the weight that it belongs to."""

    family, said, by_elimination = "B", "bias_sum", True

    def __init__(self, mismatch: Mismatch, name: str, weight: str) -> None:
        self.blocks, self.weight = (name,), weight
        if is_uniform(mismatch.blocks[name].gradient):
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
            place = mismatch.order.index(name)
            weight = mismatch.order[max(0, place - 1)]
            shapes = mismatch.blocks[name].shape, mismatch.gradients[weight].shape
            # What is zero may as well be disconnected, and a sum over the wrong axis spoils all.
            if weight not in mismatch.right or list(map(is_vector, shapes)) != [True, False]:
                continue
            if np.any(mismatch.blocks[name].gradient) and not mismatch.located(name).concentrated:
                yield cls(mismatch, name, weight)

    def refute(self, mismatch: Mismatch) -> Refutation:
        (name,) = self.blocks
        weight, trial = bias_of(mismatch, name)
        if trial is not None and trial.refuted:
            return Refutation((trial,))
        if weight in mismatch.right:
            self.weight = weight
        if self.kind == "bias_oversum":
            lost = _oversummed(mismatch, name)
        else:
            lost = _sum_is_lost(mismatch, name, self.weight)
        return Refutation.of(*([trial] if trial else []), lost)

    def sentence(self) -> str:
        how, weight = WRONG_SUMS[self.kind], listed([self.weight])
        return say(self.said, d=listed(self.blocks), weight=weight, how=how)


def _oversummed(mismatch: Mismatch, name: str) -> Trial | None:
    """Whether every element is the same on other rows too."""
    batch = with_rows(mismatch, [1, 0])
    seen = None if batch is None else revisit(mismatch, [], batch=batch, probes=0)
    if seen is None:
        return None
    alike = is_uniform(seen.gradients[name])
    return Trial("two rows alone", f"elements {'all the same' if alike else 'differ'}", not alike)


def _sum_is_lost(mismatch: Mismatch, name: str, weight: str) -> Trial | None:
    """Whether the gradient depends on the order of the rows, or adds up over positions in them."""
    rows = range(mismatch.rows)
    here, seen = _on_rows(mismatch, rows), _on_rows(mismatch, [*rows[1:], 0])
    if here is None or seen is None:
        return None
    if not same_gradient(here.gradients[weight], seen.gradients[weight]):
        return None  # the order of the rows means something
    given = here.gradients[name]
    # Numbers added in another order differ by rounding: beside the sum, or what was lost from it.
    change, size = (float(np.linalg.norm(x)) for x in (given - seen.gradients[name], given))
    size = min(size, mismatch.blocks[name].residual_norm)
    if change > mismatch.options.tolerance.explained * size:
        return Trial("the rows in another order", f"{listed([name])} alone changes")
    if mismatch.gradients[weight].ndim < 3:
        return Trial("the rows in another order", "the gradient stays", refuted=True)
    half = len(rows) // 2
    first, second = _on_rows(mismatch, rows[:half]), _on_rows(mismatch, rows[half:])
    if first is None or second is None:
        return None
    pair = np.stack([each.gradients[weight].ravel() for each in (first, second)], axis=1)
    share = np.linalg.lstsq(pair, here.gradients[weight].ravel(), rcond=None)[0]
    tried = "both halves of the rows by themselves"
    for which in (weight, name):
        total = share[0] * first.gradients[which] + share[1] * second.gradients[which]
        if not same_gradient(here.gradients[which], total):
            return Trial(tried, f"{which} does not add up", refuted=True)
    return Trial(tried, "they add up, so that what is lost is lost within the rows")
