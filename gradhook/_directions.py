"""Displacements as values: where a block is moved to, and along what it is perturbed.

Both are streams of random bytes seen through a table of 256 numbers.  A stream is made from its
seed wherever it is read, so that neither costs memory, however large the block.  A direction can be
restricted to a box of the block: what it measures there and elsewhere adds up to what it measured
before.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gradhook._types import Array

__all__ = [
    "CHUNK",
    "Box",
    "Direction",
    "Element",
    "Move",
    "Part",
    "Spread",
    "Stream",
    "codes_inside",
    "in_chunks",
    "masked",
    "within",
    "without",
]

Box: TypeAlias = tuple[slice, ...]
"""A part of a block: one slice with plain bounds for each axis, step 1."""

CHUNK = 1 << 16
"""Elements written at a time: source, target and scratch are 1.5 MB of float64, which stay in a
processor's caches, and each call takes longer than Python needs to make it.  Divisible by 8, the
bytes in one word of a stream."""


SHORT, REMEMBERED = 1 << 12, 256
"""Streams of at most so many bytes are remembered, and how many of them: a megabyte in all."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Random bytes, made from their seed when they are read.

    Args:
        seed: Seed of the generator; equal seeds give equal bytes whatever the part that is read.
        size: Number of bytes.
    """

    seed: int
    size: int

    def read(self, start: int, stop: int) -> Array:
        """The bytes from ``start`` to ``stop``; shape (stop - start,)."""
        if self.size <= SHORT:
            return _short(self.seed, self.size)[start:stop]
        source = np.random.PCG64DXSM(self.seed)
        first = start // 8
        source.advance(first)
        return _bytes(source, -(-stop // 8) - first)[start - 8 * first : stop - 8 * first]

    def chunks(self) -> Iterator[Array]:
        """All bytes in order, ``CHUNK`` at a time."""
        if self.size <= SHORT:
            yield _short(self.seed, self.size)
            return
        source = np.random.PCG64DXSM(self.seed)
        for start in range(0, self.size, CHUNK):
            length = min(CHUNK, self.size - start)
            yield _bytes(source, -(-length // 8))[:length]


@functools.lru_cache(maxsize=REMEMBERED)
def _short(seed: int, size: int) -> Array:
    return _bytes(np.random.PCG64DXSM(seed), -(-size // 8))[:size]


def _bytes(source: np.random.PCG64DXSM, words: int) -> Array:
    # Little-endian everywhere, so that a seed means the same on every machine.
    return source.random_raw(words).astype("<u8", copy=False).view(np.uint8)


@dataclass(frozen=True, slots=True)
class Move:
    """How one block is displaced: each entry by the number that a random byte picks in a table.

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

    def chunks(self) -> Iterator[Array]:
        """All bytes in order, ``CHUNK`` at a time."""
        if isinstance(self.source, Stream):
            yield from self.source.chunks()
        else:
            yield from in_chunks(self.source)

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``, summed chunk by chunk."""
        flat = values.reshape(-1)
        scratch = np.empty(min(CHUNK, flat.size))
        total, start = 0.0, 0
        for codes in self.chunks():
            stop = start + codes.size
            part = np.take(self.table, codes, out=scratch[: codes.size], mode="clip")
            # In halves, because BLAS spreads longer products over threads, which then wait.
            middle = start + codes.size // 2
            total += float(np.dot(flat[start:middle], part[: middle - start]))
            total += float(np.dot(flat[middle:stop], part[middle - start :]))
            start = stop
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
        return self.spread.table[codes_inside(self.spread, self.shape, self.box)]

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``."""
        inside = values.reshape(self.shape)[self.box]
        return float(np.dot(inside.ravel(), self.values().ravel()))


Direction = Element | Spread | Part


def in_chunks(codes: Array) -> Iterator[Array]:
    """Bytes in order, ``CHUNK`` at a time."""
    for start in range(0, codes.size, CHUNK):
        yield codes[start : start + CHUNK]


def codes_inside(source: Spread | Stream, shape: tuple[int, ...], box: Box) -> Array:
    """The bytes of the elements inside a box, read only for the rows that it touches; its shape."""
    if not shape:
        return source.read(0, 1).reshape(())
    row = math.prod(shape[1:])
    codes = source.read(box[0].start * row, box[0].stop * row)
    return codes.reshape(-1, *shape[1:])[(slice(None), *box[1:])]


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


def masked(spread: Spread, kept: Array) -> Spread:
    """The same direction with zeros where ``kept``, of the block's shape, is false."""
    codes = np.where(kept.reshape(-1), np.maximum(spread.codes, 1), 0).astype(np.uint8)
    return Spread(codes, _with_zero(spread.table))


def _with_zero(table: Array) -> Array:
    changed = table.copy()
    changed[0] = 0.0
    return changed
