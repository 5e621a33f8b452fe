"""What can be a parameter, and which parameters are one.

A parameter is an array of finite, real floating-point numbers.  Anything else is refused when it
arrives, because what a check would make of it is worse: integers truncate every step to nothing, a
masked entry has no derivative, ``*`` of a ``numpy.matrix`` is another operation.

Tied weights are one array under two names, or an array and views of it.  No name can then be moved
without moving the others, so the question is asked of the *storage* that they share: one block,
named for all of them (``W_in = W_out``), whose gradient is the sum of the gradients given under its
names, each added where its array lies in the storage.  Arrays none of which holds all the others
are refused.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook._types import Array, kind_of
from gradhook.errors import ParameterError, ParameterTypeError

HARDEST = 10**6
"""Work spent on deciding whether two arrays overlap, in candidate solutions; past that they do."""


def is_masked(value: object) -> bool:
    """Whether a value is a masked array; ``numpy.ma`` is slow to load, and not loaded for this."""
    masked: type | tuple[()] = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
    return isinstance(value, masked)


def refuse_unsuitable(name: str, leaf: Any) -> None:
    """Refuse what no derivative can be taken with respect to, and say what to do about it."""
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise ParameterTypeError(
            f"parameter {name!r} is {kind_of(leaf)}, which is not an array: {error}"
        ) from error
    said = ""
    if leaf is None:
        said = "is None: leave it out of the parameters"
    elif is_masked(leaf):
        said = "is a masked array, whose masked entries have no gradient; pass a plain array"
    elif isinstance(leaf, np.matrix):
        said = "is a numpy.matrix, whose * is a matrix product; pass numpy.asarray(...)"
    elif array.dtype.kind in "biuc":
        said = (
            f"has dtype {array.dtype}; a derivative needs real floating-point numbers: convert it, "
            "for example with numpy.asarray(..., dtype=float), or give the real and the imaginary "
            "part as two arrays"
        )
    elif array.dtype.kind != "f":
        said = (
            f"is {kind_of(leaf)} of dtype {array.dtype}, not an array of numbers; parameters are "
            "an array, a mapping, list or tuple of arrays, or a function without arguments that "
            "returns one of these"
        )
    if said:
        raise ParameterTypeError(f"parameter {name!r} {said}")
    # A sum is finite only if every entry is, unless it overflows; only then is the slow test worth
    # its memory.  Copies are float64, which a longer number may not fit.
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
        wrong = ~np.isfinite(array.astype(np.float64))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ParameterError(
            f"parameter {name!r} holds {np.count_nonzero(wrong)} value(s) that are NaN or infinite "
            f"in float64 (first at index {first}); no derivative exists there: has training "
            "diverged?"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Tie:
    """Parameters that share memory.

    ``positions`` tells where each array's elements lie in the flat storage, shaped like the array;
    it is empty where every array is the whole storage.
    """

    names: tuple[str, ...]
    storage: Any  # the array that holds every element of the others
    positions: Mapping[str, Array] = field(default_factory=dict)

    @property
    def block(self) -> str:
        """Name of the block."""
        return " = ".join(self.names)

    def part(self, name: str, storage: Any) -> Any:
        """The array called ``name``, out of a storage with other values."""
        if not self.positions:
            return storage
        return np.asarray(storage.reshape(-1)[self.positions[name]])

    def total(self, gradients: Mapping[str, Array], given: Mapping[str, Any]) -> Array:
        """The sum of the gradients; what was ``given`` under several names holds it already."""
        total = np.zeros(np.shape(self.storage))
        counted: list[Any] = []
        for name in sorted(self.names, key=lambda n: -np.size(gradients[n])):
            if any(given[name] is other or _share(given[name], other) for other in counted):
                continue
            counted.append(given[name])
            if self.positions:
                np.add.at(total.reshape(-1), self.positions[name], gradients[name])
            else:
                total += gradients[name]
        return total


def find_ties(leaves: Mapping[str, Any]) -> list[Tie]:
    """Find the parameters that share memory; what cannot be taken apart is refused."""
    group: dict[str, set[str]] = {}
    for first, second in itertools.combinations(leaves, 2):
        if _share(leaves[first], leaves[second]):
            joined = group.get(first, {first}) | group.get(second, {second})
            group.update(dict.fromkeys(joined, joined))
    alike = dict.fromkeys(tuple(n for n in leaves if n in members) for members in group.values())
    return [_tie(names, [leaves[name] for name in names]) for names in alike]


def _share(first: Any, second: Any) -> bool:
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        # Arrays of other libraries, whose memory is their own.
        return first is second and hasattr(first, "__array__") and not isinstance(first, np.generic)
    try:
        # The stubs know the two special values of ``max_work`` alone.
        return bool(np.shares_memory(first, second, max_work=HARDEST))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _tie(names: tuple[str, ...], arrays: list[Any]) -> Tie:
    first = arrays[0]
    # The interface tells what of its memory an array shows, and how.
    if all(a is first or a.__array_interface__ == first.__array_interface__ for a in arrays):
        return Tie(names, first)
    called = " and ".join(map(repr, names))
    if any(array.dtype != first.dtype for array in arrays):
        raise ParameterError(
            f"parameters {called} share memory and are of different dtypes "
            f"({', '.join(str(array.dtype) for array in arrays)}): give the memory under one name"
        )
    addresses = [_addresses(array) for array in arrays]
    cells = np.unique(np.concatenate([a.reshape(-1) for a in addresses]))
    whole = next((i for i, a in enumerate(addresses) if a.size == cells.size), None)
    if whole is None:
        raise ParameterError(
            f"parameters {called} overlap in part: give the array that holds them all instead"
        )
    order = np.argsort(addresses[whole], axis=None)
    positions = {n: order[np.searchsorted(cells, a)] for n, a in zip(names, addresses, strict=True)}
    return Tie(names, arrays[whole], positions)


def _addresses(array: Array) -> Array:
    """The address of every element, shaped like the array."""
    start = np.asarray(array.__array_interface__["data"][0], dtype=np.int64)
    axes = [np.arange(n) * s for n, s in zip(array.shape, array.strides, strict=True)]
    return np.asarray(functools.reduce(np.add.outer, axes, start))
