"""The loss along a direction, as a function of one number.

A ``Line`` is ``phi(t) = f(x + t * v)``: a random probe, one coordinate, a slice, all blocks at
once, only ``v`` differs.  The numerical half of the package sees nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradhook._types import Blocks
from gradhook.errors import OptionError
from gradhook.evaluation.directions import Coordinate, Direction, Part
from gradhook.evaluation.workspace import Workspace, flat_chunk

__all__ = ["Line"]


class Line:
    """``phi(t) = f(x + t * v)``: the loss as a function of one number.

    Args:
        workspace: The arrays to write to.
        parts: Block, direction and length of one unit of ``t``, for each block that moves.
        loss: Evaluates the loss at the workspace's present point.
        complex_loss: Evaluates it for complex parameters; ``None`` where that cannot be.

    Used as a context manager, which writes ``x`` back at the end.  An exception of the user's code
    away from ``x`` means that the point lies outside the loss's domain; the line is NaN there.
    """

    def __init__(
        self,
        workspace: Workspace,
        parts: Sequence[tuple[str, Direction, float]],
        loss: Callable[[], float],
        complex_loss: Callable[[Any], complex] | None = None,
    ) -> None:
        self._workspace = workspace
        self._parts = parts
        self._loss = loss
        self._complex_loss = complex_loss

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        for name, direction, _ in self._parts:
            self._workspace.write(name, direction)

    def __call__(self, t: Any) -> Any:
        """Return the loss at ``t``."""
        if isinstance(t, complex):
            return self._at_complex(t)
        for name, direction, unit in self._parts:
            self._workspace.write(name, direction, t * unit)
        try:
            return self._loss()
        except Exception:  # the user's domain ends here
            return math.nan

    def slope_taken(self, gradients: Blocks, h: float) -> float:
        """``⟨a, x₊ - x₋⟩ / 2h`` for the steps really taken, which a coarse dtype rounds."""
        total = 0.0
        for name, direction, unit in self._parts:
            for sign in (1.0, -1.0):
                self._workspace.write(name, direction, sign * h * unit)
                moved = self._workspace.arrays[name]
                flat = gradients[name].reshape(-1)
                for start, base in self._workspace.base(name):
                    stop = start + base.size
                    np.subtract(flat_chunk(moved, start, stop), base, out=base)
                    total += sign * float(np.dot(flat[start:stop], base))
        return total / (2 * h)

    def _at_complex(self, t: complex) -> complex:
        if self._complex_loss is None:
            raise OptionError(
                "ComplexStep needs a functional objective: the arrays that a model holds are real "
                "and cannot be written"
            )
        arrays: dict[str, Any] = dict(self._workspace.arrays)
        for name, direction, unit in self._parts:
            values = self._workspace.values(name).astype(complex)
            if isinstance(direction, Coordinate):
                values.flat[direction.index] += t * unit
            elif isinstance(direction, Part):
                values[direction.box] += t * unit * direction.values()
            else:
                values += t * unit * direction.table[direction.codes].reshape(values.shape)
            arrays[name] = values
        return self._complex_loss(self._workspace.tree.rebuild(arrays))
