"""Parameters as named blocks, whatever container the user keeps them in.

The textbook stacks all weights into one vector.  Here that vector stays a thought: every array remains a *block* with
the name that the user gave it, so that a report can say ``W2`` and not ``theta[4113]``.  A ``Tree`` holds the blocks of
a mapping, a list, a tuple, nested ones of these, or one array (then called ``x``), and can rebuild the same container
around other arrays, which is how a functional objective gets copies of its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, Blocks, nearest_name
from gradhook.errors import (
    GradientNameError,
    GradientShapeError,
    ParameterError,
    ParameterTypeError,
)

__all__ = ["GradientName", "Place", "Tree", "float64_copy", "match_gradients", "rms"]

SINGLE = "x"
"""Name of the only block where the parameters are one array."""

GradientName: TypeAlias = str | Mapping[str, str] | Callable[[str], str]
"""How the gradient of a block is called: a format (``"d{}"``), a mapping or a function of the block's name."""


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
            ParameterError: There is no block, two blocks have one name, or a value is NaN or infinite.
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
                    f"two parameter blocks are called {name!r}: nested names are joined by '/', so rename one of them"
                )
            blocks[name] = leaf
            places[name] = place
        return cls(blocks, places, container)

    def rebuild(self, blocks: Mapping[str, Any]) -> Any:
        """Return a container of the same shape around other leaves; mappings become plain dictionaries."""
        return _rebuild(self.root, "", blocks)

    def subset(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the leaves named, in this tree's order."""
        return {name: leaf for name, leaf in self.blocks.items() if name in names}


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


def match_gradients(
    gradients: Any, shapes: Mapping[str, tuple[int, ...]], *, single: bool, gradient_name: GradientName | None
) -> tuple[Blocks, str]:
    """Copy gradients out of the user's container, one float64 array per block.

    Names are matched as they stand; where none of a container's names fits but ``"d" + name`` does (``dW1``), that
    rule is used.  Extra names are ignored.

    Args:
        gradients: What the user's code returned.
        shapes: Shape of each block, by name.
        single: Whether the parameters were one array; then ``gradients`` is one array too.
        gradient_name: The user's own rule, or ``None``.

    Returns:
        The copies by block name, and a sentence saying which rule was used (empty for plain names).

    Raises:
        GradientNameError: A block has no gradient.
        GradientShapeError: A gradient has another shape, or is not an array of real numbers.
    """
    if single and not isinstance(gradients, Mapping):
        return {SINGLE: _gradient_copy(SINGLE, gradients, shapes[SINGLE])}, ""
    given = Tree.unchecked(gradients).blocks
    names, rule = _gradient_names(list(shapes), given, gradient_name)
    found = {
        name: _gradient_copy(name, given[names[name]], shape) for name, shape in shapes.items()
    }
    return found, rule


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
            f"parameter {name!r} is a masked array, whose masked entries have no gradient; pass a plain array"
        )
    if isinstance(leaf, np.matrix):
        raise ParameterTypeError(
            f"parameter {name!r} is a numpy.matrix, whose * is a matrix product; pass numpy.asarray(...)"
        )
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise ParameterTypeError(
            f"parameter {name!r} is a {type(leaf).__name__}, which is not an array: {error}"
        ) from error
    if array.dtype.kind != "f":
        raise ParameterTypeError(
            f"parameter {name!r} has dtype {array.dtype}; a derivative needs real floating-point numbers: {remedy}"
        )
    # A sum is finite only if every entry is, unless it overflows; only then is the slow test worth its memory.
    with np.errstate(all="ignore"):
        finite = bool(np.isfinite(array.sum(dtype=np.float64))) or bool(np.isfinite(array).all())
    if not finite:
        count = int(np.count_nonzero(~np.isfinite(array)))
        raise ParameterError(
            f"parameter {name!r} holds {count} value(s) that are NaN or infinite (first at index "
            f"{tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])}); "
            "no derivative exists there: has training diverged?"
        )


def _gradient_names(
    names: list[str], given: Mapping[str, Any], rule: GradientName | None
) -> tuple[dict[str, str], str]:
    if rule is not None:
        wanted = {name: _apply(rule, name) for name in names}
        sentence = "gradients matched by the rule given as gradient_name"
    else:
        wanted = {name: name for name in names}
        sentence = ""
        if not set(names) <= set(given):
            for prefixed in ({n: _last_prefixed(n) for n in names}, {n: "d" + n for n in names}):
                if set(prefixed.values()) <= set(given):
                    wanted = prefixed
                    sentence = f'gradients matched by the rule "d" + name ({prefixed[names[0]]} for {names[0]})'
                    break
    missing = [name for name in names if wanted[name] not in given]
    if missing:
        hint = nearest_name(wanted[missing[0]], list(given))
        raise GradientNameError(
            f"no gradient for {', '.join(missing)}: parameters are {', '.join(names)}; gradients are "
            f"{', '.join(given) or 'empty'}{hint}. Pass gradient_name= if they are named by another rule"
        )
    return wanted, sentence


def _apply(rule: GradientName, name: str) -> str:
    if isinstance(rule, str):
        return rule.replace("{}", name)
    if isinstance(rule, Mapping):
        return str(rule.get(name, name))
    return rule(name)


def _last_prefixed(name: str) -> str:
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}d{tail}"


def _gradient_copy(name: str, leaf: Any, shape: tuple[int, ...]) -> Array:
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise GradientShapeError(f"the gradient of {name!r} is not an array: {error}") from error
    if array.dtype.kind not in "fiu":
        what = "None" if leaf is None else f"of dtype {array.dtype}"
        raise GradientShapeError(
            f"the gradient of {name!r} is {what}; an array of real numbers with shape {shape} is needed"
        )
    if array.shape != shape:
        raise GradientShapeError(
            f"the gradient of {name!r} has shape {array.shape}, the parameter has {shape}; "
            "they must be equal (broadcasting would hide a missing sum over the batch)"
        )
    return float64_copy(array)
