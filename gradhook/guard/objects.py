"""One thing that can change, as it was; and Python objects, saved shallowly.

A ``Saved`` tells whether its thing has changed and puts it back.  Of a container it knows which
objects are held, and in what order.  An object that is reachable twice is saved once, so that
sharing survives; what the held objects hold themselves is saved by their own records.  Identity is
compared, never equality, and the methods used are those of the built-in classes: no code of the
user's runs here.
"""

from __future__ import annotations

import array
import collections
import functools
import operator
import types
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Saved", "save_cell", "save_class", "save_container", "save_globals", "save_slots"]

MISSING: Any = object()
"""Stands for a key that is not there."""


class Saved:
    """One thing that can change, as it was.

    Args:
        describe: Says what it is, given the state saved, for an error message.
        read: Returns its state, as a value of its own.
        write: Sets a state.
        same: Whether two states are equal, to the bit.
        is_generator: Whether it is a source of random numbers.
    """

    __slots__ = ("_describe", "_read", "_same", "_write", "is_generator", "state")

    def __init__(
        self,
        describe: Callable[[Any], str],
        read: Callable[[], Any],
        write: Callable[[Any], object],
        same: Callable[[Any, Any], bool] = operator.eq,
        *,
        is_generator: bool = False,
    ) -> None:
        self._describe = describe
        self._read = read
        self._write = write
        self._same = same
        self.is_generator = is_generator
        self.state = read()

    @property
    def nbytes(self) -> int:
        """Bytes that a comparison reads, where they are many; else 0."""
        return 0

    def changed(self) -> bool:
        """Whether it differs from what was saved."""
        return not self._same(self._read(), self.state)

    def restore(self) -> None:
        """Put it back where it differs; may be called any number of times."""
        if self.changed():
            self._write(self.state)

    def describe(self) -> str:
        """Return what it is, for an error message."""
        return self._describe(self.state)


def save_container(thing: Any) -> Saved | None:
    """Save a dictionary, list, set, deque or buffer; ``None`` for anything else."""
    if isinstance(thing, dict):
        return _save_dict(thing)
    read: Callable[[], Any] = functools.partial(list, thing)
    same: Callable[[Any, Any], bool] = _same_objects
    write: Callable[[Any], object]
    if isinstance(thing, list):
        write = functools.partial(list.__setitem__, thing, slice(None))
    elif isinstance(thing, collections.deque):
        write = functools.partial(_refill, thing)
    elif isinstance(thing, set):
        write, same = functools.partial(_exchange, thing), _same_members
    elif isinstance(thing, (bytearray, array.array)):
        write = functools.partial(thing.__setitem__, slice(None))
        read, same = (lambda: thing[:]), (lambda now, before: bytes(now) == bytes(before))
    else:
        return None
    return Saved(lambda state: f"a {type(thing).__name__} of {len(state)} items", read, write, same)


def _save_dict(owner: dict[Any, Any]) -> Saved:
    """Save keys and values of a dictionary, in their order."""
    # Methods of the built-in class, past those that a subclass has put in their place.
    kind: Any = collections.OrderedDict if isinstance(owner, collections.OrderedDict) else dict

    def write(state: list[Any]) -> None:
        """Bind what differs; fill anew only where keys came, went or changed places."""
        keys = state[: len(state) // 2]
        if not _same_objects(list(kind.keys(owner)), keys):
            kind.clear(owner)
        for key, value in zip(keys, state[len(keys) :], strict=True):
            if kind.get(owner, key, MISSING) is not value:
                kind.__setitem__(owner, key, value)

    def describe(state: list[Any]) -> str:
        keys = state[: len(state) // 2]
        shown = ", ".join(repr(key)[:20] for key in keys[:3])
        return f"a {type(owner).__name__} with {shown}{', …' if len(keys) > 3 else ''}"

    return Saved(describe, lambda: [*kind.keys(owner), *kind.values(owner)], write, _same_objects)


def _refill(owner: Any, items: list[Any]) -> None:
    collections.deque.clear(owner)
    collections.deque.extend(owner, items)


def _exchange(owner: set[Any], members: list[Any]) -> None:
    """Remove and add what differs, which disturbs the order least."""
    kept = set(map(id, members))
    for item in list(owner):
        if id(item) not in kept:
            set.discard(owner, item)
    for item in members:
        set.add(owner, item)


def _same_members(now: list[Any], before: list[Any]) -> bool:
    """Whether two sets hold the same objects; their order is a set's own business."""
    return set(map(id, now)) == set(map(id, before))


def _same_objects(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(map(operator.is_, now, before))


def save_slots(thing: Any) -> Saved | None:
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

    def read() -> dict[Any, Any]:
        bound = {}
        for name, member in members.items():
            try:
                bound[name] = member.__get__(thing)
            except AttributeError:  # bound to nothing
                continue
        return bound

    # Descriptors reach past a frozen dataclass's own __setattr__.
    return _save_names(
        f"the slots of a {type(thing).__name__}",
        read,
        lambda name, value: members[name].__set__(thing, value),
        lambda name: members[name].__delete__(thing),
    )


def save_class(kind: type) -> Saved:
    """Save the attributes of a class, methods included."""
    return _save_names(
        f"the class {kind.__name__}",
        lambda: {n: value for n, value in vars(kind).items() if not n.startswith("__")},
        lambda name, value: type.__setattr__(kind, name, value),
        lambda name: type.__delattr__(kind, name),
    )


def save_globals(home: dict[str, Any], names: Iterable[str]) -> Saved:
    """Save what some names are bound to in a module."""
    chosen = list(names)
    return _save_names(
        f"global variables of {home.get('__name__')}",
        lambda: {name: home[name] for name in chosen if name in home},
        home.__setitem__,
        home.__delitem__,
    )


def save_cell(cell: types.CellType, name: str) -> Saved:
    """Save what a variable of an enclosing function is bound to."""

    def read() -> dict[str, Any]:
        try:
            return {"cell_contents": cell.cell_contents}
        except ValueError:  # bound to nothing yet
            return {}

    return _save_names(
        f"the variable {name} of an enclosing function",
        read,
        lambda attribute, value: setattr(cell, attribute, value),
        lambda attribute: delattr(cell, attribute),
    )


def _save_names(
    what: str,
    read: Callable[[], dict[Any, Any]],
    put: Callable[[Any, Any], object],
    drop: Callable[[Any], object],
) -> Saved:
    """Save what names are bound to, in anything that binds them; ``read`` gives those bound."""

    def write(state: dict[Any, Any]) -> None:
        now = read()
        for name in now:
            if name not in state:
                drop(name)
        for name, value in state.items():
            if now.get(name, MISSING) is not value:
                put(name, value)

    def same(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
        return len(now) == len(before) and all(
            now.get(name, MISSING) is value for name, value in before.items()
        )

    return Saved(lambda _: what, read, write, same)
