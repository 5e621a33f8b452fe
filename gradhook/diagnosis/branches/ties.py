"""Whether the loss sits on a kink at a point, seen in the operations that order or select there.

One-sided slopes that differ tell of a kink; where several cancel, as in ``relu(x) - relu(-x)``,
they agree.  Then the loss is evaluated at ``-h``, ``0`` and ``+h`` along the direction in doubt,
with only the moved block dressed: an operation that orders or selects among operands which are
equal to the bit at 0, and move apart with the displacement, has a kink just there.  A threshold
near the point is none, and neither is a maximum that is subtracted from what it is the maximum of.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from gradhook.diagnosis.branches.recording import Recording, recording
from gradhook.diagnosis.branches.traced_array import is_traced, traced
from gradhook.evaluation.directions import Direction
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.line import Line
from gradhook.probe.setting import Setting

__all__ = ["look_for_ties"]

DISTANCE = 1e-9
"""``h``, in units of the block's scale: nearer than any threshold that is not at the point."""


def look_for_ties(
    evaluator: Evaluator, setting: Setting, name: str, direction: Direction, scale: float
) -> bool | None:
    """Whether operands tie at a setting's point along a direction of one block of this scale.

    ``None`` where none was seen to, and the loss that came back was no longer traced, so that some
    may have been missed.
    """
    try:
        with evaluator.aside():
            setting.enter(evaluator)
            return _looked(evaluator, name, direction, DISTANCE * scale)
    except Exception:  # code that does not work on such arrays tells nothing
        return None


def _looked(evaluator: Evaluator, name: str, direction: Direction, h: float) -> bool | None:
    workspace = evaluator.workspace
    array = None if workspace.in_place else workspace.arrays[name]
    loss = functools.partial(evaluator.loss, dress=functools.partial(traced, of=array))
    seen: list[Recording] = []
    traceable = True
    with Line(workspace, [(name, direction, 1.0)], loss) as line:
        for t in (-h, 0.0, h):
            with recording() as made:
                value = line(t)
            returned = evaluator.returned
            whole = is_traced(returned) or (
                isinstance(returned, float) and float(returned) in made.floats
            )
            traceable = traceable and whole and not made.left_out and math.isfinite(value)
            seen.append(made)
    if _ties(*seen):
        return True
    return False if traceable else None


def _ties(below: Recording, here: Recording, above: Recording) -> bool:
    """Whether operands that are equal at the point move apart on one side of it."""
    for low, middle, high in zip(below.choices, here.choices, above.choices, strict=False):
        for beside in (low, high):
            if middle.ties is None or beside.ties is None:
                continue
            if middle.ties.shape == beside.ties.shape and np.any(middle.ties & ~beside.ties):
                return True
    return False
