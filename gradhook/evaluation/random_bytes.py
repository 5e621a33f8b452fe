"""Random bytes made from a seed where they are read, and the numbers that they stand for.

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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array

__all__ = ["CHUNK", "Stream", "in_chunks", "looked_up"]

CHUNK = 1 << 14
"""Elements written at a time: source, target and two runs of a pool are half a megabyte of float64,
which stays in a processor's own cache, and each call takes longer than Python needs to make it."""

POOL = 2 * CHUNK
"""Bytes in a pool."""

LONG = 1 << 17
"""Bytes from which on a stream is laid out from a pool; up to there that saves nothing."""

TURNED = np.uint8(0x80)
"""The top bit of a byte."""

SHORT_STREAM, REMEMBERED = 1 << 12, 256
"""Streams of at most so many bytes are remembered, and how many of them: a megabyte in all."""

LOOKED_UP = 2
"""Pools that are kept looked up, as that of a move is at every write: another megabyte."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Random bytes, made from their seed when they are read.

    Args:
        seed: Seed of the generator; equal seeds give equal bytes whatever the part that is read.
        size: Number of bytes.
        drawn: Whether all are drawn, however many.
    """

    seed: int
    size: int
    drawn: bool = False

    def read(self, start: int, stop: int) -> Array:
        """The bytes from ``start`` to ``stop``; shape (stop - start,)."""
        if self.size <= SHORT_STREAM:
            return _short(self.seed, self.size)[start:stop]
        if self.drawn or self.size < LONG:
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
        if self.drawn or self.size < LONG:
            yield from looked_up(self._chunks(first), table)
            return
        plain_or_turned = _pools(self.seed, table.tobytes())
        for at, turned in self._runs(first):
            yield plain_or_turned[turned][at]

    def _chunks(self, first: int) -> Iterator[Array]:
        """The bytes from a chunk on, as a generator gives them."""
        if self.size <= SHORT_STREAM:
            yield from () if first else (_short(self.seed, self.size),)
            return
        source = np.random.PCG64DXSM(self.seed)
        source.advance(first * CHUNK // 8)
        for start in range(first * CHUNK, self.size, CHUNK):
            yield _bytes(source, min(CHUNK, self.size - start))

    def _runs(self, first: int, last: int | None = None) -> Iterator[tuple[slice, bool]]:
        """Where in the pool the run of each chunk lies, and whether its bytes are turned."""
        places = _places(self.seed, -(-self.size // CHUNK))[first:last].tolist()
        for chunk, place in enumerate(places, start=first):
            start = place % (POOL - CHUNK)
            yield slice(start, start + min(CHUNK, self.size - chunk * CHUNK)), bool(place >> 63)


def in_chunks(values: Array) -> Iterator[Array]:
    """Elements in order, ``CHUNK`` at a time."""
    for start in range(0, values.size, CHUNK):
        yield values[start : start + CHUNK]


def looked_up(chunks: Iterable[Array], table: Array) -> Iterator[Array]:
    """What bytes stand for, chunk by chunk; each holds until the next is asked for."""
    scratch = np.empty(CHUNK)
    for part in chunks:
        # Every byte is a valid index; "clip" is the mode that writes to ``out`` without a buffer.
        yield table.take(part, out=scratch[: part.size], mode="clip")


@functools.lru_cache(maxsize=REMEMBERED)
def _short(seed: int, size: int) -> Array:
    return _drawn(seed, size)


@functools.lru_cache(maxsize=LOOKED_UP)
def _pools(seed: int, table: bytes) -> tuple[Array, Array]:
    """What the bytes of a pool stand for, as they are and turned."""
    pool, numbers = _drawn(seed, POOL), np.frombuffer(table)
    return numbers.take(pool), numbers.take(pool ^ TURNED)


def _drawn(seed: int, stop: int, first: int = 0) -> Array:
    """The bytes of a generator from its word ``first`` on; ``stop`` counts from there."""
    source = np.random.PCG64DXSM(seed)
    source.advance(first)
    return _bytes(source, stop)


def _bytes(source: np.random.PCG64DXSM, count: int) -> Array:
    # Little-endian everywhere, so that a seed means the same on every machine.
    words = source.random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


def _places(seed: int, chunks: int) -> Array:
    """A random word per chunk, from the same generator after the bytes of the pool."""
    source = np.random.PCG64DXSM(seed)
    source.advance(POOL // 8)
    return source.random_raw(chunks)
