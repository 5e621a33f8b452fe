"""What a search may cost, in loss evaluations."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SEARCH", "Budget"]

SEARCH = 1300
"""Evaluations that the search of one block may take."""


class Budget:
    """Loss evaluations that may be spent.

    Args:
        spent: Returns how many have been made so far.
        most: How many more may be made.
    """

    def __init__(self, spent: Callable[[], int], most: int) -> None:
        self._spent = spent
        self._end = spent() + most

    @property
    def left(self) -> int:
        """Evaluations left, never below zero."""
        return max(0, self._end - self._spent())
