"""Which blocks a gradient should move, of those that stand still between two checks.

A gradient that is zero to rounding on the whole batch moves nothing: training has converged, or the
batch had nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradhook._types import Batch
from gradhook.check.guarded import GuardedCheck
from gradhook.check.reading import Read, read
from gradhook.errors import RestoreError
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import norm
from gradhook.options import Options

__all__ = ["moving_blocks"]

STANDSTILL_ROUNDINGS = 1e4
"""Multiples of the epsilon of a block's dtype, of the block's norm and of that of its gradient on a
few rows, up to which the gradient of the whole batch is rounding, or an update is lost in the
block's own."""


def moving_blocks(objective: Objective, options: Options, batch: Batch) -> set[str]:
    """Names of the blocks whose gradient on the whole batch is more than rounding.

    Nothing is left of the calls, as of a check; where one raises no block is named.

    Args:
        objective: At the point in question.
        options: The check's options.
        batch: The whole batch.
    """
    given = read(objective, options, batch)
    whole, few = (
        _norms(replace(given, rows=given.drawn(options, seed)), options)
        for seed in (None, options.seed)
    )
    arrays = {name: np.asarray(leaf) for name, leaf in given.tree.blocks.items()}
    return {
        name
        for name, array in arrays.items()
        if whole.get(name, 0.0)
        > STANDSTILL_ROUNDINGS * np.finfo(array.dtype).eps * (norm(array) + few.get(name, 0.0))
    }


def _norms(given: Read, options: Options) -> Mapping[str, float]:
    """The norms of the gradients; nothing where they cannot be had."""
    try:
        with np.errstate(all="ignore"):
            return GuardedCheck(given, options, _nothing, None).gradient_norms()
    except RestoreError:
        raise
    except Exception:  # an observer stops nothing
        return {}


def _nothing() -> None:
    pass
