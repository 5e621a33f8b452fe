"""What a passing check and a search may cost, in loss evaluations."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["FEWEST_ROUNDS", "GRANTED", "QUICK", "SEARCH", "Budget", "affordable"]

GRANTED = {"main": (12, 20), "further": (4, 4)}
"""Evaluations that a passing check may make for each block, and besides, at its main setting (those
of the sanity tests and the noise included) and at each further one.  What one leaves, the next may
use."""

QUICK = 24
"""Evaluations that a passing check of quick effort may make."""

FEWEST_ROUNDS = 2
"""Steps that a probe of a block may try whatever they cost."""

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


def affordable(rounds: float, most: int, *, least: int = FEWEST_ROUNDS) -> int:
    """How many steps a probe may try, where the evaluations left pay for ``rounds`` of them."""
    return int(min(most, max(least, rounds)))
