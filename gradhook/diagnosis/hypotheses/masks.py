"""Weights and masks that the loss uses and the gradient ignores: of rows, or of dropout.

Dropout whose backward pass does not replay the mask is told by turning it off.  Many columns of a
batch are not negative, and many a bug vanishes when a column is set to one.  A column weighs rows
only if a row whose entry is off has no say in the loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.experiment import Turned, Variation, losses, vanishing, with_rows, without
from gradhook.diagnosis.hypothesis import Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say

__all__ = ["Dropout", "SampleWeights"]

SAME_LOSS = 1e-9
"""Relative difference of two losses that are one, but for rounding."""


class Dropout(Hypothesis):
    """Blocks that are wrong with dropout on and right with it off."""

    family, kind, said, confidence = "W", "dropout_mask_missing", "dropout", "family"

    def __init__(self, names: Sequence[str], switches: Turned) -> None:
        self.blocks, self._switches = tuple(names), switches

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for switches in without(mismatch, "dropout"):
            yield cls(names, switches)

    def refute(self, mismatch: Mismatch) -> Refutation:
        tried = "dropout turned off"
        return Refutation.of(vanishing(mismatch, self.blocks, tried, switches=self._switches))


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """An item of the batch that may weigh its rows."""

    position: int  # its place in the batch
    on: Array  # it with all rows counting alike
    off: Any  # what stands for a row that does not count
    mask: bool  # whether rows count or do not

    @classmethod
    def of(cls, position: int, item: Any, rows: int) -> Column | None:
        """The item as a column of weights; ``None`` where it cannot be one."""
        if not isinstance(item, np.ndarray) or item.size != rows or rows < 2:
            return None
        if item.dtype.kind == "b":
            return cls(position, np.ones_like(item), False, True)
        if item.dtype.kind == "f" and np.all(item >= 0) and np.ptp(item) > 0:
            mask = bool(set(np.unique(item)) <= {0.0, 1.0})
            return cls(position, np.ones_like(item), 0.0, mask)
        if item.dtype.kind == "i" and np.any(item < 0) and np.any(item >= 0):
            on = np.where(item < 0, np.max(item), item)
            return cls(position, on, np.min(item), True)
        return None


class SampleWeights(Hypothesis):
    """Blocks that are wrong unless every row counts alike."""

    said, confidence = "sample_weights", "family"

    def __init__(self, names: Sequence[str], column: Column) -> None:
        self.blocks, self._column = tuple(names), column
        self.family = "W" if column.mask else "S"
        self.kind = "mask_ignored" if column.mask else "sample_weight_ignored"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for position, item in enumerate(mismatch.evaluator.batch):
            column = Column.of(position, item, mismatch.rows)
            if column is not None:
                yield cls(names, column)

    def refute(self, mismatch: Mismatch) -> Refutation:
        column = self._column
        batch = _replaced(mismatch.evaluator.batch, column, column.on)
        tried = f"item {column.position} of the batch the same for every row"
        alike = vanishing(mismatch, self.blocks, tried, batch=batch)
        if alike is None or alike.refuted:
            return Refutation.of(alike)
        return Refutation.of(alike, weighs_rows(mismatch, column))

    def sentence(self) -> str:
        what = "the mask" if self._column.mask else "the sample weights"
        return say(self.said, d=listed(self.blocks), what=what, position=self._column.position)


def weighs_rows(mismatch: Mismatch, column: Column) -> Trial | None:
    """Whether a row whose entry is off has no say in the loss, and one that is on has.

    With some entries off, the other columns of those rows are exchanged for those of other rows:
    the loss stays.  With all entries on it changes.  Right for sums and for weights that are
    normalised; a label fails it.  ``None`` where it could not be measured.
    """
    rows, some = np.arange(mismatch.rows), np.arange(0, mismatch.rows - 1, 2)
    rows[some] += 1  # those of their neighbours
    batch, exchanged = mismatch.evaluator.batch, with_rows(mismatch, rows)
    if exchanged is None:
        return None
    off = column.on.copy()
    off.reshape(-1)[some] = column.off
    pairs = itertools.product((off, column.on), (batch, exchanged))
    changes: list[Variation] = [{"batch": _replaced(b, column, values)} for values, b in pairs]
    found = losses(mismatch, changes)
    if found is None:
        return None
    noise = 10 * mismatch.measured.prober.noise
    same_loss = [
        abs(other - plain) <= noise + SAME_LOSS * abs(plain)
        for plain, other in (found[:2], found[2:])
    ]
    tried = f"other data in {len(some)} rows, their entries of item {column.position} off, then on"
    out = "the loss {}, then {}".format(*("stays" if same else "changes" for same in same_loss))
    return Trial(tried, out, refuted=same_loss != [True, False])


def _replaced(batch: Batch, column: Column, values: Array) -> Batch:
    return (*batch[: column.position], values, *batch[column.position + 1 :])
