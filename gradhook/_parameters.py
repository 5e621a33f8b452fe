"""Parameters as named blocks, whatever container the user keeps them in.

The textbook stacks all weights into one vector.  Here that vector stays a thought: every array
remains a *block* with the name that the user gave it, so that a report can say ``W2`` and not
``theta[4113]``.  A ``Tree`` holds the blocks of a mapping, a list, a tuple, nested ones of these,
or one array (then called ``x``), and can rebuild the same container around other arrays, which is
how a functional objective gets copies of its parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import ParameterError, ParameterTypeError

__all__ = ["SINGLE", "Place", "Tree", "float64_copy", "rms"]

SINGLE = "x"
"""Name of the only block where the parameters are one array."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block hangs: ``container[key]`` is its array; ``container`` is ``None`` for one array alone."""

    container: Any
    key: Any


@dataclass(frozen=True, slots=True)
class Tree:
    """The blocks of a container of parameters, and the container's shape.

    Args:
        blocks: The leaves by name, in the user's order.
        places: Where each leaf hangs.
        root: The container itself.
    """

    blocks: dict[str, Any]
    places: dict[str, Place]
    root: Any

    @classmethod
    def of(cls, parameters: Any) -> Tree:
        """Read a container, calling it first if it is a function without arguments.

        Raises:
            ParameterTypeError: A leaf is not an array of real floating-point numbers.
            ParameterError: There is no block, two blocks have one name, or a value is NaN or
                infinite.
        """
        tree = cls.unchecked(parameters() if callable(parameters) else parameters)
        if not tree.blocks:
            raise ParameterError("there is nothing to check: the parameters hold no array")
        for name, leaf in tree.blocks.items():
            _refuse_unsuitable(name, leaf)
        return tree

    @classmethod
    def unchecked(cls, container: Any) -> Tree:
        """Read a container without looking at its leaves, as gradients are read."""
        blocks: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for name, leaf, place in _leaves(container, "", Place(None, None)):
            if name in blocks:
                raise ParameterError(
                    f"two parameter blocks are called {name!r}: nested names are joined by '/', "
                    "so rename one of them"
                )
            blocks[name] = leaf
            places[name] = place
        return cls(blocks, places, container)

    def rebuild(self, blocks: Mapping[str, Any]) -> Any:
        """Return a container of the same shape around other leaves; mappings become plain dictionaries."""
        return _rebuild(self.root, "", blocks)


def float64_copy(leaf: Any) -> Array:
    """Return a C-ordered float64 copy that shares nothing with ``leaf``."""
    return np.array(leaf, dtype=np.float64, order="C", copy=True, subok=False)


def rms(values: Array) -> float:
    """Root mean square of the entries, without overflow; 0 for an empty array."""
    if values.size == 0:
        return 0.0
    largest = float(max(abs(float(values.max())), abs(float(values.min()))))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    flat = values.reshape(-1) if values.flags.c_contiguous else values.ravel()
    if 1e-100 < largest < 1e100 and flat.dtype == np.float64:
        return float(np.sqrt(np.dot(flat, flat) / flat.size))
    scaled = flat.astype(np.float64) / largest
    return float(largest * np.sqrt(np.dot(scaled, scaled) / flat.size))


def _leaves(node: Any, prefix: str, place: Place) -> Iterator[tuple[str, Any, Place]]:
    if isinstance(node, Mapping):
        items: list[tuple[Any, Any]] = list(node.items())
    elif isinstance(node, (list, tuple)):
        items = list(enumerate(node))
    else:
        yield prefix or SINGLE, node, place
        return
    for key, child in items:
        name = f"{prefix}/{key}" if prefix else str(key)
        yield from _leaves(child, name, Place(node, key))


def _rebuild(node: Any, prefix: str, blocks: Mapping[str, Any]) -> Any:
    def child(key: Any, value: Any) -> Any:
        return _rebuild(value, f"{prefix}/{key}" if prefix else str(key), blocks)

    if isinstance(node, Mapping):
        return {key: child(key, value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        items = [child(index, value) for index, value in enumerate(node)]
        if isinstance(node, list):
            return items
        return type(node)(*items) if hasattr(node, "_fields") else tuple(items)
    return blocks[prefix or SINGLE]


def _refuse_unsuitable(name: str, leaf: Any) -> None:
    remedy = f"convert it, for example parameters[{name!r}] = parameters[{name!r}].astype(float)"
    if isinstance(leaf, np.ma.MaskedArray):
        raise ParameterTypeError(
            f"parameter {name!r} is a masked array, whose masked entries have no gradient; pass a "
            "plain array"
        )
    if isinstance(leaf, np.matrix):
        raise ParameterTypeError(
            f"parameter {name!r} is a numpy.matrix, whose * is a matrix product; pass "
            "numpy.asarray(...)"
        )
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise ParameterTypeError(
            f"parameter {name!r} is a {type(leaf).__name__}, which is not an array: {error}"
        ) from error
    if array.dtype.kind != "f":
        raise ParameterTypeError(
            f"parameter {name!r} has dtype {array.dtype}; a derivative needs real floating-point "
            f"numbers: {remedy}"
        )
    # A sum is finite only if every entry is, unless it overflows; only then is the slow test worth
    # its memory.
    with np.errstate(all="ignore"):
        finite = bool(np.isfinite(array.sum(dtype=np.float64))) or bool(np.isfinite(array).all())
    if not finite:
        count = int(np.count_nonzero(~np.isfinite(array)))
        raise ParameterError(
            f"parameter {name!r} holds {count} value(s) that are NaN or infinite (first at index "
            f"{tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])}); "
            "no derivative exists there: has training diverged?"
        )
