"""A progress bar for checks that take long, drawn by tqdm.

Most checks are over before a bar could be read, so nothing is drawn, and tqdm is not even loaded,
during the first second.  The bar stands below those of the training and is wiped when the check
ends: what stays on the screen is what the training printed.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time
import warnings
from typing import Any

from gradhook.errors import OptionError

__all__ = ["Progress"]


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
