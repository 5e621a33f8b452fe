"""Gradients that were not written, or not wholly: zero, zero in some slices, cut to whole numbers.

What is zero may be rightly so (a pixel that is black in every row, a word that the batch does not
use), so each zero slice is looked at before it is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import another_point, revisit
from gradhook.diagnosis.fit import SAME_FIT, Prediction, fit
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, say
from gradhook.diagnosis.wrong_block import SAME_GRADIENT, WrongBlock, is_vector
from gradhook.evaluation.directions import Coordinate, mask_of

__all__ = ["CutToIntegers", "Disconnected", "ZeroSlices"]

SHORT_BLOCK = 8
"""Elements up to which a block is measured one by one."""

NAMED_SLICES = 5
"""Slices that are named one by one."""


class Disconnected(Hypothesis):
    """A gradient of zero although the loss depends on the block."""

    family, kind, said = "D", "disconnected", "disconnected"

    def __init__(self, block: WrongBlock) -> None:
        self.blocks = (block.name,)
        self.support = f"the numerical gradient has the norm {np.linalg.norm(block.slopes):.1e}"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            block = mismatch.blocks[name]
            if np.any(block.gradient):
                continue
            alone = Prediction(block, None, (block.values,))
            if fit([alone], mismatch.options.tolerance) is not None:
                continue  # a penalty that is missing where nothing else acts
            integers = name in mismatch.evaluator.integer_gradients
            if not integers and not _may_cancel(mismatch, block):
                yield cls(block)

    def refute(self, mismatch: Mismatch) -> Refutation:
        changed = revisit(mismatch, self.blocks, moves=another_point(mismatch), probes=0)
        if changed is None:
            return NOT_MADE
        written = bool(np.any(changed.gradients[self.blocks[0]]))
        out = "not zero" if written else "exactly zero there too"
        return Refutation((Trial(AT_OTHER_WEIGHTS, out, refuted=written),))


def _may_cancel(mismatch: Mismatch, block: WrongBlock) -> bool:
    """Whether the gradient of a bias may be zero because it is summed over the wrong axis.

    The gradients of hinge scores are whole numbers over the rows and sum to zero over the classes;
    those of a softmax leave rounding behind.  A corner of an image may be dead.
    """
    before = [mismatch.gradients[n] for n in mismatch.order[: mismatch.order.index(block.name)]]
    weights = [gradient for gradient in before if not is_vector(gradient.shape)]
    if not block.is_vector or (weights and weights[-1].ndim > 2):
        return block.is_vector
    if block.name != mismatch.order[-1]:
        return False
    if block.gradient.size > SHORT_BLOCK or mismatch.budget.left < 4 * SHORT_BLOCK:
        return False
    wanted, size = mismatch.options.tolerance.explained / 3, block.gradient.size
    elements = [mismatch.probe(block, Coordinate(i), wanted, share=1 / size) for i in range(size)]
    counts = max(1, mismatch.rows) * np.array([probe.slope.value for probe in elements])
    allowed = 3 * max(1, mismatch.rows) * np.array([probe.slope.error for probe in elements]) + 1e-6
    cancels = abs(np.sum(counts)) <= np.sum(allowed)
    return bool(cancels and np.all(np.abs(counts - np.rint(counts)) <= allowed))


class CutToIntegers(Hypothesis):
    """A gradient that was written into an integer array."""

    family, kind, said = "D", "integer_buffer", "integer_buffer"

    def __init__(self, block: WrongBlock) -> None:
        self.blocks = (block.name,)
        self.support = "an integer dtype"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            block = mismatch.blocks[name]
            if name in mismatch.evaluator.integer_gradients:
                yield cls(block)

    def refute(self, mismatch: Mismatch) -> Refutation:
        (name,) = self.blocks
        changed = revisit(mismatch, self.blocks, moves=another_point(mismatch), probes=0)
        if changed is None:
            return NOT_MADE
        whole = bool(np.all(np.mod(changed.gradients[name], 1) == 0))
        out = "whole numbers there too" if whole else "not whole"
        return Refutation((Trial(AT_OTHER_WEIGHTS, out, refuted=not whole),))


class ZeroSlices(Hypothesis):
    """A block that is wrong in some slices along an axis, as a search found, and zero there."""

    family, said = "W", "zero_slices"

    def __init__(self, block: WrongBlock, axis: int, empty: Array) -> None:
        self.blocks, self._axis, self._empty = (block.name,), axis, empty
        self._dimensions = block.gradient.ndim
        self.kind = "last_row_missing" if axis == 0 else "last_column_missing"
        first, last = int(np.min(empty)), int(np.max(empty))
        named = f"{first}:{last + 1}" if last - first + 1 == len(empty) else "…"
        named = str(first) if len(empty) == 1 else named
        index = ", ".join(named if i == axis else ":" for i in range(self._dimensions))
        self.where = f"{block.name}[{index}]"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            block, location = mismatch.blocks[name], mismatch.located(name)
            wrong = mask_of(block.shape, location.boxes)
            for axis, length in enumerate(block.shape if location.complete else ()):
                slices = np.moveaxis(wrong, axis, 0).reshape(length, -1)
                some = np.flatnonzero(np.all(slices, axis=1))
                whole = slices.shape[1] > 1 and 0 < np.count_nonzero(slices) == slices[some].size
                if whole and np.all(np.isin(some, _empty_slices(block, axis))):
                    yield cls(block, axis, some)
                    break

    def refute(self, mismatch: Mismatch) -> Refutation:
        return Refutation((Trial(f"a search through {self.blocks[0]}", "all else is right"),))

    def sentence(self) -> str:
        empty = self._empty
        what = ("row", "column")[self._axis] if self._dimensions == 2 else "slice"
        some = ", ".join(str(int(i)) for i in empty[:NAMED_SLICES])
        some += ", …" if len(empty) > NAMED_SLICES else ""
        what = f"{what} {some} is" if len(empty) == 1 else f"{what}s {some} are"
        return say(self.said, part=self.where, what=what)


def _empty_slices(block: WrongBlock, axis: int) -> Array:
    """Slices that hold no data term: zero, or a multiple of the weights that all of them share."""
    a, w = (
        np.moveaxis(x, axis, 0).reshape(block.shape[axis], -1)
        for x in (block.gradient, block.values)
    )
    zero = np.flatnonzero(~np.any(a, axis=1))
    if len(zero) or a.shape[1] < 2:
        return zero
    for basis in (w, np.sign(w)):
        with np.errstate(all="ignore"):
            factors = np.sum(a * basis, axis=1) / np.sum(basis * basis, axis=1)
            left = np.linalg.norm(a - factors[:, None] * basis, axis=1)
            alike = left <= SAME_GRADIENT * np.linalg.norm(a, axis=1)
        if np.any(alike) and np.ptp(factors[alike]) <= SAME_FIT * np.max(np.abs(factors[alike])):
            return np.flatnonzero(alike)
    return zero
