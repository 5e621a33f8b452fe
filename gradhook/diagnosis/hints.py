"""What can be said of a wrong gradient that has no cause, each only where it was measured.

A matrix that is right along symmetric directions and wrong beside is read as symmetric by the
code.  A residual that is the gradient of another block was added in the wrong place.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradhook.diagnosis.fit import Prediction, fit
from gradhook.diagnosis.mismatch import FRESH, Mismatch
from gradhook.diagnosis.sentences import listed, say
from gradhook.evaluation.directions import RandomDirection, random_direction, seeded
from gradhook.report.format import LONGEST_NAME, block_name

__all__ = ["hints"]

LARGEST_SYMMETRIC = 300
"""Rows of a matrix up to which symmetric directions are made."""


def hints(mismatch: Mismatch, name: str) -> Iterator[str]:
    """Sentences about one block."""
    block = mismatch.blocks[name]
    for other, gradient in mismatch.gradients.items():
        if other == name or gradient.shape != block.shape or not np.any(gradient):
            continue
        for sign, what in ((1, "lacks"), (-1, "holds besides")):
            predicted = block.gradient + sign * gradient
            if fit([Prediction(block, predicted)], mismatch.options.tolerance) is None:
                continue
            if mismatch.confirms({name: predicted}):
                yield say("another_gradient", d=listed([name]), what=what, other=listed([other]))
                return
    given = np.asarray(mismatch.evaluator.workspace.tree.blocks[name])
    is_square = given.ndim == 2 and 1 < given.shape[0] == given.shape[1] <= LARGEST_SYMMETRIC
    if is_square and np.array_equal(given, given.T) and _right_where_symmetric(mismatch, name):
        yield say("read_as_symmetric", block=block_name(name, LONGEST_NAME))


def _right_where_symmetric(mismatch: Mismatch, name: str) -> bool:
    """Whether both derivatives agree along symmetric directions, as they do along no others."""
    block = mismatch.blocks[name]
    mismatch.enter()
    for k in range(FRESH):
        if mismatch.budget.left < 4:
            return False
        seed = seeded(mismatch.options.seed, 20, k)
        drawn = random_direction(block.gradient.size, seed)
        codes = drawn.codes.reshape(block.shape).copy()
        lower = np.tril_indices(block.shape[0], -1)
        codes[lower] = codes.T[lower]
        direction = RandomDirection(codes.reshape(-1), drawn.table)
        probe = mismatch.probe(block, direction, mismatch.options.tolerance.explained)
        allowed = mismatch.options.tolerance.resolved * probe.slope.error
        if abs(probe.residual) > allowed or allowed > 0.1 * block.residual_norm:
            return False
    return True
