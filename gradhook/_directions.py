"""Displacements as values: where a block is moved to, and along what it is perturbed.

Both are streams of random bytes seen through a table of 256 numbers, so that they can be made again
from their seed and a direction over a block costs one byte per element.  A direction can be kept
and restricted to a box of the block: what it measures there and elsewhere adds up to what it
measured before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gradhook._types import Array

__all__ = ["CHUNK", "Box", "Direction", "Element", "Move", "Part", "Spread", "within", "without"]

Box: TypeAlias = tuple[slice, ...]
"""A part of a block: one slice with plain bounds for each axis, step 1."""

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


@dataclass(frozen=True, slots=True)
class Part:
    """A spread kept inside a box of its block, and zero outside; costs what it touches.

    Args:
        spread: The direction over the whole block.
        shape: The block's shape.
        box: Where it is kept.
    """

    spread: Spread
    shape: tuple[int, ...]
    box: Box

    @property
    def size(self) -> int:
        """Number of elements inside."""
        return math.prod(each.stop - each.start for each in self.box)

    def values(self) -> Array:
        """The direction inside the box; the box's shape."""
        return self.spread.table[self.spread.codes.reshape(self.shape)[self.box]]

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``."""
        inside = values.reshape(self.shape)[self.box]
        return float(np.dot(inside.ravel(), self.values().ravel()))


Direction = Element | Spread | Part


def without(spread: Spread, shape: tuple[int, ...], boxes: Iterable[Box]) -> Spread:
    """The same direction with zeros inside the boxes.

    Byte 0 is given up to stand for zero: where the direction had it, byte 1, its neighbour, stands.
    """
    codes = np.maximum(spread.codes, 1).reshape(shape)
    for box in boxes:
        codes[box] = 0
    return Spread(codes.reshape(-1), _with_zero(spread.table))


def within(spread: Spread, shape: tuple[int, ...], boxes: Iterable[Box]) -> Spread:
    """The same direction with zeros outside the boxes."""
    kept = np.maximum(spread.codes, 1).reshape(shape)
    codes = np.zeros(shape, dtype=np.uint8)
    for box in boxes:
        codes[box] = kept[box]
    return Spread(codes.reshape(-1), _with_zero(spread.table))


def _with_zero(table: Array) -> Array:
    changed = table.copy()
    changed[0] = 0.0
    return changed
