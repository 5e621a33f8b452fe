"""Displacements as values: where a block is moved to, and along what it is perturbed.

Both are streams of random bytes seen through a table of 256 numbers.  A stream is made from its
seed wherever it is read, so that neither costs memory, however large the block.  A direction can be
restricted to a box of the block: what it measures there and elsewhere adds up to what it measured
before.

Short streams are what a generator gives.  A long one would cost more to make, and to look up in a
table, than the loss costs to evaluate, so it may be laid out from a pool: 32,768 random bytes,
looked up once.  Every chunk of the stream is a run of the pool that begins at a place of its own,
with the top bit of all its bytes turned or not.  Numbers that stand for bytes are then read from
the pool as they are, at the speed of memory.

The bytes are as random as a direction needs.  Two elements in one chunk are drawn apart; of two in
different chunks the top bits, which are the signs of a two-sided direction, are independent, so
``E v_i v_j = 0`` and ``E ⟨v, r⟩² = ‖r‖²`` hold as for bytes drawn one by one, and runs begin
anywhere, so that hardly any pattern in a residual meets the same bytes again.  Where that would
matter, as between the rows of a matrix that was zero, a stream is drawn throughout.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradhook._types import Array, Box

CHUNK = 1 << 14
"""Elements written at a time: source, target and two runs of a pool are half a megabyte of float64,
which stays in a processor's own cache, and each call takes longer than Python needs to make it."""

POOL = 2 * CHUNK
"""Bytes in a pool."""

LONG = 1 << 17
"""Bytes above which a stream is laid out from a pool; up to there that saves nothing."""

TURNED = np.uint8(0x80)
"""The top bit of a byte."""

REMEMBERED = {1 << 12: 256, LONG: 8}
"""How many streams of at most so many bytes are remembered: a megabyte of each."""

LOOKED_UP = 2
"""Pools that are kept looked up, as that of a move is at every write: another megabyte."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Random bytes, made from their seed when they are read, equal whatever part is read.

    However many they are, all are drawn from the generator where ``drawn`` says so.
    """

    seed: int
    size: int
    drawn: bool = False

    def read(self, start: int, stop: int) -> Array:
        """The bytes from ``start`` to ``stop``; shape (stop - start,)."""
        for most, remembered in _REMEMBERED.items():
            if self.size <= most:
                return remembered(self.seed, self.size)[start:stop]
        if self.drawn:
            first = start // 8
            return _drawn(self.seed, stop - 8 * first, first)[start - 8 * first :]
        pool, first = _drawn(self.seed, POOL), start // CHUNK
        runs = [
            pool[at] ^ TURNED if turned else pool[at]
            for at, turned in self._runs(first, -(-stop // CHUNK))
        ]
        return np.concatenate([pool[:0], *runs])[start - first * CHUNK : stop - first * CHUNK]

    def numbers(self, table: Array, first: int = 0) -> Iterator[Array]:
        """What each byte from a chunk on stands for, ``CHUNK`` at a time; not to be kept."""
        if self.drawn or self.size <= LONG:
            starts = range(first * CHUNK, self.size, CHUNK)
            chunks = (self.read(start, min(start + CHUNK, self.size)) for start in starts)
            yield from _looked_up(chunks, table)
            return
        plain_or_turned = _pools(self.seed, table.tobytes())
        for at, turned in self._runs(first):
            yield plain_or_turned[turned][at]

    def _runs(self, first: int, last: int | None = None) -> Iterator[tuple[slice, bool]]:
        """Where in the pool the run of each chunk lies, and whether its bytes are turned."""
        # A random word per chunk, from the same generator after the bytes of the pool.
        chunks = -(-self.size // CHUNK)
        places = _drawn(self.seed, 8 * chunks, POOL // 8).view("<u8")[first:last]
        for chunk, place in enumerate(places.tolist(), start=first):
            start = place % (POOL - CHUNK)
            yield slice(start, start + min(CHUNK, self.size - chunk * CHUNK)), bool(place >> 63)


@dataclass(frozen=True, slots=True)
class Move:
    """How one block is displaced: each entry by the number that a random byte picks in a table."""

    table: Array  # shape (256,)
    how: Literal["multiply", "add"]  # what is done to each entry with its number
    seed: int  # of the byte stream
    # Whether each byte is drawn: runs from a pool would make rows of a block that was zero or
    # constant equal, which sit on a tie then.
    drawn: bool = True
    factor: float = 1.0  # what every entry is multiplied by in the end
    unit: float = 1.0  # share of the block's size that is natural; less of a location far from 0

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
    """A direction over a whole block: one byte per element, looked up in a table."""

    source: Array | Stream  # the bytes in C order, or what makes them
    table: Array  # what each byte stands for; shape (256,)

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
        starts = range(0, self.source.size, CHUNK)
        return _looked_up((self.source[start : start + CHUNK] for start in starts), table)

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

    spread: RandomDirection  # over the whole block
    shape: tuple[int, ...]  # of the block
    box: Box  # where it is not zero
    rising: int | None = None  # an axis whose ``n`` slices inside are multiplied by 1/2n, 3/2n, …

    @property
    def size(self) -> int:
        """Number of elements inside."""
        return size_of(self.box)

    def values(self) -> Array:
        """The direction inside the box; the box's shape."""
        found = self.spread.table[codes_inside(self.spread, self.shape, self.box)]
        if self.rising is not None:
            slices = np.moveaxis(found, self.rising, -1)
            slices *= (np.arange(slices.shape[-1]) + 0.5) / slices.shape[-1]
        return found

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


def mask_of(shape: tuple[int, ...], boxes: Iterable[Box]) -> Array:
    """What lies inside some boxes of a block; its shape."""
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


def _looked_up(chunks: Iterable[Array], table: Array) -> Iterator[Array]:
    """What bytes stand for, chunk by chunk; each holds until the next is asked for."""
    scratch = np.empty(CHUNK)
    for part in chunks:
        # Every byte is a valid index; "clip" is the mode that writes to ``out`` without a buffer.
        yield table.take(part, out=scratch[: part.size], mode="clip")


@functools.lru_cache(maxsize=LOOKED_UP)
def _pools(seed: int, table: bytes) -> tuple[Array, Array]:
    """What the bytes of a pool stand for, as they are and turned."""
    pool, numbers = _drawn(seed, POOL), np.frombuffer(table)
    return numbers.take(pool), numbers.take(pool ^ TURNED)


def _drawn(seed: int, stop: int, first: int = 0) -> Array:
    """The bytes of a generator from its word ``first`` on; ``stop`` counts from there."""
    source = np.random.PCG64DXSM(seed)
    source.advance(first)
    # Little-endian everywhere, so that a seed means the same on every machine.
    words = source.random_raw(-(-stop // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:stop]


_REMEMBERED = {
    most: functools.lru_cache(maxsize=streams)(_drawn) for most, streams in REMEMBERED.items()
}
