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
import contextlib
import copy
import operator
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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


def _fill(owner: Any, items: Any) -> None:
    kind = list if isinstance(owner, list) else type(owner)
    kind.__setitem__(owner, slice(None), items)


def _fill_deque(owner: Any, items: list[Any]) -> None:
    collections.deque.clear(owner)
    collections.deque.extend(owner, items)


def _fill_set(owner: set[Any], members: list[Any]) -> None:
    set.clear(owner)
    set.update(owner, members)


def _same_members(now: list[Any], before: list[Any]) -> bool:
    """Whether two sets hold the same objects; their order is a set's own business."""
    return set(map(id, now)) == set(map(id, before))


def _same_buffers(now: Any, before: Any) -> bool:
    return bytes(now) == bytes(before)


def _of_items(owner: Any, items: Any) -> str:
    return f"a {type(owner).__name__} of {len(items)} items"


CONTAINERS: tuple[tuple[Any, Kind], ...] = (
    (dict, Kind(_with_keys, _keys_and_values, _fill_dict, _same_objects)),
    (list, Kind(_of_items, list, _fill, _same_objects)),
    (set, Kind(_of_items, list, _fill_set, _same_members)),
    (collections.deque, Kind(_of_items, list, _fill_deque, _same_objects)),
    ((bytearray, array.array), Kind(_of_items, copy.copy, _fill, _same_buffers)),
)
"""How each kind of container is saved."""


def save_slots(thing: Any) -> Saved | None:
    """Save the slots of an object; ``None`` if its class, written in Python, has none."""
    members = [
        member
        for kind in type(thing).__mro__
        if "__slots__" in vars(kind)
        for member in vars(kind).values()
        if isinstance(member, types.MemberDescriptorType)
    ]
    what = f"the slots of a {type(thing).__name__}"
    return Saved((thing, members, what), MEMBERS) if members else None


def save_cell(cell: types.CellType, name: str) -> Saved:
    """Save what a variable of an enclosing function is bound to."""
    contents = vars(types.CellType)["cell_contents"]
    return Saved((cell, [contents], f"the variable {name} of an enclosing function"), MEMBERS)


def save_class(kind: type) -> Saved:
    """Save the attributes of a class, methods included."""
    return Saved((kind, (), f"the class {kind.__name__}"), CLASS)


def save_globals(home: dict[str, Any], names: Iterable[str]) -> Saved:
    """Save what some names are bound to in a module."""
    return Saved((home, tuple(names), f"global variables of {home.get('__name__')}"), GLOBALS)


Binder: TypeAlias = tuple[Any, Sequence[Any], str]
"""Something that binds names, those of its names that count, and what it is."""


def _bindings(
    read: Callable[[Binder], dict[Any, Any]],
    put: Callable[[Any, Any, Any], object],
    drop: Callable[[Any, Any], object],
) -> Kind:
    """What names are bound to; ``read`` gives those bound, ``put`` binds one, ``drop`` none."""

    def write(thing: Binder, state: dict[Any, Any]) -> None:
        now = read(thing)
        for name in now.keys() - state.keys():
            drop(thing[0], name)
        for name, value in state.items():
            if now.get(name, MISSING) is not value:
                put(thing[0], name, value)

    return Kind(lambda thing, _: thing[2], read, write, _same_bindings)


def _same_bindings(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
    return len(now) == len(before) and all(
        now.get(name, MISSING) is value for name, value in before.items()
    )


def _bound_members(thing: Binder) -> dict[Any, Any]:
    bound = {}
    for member in thing[1]:
        with contextlib.suppress(AttributeError, ValueError):  # bound to nothing
            bound[member] = member.__get__(thing[0])
    return bound


# Descriptors reach past a frozen dataclass's own __setattr__.
MEMBERS = _bindings(
    _bound_members,
    lambda owner, member, value: member.__set__(owner, value),
    lambda owner, member: member.__delete__(owner),
)

CLASS = _bindings(
    lambda thing: {n: v for n, v in vars(thing[0]).items() if not n.startswith("__")},
    type.__setattr__,
    type.__delattr__,
)

GLOBALS = _bindings(
    lambda thing: {name: thing[0][name] for name in thing[1] if name in thing[0]},
    dict.__setitem__,
    dict.__delitem__,
)
