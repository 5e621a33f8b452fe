"""Embeddings of which the rows that a batch uses more than once lose all uses but one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say

__all__ = ["RepeatedRows"]

ROWS = 4
"""Rows of an embedding that are looked at one by one."""


class RepeatedRows(Hypothesis):
    """An embedding that is wrong only in the rows that the batch uses more than once."""

    family, kind, said = "A", "emb_fancy_iadd", "repeated_rows"

    def __init__(self, name: str, gradient: Array, uses: Array) -> None:
        self.blocks, self.where = (name,), f"{name}[rows used more than once]"
        self._gradient, self._uses = gradient, uses

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            a = mismatch.blocks[name].gradient
            for item in mismatch.evaluator.batch:
                if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size):
                    continue
                if a.ndim != 2 or item.min() < 0 or item.max() >= len(a):
                    continue
                uses = np.bincount(item.ravel(), minlength=len(a))
                if np.any(uses == 1) and np.count_nonzero(uses > 1) > 1:
                    yield cls(name, a, uses)

    def predict(self) -> Mapping[str, Array]:
        return {self.blocks[0]: self._gradient}

    def inside(self) -> Mapping[str, Array]:
        mask = np.zeros(self._gradient.shape, dtype=bool)
        mask[self._uses > 1] = True
        return {self.blocks[0]: mask}

    def refute(self, mismatch: Mismatch) -> Refutation:
        # A fault in one row may well sit in one that is used twice.
        some = np.flatnonzero(self._uses > 1)[:ROWS]
        wrong = mismatch.wrong_slices(self.blocks[0], 0, some)
        if len(wrong) < len(some):
            tried = f"{len(some)} rows used more than once, one by one"
            return Refutation((Trial(tried, f"{len(wrong)} wrong", refuted=True),))
        done = confirm(mismatch, self)
        if not done.made:
            return NOT_MADE
        tried = f"{len(some)} rows used more than once, one by one"
        return Refutation((Trial(tried, "all wrong"),)).then(done)

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks))
