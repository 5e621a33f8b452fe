"""Slices of a block whose gradient is zero and should not be.

What is zero may be rightly so (a pixel that is black in every row, a word that the batch does not
use), so each zero slice is looked at before it is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array, Box
from gradhook.diagnosis.fit import SAME_FIT
from gradhook.diagnosis.hypothesis import Hypothesis, Refutation, Trial, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import say
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.verdict.evidence import Location

__all__ = ["ZeroSlices"]

EXACTLY = 1e-9
"""Relative difference of arrays that are equal but for rounding."""

NAMED_SLICES = 5
"""Slices that are named one by one."""


class ZeroSlices(Hypothesis):
    """A block that is wrong in some slices along an axis, where its gradient is zero."""

    family, said = "W", "zero_slices"

    def __init__(
        self, block: WrongBlock, axis: int, empty: Array, found: Refutation | None
    ) -> None:
        self.blocks, self._axis, self._empty, self._found = (block.name,), axis, empty, found
        self._block = block
        self.kind = "last_row_missing" if axis == 0 else "last_column_missing"
        first, last = int(np.min(empty)), int(np.max(empty))
        named = f"{first}:{last + 1}" if last - first + 1 == len(empty) else "…"
        named = str(first) if len(empty) == 1 else named
        index = ", ".join(named if i == axis else ":" for i in range(block.gradient.ndim))
        self.where = f"{block.name}[{index}]"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for block in (mismatch.blocks[name] for name in names):
            a = block.gradient
            if a.size < 2:
                continue
            for axis in range(a.ndim) if a.ndim > 1 else ():
                empty = mismatch.wrong_slices(block.name, axis, _empty_slices(block, axis))
                if 0 < len(empty) <= a.shape[axis] // 2:
                    yield cls(block, axis, empty, None)

    @classmethod
    def located(cls, block: WrongBlock, location: Location) -> ZeroSlices | None:
        """The wrong slices that a search has found, where they are zero; else ``None``."""
        sliced = [_sliced(box, block.shape) for box in location.boxes]
        axes = {axis for axis, _ in sliced}
        if not location.complete or len(axes) != 1 or None in axes or block.gradient.ndim < 2:
            return None
        axis = sliced[0][0]
        assert axis is not None
        indices = np.array([index for _, index in sliced])
        if not set(indices) <= set(_empty_slices(block, axis)):
            return None
        return cls(
            block,
            axis,
            indices,
            Refutation((Trial(f"a search through {block.name}", "all else is right"),)),
        )

    def predict(self) -> Mapping[str, Array]:
        return {self.blocks[0]: self._block.gradient}

    def inside(self) -> Mapping[str, Array]:
        mask = np.zeros(self._block.shape, dtype=bool)
        np.moveaxis(mask, self._axis, 0)[self._empty] = True
        return {self.blocks[0]: mask}

    def refute(self, mismatch: Mismatch) -> Refutation:
        # A search has looked at all the rest already.
        return self._found or confirm(mismatch, self)

    def sentence(self) -> str:
        empty, a = self._empty, self._block.gradient
        what = ("row", "column")[self._axis] if a.ndim == 2 else "slice"
        some = ", ".join(str(int(i)) for i in empty[:NAMED_SLICES]) + (
            ", …" if len(empty) > NAMED_SLICES else ""
        )
        return say(
            self.said,
            part=self.where,
            what=f"{what} {some} is" if len(empty) == 1 else f"{what}s {some} are",
        )


def _sliced(box: Box, shape: tuple[int, ...]) -> tuple[int | None, int]:
    """The axis and the place of a box that is one whole slice; no axis for any other box."""
    short = [i for i, part in enumerate(box) if part.stop - part.start < shape[i]]
    if len(short) != 1 or box[short[0]].stop - box[short[0]].start != 1:
        return None, 0
    return short[0], box[short[0]].start


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
        sizes = np.einsum("ij,ij->i", basis, basis)
        with np.errstate(all="ignore"):
            factors = np.einsum("ij,ij->i", a, basis) / sizes
            left = np.linalg.norm(a - factors[:, None] * basis, axis=1)
            alike = left <= EXACTLY * np.linalg.norm(a, axis=1)
        if np.any(alike) and np.ptp(factors[alike]) <= SAME_FIT * np.max(np.abs(factors[alike])):
            return np.flatnonzero(alike)
    return zero
