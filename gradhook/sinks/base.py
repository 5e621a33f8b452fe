"""What a sink is: a place where reports go.

A sink gets each finished ``Report`` once, after everything that the check touched has been put
back.  It may be slow or fail; the callback drops a sink that raises, warns once, and goes on.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from gradhook.report import Report

__all__ = ["Sink"]


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
