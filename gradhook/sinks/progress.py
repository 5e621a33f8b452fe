"""A progress bar for checks that take long, drawn by tqdm.

Most checks are over before a bar could be read, so nothing is drawn during the first second, and
the bar is wiped when the check ends: what stays on the screen is what the training printed.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from gradhook.errors import OptionError

__all__ = ["Progress"]


class Progress:
    """A tqdm bar that shows how far a check has come; what ``check_gradients(progress=True)`` uses.

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
        self._bar: Any = None

    def start(self, total: int | None, description: str) -> None:
        """Begin a bar of ``total`` steps; ends the one before.

        Raises:
            ImportError: tqdm is not installed.
        """
        self.close()
        self._bar = _new_bar(total, description, self._delay, self._disable)

    def advance(self, n: int = 1) -> None:
        """Move the bar on by ``n`` steps; does nothing before ``start`` and after ``close``."""
        if self._bar is not None:
            self._bar.update(n)

    def close(self) -> None:
        """Wipe the bar; may be called more than once, and without ``start``."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


def _new_bar(total: int | None, description: str, delay: float, disable: bool | None) -> Any:
    """Return a tqdm bar that is wiped at its end and starts no thread."""
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError as error:
        raise ImportError("a progress bar needs tqdm: pip install tqdm") from error

    class Bar(tqdm):  # type: ignore[type-arg]
        # tqdm's watcher thread would outlive the check.  It redraws bars whose updates are skipped
        # to save time; with miniters=1 none are.
        monitor_interval = 0

    notebook = sys.modules.get("tqdm.notebook")
    if disable is None and notebook is not None and issubclass(Bar, notebook.tqdm):
        disable = False  # A notebook's stream is no terminal, and its bar is visible all the same.
    return Bar(total=total, desc=description, leave=False, delay=delay, disable=disable, miniters=1)
