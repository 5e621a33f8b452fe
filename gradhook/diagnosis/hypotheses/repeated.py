"""What the batch holds more than once: inputs that tie, indices that are used again.

Of equal inputs, as padding or black pixels, every one gets the gradient of a maximum, or none.  Of
an embedding, the rows that a batch uses more than once lose all uses but one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.experiment import revisit, vanishes, vanishing
from gradhook.diagnosis.hypothesis import Hypothesis, Refutation, Trial, confirm
from gradhook.diagnosis.mismatch import Mismatch

__all__ = ["EqualInputs", "RepeatedRows"]

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
        batch = _moved(mismatch.evaluator.batch, random, together=False)
        apart = vanishing(mismatch, self.blocks, "inputs moved apart", batch=batch)
        if apart is None or apart.refuted:
            return Refutation.of(apart)
        batch = _moved(mismatch.evaluator.batch, random, together=True)
        tried = "inputs moved, equal ones alike"
        return Refutation.of(
            apart, vanishing(mismatch, self.blocks, tried, stays=True, batch=batch)
        )


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


class RepeatedRows(Hypothesis):
    """An embedding that is wrong only in the rows that the batch uses more than once."""

    family, kind, said = "A", "emb_fancy_iadd", "repeated_rows"

    def __init__(self, name: str, gradient: Array, uses: Array, position: int) -> None:
        self.blocks, self.where = (name,), f"{name}[rows used more than once]"
        self._gradient, self._repeated, self._position = gradient, uses > 1, position
        self._taking = int(np.flatnonzero(uses == 1)[-1])

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            a = mismatch.blocks[name].gradient
            for position, item in enumerate(mismatch.evaluator.batch):
                if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size):
                    continue
                if a.ndim != 2 or item.min() < 0 or item.max() >= len(a):
                    continue
                uses = np.bincount(item.ravel(), minlength=len(a))
                if np.any(uses == 1) and np.count_nonzero(uses > 1) > 1:
                    yield cls(name, a, uses, position)

    def predict(self) -> Mapping[str, Array]:
        return {self.blocks[0]: self._gradient}

    def inside(self) -> Mapping[str, Array]:
        return {self.blocks[0]: np.broadcast_to(self._repeated[:, None], self._gradient.shape)}

    def refute(self, mismatch: Mismatch) -> Refutation:
        done = confirm(mismatch, self)
        return Refutation.of(*done.trials, self._used_once(mismatch)) if done.survived else done

    def _used_once(self, mismatch: Mismatch) -> Trial | None:
        """Whether rows are right whose further uses are pointed at one row that takes them all."""
        batch, place = mismatch.evaluator.batch, self._position
        item, taking = batch[place], self._taking
        once = np.full_like(item, taking)
        values, first = np.unique(item, return_index=True)
        once.flat[first] = values
        rows = np.zeros(self._gradient.shape, dtype=bool)
        rows[values[values != taking]] = True
        changed = (*batch[:place], once, *batch[place + 1 :])
        seen = revisit(mismatch, self.blocks, within={self.blocks[0]: rows}, batch=changed)
        if seen is None:
            return None
        gone = vanishes(mismatch, seen, self.blocks)
        tried = f"further uses pointed at row {taking}, in item {place} of the batch"
        return Trial(tried, f"the others are {'right' if gone else 'not right'}", refuted=not gone)
