"""Is a 1-D block the bias of a weight?  Measured, because shapes and names do not say.

On one row of a dense layer the gradient of the weight is the outer product of the layer's input
``x`` with that of its bias.  Then a step ``t·u`` of the bias changes the layer's output exactly as
the step ``t·x⊗u/‖x‖²`` of the weight does, so that the loss is the same after both, however long
the step.  Where a weight acts at several positions, as in a convolution or a recurrence, no such
step exists, and what is asked is whether both stand at one place of the chain of layers.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import changed, loss_with, with_rows
from gradhook.diagnosis.hypothesis import Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.wrong_block import is_vector
from gradhook.evaluation.points import scale_of

__all__ = ["Bias", "acts_as_bias", "bias_of", "may_be_biases", "outer_factors"]

RANK_ONE = 1e-9
"""Relative distance from an outer product, but for rounding."""

SLOPE_STEP, BEND_STEP = 1e-4, 0.5
"""Steps, in units of the bias's scale: one that measures slopes, one over which losses bend."""

EQUAL_BENDS, BENT = 1e-5, 1e-3
"""Relative difference of two changes of the loss that are one, and the bend that must be there for
that to mean anything."""

BIAS_TEST_COST = 10
"""Evaluations that it takes."""


def outer_factors(gradient: Array, outputs: int) -> tuple[Array, Array, bool] | None:
    """``x`` and ``d`` of a weight's gradient ``x ⊗ d`` on one row, and whether it is transposed.

    ``None`` where the gradient is no outer product, or has no axis of as many outputs.  With one
    output its shape may be (inputs,).
    """
    if gradient.ndim == 1 and outputs == 1:
        gradient = gradient[:, None]
    if gradient.ndim != 2:
        return None
    size = float(np.linalg.norm(gradient))
    if not size or not math.isfinite(size):
        return None
    for turned in (False, True):
        a = gradient.T if turned else gradient
        if a.shape[1] != outputs:
            continue
        d = a[int(np.argmax(np.linalg.norm(a, axis=1)))]
        d = d / np.linalg.norm(d)
        x = a @ d
        if np.linalg.norm(a - np.outer(x, d)) <= RANK_ONE * size:
            return x, d, turned
    return None


def acts_as_bias(mismatch: Mismatch, bias: str, weight: str) -> Trial | None:
    """Whether moving one block does what moving the other does; ``None`` where it cannot be told.

    The gradient of the weight must be right but for a factor.
    """
    batch, evaluator = with_rows(mismatch, [0]), mismatch.evaluator
    if batch is None or mismatch.budget.left < BIAS_TEST_COST:
        return None
    with changed(mismatch, batch=batch), contextlib.suppress(Exception):
        b, w = map(evaluator.workspace.values, (bias, weight))
        loss, gradients = evaluator.loss_and_gradients()
        factors = outer_factors(gradients[weight], b.size)
        if factors is None:
            return None
        x, d, turned = factors
        x = x / np.linalg.norm(x)
        random = np.random.default_rng(mismatch.options.seed)
        u = d + 0.5 * random.standard_normal(d.shape) / math.sqrt(d.size)
        outer = np.outer(x, u).T if turned else np.outer(x, u)

        def after(t: float, name: str) -> float:
            start, along = (b, u) if name == bias else (w, outer)
            return loss_with(mismatch, name, start + t * along.reshape(start.shape))

        unit = scale_of(b)
        t = SLOPE_STEP * unit
        slopes = [(after(t, n) - after(-t, n)) / (2 * t) for n in (bias, weight)]
        if not slopes[0] or not slopes[1]:
            return None
        length = slopes[1] / slopes[0]
        noise = 10 * mismatch.measured.prober.noise / (t * min(map(abs, slopes)))
        for far in (BEND_STEP * unit, -BEND_STEP * unit, 8 * BEND_STEP * unit):
            moved = after(far, bias) - loss
            if abs(moved - far * slopes[0]) >= max(BENT, 10 * noise) * abs(moved):
                break
        else:
            return None
        same = after(far / length, weight) - loss
        off = abs(moved - same) / abs(moved)
        tried = f"{bias} moved, and {weight} so that one row would see the same"
        out = f"the loss changes {'alike' if off <= EQUAL_BENDS + noise else 'otherwise'}"
        return Trial(tried, out, refuted=off > EQUAL_BENDS + noise)
    return None


@dataclass(frozen=True, slots=True)
class Bias:
    """The weight whose bias a block is, or may be, with what was measured; empty for none."""

    weight: str = ""
    trial: Trial | None = None

    @property
    def refuted(self) -> bool:
        """Whether it is the bias of no weight that it fits."""
        return not self.weight or (self.trial is not None and self.trial.refuted)


def bias_of(mismatch: Mismatch, name: str) -> Bias:
    """The weight whose bias a block is, with what showed it.

    Where no row tells, because weights act at several positions or rows are coupled, both must
    stand at one place of the chain of layers, if there is one.
    """
    size, order = mismatch.gradients[name].size, list(mismatch.order)
    place = order.index(name)
    unsure, refuted = "", Bias()
    for weight in sorted(order, key=lambda other: abs(order.index(other) - place + 0.5)):
        shape = mismatch.gradients[weight].shape
        fits = size in (shape[:1] + shape[-1:]) and not is_vector(shape)
        fits = fits or (size == 1 and len(shape) == 1 and shape[0] > 1)
        if weight == name or not fits:
            continue
        trial = acts_as_bias(mismatch, name, weight)
        if trial is None:
            unsure = unsure or weight
        elif trial.refuted:
            refuted = Bias(weight, trial)
        else:
            return Bias(weight, trial)
    if not unsure:
        return refuted
    layers = mismatch.context.layers_of(mismatch)
    if not layers:
        return Bias(unsure)
    beside = unsure in layers.beside(name)
    out = f"the gradients of {name} and {unsure} vanish {'together' if beside else 'apart'}"
    return Bias(unsure, Trial("each block set to zero in turn", out, refuted=not beside))


def may_be_biases(mismatch: Mismatch, names: Sequence[str]) -> bool:
    """Whether nothing speaks against the first of some blocks being a bias."""
    return is_vector(mismatch.gradients[names[0]].shape) and not bias_of(mismatch, names[0]).refuted
