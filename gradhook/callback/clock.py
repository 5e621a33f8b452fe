"""Whether and when a callback checks: the debug flag, the count of steps, what is no step.

Checks run only when someone asks for them.  An explicit argument counts most, then ``with
gradhook.debug():``, then the environment variable ``GRADHOOK``; otherwise they are off.

``step`` counts finished updates.  Loops that start again at every epoch hand in lower numbers; the
clock then counts on, so that the schedule and the charts see one long run.

A hook called wrongly is refused also while the callback is disabled: else the call would break the
first run in which somebody looks for a bug.
"""

from __future__ import annotations

import contextlib
import numbers
import operator
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from gradhook._types import as_integer
from gradhook.errors import HookCallError, OptionError, warn
from gradhook.schedules import Schedule

VARIABLE = "GRADHOOK"
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")

KEYWORDS = "pass what the loss takes as batch=(X, y), and new weights as parameters=params"
"""What a hook takes by keyword."""

F = TypeVar("F", bound=Callable[..., Any])

_debugging: ContextVar[bool | None] = ContextVar("gradhook_debugging", default=None)


@contextlib.contextmanager
def debug(enabled: bool = True) -> Iterator[None]:
    """Turn checks on (or off) for every callback built inside the block, in its thread.

    Args:
        enabled: Whether callbacks built inside check.

    Raises:
        OptionError: ``enabled`` is no boolean.

    Example:
        >>> import numpy as np, gradhook
        >>> def f(x):
        ...     return x @ x, 2 * x
        >>> with gradhook.debug():
        ...     check = gradhook.GradCheckCallback(f, np.ones(3), batch=())
        >>> check.enabled
        True
    """
    if not isinstance(enabled, bool):
        raise OptionError(f"debug() takes True or False, got {enabled!r}")
    token = _debugging.set(enabled)
    try:
        yield
    finally:
        _debugging.reset(token)


def is_enabled(enabled: bool | None) -> bool:
    """Decide the flag: the argument, then ``debug()``, then ``GRADHOOK``, then off."""
    if enabled is not None:
        if not isinstance(enabled, bool):
            raise OptionError(f"enabled must be True, False or None, got {enabled!r}")
        return enabled
    if (asked := _debugging.get()) is not None:
        return asked
    value = os.environ.get(VARIABLE, "").strip().lower()
    if value and value not in (*YES, *NO):
        raise OptionError(
            f"the environment variable {VARIABLE} is {value!r}; it must be one of "
            f"{', '.join(YES)} or {', '.join(NO)}"
        )
    return value in YES


class Clock:
    """Counts steps and knows the next one at which a check is due."""

    __slots__ = ("_offset", "_schedule", "due", "now")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.now = self._offset = 0  # finished updates, over all epochs
        self.due = schedule.next_after(0)  # None if none will be

    def at(self, step: int | None) -> int:
        """The number of finished updates, over all epochs; ``None`` counts one further."""
        number = self.now + 1 if step is None else finished_updates(step) + self._offset
        if number < self.now:
            self._offset += self.now + 1 - number
            number = self.now + 1
        self.now = number
        return number

    def done(self, number: int) -> None:
        """Note that the check due at ``number``, or before it, is made."""
        self.due = None
        try:
            due = self._schedule.next_after(number)
            self.due = None if due is None else operator.index(due)
        except Exception as error:  # the user's, and no reason to end the training
            warn(f"the schedule failed ({type(error).__name__}: {error}): no more checks")


def finished_updates(step: Any) -> int:
    """A step as an integer."""
    whole = as_integer(step)
    if whole is None or whole < 0:
        raise OptionError(
            f"step must be the number of finished updates, an integer from 0, got {step!r}"
        )
    return whole


def refuses_with(remedy: str) -> Callable[[F], F]:
    """Let what Python says of arguments that a hook does not know begin with a remedy.

    Python begins with the qualified name, so that no call pays for it.
    """

    def decorate(hook: F) -> F:
        hook.__qualname__ = f"{remedy}: check.{hook.__name__}"
        return hook

    return decorate


def refuse_misuse(
    hook: str, step: Any, misplaced: tuple[Any, ...], *, enabled: bool = True
) -> None:
    """Refuse what a hook was handed by position and cannot be a step.

    A number or a string is left to the clock, which says more of it; while disabled there is none.
    """
    counts = step is None or isinstance(step, (numbers.Number, np.generic, str))
    counts = counts or getattr(step, "shape", None) == ()
    strays = [*([] if counts else [step]), *misplaced]
    if strays:
        takes = "" if hook == "on_train_begin" else "step, "
        kinds = ", ".join(type(stray).__name__ for stray in strays)
        raise HookCallError(
            f"check.{hook}() got {kinds} by position: pass the batch by keyword, "
            f"check.{hook}({takes}batch=(X, y)), and leave out trainers, models and logs "
            "(GradCheckCallback is no decorator of loss functions)"
        )
    if not (enabled or step is None):
        finished_updates(step)
