"""What the frozen records of a report have in common: equality, hashing and copying.

The equality that a dataclass makes says that a record with a ``nan`` differs from its own copy;
here one unknown number equals another.  Fields that take no part in comparisons are skipped.  A
pickle or deep copy is as frozen as the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

__all__ = ["Record", "freeze"]


class Record:
    """Base of a frozen, slotted dataclass made with ``eq=False``."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _key(self) == _key(other)

    def __hash__(self) -> int:
        return hash(_key(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: a read-only mapping does not pickle, an array loses its flag.
        values = (getattr(self, field.name) for field in fields(cast(Any, self)))
        return type(self), tuple(dict(v) if isinstance(v, Mapping) else v for v in values)


def freeze(record: Record, *names: str) -> None:
    """Replace the named sequences of a record under construction by tuples.

    Raises:
        TypeError: One of them is a string, which would fall apart into its letters.
    """
    for name in names:
        value = getattr(record, name)
        if isinstance(value, str):
            raise TypeError(
                f"{type(record).__name__}.{name} must be a sequence, not one string: {value!r}"
            )
        object.__setattr__(record, name, tuple(value))


def _key(record: Record) -> tuple[Any, ...]:
    """What a record is compared by: its fields with ``None`` for ``nan``."""
    kept = (field.name for field in fields(cast(Any, record)) if field.compare)
    values = (getattr(record, name) for name in kept)
    return tuple(_comparable(value) for value in values)


def _comparable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozenset(value.items())
    return value if value == value else None  # Only nan differs from itself.
