"""Gradients that are those of the first row of the batch alone, or of the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.experiment import SAME_GRADIENT, revisit, with_rows, without
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["OneRow"]

BY_ACCIDENT = 4
"""Elements up to which one gradient is a multiple of another by accident."""

ROW_FAULTS = {
    "bias_first_sample": "taken from the first row instead of summed",
    "early_return": "a return inside the loop over the rows",
    "loop_overwrite": "overwritten in the loop over the rows instead of added to",
}
"""How a gradient comes to be that of one row."""


class OneRow(Hypothesis):
    """Blocks whose gradient is that of one row."""

    said = "one_row"

    def __init__(self, names: Sequence[str], row: int, whole: Blocks, *, biases: bool) -> None:
        self.blocks, self.row, self._whole = tuple(names), row, whole
        kind = "loop_overwrite" if row else "bias_first_sample" if biases else "early_return"
        self.family, self.kind = "B" if kind == "bias_first_sample" else "A", kind
        self.which = "last" if row else "first"
        self.support = f"proportional to the gradient of the {self.which} row"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        if with_rows(mismatch, [0]) is None:
            return
        plain = next(without(mismatch, "penalty"), None)
        whole = revisit(mismatch, [], switches=plain, probes=0)
        if whole is None:
            return
        order = list(mismatch.order)
        for row in (0, mismatch.rows - 1):
            batch = with_rows(mismatch, [row])
            single = revisit(mismatch, [], switches=plain, batch=batch, probes=0)
            if single is None:
                continue
            same = [
                n
                for n in names
                if mismatch.blocks[n].gradient.size > 1
                and _is_that_of_one(whole.gradients[n], single.gradients[n], mismatch.rows)
            ]
            biases = all(is_vector(mismatch.blocks[name].shape) for name in same)
            if biases:  # of a bias by itself the weight beside it must be right
                same = [n for n in same if order[max(0, order.index(n) - 1)] in mismatch.right]
            if same:
                yield cls(same, row, whole.gradients, biases=biases)
                names = [name for name in names if name not in same]

    def refute(self, mismatch: Mismatch) -> Refutation:
        """Exchange that row for another, then the others: which does the gradient follow?"""
        plain = next(without(mismatch, "penalty"), None)
        rows = list(range(mismatch.rows))
        inner = rows[1:-1] or rows[1:] or rows
        without_it = [inner[0] if k == self.row else k for k in rows]
        others = [k if k == self.row else inner[(i + 1) % len(inner)] for i, k in enumerate(rows)]
        loss = mismatch.measured.prober.loss
        trials = []
        for chosen, moves, tried in (
            (without_it, True, f"the {self.which} row exchanged for another"),
            (others, False, "the other rows exchanged"),
        ):
            seen = revisit(
                mismatch, [], switches=plain, batch=with_rows(mismatch, chosen), probes=0
            )
            if seen is None:
                return NOT_MADE
            follows = any(not _same(seen.gradients[n], self._whole[n]) for n in self.blocks)
            if not moves and plain is None and seen.loss == loss:
                return Refutation((Trial(tried, "the loss stays: only that row counts", True),))
            out = "the gradient follows" if follows else "the gradient stays"
            trials.append(Trial(tried, out, refuted=follows is not moves))
        return Refutation(tuple(trials))

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks), which=self.which, how=ROW_FAULTS[self.kind])


def _same(one: Array, other: Array) -> bool:
    return bool(np.linalg.norm(one - other) <= SAME_GRADIENT * np.linalg.norm(one))


def _is_that_of_one(whole: Array, single: Array, rows: int) -> bool:
    """Whether a gradient is that of one row: divided by the rows, or any multiple if it is long."""
    size = float(np.vdot(single, single))
    # Elements that are all as large, by a cut or a sum, are proportional to anything like them.
    if not size or np.ptp(np.abs(whole)) <= SAME_GRADIENT * np.max(np.abs(whole)):
        return False
    factor = float(np.vdot(whole, single)) / size
    if np.linalg.norm(whole - factor * single) > SAME_GRADIENT * np.linalg.norm(whole):
        return False
    counted = any(abs(factor * n - 1) <= SAME_GRADIENT for n in range(1, rows + 1))
    return counted if np.count_nonzero(single) <= BY_ACCIDENT else True
