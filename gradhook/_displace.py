"""``x + h * v`` written into an array, chunk by chunk.

Memory is what this costs, so nothing of a block's size is ever made: random bytes come from their
streams, one scratch that stays in the processor's cache holds the numbers that they stand for, and
products and sums go straight into the array.  The result depends on the saved numbers, the move,
the direction and the step alone, never on what the array held before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from gradhook._directions import CHUNK, Box, Move, Spread, Stream, codes_inside, in_chunks
from gradhook._types import Array

__all__ = ["base_chunk", "base_chunks", "base_inside", "displace", "flat_chunk"]


def displace(
    target: Array,
    source: Array,
    move: Move | None,
    spread: Spread | None,
    step: float,
    *,
    codes: Array | None = None,
) -> None:
    """Write the moved source, plus ``step * spread``, into the target.

    Args:
        target: Array to write to, of the source's shape.
        source: Saved numbers.
        move: Displacement of the present point; ``None`` for none.
        spread: Direction; ``None`` for none.
        step: Length along it.
        codes: The bytes of the move's stream, where they are at hand; shape (source size,).
    """
    if move is None and spread is None:
        target[...] = source
        return
    straight = target.flags.c_contiguous and target.dtype == _working(source)
    flat = target.reshape(-1) if straight else None
    scratch = np.empty(min(CHUNK, source.size), dtype=_working(source))
    table = None if spread is None else spread.table * step
    along = itertools.repeat(None) if spread is None else spread.chunks()
    chunks = base_chunks(source, move, flat, codes=codes)
    for (start, base), bytes_ in zip(chunks, along, strict=False):
        if bytes_ is not None and table is not None:
            base += _looked_up(table, bytes_, scratch)
        if flat is None:
            _put(target, start, base)


def base_chunks(
    source: Array, move: Move | None, into: Array | None = None, *, codes: Array | None = None
) -> Iterator[tuple[int, Array]]:
    """The moved source, chunk by chunk, with the place where each chunk begins.

    Args:
        source: Saved numbers.
        move: Displacement; ``None`` for none.
        into: Flat array of the working dtype whose parts are filled and yielded; ``None`` for one
            scratch, which holds each chunk until the next is asked for and may be written to.
        codes: The bytes of the move's stream, where they are at hand.
    """
    working = _working(source)
    length = min(CHUNK, source.size)
    scratch = np.empty(length, dtype=working) if into is None else into
    looked_up = np.empty(length, dtype=working)
    drawn: Iterator[Array | None] = itertools.repeat(None)
    if move is not None:
        drawn = Stream(move.seed, source.size).chunks() if codes is None else in_chunks(codes)
    for start, bytes_ in zip(range(0, source.size, CHUNK), drawn, strict=False):
        size = min(CHUNK, source.size - start)
        base = scratch[:size] if into is None else into[start : start + size]
        values = flat_chunk(source, start, start + size)
        if move is None or bytes_ is None:
            base[...] = values
        else:
            apply = np.multiply if move.how == "multiply" else np.add
            apply(values, _looked_up(move.table, bytes_, looked_up), out=base)
        yield start, base


def base_chunk(source: Array, move: Move, start: int) -> Array:
    """One chunk of the moved source, which begins at ``start``."""
    stop = min(start + CHUNK, source.size)
    looked_up = move.table[Stream(move.seed, source.size).read(start, stop)]
    values = flat_chunk(source, start, stop)
    return values * looked_up if move.how == "multiply" else values + looked_up


def base_inside(source: Array, move: Move | None, box: Box) -> Array:
    """The moved source inside a box; the box's shape."""
    values = source[box].astype(_working(source))
    if move is None:
        return values
    table = move.table[codes_inside(Stream(move.seed, source.size), source.shape, box)]
    return values * table if move.how == "multiply" else values + table


def flat_chunk(array: Array, start: int, stop: int) -> Array:
    """Elements ``start`` to ``stop`` in C order; a view where the array's memory allows one."""
    if array.flags.c_contiguous:
        return array.reshape(-1)[start:stop]
    return array.flat[start:stop]


def _working(source: Array) -> np.dtype[np.floating]:
    """Float64, or the source's own dtype where that is finer."""
    return source.dtype if source.dtype.itemsize > 8 else np.dtype(np.float64)


def _looked_up(table: Array, codes: Array, scratch: Array) -> Array:
    out = scratch[: codes.size]
    if out.dtype != table.dtype:
        out[...] = table[codes]
        return out
    # Every byte is a valid index; "clip" is the mode that writes to ``out`` without a buffer.
    return table.take(codes, out=out, mode="clip")


def _put(target: Array, start: int, values: Array) -> None:
    if target.flags.c_contiguous:
        target.reshape(-1)[start : start + values.size] = values
    else:
        target.flat[start : start + values.size] = values
