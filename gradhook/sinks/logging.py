"""Reports in the standard log: a line for a check that passed, the table for one that did not."""

from __future__ import annotations

import logging
from typing import Any

from gradhook._types import Verdict
from gradhook.errors import OptionError
from gradhook.report import Report
from gradhook.report.text import summary

__all__ = ["Logging"]


class Logging:
    """Log each report; handlers and levels are the application's own and are never touched.

    A check that passed is logged at ``INFO``, one that warns or could not tell at ``WARNING``, one
    that failed at ``ERROR``.  Without any configuration Python shows the last two on the standard
    error stream.

    Args:
        logger: A logger or logger adapter, or the name of a logger.

    Raises:
        OptionError: ``logger`` is neither.

    Example:
        >>> import logging, sys
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import Logging
        >>> logger = logging.getLogger("my_training")
        >>> logger.setLevel(logging.INFO)
        >>> handler = logging.StreamHandler(sys.stdout)
        >>> logger.addHandler(handler)
        >>> Logging(logger).write(
        ...     Report(Verdict.PASS, True, {}, ratio=3e-9, step=100, evaluations=58)
        ... )
        gradcheck step 100: PASS, no block was measured
        >>> logger.removeHandler(handler)
    """

    def __init__(
        self, logger: str | logging.Logger | logging.LoggerAdapter[Any] = "gradhook"
    ) -> None:
        if isinstance(logger, str):
            logger = logging.getLogger(logger)
        if not isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
            raise OptionError(f"logger must be a logging.Logger or the name of one, got {logger!r}")
        self._logger = logger

    def write(self, report: Report) -> None:
        """Log one report, as a single record."""
        bad = logging.ERROR if report.verdict is Verdict.FAIL else logging.WARNING
        level = logging.INFO if report.passed else bad
        if self._logger.isEnabledFor(level):
            # The text is an argument, not the format: names in it may contain a percent sign.
            self._logger.log(level, "%s", summary(report) if report.passed else str(report))

    def close(self) -> None:
        """Do nothing: the logger is the application's."""
