"""Which step it is, and whether a check is due at it.

``step`` counts finished updates.  Loops that start again at every epoch hand in lower numbers; the
clock then counts on, so that the schedule and the charts see one long run.
"""

from __future__ import annotations

from gradhook._types import as_integer
from gradhook.errors import OptionError
from gradhook.schedules import Schedule

__all__ = ["Clock"]


class Clock:
    """Counts steps and knows the next one at which a check is due.

    Args:
        schedule: When checks are due.

    Attributes:
        due: The next step at which one is due, ``None`` if none will be.
        restart: What is to be said of a step that fell; empty if none did, or it was said.
    """

    __slots__ = ("_now", "_offset", "_schedule", "due", "restart")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._now = 0
        self._offset = 0
        self.restart = ""
        self.due = schedule.next_after(0)

    def at(self, step: int | None) -> int:
        """The number of finished updates, over all epochs.

        Args:
            step: What the loop says; ``None`` counts one further.

        Raises:
            OptionError: ``step`` is no integer, or negative.
        """
        if step is None:
            self._now += 1
            return self._now
        whole = as_integer(step)
        if whole is None or whole < 0:
            raise OptionError(
                f"step must be the number of finished updates, an integer from 0, got {step!r}"
            )
        number = whole + self._offset
        if number < self._now:
            if not self._offset:
                self.restart = (
                    f"step fell from {self._now} to {whole}: taken as a new epoch, and steps are "
                    "counted on from here"
                )
            self._offset += self._now + 1 - number
            number = self._now + 1
        self._now = number
        return number

    def done(self, number: int) -> None:
        """Note that the check due at ``number``, or before it, is made."""
        self.due = self._schedule.next_after(number)
