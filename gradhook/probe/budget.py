"""What a check may cost, in loss evaluations: one value, shared out among what is still to be done.

A passing check of ``T`` blocks may take ``40·T + 100`` evaluations.  What is left is divided
equally among the settings still to come, and within a setting among the blocks still to come, so
that what one leaves the next may use.  Where a share is used up, noise, curvature or kinks have
made probes dear, and fewer of them must do as long as nothing stands out.  Mismatches are looked
into whatever that costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["FEWER_DIRECTIONS", "FEWEST_ROUNDS", "SEARCH", "SHORT_SEARCH", "UNLIMITED", "Budget"]

FOR_EACH, BESIDES = 40, 100
"""Evaluations of a passing check, for each block and besides."""

FEWEST_ROUNDS = 2
"""Steps that a probe of a block may try whatever they cost."""

SEARCH, SHORT_SEARCH = 1300, 60
"""Evaluations that the search of one block may take, and where it can tell little: halves and
subsets are too coarse, or kinks lie all over."""

FEWER_DIRECTIONS = 2
"""Directions where something is known of a block already, instead of ``DIRECTIONS``."""


class Budget:
    """Loss evaluations that may still be made: so many beyond those that ``spent()`` counts now."""

    def __init__(self, spent: Callable[[], int], most: float = math.inf) -> None:
        self._spent = spent
        self._end = spent() + most

    @classmethod
    def of_check(cls, spent: Callable[[], int], blocks: int) -> Budget:
        """The budget of one check of so many blocks."""
        return cls(spent, FOR_EACH * blocks + BESIDES)

    @property
    def left(self) -> float:
        """Evaluations left, never below zero."""
        return max(0.0, self._end - self._spent())

    def share(self, parts: float) -> Budget:
        """What is left, divided by the parts that are still to share it."""
        return Budget(self._spent, self.left / max(1.0, parts))

    def rounds(self, cost: int, most: int, *, least: int = FEWEST_ROUNDS) -> int:
        """How many rounds of so many evaluations a probe may try, of at most ``most``."""
        return int(min(most, max(least, self.left / cost)))


UNLIMITED = Budget(lambda: 0)
"""No limit at all."""
