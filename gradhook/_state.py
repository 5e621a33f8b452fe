"""Everything that a loss function can reach and change, found and saved.

A loss may draw from a generator, update running statistics, keep its activations for the backward pass.  ``reach``
walks from the functions (their closures, defaults, bound object, ``functools.partial`` arguments, and the module
globals that their code names) through dictionaries, lists, attributes and arrays, and returns one ``Saved`` per thing
that can change, each of which can tell whether it did and put it back to the bit.

What hides in C (an open file, an iterator half consumed, a framework's tensor) cannot be saved here.
"""

from __future__ import annotations

import collections
import functools
import random
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gradhook._types import Array

__all__ = ["Saved", "SavedArray", "reach", "same_bytes"]

ATOMS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, type, types.ModuleType, range)
GENERATORS = (np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random)
MUTABLE = (dict, list, set, collections.deque)


class Saved(Protocol):
    """One thing that can change, as it was."""

    is_generator: bool

    def changed(self) -> bool:
        """Whether it differs from what was saved, to the bit."""

    def restore(self) -> None:
        """Put it back."""

    def describe(self) -> str:
        """What it is, for an error message."""


@dataclass(slots=True)
class SavedArray:
    """The bytes of an array, written back in place."""

    array: Array
    copy: Array
    is_generator = False

    @classmethod
    def of(cls, array: Array) -> SavedArray:
        """Copy the array as it is now."""
        return cls(array, np.array(array, copy=True, subok=False))

    def changed(self) -> bool:
        return not same_bytes(self.array, self.copy)

    def restore(self) -> None:
        if self.changed():
            self.array[...] = self.copy

    def describe(self) -> str:
        return f"an array of shape {self.copy.shape}"


@dataclass(slots=True)
class _SavedGenerator:
    owner: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]
    state: Any
    is_generator = True

    def changed(self) -> bool:
        return not _same_state(self.read(), self.state)

    def restore(self) -> None:
        self.write(self.state)

    def describe(self) -> str:
        return f"the random generator {type(self.owner).__name__}"


@dataclass(slots=True)
class _SavedContainer:
    owner: Any
    items: list[Any]
    is_generator = False

    def changed(self) -> bool:
        if isinstance(self.owner, set):  # whose order may change when it is filled again
            return self.owner != set(self.items)
        now = _contents(self.owner)
        return len(now) != len(self.items) or any(
            a is not b and not _same_pair(a, b) for a, b in zip(now, self.items, strict=True)
        )

    def restore(self) -> None:
        if not self.changed():
            return
        if isinstance(self.owner, (dict, set)):
            self.owner.clear()
            self.owner.update(self.items)
        elif isinstance(self.owner, list):
            self.owner[:] = self.items
        else:
            self.owner.clear()
            self.owner.extend(self.items)

    def describe(self) -> str:
        return f"a {type(self.owner).__name__}"


@dataclass(slots=True)
class _SavedSlots:
    owner: Any
    items: dict[str, Any]
    is_generator = False

    def changed(self) -> bool:
        now = _slot_values(self.owner)
        return now.keys() != self.items.keys() or any(now[k] is not v for k, v in self.items.items())

    def restore(self) -> None:
        for name in _slot_values(self.owner).keys() - self.items.keys():
            delattr(self.owner, name)
        for name, value in self.items.items():
            object.__setattr__(self.owner, name, value)

    def describe(self) -> str:
        return f"the slots of a {type(self.owner).__name__}"


def reach(roots: Iterable[Any], *, without: Iterable[Any] = ()) -> list[Saved]:
    """Find and save everything mutable that the roots lead to.

    Args:
        roots: Functions, models, generators, containers, arrays.
        without: Objects that are looked after elsewhere and are neither saved nor entered, such as the parameters'
            own arrays.
    """
    saved: list[Saved] = []
    # The list keeps every object alive, so that no id is used twice during the walk.
    alive: list[Any] = [*without]
    seen = {id(thing) for thing in alive}
    queue = collections.deque(roots)
    while queue:
        thing = queue.popleft()
        if isinstance(thing, ATOMS) or id(thing) in seen or _is_own(thing):
            continue
        seen.add(id(thing))
        alive.append(thing)
        record = _save(thing)
        if record is not None:
            saved.append(record)
        queue.extend(_next(thing))
        if (slots := _slot_values(thing)) and record is None:
            saved.append(_SavedSlots(thing, slots))
            queue.extend(slots.values())
    return saved


def same_bytes(first: Array, second: Array) -> bool:
    """Whether two arrays have equal shape, dtype and bytes (NaN included, 0.0 and -0.0 apart)."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype.hasobject:
        return all(a is b for a, b in zip(first.flat, second.flat, strict=True))
    if first.flags.c_contiguous and second.flags.c_contiguous and first.size:
        # Views of bytes compare without a copy; eight bytes at a time where they fit.
        unit = np.uint64 if first.nbytes % 8 == 0 and first.ndim and first.itemsize == 8 else np.uint8
        return bool(np.array_equal(_as_units(first, unit), _as_units(second, unit)))
    return first.tobytes() == second.tobytes()


def _as_units(array: Array, unit: Any) -> Array:
    return array.reshape(-1).view(unit)


def _save(thing: Any) -> Saved | None:
    if isinstance(thing, np.random.Generator):
        return _bit_generator(thing.bit_generator)
    if isinstance(thing, np.random.BitGenerator):
        return _bit_generator(thing)
    if isinstance(thing, np.random.RandomState):
        return _SavedGenerator(thing, thing.get_state, thing.set_state, thing.get_state())
    if isinstance(thing, random.Random):
        return _SavedGenerator(thing, thing.getstate, thing.setstate, thing.getstate())
    if isinstance(thing, np.ndarray):
        return SavedArray.of(thing) if thing.flags.writeable else None
    if isinstance(thing, MUTABLE):
        return _SavedContainer(thing, _contents(thing))
    return None


def _bit_generator(generator: Any) -> Saved:
    def write(state: Any) -> None:
        generator.state = state

    return _SavedGenerator(generator, lambda: generator.state, write, generator.state)


def _next(thing: Any) -> Iterator[Any]:
    if isinstance(thing, GENERATORS):
        return
    if isinstance(thing, types.FunctionType):
        yield from _of_function(thing)
    elif isinstance(thing, types.MethodType):
        yield thing.__self__
        yield thing.__func__
    elif isinstance(thing, functools.partial):
        yield thing.func
        yield from thing.args
        yield thing.keywords
    elif isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple, set, frozenset, collections.deque)):
        yield from thing
    elif isinstance(thing, np.ndarray):
        if thing.dtype.hasobject:
            yield from thing.flat
    elif isinstance(attributes := getattr(thing, "__dict__", None), dict):
        yield attributes
        for kind in type(thing).__mro__:
            yield from (f for f in vars(kind).values() if isinstance(f, types.FunctionType))


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a cell not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from _globals_of(function)


def _globals_of(function: types.FunctionType) -> Iterator[Any]:
    """Module globals that the code, or a function nested in it, names.

    Generators count wherever they are; functions and other objects only in code that is not an installed library's,
    whose registries and caches are none of a check's business.
    """
    home = function.__globals__
    installed = str(home.get("__file__") or "").startswith(_library_folders())
    for name in _names(function.__code__):
        thing = home.get(name)
        if isinstance(thing, GENERATORS) or (not installed and not isinstance(thing, ATOMS)):
            yield thing


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _contents(owner: Any) -> list[Any]:
    return list(owner.items()) if isinstance(owner, dict) else list(owner)


def _same_pair(a: Any, b: Any) -> bool:
    """Whether two ``(key, value)`` pairs, made anew by each ``items()``, hold the same objects."""
    return (
        isinstance(a, tuple)
        and isinstance(b, tuple)
        and len(a) == len(b) == 2
        and a[0] is b[0]
        and a[1] is b[1]
    )


def _slot_values(thing: Any) -> dict[str, Any]:
    values = {}
    for kind in type(thing).__mro__:
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name in ("__dict__", "__weakref__"):
                continue
            try:
                values[name] = getattr(thing, name)
            except AttributeError:
                continue
    return values


def _is_own(thing: Any) -> bool:
    return type(thing).__module__.partition(".")[0] == "gradhook"


def _same_state(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same_state(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(_same_state(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
