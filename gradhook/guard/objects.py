"""Python objects, saved shallowly: which objects a container holds, and in what order.

An object that is reachable twice is saved once, so that sharing survives; what the held objects
hold themselves is saved by their own records.  Identity is compared, never equality, and the
methods used are those of the built-in classes: no code of the user's runs here.
"""

from __future__ import annotations

import array
import collections
import operator
import types
from collections.abc import Callable, Collection, Iterable
from typing import Any

from gradhook.guard.saved import Saved

__all__ = ["SavedNames", "save_cell", "save_class", "save_container", "save_globals", "save_slots"]

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


"""Stands for a name that is bound to nothing."""


class SavedNames(Saved):
    """What names are bound to, in anything that binds them: slots, a class, a module, a closure.

    Args:
        what: What binds them, for messages.
        names: Returns the names as they are now.
        get: Returns what a name is bound to, ``MISSING`` if nothing.
        put: Binds a name.
        drop: Unbinds a name.
    """

    __slots__ = ("_drop", "_get", "_names", "_put", "_values", "_what")

    def __init__(
        self,
        what: str,
        names: Callable[[], Iterable[Any]],
        get: Callable[[Any], Any],
        put: Callable[[Any, Any], object],
        drop: Callable[[Any], object],
    ) -> None:
        self._what = what
        self._names = names
        self._get = get
        self._put = put
        self._drop = drop
        self._values = {name: get(name) for name in names()}

    @property
    def bound(self) -> dict[Any, Any]:
        """What the names were bound to."""
        return {n: value for n, value in self._values.items() if value is not MISSING}

    def changed(self) -> bool:
        """Whether any name is bound to another object, or a new one is bound at all."""
        return any(self._get(n) is not value for n, value in self._values.items()) or any(
            n not in self._values for n in self._names()
        )

    def restore(self) -> None:
        """Bind and unbind what differs."""
        for name in [*self._names()]:
            if name not in self._values:
                self._drop(name)
        for name, value in self._values.items():
            now = self._get(name)
            if value is MISSING and now is not MISSING:
                self._drop(name)
            elif now is not value:
                self._put(name, value)

    def describe(self) -> str:
        """Return what binds the names."""
        return self._what


def save_slots(thing: Any) -> SavedNames | None:
    """Save the slots of an object; ``None`` if its class, written in Python, has none."""
    members = {
        (kind, name): member
        for kind in type(thing).__mro__
        if "__slots__" in vars(kind)
        for name, member in vars(kind).items()
        if isinstance(member, types.MemberDescriptorType)
    }
    if not members:
        return None

    def get(name: Any) -> Any:
        try:
            return members[name].__get__(thing)
        except AttributeError:
            return MISSING

    # Descriptors reach past a frozen dataclass's own __setattr__.
    return SavedNames(
        f"the slots of a {type(thing).__name__}",
        lambda: members,
        get,
        lambda name, value: members[name].__set__(thing, value),
        lambda name: members[name].__delete__(thing),
    )


def save_class(kind: type) -> SavedNames:
    """Save the attributes of a class, methods included."""
    return SavedNames(
        f"the class {kind.__name__}",
        lambda: [name for name in vars(kind) if not name.startswith("__")],
        lambda name: vars(kind).get(name, MISSING),
        lambda name, value: type.__setattr__(kind, name, value),
        lambda name: type.__delattr__(kind, name),
    )


def save_globals(home: dict[str, Any], names: Iterable[str]) -> SavedNames:
    """Save what some names are bound to in a module."""
    chosen = list(names)
    return SavedNames(
        f"global variables of {home.get('__name__')}",
        lambda: chosen,
        lambda name: home.get(name, MISSING),
        home.__setitem__,
        home.__delitem__,
    )


def save_cell(cell: types.CellType, name: str) -> SavedNames:
    """Save what a variable of an enclosing function is bound to."""

    def get(_: str) -> Any:
        try:
            return cell.cell_contents
        except ValueError:  # bound to nothing yet
            return MISSING

    def put(_: str, value: Any) -> None:
        cell.cell_contents = value

    def drop(_: str) -> None:
        del cell.cell_contents

    return SavedNames(
        f"the variable {name} of an enclosing function", lambda: (name,), get, put, drop
    )
