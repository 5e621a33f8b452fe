"""Is a 1-D block the bias of a weight?  Measured, because shapes and names do not say.

On one row of a dense layer the gradient of the weight is the outer product of the layer's input
with the gradient of its bias, so that the bias's numerical gradient there is a multiple of what
that product holds.  Where a weight acts at several positions, as in a convolution or a recurrence,
no such product exists, and what is asked is whether both stand at one place of the chain of layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import revisit, with_rows
from gradhook.diagnosis.hypothesis import Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["acts_as_bias", "bias_of", "may_be_biases", "output_factor"]

RANK_ONE = 1e-9
"""Relative distance from an outer product, but for rounding."""

PROBES = 3
"""Directions along which the gradient of a bias is held against that of its weight."""


def output_factor(gradient: Array, outputs: int) -> Array | None:
    """``d``, of length one, of a weight's gradient ``x ⊗ d`` or ``d ⊗ x`` on one row.

    ``None`` where the gradient is no such product of as many outputs, or there is one output, so
    that anything is a multiple of it.
    """
    size = float(np.linalg.norm(gradient))
    if gradient.ndim != 2 or outputs < 2 or not 0 < size < math.inf:
        return None
    for a in (gradient, gradient.T):
        d: Array = a[int(np.argmax(np.linalg.norm(a, axis=1)))]
        d = d / np.linalg.norm(d)
        if len(d) == outputs and np.linalg.norm(a - np.outer(a @ d, d)) <= RANK_ONE * size:
            return d
    return None


def acts_as_bias(mismatch: Mismatch, bias: str, weight: str) -> Trial | None:
    """Whether a wrong block has the gradient of a weight's bias; ``None`` where it cannot be told.

    The gradient of the weight must be right but for a factor.
    """
    batch = with_rows(mismatch, [0])
    seen = None if batch is None else revisit(mismatch, [bias], probes=PROBES, batch=batch)
    d = (
        None
        if seen is None
        else output_factor(seen.gradients[weight], mismatch.gradients[bias].size)
    )
    if seen is None or d is None:
        return None
    d = d.reshape(mismatch.gradients[bias].shape)
    along = np.array([w * v.dot(d) for ((_, v, w),) in seen.parts])
    slopes = np.array([probe.slope.value for probe in seen.probes])
    same = seen.meets(mismatch, {bias: float(along @ slopes / (along @ along)) * d})
    out = f"the gradient of {bias} is {'' if same else 'no '}factor of that of {weight}"
    return Trial("one row alone", out, refuted=not same)


def bias_of(mismatch: Mismatch, name: str) -> tuple[str, Trial | None]:
    """The weight whose bias a block is, or may be where nothing could be measured, and the trial.

    Where no row tells, because weights act at several positions or rows are coupled, both must
    stand at one place of the chain of layers, if there is one.
    """
    size, order = mismatch.gradients[name].size, list(mismatch.order)
    place = order.index(name)
    unsure = ""
    refuted = "", Trial(f"{name} as a bias", "it is that of no weight", refuted=True)
    for weight in sorted(order, key=lambda other: abs(order.index(other) - place + 0.5)):
        shape = mismatch.gradients[weight].shape
        fits = size in (shape[:1] + shape[-1:]) and not is_vector(shape)
        fits = fits or (size == 1 and len(shape) == 1 and shape[0] > 1)
        if weight == name or not fits:
            continue
        trial = acts_as_bias(mismatch, name, weight)
        if trial is None:
            unsure = unsure or weight
        elif not trial.refuted:
            return weight, trial
    layers = mismatch.context.layers_of(mismatch) if unsure else None
    if not layers:
        return (unsure, None) if unsure else refuted
    beside = unsure in layers.beside(name)
    out = f"the gradients of {name} and {unsure} vanish {'together' if beside else 'apart'}"
    return unsure, Trial("each block set to zero in turn", out, refuted=not beside)


def may_be_biases(mismatch: Mismatch, names: Sequence[str]) -> bool:
    """Whether nothing speaks against the first of some blocks being a bias."""
    if not is_vector(mismatch.gradients[names[0]].shape):
        return False
    _, trial = bias_of(mismatch, names[0])
    return trial is None or not trial.refuted
