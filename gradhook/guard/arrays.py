"""The bytes of arrays: compared, copied and written back, or remembered by a fingerprint.

Comparing comes before writing, so that what nobody changed costs one reading and no writing.
Everything goes in chunks: no comparison makes a temporary array as large as what it compares.

An array too large to copy is only watched: its fingerprint keeps Python's hash of each chunk, which
a change alters but for one chance in 2⁶⁴.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.guard.objects import Kind, Saved

__all__ = ["WATCHED", "SavedArray", "extent", "fingerprint", "same_bytes"]

COMPARED_BYTES = 1 << 19
"""Bytes compared at a time: half a megabyte, which stays in a second-level cache."""


class SavedArray(Saved):
    """A writable array and a copy of its bytes, which are written back in place."""

    __slots__ = ()

    def __init__(self, array: Array) -> None:
        super().__init__(array, COPIED)

    def changed(self) -> bool:
        """Whether shape, dtype or bytes differ, or the array may no longer be written."""
        return not (self.thing.flags.writeable and same_bytes(self.thing, self.state))


def _write_back(array: Array, copy: Array) -> None:
    if not array.flags.writeable:
        array.flags.writeable = True
    if array.dtype != copy.dtype:
        # Set where it is, as its user has done.
        array.dtype = copy.dtype  # type: ignore[misc]  # the stubs know no setter
    if array.shape != copy.shape:
        array.resize(copy.shape, refcheck=False)
    array.view(np.ndarray)[...] = copy


COPIED = Kind(
    lambda _, copy: f"an array of shape {copy.shape} and dtype {copy.dtype}",
    # Of the same layout: sums over another order of the same numbers may round differently.
    lambda array: np.array(array, copy=True, order="K", subok=False),
    _write_back,
)


def same_bytes(first: Array, second: Array) -> bool:
    """Whether two arrays have equal shape, dtype and bytes (NaN included, 0.0 and -0.0 apart).

    Of objects the identities are compared.
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype.hasobject:
        return all(a is b for a, b in zip(first.flat, second.flat, strict=True))
    return all(bool((a == b).all()) for a, b in _chunks(first, second))


def fingerprint(array: Array) -> tuple[object, ...]:
    """What tells an array from another of other shape, dtype or bytes."""
    return array.shape, array.dtype, *(hash(chunk.tobytes()) for (chunk,) in _chunks(array))


WATCHED = Kind(
    lambda array, _: (
        f"an array of shape {array.shape} and dtype {array.dtype} ({array.nbytes / 2**20:.0f} MiB, "
        "too large to be copied unasked: pass it as state=)"
    ),
    fingerprint,
    lambda array, mark: None,
)
"""Arrays that are not copied: a change is noticed and cannot be undone."""


def extent(array: Array) -> tuple[object, ...]:
    """What two arrays that are the same view of the same memory have in common."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


def _chunks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Equal parts of arrays of one shape, in C order, as 64-bit words where they divide so."""
    if not arrays[0].nbytes:
        return
    plain = [array.view(np.ndarray) for array in arrays]
    for order in ("c_contiguous", "f_contiguous"):
        if all(getattr(array.flags, order) for array in plain):
            turned = [array if order[0] == "c" else array.T for array in plain]
            flat = [array.reshape(-1).view(np.uint8) for array in turned]
            for start in range(0, flat[0].size, COMPARED_BYTES):
                yield tuple(_words(array[start : start + COMPARED_BYTES]) for array in flat)
            return
    flags: Any = [["readonly", "contig"]] * len(plain)
    parts = np.nditer(
        plain,
        flags=["external_loop", "buffered"],
        op_flags=flags,
        order="C",
        buffersize=max(1, COMPARED_BYTES // plain[0].itemsize),
    )
    for part in parts:
        together = part if isinstance(part, tuple) else (part,)
        yield tuple(_words(array.view(np.uint8)) for array in together)


def _words(part: Array) -> Array:
    return part.view(np.uint64) if part.size % 8 == 0 else part
