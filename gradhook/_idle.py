"""Whole units whose gradient is exactly zero: right, and yet never exercised.

A dead unit, a pixel that is black in every row, an embedding that the batch does not use: nothing
flows back to their weights, so a mistake that only concerns them cannot show.  A block of which
they make up a quarter or more is worth a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array

__all__ = ["Idle", "idle_part"]

WORTH_SAYING = 0.25
"""Share of a block's slices that must be without gradient."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Slices of a block whose gradient is zero.

    Args:
        count: How many.
        total: Of how many.
        what: What a slice is called.
    """

    count: int
    total: int
    what: str

    def __str__(self) -> str:
        return f"{self.count} of {self.total} {self.what}"

    def sentence(self, block: str, where: str) -> str:
        """What to say of a block that is otherwise right, ``where`` it was looked at."""
        if self.what == "elements":
            return f"{block}: {self} have zero gradient {where} (dead units?), so they are untested"
        where = where.replace("these rows", "these rows of data")
        return f"{block}: {self} have zero gradient {where}, untested"


def idle_part(gradients: Sequence[Array]) -> Idle | None:
    """Slices along the first or the last axis whose gradient is zero to the bit, wherever measured.

    Args:
        gradients: The block's analytic gradient in every setting, all of one shape.

    Returns:
        The axis with the larger share; ``None`` below ``WORTH_SAYING``.

    Example:
        >>> import numpy as np
        >>> from gradhook._idle import idle_part
        >>> gradient = np.zeros((100, 4))
        >>> gradient[[3, 14, 15]] = 1.0
        >>> str(idle_part([gradient]))
        '97 of 100 rows'
    """
    if not gradients or gradients[0].ndim == 0 or gradients[0].size == 0:
        return None
    ndim = gradients[0].ndim
    found = []
    for axis in sorted({0, ndim - 1}):
        others = tuple(other for other in range(ndim) if other != axis)
        zero = np.logical_and.reduce([~g.any(axis=others) for g in gradients])
        found.append(Idle(int(zero.sum()), zero.size, _name(axis, ndim)))
    most = max(found, key=lambda idle: idle.count / idle.total)
    return most if most.count >= WORTH_SAYING * most.total else None


def _name(axis: int, ndim: int) -> str:
    if ndim == 1:
        return "elements"
    if ndim == 2:
        return "rows" if axis == 0 else "columns"
    return f"slices along the {'last' if axis else 'first'} axis"
