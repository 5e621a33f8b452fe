"""When a check is due.

A schedule is a small immutable value with one method, ``next_after(step)``: the first due step
beyond a given one, or ``None`` if there is none.  It keeps no state, so one schedule serves any
number of loops, and its ``repr`` is the code that makes it, because reports print it.  Steps count
finished updates from 1; the check before the first update is not a schedule's business.

>>> from gradhook import schedules
>>> schedules.every(100).next_after(100)
200
>>> schedules.union(schedules.at(10), schedules.every(500))
union(at(10), every(500))
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, SupportsIndex, TypeAlias, runtime_checkable

from gradhook._types import as_integer
from gradhook.errors import OptionError

__all__ = [
    "Schedule",
    "ScheduleLike",
    "as_schedule",
    "at",
    "every",
    "logarithmic",
    "never",
    "union",
]


@runtime_checkable
class Schedule(Protocol):
    """Anything that knows which step is due next.

    Example:
        >>> from gradhook.schedules import Schedule, every
        >>> isinstance(every(100), Schedule)
        True
    """

    def next_after(self, step: int) -> int | None:
        """Return the first due step above ``step``, at least 1; ``None`` if there is none."""


ScheduleLike: TypeAlias = Schedule | int | Iterable[int]
"""What ``as_schedule`` understands."""


def as_schedule(value: ScheduleLike) -> Schedule:
    """Return the schedule that a value stands for.

    Args:
        value: A schedule (returned as it is), a whole number ``n >= 1`` (``every(n)``), or several
            (``at(...)``).

    Raises:
        OptionError: The value is none of these.

    Example:
        >>> from gradhook.schedules import as_schedule
        >>> as_schedule(100), as_schedule([10, 100])
        (every(100), at(10, 100))
    """
    if isinstance(value, Schedule) and not isinstance(value, type):
        return value
    if not isinstance(value, str | bytes | bool | type):
        if isinstance(value, Iterable):
            return at(value)
        if isinstance(value, SupportsIndex):
            return every(value)
    raise OptionError(
        f"{value!r} is not a schedule; write schedules.every(100) or schedules.at(10, 100)"
    )


def every(n: int) -> Schedule:
    """Every ``n`` steps: n, 2n, 3n, ...

    Args:
        n: Steps from one check to the next, at least 1.

    Raises:
        OptionError: ``n`` is not a whole number of at least 1.

    Example:
        >>> from gradhook.schedules import every
        >>> every(100).next_after(0), every(100).next_after(199)
        (100, 200)
    """
    n = _whole(n, least=1, what="every(n)", remedy="schedules.every(100)")
    return _Steps(range(n, sys.maxsize, n), f"every({n})")


def at(*steps: int | Iterable[int]) -> Schedule:
    """At the steps given, in any order; one iterable of them will do.

    ``at(range(100, 1001, 100))`` is every 100 steps as far as step 1000.

    Raises:
        OptionError: There are none, or one is not a whole number of at least 1.

    Example:
        >>> from gradhook.schedules import at
        >>> at(1000, 10).next_after(10), at(range(1, 4)).next_after(3)
        (1000, None)
    """
    given = steps[0] if len(steps) == 1 and isinstance(steps[0], Iterable) else steps
    remedy, start = "schedules.at(10, 100)", ", and leave step 0 to at_start=True"
    due = {
        _whole(step, least=1, what="at(*steps)", remedy=remedy + start * (as_integer(step) == 0))
        for step in given
    }
    if not due:
        raise OptionError(f"at(*steps) got no step; write {remedy}, or schedules.never() for none")
    shown = [str(step) for step in sorted(due)]
    if len(shown) > 10:  # A report prints this.
        shown[3:-1] = ["..."]
    return _Steps(tuple(sorted(due)), f"at({', '.join(shown)})")


def logarithmic(start: int = 100, factor: int = 10) -> Schedule:
    """At start, start * factor, start * factor**2, ...: gradients change most in the beginning.

    Args:
        start: First due step, at least 1.
        factor: Ratio of a due step to the one before, a whole number of at least 2.

    Raises:
        OptionError: An argument is not a whole number in its range.

    Example:
        >>> from gradhook.schedules import logarithmic
        >>> [logarithmic().next_after(step) for step in (0, 100, 1000)]
        [100, 1000, 10000]
    """
    remedy = "schedules.logarithmic(start=100, factor=10)"
    start = _whole(start, least=1, what="logarithmic(start)", remedy=remedy)
    factor = _whole(factor, least=2, what="logarithmic(factor)", remedy=remedy)
    steps = [start]
    while steps[-1] < sys.maxsize:
        steps.append(steps[-1] * factor)
    return _Steps(tuple(steps), f"logarithmic({start}, {factor})")


def never() -> Schedule:
    """At no step at all; the check at the start is not affected.

    Example:
        >>> from gradhook.schedules import never
        >>> never().next_after(0) is None
        True
    """
    return _Union(())


def union(*schedules: ScheduleLike) -> Schedule:
    """Whenever any of the schedules is due.

    Args:
        *schedules: Anything that ``as_schedule`` understands; none is ``never()``.

    Raises:
        OptionError: One of them is not a schedule.

    Example:
        >>> from gradhook.schedules import at, every, union
        >>> union(at(10), every(100)).next_after(0), union(at(10), every(100)).next_after(10)
        (10, 100)
    """
    return _Union(tuple(as_schedule(schedule) for schedule in schedules))


@dataclass(frozen=True, slots=True, repr=False)
class _Steps:
    """Steps in rising order, and the code that makes them."""

    steps: Sequence[int]
    code: str

    def next_after(self, step: int) -> int | None:
        position = bisect.bisect_right(self.steps, step)
        return self.steps[position] if position < len(self.steps) else None

    def __repr__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True, repr=False)
class _Union:
    schedules: tuple[Schedule, ...]

    def next_after(self, step: int) -> int | None:
        due = (schedule.next_after(step) for schedule in self.schedules)
        return min((found for found in due if found is not None), default=None)

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.schedules))
        return f"union({inside})" if self.schedules else "never()"


def _whole(value: object, *, least: int, what: str, remedy: str) -> int:
    number = as_integer(value)
    if number is not None and number >= least:
        return number
    raise OptionError(
        f"{what} needs a whole number of at least {least}, got {value!r}; write {remedy}"
    )
