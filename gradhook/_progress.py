"""What a progress display is, as far as a check needs to know.

A check tells how far it has come by three calls and never asks what becomes of them, so that the
layer which measures imports nothing that draws.  ``gradhook.sinks.Progress`` draws with tqdm;
anything else with the same three methods will do.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["ProgressLike"]


@runtime_checkable
class ProgressLike(Protocol):
    """Anything with ``start``, ``advance`` and ``close``.

    Example:
        >>> class Count:
        ...     def start(self, total: int | None, description: str) -> None:
        ...         self.done = 0
        ...
        ...     def advance(self, n: int = 1) -> None:
        ...         self.done += n
        ...
        ...     def close(self) -> None: ...
        >>> isinstance(Count(), ProgressLike)
        True
    """

    def start(self, total: int | None, description: str) -> None:
        """Begin work of ``total`` steps, ``None`` where their number is not known beforehand."""

    def advance(self, n: int = 1) -> None:
        """Say that ``n`` more steps are done; their sum may differ from ``total``."""

    def close(self) -> None:
        """End the work, finished or not; may be called more than once, and without ``start``."""
