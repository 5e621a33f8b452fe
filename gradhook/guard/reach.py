"""Everything that a loss function can reach and change, found and saved.

A loss may draw from a generator, update running statistics, keep its activations for the backward
pass.  ``reach`` walks from the functions (their closures, defaults, attributes, bound object,
``functools.partial`` arguments, and the module globals that their code names) through dictionaries,
lists, attributes, slots, classes and arrays, and returns one ``Saved`` per thing that can change.
Of a module of the user's own, wherever it is met, those attributes count that some code names.

What hides in C (an open file, an iterator half consumed, a framework's tensor) cannot be saved; it
is named instead.  Arrays are copied, the smallest first, as long as all copies stay within a
budget, and watched beyond it, so that a training set in reach does not cost its size in memory.

Left out are the machinery of Python and of a training loop (loggers, threads, progress bars,
gradhook's own callback), though not what the user derives from it, and the globals of installed
libraries, whose registries and caches are none of a check's business.  Generators count wherever
they are.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import io
import os
import pathlib
import re
import sys
import sysconfig
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook.guard.objects import (
    CLASS,
    CONTENTS,
    GENERATORS,
    GLOBALS,
    MEMBERS,
    WATCHED,
    Saved,
    SavedArray,
    extent,
    save,
    save_slots,
    seeds_of,
)

BUDGET = 1 << 28
"""Bytes that copies of arrays may take which the user has not named: 256 MiB."""

MOST_OBJECTS = 100_000
"""Objects entered at most: half a second's walk."""

ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, range, slice, type(...)}
    | {types.CodeType, types.WrapperDescriptorType, types.MethodDescriptorType}
    | {types.GetSetDescriptorType, types.MemberDescriptorType, re.Pattern, np.dtype, np.ufunc}
    | {np.bool_, np.float16, np.float32, np.float64, np.longdouble}
    | {np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64}
)
"""Types without a state that could change."""

MACHINERY = frozenset(
    {"asyncio", "concurrent", "gradhook", "importlib", "inspect", "IPython", "logging"}
    | {"llvmlite", "matplotlib", "multiprocessing", "numba", "pytest", "_pytest", "subprocess"}
    | {"tensorboard", "tensorboardX", "threading", "tqdm", "unittest", "warnings"}
)
"""Packages whose objects are neither entered nor saved."""

ENTERED = (
    *("gradhook.integrations", "gradhook.testing", "multiprocessing.sharedctypes"),
    "numba.experimental.jitclass",
)
"""Parts of these that hold what is the user's: models, trainers, shared numbers."""

MEMORY = (ctypes._SimpleCData, ctypes._Pointer, ctypes.Array, ctypes.Structure, ctypes.Union)
"""Numbers as C holds them."""

HOLDING = (
    *(list, tuple, set, frozenset, deque, types.CellType, functools.partial, property),
    *(staticmethod, classmethod, types.MethodType),
)
"""Built-in classes that lead to whatever Python's garbage collector sees them hold."""

Edge = tuple[Any, str]
"""An object and the name under which it was found."""


@dataclass(slots=True)
class Home:
    """A module's globals, and the names of those that functions in reach use."""

    variables: dict[str, Any]
    names: dict[str, None] = field(default_factory=dict)
    held: bool = False  # whether it was met as an object, whose attributes any code may use


def reach(
    roots: Iterable[Any],
    *,
    named: Iterable[Any] = (),
    without: Iterable[Any] = (),
    budget: float = BUDGET,
) -> Reach:
    """Find and save everything mutable that the roots lead to; arguments as of a ``Guard``."""
    found = Reach(without)
    found.enter(named)
    chosen = len(found.arrays)
    found.enter(roots)
    for home in found.homes.values():
        what = f"global variables of {home.variables.get('__name__')}"
        found.saved.append(Saved((home.variables, tuple(home.names), what), GLOBALS))
    found.saved += map(SavedArray, found.arrays[:chosen])
    for array in sorted(found.arrays[chosen:], key=lambda array: array.nbytes):
        budget -= array.nbytes
        if budget >= 0:
            found.saved.append(SavedArray(array))
        else:
            found.watched.append(Saved(array, WATCHED))
    return found


class Reach:
    """What a walk found: breadth first, each object entered once, and none of those ``without``."""

    def __init__(self, without: Iterable[Any]) -> None:
        # The list keeps every object alive, so that no id is used twice during the walk.  The
        # screen is left out: what has been printed stays.
        self._alive: list[Any] = [*without, sys.stdout, sys.stderr]
        self._seen = {id(thing) for thing in self._alive}
        self._extents: set[Any] = set()
        self.arrays: list[Any] = []
        self.homes: dict[int, Home] = {}
        self.saved: list[Saved] = []
        self.hidden: list[str] = []  # what cannot be saved, in words
        self.watched: list[Saved] = []  # arrays too large to copy
        self.cut = False  # whether more was in reach than is entered

    def enter(self, roots: Iterable[Any]) -> None:
        """Walk from some roots, and on from what the code met names in the modules met."""
        edges: list[Edge] = [(root, "") for root in roots]
        while edges and not self.cut:
            self._follow(edges)
            names = {name: None for home in self.homes.values() for name in home.names}
            edges = []
            for home in self.homes.values():
                if home.held:
                    home.names |= names
                    edges += ((home.variables[n], n) for n in names if n in home.variables)
            edges = [edge for edge in edges if self._is_new(edge[0])]

    def _follow(self, edges: list[Edge]) -> None:
        queue = deque(edges)
        while queue:
            thing, label = queue.popleft()
            if not self._is_new(thing):
                continue
            if len(self._seen) > MOST_OBJECTS:
                self.cut = True
                return
            self._seen.add(id(thing))
            self._alive.append(thing)
            try:
                if is_machinery(thing):
                    continue
                self._save(thing, label)
                queue.extend(neighbours(thing, label, self.homes))
            except Exception:  # a proxy, say, that raises on being looked at
                self._hide(thing, label)

    def _is_new(self, thing: Any) -> bool:
        return type(thing) not in ATOMS and id(thing) not in self._seen

    def _save(self, thing: Any, label: str) -> None:
        if isinstance(thing, np.memmap):
            self._seen.add(id(getattr(thing, "_mmap", None)))  # its memory is the array's
        if isinstance(thing, MEMORY):
            if np.dtype(type(thing)).hasobject:
                raise TypeError("numbers alone can be copied")
            thing = np.frombuffer(memoryview(thing), np.uint8)
        if isinstance(thing, np.ndarray):
            if thing.flags.writeable and extent(thing) not in self._extents:
                self._extents.add(extent(thing))
                self.arrays.append(thing)
            return
        if isinstance(thing, types.CellType):
            what = f"the variable {label} of an enclosing function"
            self.saved.append(Saved((thing, [CONTENTS], what), MEMBERS))
            return
        if isinstance(thing, type):
            self.saved.append(Saved((thing, (), f"the class {thing.__name__}"), CLASS))
            return
        records = [record for record in (save_slots(thing), save(thing)) if record is not None]
        self.saved += records
        if not records and hides_state(thing):
            self._hide(thing, label)

    def _hide(self, thing: Any, label: str) -> None:
        called = f" {label!r}" if label else ""
        self.hidden.append(f"{type(thing).__name__}{called}")


def is_machinery(thing: Any) -> bool:
    """Whether an object is left out of the walk."""
    # What a cached property wraps is met in its class; beside that it holds a lock.
    if isinstance(thing, (pathlib.PurePath, np.generic, functools.cached_property)):
        return True
    if isinstance(thing, threading.Thread) and thing.is_alive():  # which goes on meanwhile
        return True
    if isinstance(thing, MEMORY):  # whose class may be named after whoever asked for it first
        return False
    # Of an instance its own class decides: what a user derives from a thread is the user's.
    kind = thing if isinstance(thing, (type, types.FunctionType)) else type(thing)
    module = thing.__name__ if isinstance(thing, types.ModuleType) else kind.__module__
    top = module.partition(".")[0] if isinstance(module, str) else ""
    if top in MACHINERY and not module.startswith(ENTERED):
        return True
    own = isinstance(thing, (type, types.ModuleType))
    return own and not _is_users(sys.modules.get(module))


def hides_state(thing: Any) -> bool:
    """Whether an object has a state that cannot be read and set: a file, an iterator.

    Where properties can be set and nothing else is there, they set what lies outside of Python.

    A lock has none between evaluations: one that is not given back would stop the next.
    """
    if isinstance(thing, (io.IOBase, types.GeneratorType, types.CoroutineType, ContextVar)):
        return True
    kind = type(thing)
    changes = [hasattr(kind, name) for name in ("__next__", "__setitem__")]
    changes += [isinstance(each, property) and bool(each.fset) for each in vars(kind).values()]
    return any(changes) and _attributes(thing) is None


def neighbours(thing: Any, label: str, homes: dict[int, Home]) -> Iterator[Edge]:
    """What an object that was found under a name leads to.

    ``homes``, modules by identity of their globals, gets the names that a function uses.
    """
    if isinstance(thing, type):
        yield from _of_class(thing)
        return
    if isinstance(thing, types.ModuleType):
        homes.setdefault(id(vars(thing)), Home(vars(thing))).held = True
        return
    if isinstance(thing, GENERATORS):
        yield seeds_of(thing), label
    elif isinstance(thing, dict):
        yield from ((key, label) for key in dict.keys(thing) if type(key) not in ATOMS)
        yield from (
            (value, key if isinstance(key, str) else label)
            for key, value in dict.items(thing)
            if type(value) not in ATOMS
        )
    elif isinstance(thing, HOLDING):
        yield from ((held, label) for held in gc.get_referents(thing) if type(held) not in ATOMS)
    elif isinstance(thing, np.ndarray):
        yield from ((item, label) for item in (thing.flat if thing.dtype.hasobject else ()))
    elif isinstance(thing, types.MappingProxyType):
        yield from ((value, label) for value in thing.values())
    elif isinstance(thing, types.FunctionType):
        yield from _of_function(thing, homes)
    elif isinstance(thing, weakref.ReferenceType):
        yield thing(), label
    yield from _of_instance(thing, label)


def _of_instance(thing: Any, label: str) -> Iterator[Edge]:
    """Its attributes and slots, its class, and the object that it is bound to."""
    if hasattr(type(thing), "__self__"):
        yield thing.__self__, label
    if (attributes := _attributes(thing)) is not None:
        yield attributes, label
    if (slots := save_slots(thing)) is not None:
        yield from ((value, member.__name__) for member, value in slots.state.items())
    for kind in type(thing).__mro__:
        if _is_users(sys.modules.get(kind.__module__)):
            yield kind, label
        else:
            for function in vars(kind).values():
                if isinstance(function, types.FunctionType):
                    yield from _generators(function)


def _attributes(thing: Any) -> dict[str, Any] | None:
    # Past a __getattribute__ or __getattr__ of the user's; a ``local`` has one for each thread.
    kind = threading.local if isinstance(thing, threading.local) else object
    try:
        found = kind.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _of_class(kind: type) -> Iterator[Edge]:
    for name, value in vars(kind).items():
        special = name.startswith("__") and name.endswith("__")
        if isinstance(value, types.FunctionType) or not (special or type(value) in ATOMS):
            yield value, name
        # functools.cached_property and its like.
        if isinstance(inner := getattr(value, "func", None), types.FunctionType):
            yield inner, name


def _of_function(function: types.FunctionType, homes: dict[int, Home]) -> Iterator[Edge]:
    yield from zip(function.__closure__ or (), function.__code__.co_freevars, strict=False)
    yield from ((value, function.__name__) for value in function.__defaults__ or ())
    yield from ((value, name) for name, value in (function.__kwdefaults__ or {}).items())
    variables = function.__globals__
    if not _is_users(sys.modules.get(function.__module__), variables.get("__file__")):
        yield from _generators(function)
        return
    home = homes.setdefault(id(variables), Home(variables))
    names = dict.fromkeys(_names(function.__code__))
    home.names |= names
    yield from ((variables[name], name) for name in names if name in variables)
    # A name may also be that of a module which the code imports.
    package = f"{variables.get('__package__')}."
    modules = [name for n in names for name in (n, package + n) if name in sys.modules]
    yield from ((sys.modules[name], name) for name in modules)


def _generators(function: types.FunctionType) -> Iterator[Edge]:
    """Module globals that a function of an installed library names, if they are generators."""
    variables = function.__globals__
    for name in _names(function.__code__):
        if isinstance(variables.get(name), GENERATORS):
            yield variables[name], name


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def is_plain(thing: Any) -> bool:
    """Whether reading it runs no code of the user's: arrays and numbers in built-in containers."""
    left = [thing]
    for each in left:  # which grows
        if type(each) is dict:
            left += (*each, *each.values())
        elif type(each) in (list, tuple):
            left += each
        elif not (type(each) in ATOMS or (type(each) is np.ndarray and not each.dtype.hasobject)):
            return False
        if len(left) > MOST_OBJECTS:
            return False
    return True


def is_library(file: str) -> bool:
    """Whether a source file lies in a folder of installed libraries."""
    return file.startswith(_library_folders())


def _is_users(module: types.ModuleType | None, file: Any = None) -> bool:
    """Whether a module is the user's: neither built in nor installed."""
    file = file or getattr(module, "__file__", None)
    if file is None:
        return module is None or module.__name__ == "__main__"
    return not is_library(str(file))


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*sorted(folders), os.path.dirname(os.__file__), "<frozen")
