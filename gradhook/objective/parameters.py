"""Parameters as named blocks, whatever container the user keeps them in.

The textbook stacks all weights into one vector.  Here that vector stays a thought: every array
remains a *block* with the name that the user gave it, so that a report can say ``W2`` and not
``theta[4113]``.  A ``Tree`` holds the blocks of a mapping, a list, a tuple, nested ones of these,
or one array, and can rebuild the same container around other arrays, which is how a functional
objective gets copies of its parameters.  Where the user unrolls everything into one vector, *parts*
name its slices, and each is a block.

The arrays in the container are its *leaves*.  A leaf is a block, save where leaves share memory:
those are one block together (``gradhook.objective.leaves``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, kind_of
from gradhook.errors import ParameterError
from gradhook.objective.leaves import Tie, find_ties, refuse_unsuitable

PIECE = 1 << 16
"""Elements looked at together, where a whole array would need another of its size."""

SINGLE = "x"
"""Name of the only block where the parameters are one array and no signature names it."""

LISTED = "params"
"""What a list or tuple of parameters is called: its items are ``params[0]``, ``params[1]``, …, and
those of a named tuple ``params.W``."""

Parts: TypeAlias = Mapping[str, int | tuple[int, ...]]
"""Names and shapes of the consecutive slices of one unrolled vector."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leaf hangs: ``container[key]``; ``container`` is ``None`` for one array alone."""

    container: Any
    key: Any


@dataclass(frozen=True, slots=True)
class Tree:
    """The blocks of a container of parameters, and the container's shape."""

    leaves: dict[str, Any]  # the arrays in the container by name, in the user's order
    places: dict[str, Place]
    root: Any  # the container itself
    ties: tuple[Tie, ...] = ()
    single: str = SINGLE  # what the only block is called where the root is one array
    parts: Parts | None = None  # that array's consecutive slices, which then are the leaves

    @classmethod
    def of(cls, parameters: Any, *, single: str = SINGLE, parts: Parts | None = None) -> Tree:
        """Read a container, or what a function returns, and refuse what cannot be checked."""
        root = parameters() if callable(parameters) else parameters
        tree = cls.unchecked(root, single)
        if parts is not None:
            _refuse_unlike(root, parts)
            refuse_unsuitable(single, root)
            leaves = _parts_of(np.asarray(root), parts)
            return cls(leaves, dict.fromkeys(leaves, Place(None, None)), root, (), single, parts)
        if not tree.leaves:
            raise ParameterError("there is nothing to check: the parameters hold no array")
        for name, leaf in tree.leaves.items():
            refuse_unsuitable(name, leaf)
        return replace(tree, ties=tuple(find_ties(tree.leaves)))

    @classmethod
    def unchecked(cls, container: Any, single: str = SINGLE) -> Tree:
        """Read a container without looking at its leaves, as gradients are read."""
        leaves: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for name, leaf, place in _leaves(container, None, Place(None, None), ()):
            name = single if place.container is None else name
            if name in leaves:
                raise ParameterError(
                    f"two blocks are called {name!r}: nested names are joined by '/', so rename "
                    "one of them"
                )
            leaves[name] = leaf
            places[name] = place
        return cls(leaves, places, container, single=single)

    def like(self, container: Any) -> dict[str, Any]:
        """The leaves of another container, or array, by the names of this tree."""
        if self.parts is None or is_container(container):
            return Tree.unchecked(container, self.single).leaves
        return _parts_of(np.asarray(container), self.parts)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each array that the user passes, in order."""
        arrays = [self.root] if self.is_single else self.leaves.values()
        return tuple(np.shape(array) for array in arrays)

    @property
    def blocks(self) -> dict[str, Any]:
        """The leaves by name, those that share memory as one block at the place of the first."""
        ties = self._tied
        return {
            tie.block if (tie := ties.get(name)) else name: tie.storage if tie else leaf
            for name, leaf in self.leaves.items()
        }

    @property
    def is_single(self) -> bool:
        """Whether the parameters are one array and not a container."""
        return not is_container(self.root)

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the blocks, one sentence each."""
        return [
            f"{', '.join(tie.names[:-1])} and {tie.names[-1]} share memory: checked as one block, "
            "against the sum of their gradients"
            for tie in self.ties
        ]

    @property
    def _tied(self) -> dict[str, Tie]:
        return {name: tie for tie in self.ties for name in tie.names}

    def block_of(self, name: str) -> str:
        """The block that a leaf belongs to; a name that is no leaf is returned as it is."""
        return next((tie.block for tie in self.ties if name in tie.names), name)

    def spread(self, blocks: Mapping[str, Any]) -> dict[str, Any]:
        """The leaves by name, taken from blocks with other values."""
        ties = self._tied
        return {
            name: tie.part(name, blocks[tie.block]) if (tie := ties.get(name)) else blocks[name]
            for name in self.leaves
        }

    def rebuild(self, blocks: Mapping[str, Any]) -> Any:
        """A container of the same shape around other blocks; what is new in it passes as it is."""
        leaves = self.spread(blocks)
        if self.parts is not None:
            flat = [np.asarray(leaf).reshape(-1) for leaf in leaves.values()]
            return np.concatenate(flat).reshape(np.shape(self.root))
        if self.is_single:
            return leaves[self.single]
        return _rebuild(self.root, None, lambda name, leaf: leaves.get(name, leaf))


def is_container(node: Any) -> bool:
    """Whether a value is a mapping, list or tuple, and so holds leaves rather than being one."""
    return isinstance(node, (Mapping, list, tuple))


def walk(node: Any) -> Iterator[Any]:
    """A value and all that hangs in it, containers before what they hold."""
    yield node
    if is_container(node):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from walk(child)


def each_leaf(node: Any) -> Iterator[Any]:
    """Whatever hangs in a container, however deep; a value that is no container is its own leaf."""
    return itertools.filterfalse(is_container, walk(node))


def map_leaves(container: Any, function: Callable[[Any], Any]) -> Any:
    """A container of the same shape around what a function makes of each leaf."""
    return _rebuild(container, None, lambda _, leaf: function(leaf))


def float64_copy(leaf: Any) -> Array:
    """Return a C-ordered float64 copy that shares nothing with ``leaf``."""
    return np.array(leaf, dtype=np.float64, order="C", copy=True, subok=False)


def rms(values: Array) -> float:
    """Root mean square of the entries, without overflow; 0 for an empty array."""
    if values.size == 0:
        return 0.0
    flat = values.ravel(order="K")  # a view where the memory has no gaps
    if flat.dtype == np.float64:
        with np.errstate(all="ignore"):
            square = float(np.dot(flat, flat))
        if 1e-200 < square < 1e200:
            return math.sqrt(square / flat.size)
    largest = float(max(abs(float(flat.max())), abs(float(flat.min()))))
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    total = 0.0
    for start in range(0, flat.size, PIECE):
        scaled = flat[start : start + PIECE].astype(np.float64) / largest
        total += float(np.dot(scaled, scaled))
    return largest * math.sqrt(total / flat.size)


def norm(values: Array) -> float:
    """Root of the sum of squares, without a temporary; not finite where an entry is not."""
    return rms(values) * math.sqrt(values.size)


def all_finite(values: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    with np.errstate(all="ignore"):
        # A sum is finite only if every entry is; that it is not may be an overflow.
        return math.isfinite(float(values.sum())) or bool(np.isfinite(values).all())


def _leaves(
    node: Any, prefix: str | None, place: Place, above: tuple[int, ...]
) -> Iterator[tuple[str, Any, Place]]:
    if not is_container(node):
        yield SINGLE if prefix is None else prefix, node, place
        return
    if id(node) in above:
        raise ParameterError(f"the container {prefix!r} holds itself: leave it out")
    for key, name, child in _children(node, prefix):
        yield from _leaves(child, name, Place(node, key), (*above, id(node)))


def _children(node: Any, prefix: str | None) -> Iterator[tuple[Any, str, Any]]:
    """Key, name and value of whatever hangs in a container called ``prefix``."""
    if isinstance(node, Mapping):
        head = "" if prefix is None else f"{prefix}/"
        yield from ((key, f"{head}{key}", child) for key, child in node.items())
    else:
        head = LISTED if prefix is None else prefix
        fields = getattr(node, "_fields", None)
        steps = [f".{name}" for name in fields] if fields else [f"[{i}]" for i in range(len(node))]
        yield from ((i, head + steps[i], child) for i, child in enumerate(node))


def _refuse_unlike(root: Any, parts: Parts) -> None:
    """Refuse parts that are not those of the root."""
    if is_container(root):
        raise ParameterError(
            f"parts= names the slices of one unrolled vector, and the parameters are "
            f"{kind_of(root)} of {len(root)}: leave parts= out, or pass the vector"
        )
    sizes = [math.prod(shape) for shape in _shapes(parts)]
    if sum(sizes) != np.size(root):
        raise ParameterError(
            f"parts= names {' + '.join(map(str, sizes))} = {sum(sizes)} numbers "
            f"({', '.join(parts)}), and the vector holds {np.size(root)}: name every slice, in "
            "order, with its shape"
        )


def _parts_of(vector: Array, parts: Parts) -> dict[str, Any]:
    """Views of consecutive slices."""
    shapes = _shapes(parts)
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    slices = np.split(vector.reshape(-1), ends[:-1])
    return {n: v.reshape(shape) for n, v, shape in zip(parts, slices, shapes, strict=True)}


def _shapes(parts: Parts) -> list[tuple[int, ...]]:
    return [tuple(p) if isinstance(p, (tuple, list)) else (p,) for p in parts.values()]


def _rebuild(node: Any, prefix: str | None, leaf: Callable[[str, Any], Any]) -> Any:
    if not is_container(node):
        return leaf(SINGLE if prefix is None else prefix, node)
    held = {key: _rebuild(child, name, leaf) for key, name, child in _children(node, prefix)}
    if isinstance(node, Mapping):
        return held
    if hasattr(node, "_fields"):
        return type(node)(*held.values())
    return list(held.values()) if isinstance(node, list) else tuple(held.values())
