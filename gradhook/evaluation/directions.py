"""Displacements as values: where a block is moved to, and along what it is perturbed.

Both are streams of random bytes seen through a table of 256 numbers.  A stream is made from its
seed wherever it is read, so that neither costs memory, however large the block.  A direction can be
restricted to a box of the block: what it measures there and elsewhere adds up to what it measured
before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradhook._types import Array, Box
from gradhook.evaluation.random_bytes import CHUNK, Stream, in_chunks, looked_up

__all__ = [
    "ONE_SIDED",
    "TABLE",
    "Coordinate",
    "Direction",
    "Move",
    "Part",
    "RandomDirection",
    "codes_inside",
    "cut",
    "masked",
    "random_direction",
    "seeded",
    "size_of",
    "whole",
    "within",
    "without",
]


@dataclass(frozen=True, slots=True)
class Move:
    """How one block is displaced: each entry by the number that a random byte picks in a table.

    Args:
        table: 256 numbers; shape (256,).
        how: ``"multiply"`` each entry by its number, or ``"add"`` it.
        seed: Seed of the byte stream.
        drawn: Whether each byte of it is drawn: runs from a pool would make rows of a block that
            was zero or constant equal, which sit on a tie then.
        factor: What every entry is multiplied by in the end.
        unit: What share of the block's size is natural: less than 1 of a location far from zero.
    """

    table: Array
    how: Literal["multiply", "add"]
    seed: int
    drawn: bool = True
    factor: float = 1.0
    unit: float = 1.0

    def stream(self, size: int) -> Stream:
        """The bytes for a block of ``size`` elements."""
        return Stream(self.seed, size, self.drawn)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The direction of one coordinate, by its position in the block's C-ordered flat view."""

    index: int

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``."""
        return float(values.flat[self.index])


@dataclass(frozen=True, slots=True)
class RandomDirection:
    """A direction over a whole block: one byte per element, looked up in a table.

    Args:
        source: The bytes in C order, or the stream that makes them; as many as the block has
            elements.
        table: What each byte stands for; shape (256,).
    """

    source: Array | Stream
    table: Array

    @property
    def codes(self) -> Array:
        """All bytes; shape (block size,)."""
        return self.read(0, self.source.size)

    def read(self, start: int, stop: int) -> Array:
        """The bytes from ``start`` to ``stop``."""
        if isinstance(self.source, Stream):
            return self.source.read(start, stop)
        return self.source[start:stop]

    def numbers(self, step: float = 1.0) -> Iterator[Array]:
        """``step * v`` in order, ``CHUNK`` elements at a time; not to be written to or kept."""
        table = self.table * step
        if isinstance(self.source, Stream):
            return self.source.numbers(table)
        return looked_up(in_chunks(self.source), table)

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``, summed chunk by chunk."""
        flat = values.reshape(-1)
        total, start = 0.0, 0
        # Short products, because BLAS spreads longer ones over threads, which then wait.
        for part in self.numbers():
            total += float(np.dot(flat[start : start + part.size], part))
            start += CHUNK
        return total


@dataclass(frozen=True, slots=True)
class Part:
    """A direction over a block, kept in a box of it and zero outside; costs what it touches."""

    spread: RandomDirection
    shape: tuple[int, ...]
    box: Box

    @property
    def size(self) -> int:
        """Number of elements inside."""
        return size_of(self.box)

    def values(self) -> Array:
        """The direction inside the box; the box's shape."""
        return self.spread.table[codes_inside(self.spread, self.shape, self.box)]

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``."""
        inside = values.reshape(self.shape)[self.box]
        return float(np.dot(inside.ravel(), self.values().ravel()))


Direction = Coordinate | RandomDirection | Part


def codes_inside(source: RandomDirection | Stream, shape: tuple[int, ...], box: Box) -> Array:
    """The bytes of the elements inside a box, read only for the rows that it touches; its shape."""
    if not shape:
        return source.read(0, 1).reshape(())
    row = math.prod(shape[1:])
    codes = source.read(box[0].start * row, box[0].stop * row)
    return codes.reshape(-1, *shape[1:])[(slice(None), *box[1:])]


def without(
    spread: RandomDirection, shape: tuple[int, ...], boxes: Iterable[Box]
) -> RandomDirection:
    """The same direction with zeros inside the boxes."""
    return masked(spread, ~_inside(shape, boxes))


def within(
    spread: RandomDirection, shape: tuple[int, ...], boxes: Iterable[Box]
) -> RandomDirection:
    """The same direction with zeros outside the boxes."""
    return masked(spread, _inside(shape, boxes))


def _inside(shape: tuple[int, ...], boxes: Iterable[Box]) -> Array:
    inside = np.zeros(shape, dtype=bool)
    for box in boxes:
        inside[box] = True
    return inside


def masked(spread: RandomDirection, kept: Array) -> RandomDirection:
    """The same direction with zeros where ``kept``, of the block's shape, is false.

    Byte 0 is given up to stand for zero: where the direction had it, byte 1, its neighbour, stands.
    """
    codes = np.where(kept.reshape(-1), np.maximum(spread.codes, 1), 0).astype(np.uint8)
    table = spread.table.copy()
    table[0] = 0.0
    return RandomDirection(codes, table)


def _table() -> Array:
    # Magnitudes from 1/2 to b with (b**3 - 1/8) / (3 * (b - 1/2)) = 1, the mean square of a uniform
    # spread.
    magnitudes = np.linspace(0.5, (-0.5 + np.sqrt(11.25)) / 2, 128)
    magnitudes /= np.sqrt(np.mean(magnitudes**2))
    return np.concatenate([magnitudes, -magnitudes])


TABLE: Array = _table()
"""What each byte stands for; shape (256,), mean 0, mean square 1."""
TABLE.flags.writeable = False

ONE_SIDED: Array = np.abs(TABLE)
"""The same without signs; mean square 1."""
ONE_SIDED.flags.writeable = False


def seeded(seed: int, *labels: int) -> int:
    """A seed that depends on all labels: every block and purpose has a stream of its own."""
    return int(np.random.SeedSequence([seed, *labels]).generate_state(1, np.uint64)[0])


def random_direction(size: int, seed: int, *, one_sided: bool = False) -> RandomDirection:
    """A random direction over a block of ``size`` elements, made wherever it is read."""
    return RandomDirection(Stream(seed, size), ONE_SIDED if one_sided else TABLE)


def whole(shape: tuple[int, ...]) -> Box:
    """All of a block."""
    return tuple(slice(0, n) for n in shape)


def cut(box: Box, axis: int, first: int, last: int) -> Box:
    """The part of a box from ``first`` to ``last`` along an axis."""
    return (*box[:axis], slice(first, last), *box[axis + 1 :])


def size_of(box: Box) -> int:
    """Number of elements in a box."""
    return math.prod(each.stop - each.start for each in box)
