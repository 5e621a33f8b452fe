"""Everything that a loss function can reach and change, found and saved.

A loss may draw from a generator, update running statistics, keep its activations for the backward
pass.  ``reach`` walks from the functions (their closures, defaults, attributes, bound object,
``functools.partial`` arguments, and the module globals that their code names) through dictionaries,
lists, attributes, slots, classes and arrays, and returns one ``Saved`` per thing that can change.

What hides in C (an open file, an iterator half consumed, a lock, a framework's tensor) cannot be
saved; it is named instead.  Arrays are copied, the smallest first, as long as all copies stay
within a budget, and watched beyond it, so that a training set in reach does not cost its size in
memory.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook.guard.arrays import SavedArray, extent, watch
from gradhook.guard.generators import GENERATORS, save_generator
from gradhook.guard.neighbours import ATOMS, Home, hides_state, is_machinery, neighbours
from gradhook.guard.objects import (
    Saved,
    save_cell,
    save_class,
    save_container,
    save_globals,
    save_slots,
)

__all__ = ["BUDGET", "Reach", "reach"]

BUDGET = 1 << 28
"""Bytes that copies of arrays may take which the user has not named: 256 MiB."""

MOST_OBJECTS = 100_000
"""Objects entered at most: half a second's walk."""


@dataclass(slots=True)
class Reach:
    """What a walk found.

    Args:
        saved: One record per thing that can change.
        hidden: What may hold state that cannot be saved, in words.
        watched: Arrays too large to copy.
        cut: Whether there was more in reach than a walk enters.
    """

    saved: list[Saved] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    watched: list[Saved] = field(default_factory=list)
    cut: bool = False


def reach(
    roots: Iterable[Any],
    *,
    named: Iterable[Any] = (),
    without: Iterable[Any] = (),
    budget: float = BUDGET,
) -> Reach:
    """Find and save everything mutable that the roots lead to; arguments as of a ``Guard``."""
    walk = _Walk(without)
    walk.enter(named)
    chosen = len(walk.arrays)
    walk.enter(roots)
    found = walk.found
    for home in walk.homes.values():
        found.saved.append(save_globals(home.variables, home.names))
    found.saved += map(SavedArray, walk.arrays[:chosen])
    for array in sorted(walk.arrays[chosen:], key=lambda array: array.nbytes):
        budget -= array.nbytes
        if budget >= 0:
            found.saved.append(SavedArray(array))
        else:
            found.watched.append(watch(array))
    return found


class _Walk:
    """Walks breadth first, entering each object once, and none of those ``without`` it."""

    def __init__(self, without: Iterable[Any]) -> None:
        # The list keeps every object alive, so that no id is used twice during the walk.
        self._alive: list[Any] = [*without]
        self._seen = {id(thing) for thing in self._alive}
        self._extents: set[Any] = set()
        self.arrays: list[Any] = []
        self.homes: dict[int, Home] = {}
        self.found = Reach()

    def enter(self, roots: Iterable[Any]) -> None:
        """Walk from some roots."""
        queue = collections.deque((root, "") for root in roots)
        while queue:
            thing, label = queue.popleft()
            if type(thing) in ATOMS or id(thing) in self._seen:
                continue
            if len(self._seen) > MOST_OBJECTS:
                self.found.cut = True
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

    def _save(self, thing: Any, label: str) -> None:
        record: Saved | None
        if isinstance(thing, np.ndarray):
            if thing.flags.writeable and extent(thing) not in self._extents:
                self._extents.add(extent(thing))
                self.arrays.append(thing)
            return
        if isinstance(thing, GENERATORS):
            record = save_generator(thing)
        elif isinstance(thing, types.CellType):
            record = save_cell(thing, label)
        elif isinstance(thing, type):
            record = save_class(thing)
        else:
            record = save_container(thing)
            if (slots := save_slots(thing)) is not None:
                self.found.saved.append(slots)
            elif record is None and hides_state(thing):
                self._hide(thing, label)
        if record is not None:
            self.found.saved.append(record)

    def _hide(self, thing: Any, label: str) -> None:
        called = f" {label!r}" if label else ""
        self.found.hidden.append(f"{type(thing).__name__}{called}")
