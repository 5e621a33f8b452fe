"""What names are bound to, saved: in slots, in a class, in a module, in an enclosing function.

A recurrent network may carry its hidden state in a ``nonlocal`` variable, a notebook in a global
one, a counter may be an attribute of its class.  The objects themselves are saved by their own
records; here it is only which object each name stands for.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

from gradhook._saved import Saved

__all__ = ["SavedNames", "save_cell", "save_class", "save_globals", "save_slots"]

MISSING: Any = object()
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
