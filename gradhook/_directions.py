"""Displacements as values: where a block is moved to, and along what it is perturbed.

Both are streams of random bytes seen through a table of 256 numbers, so that they can be made again
from their seed and a direction over a block costs one byte per element.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradhook._types import Array

__all__ = ["CHUNK", "Direction", "Element", "Move", "Spread"]

CHUNK = 1 << 15
"""Elements written at a time: 256 kB of float64, which stays in a second-level cache."""


@dataclass(frozen=True, slots=True)
class Move:
    """How one block is displaced from where the user stands: each entry by a table entry that a
    random byte picks.

    Args:
        table: 256 numbers; shape (256,).
        how: ``"multiply"`` each entry by its number, or ``"add"`` it.
        seed: Seed of the byte stream.
    """

    table: Array
    how: Literal["multiply", "add"]
    seed: int


@dataclass(frozen=True, slots=True)
class Element:
    """The direction of one coordinate.

    Args:
        index: Position in the block's C-ordered flat view.
    """

    index: int

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``."""
        return float(values.flat[self.index])


@dataclass(frozen=True, slots=True)
class Spread:
    """A direction over a whole block: one byte per element, looked up in a table.

    Args:
        codes: Bytes in C order; shape (block size,).
        table: What each byte stands for; shape (256,).
    """

    codes: Array
    table: Array

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``, summed chunk by chunk."""
        flat = values.reshape(-1)
        total = 0.0
        for start in range(0, flat.size, CHUNK):
            part = self.table[self.codes[start : start + CHUNK]]
            total += float(np.dot(flat[start : start + CHUNK], part))
        return total


Direction = Element | Spread
