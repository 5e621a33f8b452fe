"""Penalties on the weights.

L2 is ``lam/2 * sum(W**2)`` with gradient ``lam * W``, L1 ``lam * sum(|W|)`` with ``lam * sign(W)``.

Biases and the gains and shifts of normalisation layers are left out, in the loss and so in the
gradient.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["Penalty", "add_penalty"]

Penalty = Literal["l1", "l2"]
"""The form of the penalty."""


def add_penalty(
    run: Run, blocks: Iterable[Block], form: Penalty, lam: float, n_samples: int
) -> float:
    """Add the gradient of the penalty to ``run.gradients`` and return the penalty.

    Args:
        run: The pass, after every layer's ``backward``.
        blocks: Every block of the network.
        form: ``"l2"`` or ``"l1"``.
        lam: The coefficient; 0 for none.
        n_samples: Rows of the batch.
    """
    total = 0.0
    for block in blocks:
        w = run.parameters[block.name]
        bug = run.bug_in(block.name)
        if block.role == "weight":
            total += lam * float(0.5 * (w * w).sum() if form == "l2" else np.abs(w).sum())
            run.gradients[block.name] = run.gradients[block.name] + _slope(
                w, form, lam, n_samples, bug
            )
        elif block.role == "bias" and bug == "reg_on_bias":
            run.gradients[block.name] = run.gradients[block.name] + lam * w
        elif block.role == "bias" and bug == "reg_ones_on_bias":
            run.gradients[block.name] = run.gradients[block.name] + lam
    return total


def _slope(w: Array, form: Penalty, lam: float, n_samples: int, bug: str) -> Array:
    coefficients = {
        "reg_missing": 0.0,
        "reg_half": lam / 2,
        "reg_double": 2 * lam,
        "reg_over_N": lam / n_samples,
        "reg_sign": -lam,
    }
    lam = coefficients.get(bug, lam)
    if form == "l1" or bug == "reg_l1_form":
        return lam * np.sign(w)
    if bug == "reg_square":
        return lam * w * w
    if bug == "reg_unsquared":
        # float() keeps a float32 array in float32.
        return lam * w / max(float(np.linalg.norm(w)), 1e-30)
    return lam * w
