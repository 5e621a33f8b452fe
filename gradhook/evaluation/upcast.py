"""Float64 in place of the objective's own coarser arrays, for the length of a check.

A mapping that holds float32 arrays can hold float64 ones for a while, and the check then resolves
far more.  That helps only an objective that reads the mapping: layers that keep references to the
old arrays would see nothing move, and a penalty that reads the mapping beside them would see half.
So every block is moved alone, through its old array and through the new one: both must change the
loss by the same, and by more than the rounding of the old one.  A block that moves the loss through
neither, as a bias before a normalisation, is no evidence; one at least must be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np

from gradhook._types import Array
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import nearby, typical_scale
from gradhook.objective.parameters import rms

__all__ = ["upcast_in_place"]

UPCAST_DISTANCE = 0.1
"""Distance by which a block is moved, in units of its scale or of a usual, larger one."""

MAY_DIFFER = 1e-2
"""Share of the loss's change by which both may differ ..."""

COARSE_ROUNDING = 1e2 * float(np.finfo(np.float32).eps)
"""... beyond this share of the loss, for the rounding of the coarse one."""


def upcast_in_place(evaluator: Evaluator) -> None:
    """Work in float64 arrays where the objective's own are coarser and it reads what replaces them.

    The evaluator is at the current point before and after.
    """
    workspace = evaluator.workspace
    if workspace.is_float64:
        return
    coarse = {n: a for n, a in workspace.arrays.items() if a.dtype.itemsize < 8 and a.size}
    moves = {name: _move(name, array) for name, array in coarse.items()}
    before = _losses(evaluator, moves)
    if before is None or not workspace.upcast():
        return
    after = _losses(evaluator, moves)
    read = set() if after is None else {_is_read(name, before, after) for name in coarse}
    # It must take finer values than float32 has, too.
    if after is None or read - {None} != {True} or after[""] == float(np.float32(after[""])):
        workspace.downcast()


def _move(name: str, array: Array) -> Move:
    scale = rms(array)
    longer = max(1.0, typical_scale(array.shape) / scale) if scale else 1.0
    return nearby({name: array}, distance=UPCAST_DISTANCE * longer, fixed=(), seed=0)[name]


def _losses(evaluator: Evaluator, moves: Mapping[str, Move]) -> dict[str, float] | None:
    """The loss where the user stands, under ``""``, and with each block moved alone.

    ``None`` where it cannot be had: outside the domain, or for a dtype that the code does not
    expect.
    """
    with evaluator.aside(), contextlib.suppress(Exception):
        losses = {"": evaluator.loss()}
        for name, move in moves.items():
            evaluator.workspace.move({name: move})
            losses[name] = evaluator.loss()
        return losses
    return None


def _is_read(name: str, before: dict[str, float], after: dict[str, float]) -> bool | None:
    """Whether the loss moves with the new array as with the old one; ``None`` if with neither."""
    coarse, fine = (losses[name] - losses[""] for losses in (before, after))
    rounding = COARSE_ROUNDING * max(abs(after[""]), abs(after[name]))
    if abs(coarse) <= rounding and abs(fine) <= rounding:
        return None
    return rounding < abs(fine) and abs(fine - coarse) <= MAY_DIFFER * abs(fine) + rounding
