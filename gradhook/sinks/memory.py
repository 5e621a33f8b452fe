"""Reports kept in a list, for tests and for looking at after training."""

from __future__ import annotations

from gradhook.report import Report

__all__ = ["Memory"]


class Memory:
    """Keep every report, the oldest first.

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
