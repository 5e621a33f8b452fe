"""The containers in which an in-place objective finds its arrays.

Code that is checked may bind other arrays in them (``params["W"] = params["W"] - rate * dW``), add
and delete entries.  Before each evaluation they are made to hold what the check wants them to,
after the last what they held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gradhook._types import kind_of
from gradhook.errors import NestedCheckError, ParameterError
from gradhook.guard.objects import Saved, save
from gradhook.objective.parameters import Tree, is_container, walk

_moved: dict[int, object] = {}
"""By whom memory is being moved in place: of all threads, for they share it."""


class Holders:
    """The containers of the leaves of a tree, and the containers of these."""

    def __init__(self, tree: Tree) -> None:
        self._root = tree.root
        self._leaves: Mapping[str, Any] = tree.leaves
        self._places = {n: p for n, p in tree.places.items() if p.container is not None}
        self._before = self._saved()
        self._now = self._before

    def hold(self, leaves: Mapping[str, Any]) -> None:
        """Make the containers hold these arrays from now on, and what else they held at first."""
        for record in self._before:
            record.restore()
        self._leaves = leaves
        self._bind()
        self._now = self._saved()

    def install(self) -> None:
        """Make the containers hold their arrays again, and nothing besides."""
        for record in self._now:
            record.restore()
        self._bind()

    def replaced(self) -> list[str]:
        """Leaves in whose place something else stands, or nothing."""
        now = Tree.unchecked(self._root).leaves
        return [
            name
            for name, place in self._places.items()
            if isinstance(place.container, (dict, list)) and now.get(name) is not self._leaves[name]
        ]

    def _saved(self) -> list[Saved]:
        records = map(save, filter(is_container, walk(self._root)))
        return [record for record in records if record is not None]

    def _bind(self) -> None:
        for name, place in self._places.items():
            with contextlib.suppress(LookupError):
                if place.container[place.key] is self._leaves[name]:
                    continue
            place.container[place.key] = self._leaves[name]


@contextlib.contextmanager
def sole_mover(leaves: Iterable[Any]) -> Iterator[None]:
    """Let no other check move the same memory while a block runs.

    A second check would take the displaced values of the first for the user's own, and put those
    back.
    """
    me = object()
    owners = {id(_owner(leaf)) for leaf in leaves}
    try:
        # One step for each, which no other thread can come between.
        if not all(_moved.setdefault(owner, me) is me for owner in owners):
            raise NestedCheckError(
                "another check is moving the same parameters in place, from another thread or from "
                "within the objective: check a model from one thread at a time"
            )
        yield
    finally:
        for owner in owners:
            if _moved.get(owner) is me:
                del _moved[owner]


def refuse_unwritable(tree: Tree) -> None:
    """Refuse parameters that cannot be written to where they are."""
    for name, leaf in tree.leaves.items():
        if not isinstance(leaf, np.ndarray):
            raise ParameterError(
                f"parameter {name!r} is {kind_of(leaf)}, which cannot be written in place; use a "
                "numpy array, or a function that takes the parameters as its first argument"
            )
        if not leaf.flags.writeable:
            raise ParameterError(
                f"parameter {name!r} is read-only and the objective reads it in place; make it "
                "writable, or use a function that takes the parameters as its first argument"
            )
        repeated = (n > 1 and s == 0 for n, s in zip(leaf.shape, leaf.strides, strict=True))
        if leaf.size and any(repeated):
            raise ParameterError(
                f"parameter {name!r} overlaps itself (strides {leaf.strides}), so that no entry "
                "can be moved alone; give the array that it is a view of"
            )


def _owner(leaf: Any) -> Any:
    """The object that owns an array's memory, as far as NumPy knows."""
    owner = leaf
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return owner
