"""Things that can change, saved: each can tell whether it did and put itself back to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gradhook._types import Array

__all__ = [
    "Saved",
    "SavedArray",
    "SavedContainer",
    "SavedGenerator",
    "SavedSlots",
    "contents",
    "same_bytes",
    "slot_values",
]


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
class SavedGenerator:
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
class SavedContainer:
    owner: Any
    items: list[Any]
    is_generator = False

    def changed(self) -> bool:
        if isinstance(self.owner, set):  # whose order may change when it is filled again
            return self.owner != set(self.items)
        now = contents(self.owner)
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
class SavedSlots:
    owner: Any
    items: dict[str, Any]
    is_generator = False

    def changed(self) -> bool:
        now = slot_values(self.owner)
        return now.keys() != self.items.keys() or any(
            now[k] is not v for k, v in self.items.items()
        )

    def restore(self) -> None:
        for name in slot_values(self.owner).keys() - self.items.keys():
            delattr(self.owner, name)
        for name, value in self.items.items():
            object.__setattr__(self.owner, name, value)

    def describe(self) -> str:
        return f"the slots of a {type(self.owner).__name__}"


def same_bytes(first: Array, second: Array) -> bool:
    """Whether two arrays have equal shape, dtype and bytes (NaN included, 0.0 and -0.0 apart)."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype.hasobject:
        return all(a is b for a, b in zip(first.flat, second.flat, strict=True))
    if first.flags.c_contiguous and second.flags.c_contiguous and first.size:
        # Views of bytes compare without a copy; eight bytes at a time where they fit.
        unit = (
            np.uint64 if first.nbytes % 8 == 0 and first.ndim and first.itemsize == 8 else np.uint8
        )
        return bool(np.array_equal(_as_units(first, unit), _as_units(second, unit)))
    return first.tobytes() == second.tobytes()


def _as_units(array: Array, unit: Any) -> Array:
    return array.reshape(-1).view(unit)


def contents(owner: Any) -> list[Any]:
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


def slot_values(thing: Any) -> dict[str, Any]:
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


def _same_state(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, dict):
        return (
            isinstance(b, dict) and a.keys() == b.keys() and all(_same_state(a[k], b[k]) for k in a)
        )
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(_same_state(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
