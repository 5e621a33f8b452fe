"""What a sink is, a place where reports go; those that keep no file; and a progress bar by tqdm.

A sink gets each finished ``Report`` once, after everything that the check touched has been put
back.  It may be slow or fail; the callback drops a sink that raises, warns once, and goes on.

Screen and log get a line for a check that passed, else the report; the screen a line, too, for a
check that finds what an earlier one of its run has found.  Colours and the width follow the
terminal; where the output goes to a file it is plain and 80 columns wide.  A progress bar of the
training that stands on the screen is not torn.

Most checks are over before a bar of their own could be read, so nothing is drawn, and tqdm is not
even loaded, during the first second.  The bar stands below those of the training and is wiped when
the check ends: what stays on the screen is what the training printed.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import sys
import time
import warnings
from typing import IO, Any, Protocol, runtime_checkable

from gradhook._types import Verdict
from gradhook.errors import OptionError
from gradhook.report import Report
from gradhook.report.format import has_colour, width
from gradhook.report.story import same_story
from gradhook.report.text import in_short, summary, text

__all__ = ["Logging", "Memory", "Progress", "Sink", "Terminal"]


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


class Terminal:
    """Print each report.

    Args:
        stream: Where to; by default what ``sys.stdout`` is at the time of each report.
        colour: Whether to colour the verdicts; ``None`` does where the terminal has colours and
            ``NO_COLOR`` is not set.

    Raises:
        OptionError: ``stream`` cannot be written to, or ``colour`` is none of the three.

    Example:
        >>> from gradhook import Report, Verdict
        >>> from gradhook.sinks import Terminal
        >>> Terminal().write(Report(Verdict.PASS, True, {}, ratio=3e-9, step=100, evaluations=58))
        gradcheck step 100: PASS, no block was measured
    """

    def __init__(self, stream: IO[str] | None = None, *, colour: bool | None = None) -> None:
        if stream is not None and not callable(getattr(stream, "write", None)):
            raise OptionError(f"stream must have a method write, {type(stream).__name__} has none")
        if colour not in (True, False, None):
            raise OptionError(f"colour must be True, False or None, got {colour!r}")
        self._stream = stream
        self._colour = colour
        self._told: Report | None = None

    def write(self, report: Report) -> None:
        """Print one report."""
        stream = sys.stdout if self._stream is None else self._stream
        colour = has_colour(stream) if self._colour is None else self._colour
        first = self._told if same_story(self._told, report) else None
        said = in_short(report, first, width(stream), colour=colour)
        if not said:
            self._told = report
            said = text(report, width(stream), colour=colour) + "\n"
        self.say(said)

    def say(self, said: str) -> None:
        """Print a line that is no report: that a run is checked, and how its checks ended."""
        stream = sys.stdout if self._stream is None else self._stream
        if (tqdm := sys.modules.get("tqdm")) is None:
            stream.write(said + "\n")
            stream.flush()
        else:  # Takes the bars off the screen and draws them anew.
            tqdm.tqdm.write(said, file=stream)

    def close(self) -> None:
        """End a run: what comes next is told in full.  The stream is its owner's."""
        self._told = None


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
        self._told: Report | None = None

    def write(self, report: Report) -> None:
        """Log one report, as a single record; a failure told before in one line."""
        bad = logging.ERROR if report.verdict is Verdict.FAIL else logging.WARNING
        level = logging.INFO if report.passed else bad
        if self._logger.isEnabledFor(level):
            said = summary(report) if report.passed else ""
            if not said and same_story(self._told, report):
                said = in_short(report, self._told, 120)
            if not said:
                self._told, said = report, str(report)
            # The text is an argument, not the format: names in it may contain a percent sign.
            self._logger.log(level, "%s", said)

    def close(self) -> None:
        """End a run: what comes next is told in full.  The logger is the application's."""
        self._told = None


class Progress:
    """A tqdm bar that shows how far a check has come; what ``check_gradients`` uses by default.

    Args:
        delay: Seconds for which nothing is drawn.
        disable: ``True`` never draws, ``False`` always.  ``None`` draws where someone can see it:
            in a notebook, or where the standard error stream is a terminal.

    Raises:
        OptionError: ``delay`` is negative or not finite, or ``disable`` is none of the three.

    Example:
        >>> from gradhook.sinks import Progress
        >>> progress = Progress(disable=True)
        >>> progress.start(40, "gradient check")
        >>> progress.advance(10)
        >>> progress.close()
    """

    def __init__(self, *, delay: float = 1.0, disable: bool | None = None) -> None:
        if not (isinstance(delay, (int, float)) and 0 <= delay < math.inf):
            raise OptionError(f"delay must be a number of seconds, at least 0, got {delay!r}")
        if disable not in (True, False, None):
            raise OptionError(f"disable must be True, False or None, got {disable!r}")
        self._delay = delay
        self._disable = disable
        self._what: tuple[int | None, str] = (None, "")
        self._done = 0
        self._due = math.inf
        self._bar: Any = None

    def start(self, total: int | None, description: str) -> None:
        """Begin a bar of ``total`` steps; ends the one before.

        Raises:
            ImportError: tqdm is not installed, and a bar is wanted here.
        """
        self.close()
        if not (_is_seen() if self._disable is None else not self._disable):
            return
        if importlib.util.find_spec("tqdm") is None:
            raise ImportError("a progress bar needs tqdm: pip install tqdm")
        self._what = total, description
        self._done = 0
        self._due = time.monotonic() + self._delay

    def advance(self, n: int = 1) -> None:
        """Move the bar on by ``n`` steps; does nothing before ``start`` and after ``close``."""
        if self._bar is not None:
            self._bar.update(n)
        elif self._due < math.inf:
            self._done += n
            if time.monotonic() >= self._due:
                self._bar = _new_bar(*self._what, seconds=self._delay)
                self._bar.update(self._done)

    def close(self) -> None:
        """Wipe the bar; may be called more than once, and without ``start``."""
        bar, self._bar = self._bar, None
        self._due = math.inf
        if bar is not None:
            bar.close()


def _is_seen() -> bool:
    """Whether a bar would be seen: a notebook's stream is no terminal, yet its bars are."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel") or bool(sys.stderr and sys.stderr.isatty())


def _new_bar(total: int | None, description: str, *, seconds: float) -> Any:
    """Return a tqdm bar, wiped at its end, of a work that began ``seconds`` ago."""
    with warnings.catch_warnings():
        # In a notebook without widgets tqdm warns and falls back to text.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]  # tqdm[int] is an error at run time
        # tqdm's watcher thread would outlive the check.  It redraws bars whose updates are skipped
        # to save time; with miniters=1 none are.
        monitor_interval = 0

    # With a delay nothing is drawn before the first update, which then counts as due.
    bar = Bar(
        total=total, desc=description, unit=" evaluations", leave=False, miniters=1, delay=1e-9
    )
    bar.start_t -= seconds
    bar.last_print_t -= max(seconds, bar.mininterval)
    return bar
