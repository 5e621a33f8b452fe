"""One thing that can change, as it was; and Python objects, saved shallowly.

A ``Saved`` tells whether its thing has changed and puts it back, in the manner of its ``Kind``.  Of
a container it knows which objects are held, and in what order.  An object that is reachable twice
is saved once, so that sharing survives; what the held objects hold themselves is saved by their own
records.  Identity is compared, never equality, and the methods used are those of the built-in
classes: no code of the user's runs here.
"""

from __future__ import annotations

import array
import collections
import operator
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Kind",
    "Saved",
    "save_cell",
    "save_class",
    "save_container",
    "save_globals",
    "save_slots",
]

MISSING: Any = object()
"""Stands for a key that is not there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How things of one kind are saved.

    Args:
        describe: Says what a thing is, given the state saved, for an error message.
        read: Returns a thing's state, as a value of its own.
        write: Sets a state.
        same: Whether two states are equal, to the bit.
        is_generator: Whether these are sources of random numbers.
    """

    describe: Callable[[Any, Any], str]
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    same: Callable[[Any, Any], bool] = operator.eq
    is_generator: bool = False


class Saved:
    """One thing that can change, as it was; there is one for every object in reach."""

    __slots__ = ("kind", "state", "thing")

    def __init__(self, thing: Any, kind: Kind) -> None:
        self.thing = thing
        self.kind = kind
        self.state = kind.read(thing)

    def changed(self) -> bool:
        """Whether it differs from what was saved."""
        return not self.kind.same(self.kind.read(self.thing), self.state)

    def restore(self) -> None:
        """Put it back where it differs; may be called any number of times."""
        if self.changed():
            self.kind.write(self.thing, self.state)

    def describe(self) -> str:
        """Return what it is, for an error message."""
        return self.kind.describe(self.thing, self.state)


def save_container(thing: Any) -> Saved | None:
    """Save a dictionary, list, set, deque or buffer; ``None`` for anything else."""
    return next(
        (Saved(thing, kind) for kinds, kind in CONTAINERS if isinstance(thing, kinds)), None
    )


def _same_objects(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(map(operator.is_, now, before))


def _of_dict(owner: dict[Any, Any]) -> Any:
    """Methods of the built-in class, past those that a subclass has put in their place."""
    return collections.OrderedDict if isinstance(owner, collections.OrderedDict) else dict


def _keys_and_values(owner: dict[Any, Any]) -> list[Any]:
    kind = _of_dict(owner)
    return [*kind.keys(owner), *kind.values(owner)]


def _fill_dict(owner: dict[Any, Any], state: list[Any]) -> None:
    """Bind what differs; fill anew only where keys came, went or changed places."""
    kind, keys = _of_dict(owner), state[: len(state) // 2]
    if not _same_objects(list(kind.keys(owner)), keys):
        kind.clear(owner)
    for key, value in zip(keys, state[len(keys) :], strict=True):
        if kind.get(owner, key, MISSING) is not value:
            kind.__setitem__(owner, key, value)


def _with_keys(owner: dict[Any, Any], state: list[Any]) -> str:
    keys = state[: len(state) // 2]
    shown = ", ".join(repr(key)[:20] for key in keys[:3])
    return f"a {type(owner).__name__} with {shown}{', …' if len(keys) > 3 else ''}"


def _fill_deque(owner: Any, items: list[Any]) -> None:
    collections.deque.clear(owner)
    collections.deque.extend(owner, items)


def _fill_set(owner: set[Any], members: list[Any]) -> None:
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


def _of_items(owner: Any, items: Any) -> str:
    return f"a {type(owner).__name__} of {len(items)} items"


BUFFER = Kind(
    _of_items,
    lambda owner: owner[:],
    lambda owner, state: owner.__setitem__(slice(None), state),
    lambda now, before: bytes(now) == bytes(before),
)

CONTAINERS: tuple[tuple[Any, Kind], ...] = (
    (dict, Kind(_with_keys, _keys_and_values, _fill_dict, _same_objects)),
    (
        list,
        Kind(
            _of_items,
            list,
            lambda owner, items: list.__setitem__(owner, slice(None), items),
            _same_objects,
        ),
    ),
    (set, Kind(_of_items, list, _fill_set, _same_members)),
    (collections.deque, Kind(_of_items, list, _fill_deque, _same_objects)),
    ((bytearray, array.array), BUFFER),
)
"""How each kind of container is saved."""


def save_slots(thing: Any) -> Saved | None:
    """Save the slots of an object; ``None`` if its class, written in Python, has none."""
    members = {
        (kind, name): member
        for kind in type(thing).__mro__
        if "__slots__" in vars(kind)
        for name, member in vars(kind).items()
        if isinstance(member, types.MemberDescriptorType)
    }
    return Saved((thing, members), SLOTS) if members else None


def save_class(kind: type) -> Saved:
    """Save the attributes of a class, methods included."""
    return Saved((kind, None), CLASS)


def save_globals(home: dict[str, Any], names: Iterable[str]) -> Saved:
    """Save what some names are bound to in a module."""
    return Saved((home, tuple(names)), GLOBALS)


def save_cell(cell: types.CellType, name: str) -> Saved:
    """Save what a variable of an enclosing function is bound to."""
    return Saved((cell, name), CELLS)


def _names(
    describe: Callable[[Any, Any], str],
    read: Callable[[Any], dict[Any, Any]],
    put: Callable[[Any, Any, Any], object],
    drop: Callable[[Any, Any], object],
) -> Kind:
    """What names are bound to, in anything that binds them; ``read`` gives those bound."""

    def write(thing: Any, state: dict[Any, Any]) -> None:
        now = read(thing)
        for name in now:
            if name not in state:
                drop(thing, name)
        for name, value in state.items():
            if now.get(name, MISSING) is not value:
                put(thing, name, value)

    return Kind(lambda thing, _: describe(*thing), read, write, _same_bindings)


def _same_bindings(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
    return len(now) == len(before) and all(
        now.get(name, MISSING) is value for name, value in before.items()
    )


def _in_slots(thing: tuple[Any, dict[Any, Any]]) -> dict[Any, Any]:
    owner, members = thing
    bound = {}
    for name, member in members.items():
        try:
            bound[name] = member.__get__(owner)
        except AttributeError:  # bound to nothing
            continue
    return bound


def _in_cell(thing: tuple[types.CellType, str]) -> dict[str, Any]:
    try:
        return {"cell_contents": thing[0].cell_contents}
    except ValueError:  # bound to nothing yet
        return {}


# Descriptors reach past a frozen dataclass's own __setattr__.
SLOTS = _names(
    lambda owner, _: f"the slots of a {type(owner).__name__}",
    _in_slots,
    lambda thing, name, value: thing[1][name].__set__(thing[0], value),
    lambda thing, name: thing[1][name].__delete__(thing[0]),
)

CLASS = _names(
    lambda kind, _: f"the class {kind.__name__}",
    lambda thing: {n: v for n, v in vars(thing[0]).items() if not n.startswith("__")},
    lambda thing, name, value: type.__setattr__(thing[0], name, value),
    lambda thing, name: type.__delattr__(thing[0], name),
)

GLOBALS = _names(
    lambda home, _: f"global variables of {home.get('__name__')}",
    lambda thing: {name: thing[0][name] for name in thing[1] if name in thing[0]},
    lambda thing, name, value: thing[0].__setitem__(name, value),
    lambda thing, name: thing[0].__delitem__(name),
)

CELLS = _names(
    lambda _, name: f"the variable {name} of an enclosing function",
    _in_cell,
    lambda thing, attribute, value: setattr(thing[0], attribute, value),
    lambda thing, attribute: delattr(thing[0], attribute),
)
