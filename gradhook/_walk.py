"""Everything that a loss function can reach and change, found and saved.

A loss may draw from a generator, update running statistics, keep its activations for the backward
pass.  ``reach`` walks from the functions (their closures, defaults, bound object,
``functools.partial`` arguments, and the module globals that their code names) through dictionaries,
lists, attributes and arrays, and returns one ``Saved`` per thing that can change, each of which can
tell whether it did and put it back to the bit.

What hides in C (an open file, an iterator half consumed, a framework's tensor) cannot be saved
here.
"""

from __future__ import annotations

import collections
import functools
import random
import sysconfig
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gradhook._state import (
    Saved,
    SavedArray,
    SavedContainer,
    SavedGenerator,
    SavedSlots,
    contents,
    slot_values,
)

__all__ = ["reach"]

ATOMS = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    np.generic,
    np.dtype,
    type,
    types.ModuleType,
    range,
)


GENERATORS = (np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random)


MUTABLE = (dict, list, set, collections.deque)


def reach(roots: Iterable[Any], *, without: Iterable[Any] = ()) -> list[Saved]:
    """Find and save everything mutable that the roots lead to.

    Args:
        roots: Functions, models, generators, containers, arrays.
        without: Objects that are looked after elsewhere and are neither saved nor entered, such as
            the parameters' own arrays.
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
        if (slots := slot_values(thing)) and record is None:
            saved.append(SavedSlots(thing, slots))
            queue.extend(slots.values())
    return saved


def _save(thing: Any) -> Saved | None:
    if isinstance(thing, np.random.Generator):
        return _bit_generator(thing.bit_generator)
    if isinstance(thing, np.random.BitGenerator):
        return _bit_generator(thing)
    if isinstance(thing, np.random.RandomState):
        return SavedGenerator(thing, thing.get_state, thing.set_state, thing.get_state())
    if isinstance(thing, random.Random):
        return SavedGenerator(thing, thing.getstate, thing.setstate, thing.getstate())
    if isinstance(thing, np.ndarray):
        return SavedArray.of(thing) if thing.flags.writeable else None
    if isinstance(thing, MUTABLE):
        return SavedContainer(thing, contents(thing))
    return None


def _bit_generator(generator: Any) -> Saved:
    def write(state: Any) -> None:
        generator.state = state

    return SavedGenerator(generator, lambda: generator.state, write, generator.state)


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

    Generators count wherever they are; functions and other objects only in code that is not an
    installed library's, whose registries and caches are none of a check's business.
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


def _is_own(thing: Any) -> bool:
    return type(thing).__module__.partition(".")[0] == "gradhook"
