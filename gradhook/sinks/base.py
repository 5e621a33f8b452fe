"""What a sink is, a place where reports go; and the simplest, a list.

A sink gets each finished ``Report`` once, after everything that the check touched has been put
back.  It may be slow or fail; the callback drops a sink that raises, warns once, and goes on.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from gradhook.report import Report

__all__ = ["Memory", "Sink"]


@runtime_checkable
class Sink(Protocol):
    """Anything with ``write(report)`` and ``close()``.

    Example:
        >>> from gradhook import sinks
        >>> class Counter:
        ...     def __init__(self):
        ...         self.failed = 0
        ...
        ...     def write(self, report):
        ...         self.failed += not report.passed
        ...
        ...     def close(self): ...
        >>> isinstance(Counter(), sinks.Sink)
        True
    """

    def write(self, report: Report) -> None:
        """Record one report; when this returns, it is kept as safely as the sink can."""

    def close(self) -> None:
        """Release what the sink holds; may be called more than once, and before any report came."""


class Memory:
    """Keep every report, the oldest first, for tests and for looking at after training.

    Attributes:
        reports: The reports written so far; ``close`` leaves them there.

    Example:
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import Memory
        >>> memory = Memory()
        >>> memory.write(Report(Verdict.PASS, True, {}, step=100))
        >>> [report.step for report in memory.reports]
        [100]
    """

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def write(self, report: Report) -> None:
        """Append the report itself, which is immutable, to ``reports``."""
        self.reports.append(report)

    def close(self) -> None:
        """Do nothing: the reports stay."""
