"""Inputs that tie, of which every one gets the gradient, or none: padding, black pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.experiment import revisit, vanishes
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say

__all__ = ["EqualInputs"]

JITTER = 0.1
"""How far inputs are moved apart, in units of their standard deviation."""


class EqualInputs(Hypothesis):
    """Blocks that are wrong where inputs are equal, and right once they are moved apart."""

    family, kind, said, confidence = "K", "pool_all_ties", "equal_inputs", "family"

    def __init__(self, names: Sequence[str]) -> None:
        self.blocks = tuple(names)

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for item in mismatch.evaluator.batch:
            if _may_tie(item):
                counts = np.unique(item, return_counts=True)[1]
                if int(counts.max()) > len(counts) ** 0.5:
                    yield cls(names)
                    return

    def refute(self, mismatch: Mismatch) -> Refutation:
        random = np.random.default_rng(mismatch.options.seed)
        apart = _moved(mismatch.evaluator.batch, random, together=False)
        seen = revisit(mismatch, self.blocks, batch=apart)
        if seen is None:
            return NOT_MADE
        gone = vanishes(mismatch, seen, self.blocks)
        out = "the difference vanishes" if gone else "the difference stays"
        first = Trial("inputs moved apart", out, refuted=not gone)
        if not gone:
            return Refutation((first,))
        together = _moved(mismatch.evaluator.batch, random, together=True)
        seen = revisit(mismatch, self.blocks, batch=together)
        if seen is None:
            return NOT_MADE
        gone = vanishes(mismatch, seen, self.blocks)
        out = "the difference vanishes too" if gone else "the difference stays"
        return Refutation((first, Trial("inputs moved, equal ones alike", out, refuted=gone)))

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks))


def _may_tie(item: object) -> bool:
    return isinstance(item, np.ndarray) and item.dtype.kind == "f" and item.ndim > 1


def _moved(batch: Batch, random: np.random.Generator, *, together: bool) -> Batch:
    """The batch with its inputs moved, each by itself or equal ones together."""

    def one(item: Array) -> Array:
        far = JITTER * np.std(item)
        if not together:
            return item + far * random.standard_normal(item.shape)
        values, which = np.unique(item, return_inverse=True)
        return (values + far * random.standard_normal(values.shape))[which].reshape(item.shape)

    return tuple(one(item) if _may_tie(item) else item for item in batch)
