"""``x + h * v`` written into an array, chunk by chunk.

Memory is what this costs, so nothing of a block's size is ever made: the numbers that random bytes
stand for come from their streams, which stay in the processor's cache, and products and sums go
straight into the array.  The result depends on the saved numbers, the move,
the direction and the step alone, never on what the array held before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from gradhook._types import Array, Box
from gradhook.evaluation.directions import Move, RandomDirection, codes_inside
from gradhook.evaluation.random_bytes import CHUNK

__all__ = ["base_chunk", "base_chunks", "base_inside", "displace", "flat_chunk"]


def displace(
    target: Array, source: Array, move: Move | None, spread: RandomDirection | None, step: float
) -> None:
    """Write the moved source, plus ``step * spread``, into the target, an array of its shape."""
    if move is None and spread is None:
        target[...] = source
        return
    straight = target.flags.c_contiguous and target.dtype == _working(source)
    flat = target.reshape(-1) if straight else None
    along = itertools.repeat(None) if spread is None else spread.numbers(step)
    for (start, base), numbers in zip(base_chunks(source, move, flat), along, strict=False):
        if numbers is not None:
            base += numbers
        if flat is None:
            into = target.reshape(-1) if target.flags.c_contiguous else target.flat
            into[start : start + base.size] = base


def base_chunks(
    source: Array, move: Move | None, into: Array | None = None, *, first: int = 0
) -> Iterator[tuple[int, Array]]:
    """The moved source from its chunk ``first`` on, each with the place where it begins.

    Chunks are parts of ``into``, a flat array of the working dtype; without one they lie in a
    scratch, which holds each until the next is asked for and may be written to.
    """
    working = _working(source)
    scratch = np.empty(min(CHUNK, source.size), dtype=working) if into is None else into
    drawn: Iterator[Array | None] = itertools.repeat(None)
    if move is not None:
        drawn = move.stream(source.size).numbers(move.table, first)
    for start, numbers in zip(range(first * CHUNK, source.size, CHUNK), drawn, strict=False):
        size = min(CHUNK, source.size - start)
        base = scratch[:size] if into is None else into[start : start + size]
        values = flat_chunk(source, start, start + size)
        if move is None or numbers is None:
            base[...] = values
        else:
            apply = np.multiply if move.how == "multiply" else np.add
            apply(values, numbers, out=base)
            if move.factor != 1.0:
                base *= move.factor
        yield start, base


def base_chunk(source: Array, move: Move, start: int) -> Array:
    """One chunk of the moved source, which begins at ``start``."""
    return next(base_chunks(source, move, first=start // CHUNK))[1]


def base_inside(source: Array, move: Move | None, box: Box) -> Array:
    """The moved source inside a box; the box's shape."""
    values = source[box].astype(_working(source))
    if move is None:
        return values
    table = move.table[codes_inside(move.stream(source.size), source.shape, box)]
    moved = values * table if move.how == "multiply" else values + table
    return moved * move.factor


def flat_chunk(array: Array, start: int, stop: int) -> Array:
    """Elements ``start`` to ``stop`` in C order; a view where the array's memory allows one."""
    if array.flags.c_contiguous:
        return array.reshape(-1)[start:stop]
    return array.flat[start:stop]


def _working(source: Array) -> np.dtype[np.floating]:
    """Float64, or the source's own dtype where that is finer."""
    return source.dtype if source.dtype.itemsize > 8 else np.dtype(np.float64)
