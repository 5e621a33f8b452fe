"""Float64 in place of the objective's own coarser arrays, for the length of a check.

A mapping that holds float32 arrays can hold float64 ones for a while, and the check then resolves
far more.  That helps only an objective that reads the mapping: layers that keep references to the
old arrays would see nothing move.  So the loss a step away must be the same through the old arrays
and through the new ones, and with the new ones it must take finer values than float32 has.
"""

from __future__ import annotations

import numpy as np

from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import nearby

__all__ = ["upcast_in_place"]

STEP = 0.1
"""Distance, in scales of each block, at which both must give the same loss."""

SHARE = 1e-3
"""Share of the loss's change over that step by which they may differ ..."""

ROUNDING = 1e2 * float(np.finfo(np.float32).eps)
"""... beyond this share of the loss, for the rounding of the coarse one."""


def upcast_in_place(evaluator: Evaluator) -> None:
    """Work in float64 arrays where the objective's own are coarser and it reads what replaces them.

    Args:
        evaluator: At the current point, where it is again at the end.
    """
    workspace = evaluator.workspace
    if workspace.is_float64:
        return
    away = nearby(workspace.arrays, distance=STEP, fixed=(), seed=0)
    losses = []
    try:
        workspace.move(away)
        losses.append(evaluator.loss())
        workspace.move({})
        if not workspace.upcast():
            return
        losses.append(evaluator.loss())
        workspace.move(away)
        losses.append(evaluator.loss())
    except Exception:  # outside the domain, or a dtype that the code does not expect
        evaluator.user_error = None
    workspace.move({})
    if len(losses) == 3:
        coarse, here, fine = losses
        allowed = SHARE * abs(fine - here) + ROUNDING * abs(fine)
        if abs(fine - coarse) <= allowed and here != float(np.float32(here)):
            return
    workspace.downcast()
