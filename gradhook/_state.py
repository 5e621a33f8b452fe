"""Python objects, saved shallowly: which objects a container holds, and in what order.

An object that is reachable twice is saved once, so that sharing survives; what the held objects
hold themselves is saved by their own records.  Identity is compared, never equality, and the
methods used are those of the built-in classes: no code of the user's runs here.
"""

from __future__ import annotations

import array
import collections
import operator
from collections.abc import Collection
from typing import Any

from gradhook._saved import Saved

__all__ = ["save_container"]

MISSING: Any = object()
"""Stands for a key that is not there."""


def save_container(thing: Any) -> Saved | None:
    """Save a dictionary, list, set, deque or buffer; ``None`` for anything else."""
    if isinstance(thing, dict):
        return _SavedDict(thing)
    if isinstance(thing, set):
        return _SavedSet(thing)
    if isinstance(thing, (list, collections.deque)):
        return _SavedSequence(thing)
    if isinstance(thing, (bytearray, array.array)):
        return _SavedBuffer(thing)
    return None


class _SavedDict(Saved):
    """Keys and values of a dictionary, in their order."""

    __slots__ = ("_keys", "_kind", "_owner", "_values")

    def __init__(self, owner: dict[Any, Any]) -> None:
        # Methods of the built-in class, past those that a subclass has put in their place.
        ordered = isinstance(owner, collections.OrderedDict)
        self._kind: Any = collections.OrderedDict if ordered else dict
        self._owner = owner
        self._keys = list(self._kind.keys(owner))
        self._values = list(self._kind.values(owner))

    def changed(self) -> bool:
        """Whether a key or value is another object, or the order another one."""
        return _differ(self._kind.keys(self._owner), self._keys) or _differ(
            self._kind.values(self._owner), self._values
        )

    def restore(self) -> None:
        """Bind what differs; fill anew only where keys came, went or changed places."""
        if _differ(self._kind.keys(self._owner), self._keys):
            self._kind.clear(self._owner)
        for key, value in zip(self._keys, self._values, strict=True):
            if self._kind.get(self._owner, key, MISSING) is not value:
                self._kind.__setitem__(self._owner, key, value)

    def describe(self) -> str:
        """Return its kind and first keys."""
        return _described(self._owner, self._keys)


class _SavedSequence(Saved):
    """The items of a list or deque."""

    __slots__ = ("_items", "_owner")

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._items = list(owner)

    def changed(self) -> bool:
        """Whether any item is another object."""
        return _differ(self._owner, self._items)

    def restore(self) -> None:
        """Put the items back where they differ."""
        if not self.changed():
            return
        if isinstance(self._owner, list):
            list.__setitem__(self._owner, slice(None), self._items)
        else:
            collections.deque.clear(self._owner)
            collections.deque.extend(self._owner, self._items)

    def describe(self) -> str:
        """Return its kind and length."""
        return f"a {type(self._owner).__name__} of {len(self._items)} items"


class _SavedSet(Saved):
    """The members of a set."""

    __slots__ = ("_items", "_owner")

    def __init__(self, owner: set[Any]) -> None:
        self._owner = owner
        self._items = list(owner)

    def changed(self) -> bool:
        """Whether other objects are members; their order is a set's own business."""
        return set(map(id, self._owner)) != set(map(id, self._items))

    def restore(self) -> None:
        """Remove and add what differs, which disturbs the order least."""
        kept = set(map(id, self._items))
        now = list(self._owner)
        for item in now:
            if id(item) not in kept:
                set.discard(self._owner, item)
        for item in self._items:
            set.add(self._owner, item)

    def describe(self) -> str:
        """Return its kind and length."""
        return f"a {type(self._owner).__name__} of {len(self._items)} items"


class _SavedBuffer(Saved):
    """The bytes of a ``bytearray`` or ``array.array``."""

    __slots__ = ("_copy", "_owner")

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._copy = owner[:]

    def changed(self) -> bool:
        """Whether the bytes differ."""
        return bytes(self._owner) != bytes(self._copy)

    def restore(self) -> None:
        """Put the bytes back where they differ."""
        if self.changed():
            self._owner[:] = self._copy

    def describe(self) -> str:
        """Return its kind and length."""
        return f"a {type(self._owner).__name__} of {len(self._copy)} items"


def _differ(now: Collection[Any], before: list[Any]) -> bool:
    """Whether two rows hold different objects."""
    return len(now) != len(before) or any(map(operator.is_not, now, before))


def _described(owner: Any, keys: list[Any]) -> str:
    shown = ", ".join(repr(key)[:20] for key in keys[:3])
    return f"a {type(owner).__name__} with {shown}{', …' if len(keys) > 3 else ''}"
