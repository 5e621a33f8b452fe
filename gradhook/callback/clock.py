"""Which step it is, and whether a check is due at it; what is no step.

``step`` counts finished updates.  Loops that start again at every epoch hand in lower numbers; the
clock then counts on, so that the schedule and the charts see one long run.

Hooks called as those of other libraries are get one sentence with the type and the remedy.  It is
the same whether the callback checks or not, for a call that only works while the debug flag is off
would break the first run in which somebody looks for a bug.
"""

from __future__ import annotations

import inspect
import numbers
import operator
from typing import Any

import numpy as np

from gradhook._types import as_integer
from gradhook.errors import HookCallError, OptionError
from gradhook.schedules import Schedule

__all__ = ["Clock", "finished_updates", "refuse_misuse"]


class Clock:
    """Counts steps and knows the next one at which a check is due.

    Another training is counted on as well, but its schedule begins anew, unless its steps go on
    from those of the last.

    Attributes:
        now: The number of finished updates, over all epochs.
        due: The next step at which one is due, ``None`` if none will be.
        restart: What is to be said of a step that fell; empty if none did, or it was said.
        fault: What is to be warned of a schedule that failed; empty if it did not.
    """

    __slots__ = ("_another", "_begun", "_offset", "_schedule", "due", "fault", "now", "restart")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.now = 0
        self._offset = self._begun = 0
        self._another = False
        self.restart = self.fault = ""
        self.due = schedule.next_after(0)

    def begin_anew(self) -> None:
        """Another training begins."""
        self._another = True

    def at(self, step: int | None) -> int:
        """The number of finished updates, over all epochs; ``None`` counts one further.

        Raises:
            OptionError: ``step`` is no integer, or negative.
        """
        whole = None if step is None else finished_updates(step)
        another, self._another = self._another, False
        number = self.now + 1 if whole is None else whole + self._offset
        if number < self.now + another:
            if not (self._offset or another):
                self.restart = (
                    f"step fell from {self.now} to {whole}: taken as a new epoch, and steps are "
                    "counted on from here"
                )
            self._offset += self.now + 1 - number
            number = self.now + 1
        elif whole is not None:
            another = False  # its steps go on
        if another:
            self._begun = self.now if whole is None else self._offset
            self.done(number - 1)
        self.now = number
        return number

    def done(self, number: int) -> None:
        """Note that the check due at ``number``, or before it, is made."""
        self.due = None
        try:
            due = self._schedule.next_after(number - self._begun)
            if due is not None:
                self.due = self._begun + operator.index(due)
        except Exception as error:  # the user's, and no reason to end the training
            self.fault = f"the schedule failed ({type(error).__name__}: {error}): no more checks"


def finished_updates(step: Any) -> int:
    """A step as an integer.

    Raises:
        OptionError: ``step`` is no integer, or negative.
    """
    whole = as_integer(step)
    if whole is None or whole < 0:
        raise OptionError(
            f"step must be the number of finished updates, an integer from 0, got {step!r}"
        )
    return whole


def refuse_misuse(hook: str, step: Any, misplaced: tuple[Any, ...]) -> None:
    """Refuse what a hook was handed by position and cannot be a step.

    Raises:
        HookCallError: Something stands where only a step may, or behind it.
    """
    strays = [*([] if step is None or _may_count(step) else [step]), *misplaced]
    if not strays:
        return
    if any(inspect.isroutine(stray) for stray in strays):
        raise HookCallError(
            "GradCheckCallback was called with a function, but it is no decorator: write check = "
            "GradCheckCallback(loss_and_gradients, params) beside the loop and call "
            "check.on_step_end(step, batch=(X, y)) in it"
        )
    takes = "" if hook == "on_train_begin" else "step, "
    name = "check" if hook == "__call__" else f"check.{hook}"
    kinds = ", ".join(type(stray).__name__ for stray in strays)
    none = " (GradCheckCallback is no decorator of loss functions)" if hook == "__call__" else ""
    raise HookCallError(
        f"{name}() got {kinds} by position: pass the batch by keyword, "
        f"{name}({takes}batch=(X, y)), and leave out trainers, models and logs{none}"
    )


def _may_count(step: Any) -> bool:
    """Whether the clock can say more of it: a number, or what was meant for one."""
    if isinstance(step, (numbers.Number, np.generic, str)):
        return True
    return getattr(step, "shape", None) == () and hasattr(step, "__index__")
