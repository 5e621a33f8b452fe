"""Batch and layer normalisation: one formula, along the samples or along the features.

``xhat = (x - mean) / std`` depends on every entry through the mean and the standard deviation, so
its derivative has three paths: direct, through the mean, and through the variance.  With
``dxhat = dout * gamma`` and means along the same axis::

    dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / std
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["BatchNorm", "LayerNorm"]

EPSILON = 1e-5
"""Added to the variance, as everywhere."""

MOMENTUM = 0.9
"""Share of the running statistics that a call keeps."""


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Normalisation over the samples, in training mode.  Running statistics go to ``run.memory``.

    Args:
        name: The layer's name.
        suffix: End of the block names ``gamma`` and ``beta``.
        n: Number of features.
    """

    name: str
    suffix: str
    n: int

    def blocks(self) -> tuple[Block, ...]:
        """Return ``gamma`` and ``beta``, both (n,)."""
        return _gain_and_shift(self.suffix, self.n)

    def forward(self, x: Array, run: Run) -> Array:
        """Return ``gamma * xhat + beta``, and move the running statistics."""
        for key, value in (("mean", x.mean(axis=0)), ("variance", x.var(axis=0))):
            kept = run.memory.get(f"{self.name} {key}", value)
            run.memory[f"{self.name} {key}"] = MOMENTUM * kept + (1 - MOMENTUM) * value
        return _normalise(x, 0, self.name, self.suffix, run)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return dL/dx through the input, the mean and the variance of the batch."""
        bug = run.bug_in(self.name)
        gamma, beta = "gamma" + self.suffix, "beta" + self.suffix
        xhat: Array = run.cache[self.name][0]
        run.gradients[gamma] = (dout * xhat).sum(axis=0)
        run.gradients[beta] = dout.sum(axis=0)
        if bug == "bn_swapped":
            grads = run.gradients
            grads[gamma], grads[beta] = grads[beta], grads[gamma]
        dxhat = dout if bug == "bn_gamma_missing" else dout * run.parameters[gamma]
        return _normalise_backward(
            dxhat,
            *run.cache[self.name],
            axis=0,
            through_mean=bug not in ("bn_no_mean", "bn_stats_const"),
            through_variance=bug not in ("bn_no_var", "bn_stats_const"),
        )


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Normalisation over the features of each row.

    Args:
        name: The layer's name.
        suffix: End of the block names ``gamma`` and ``beta``.
        n: Number of features, the length of the last axis.
    """

    name: str
    suffix: str
    n: int

    def blocks(self) -> tuple[Block, ...]:
        """Return ``gamma`` and ``beta``, both (n,)."""
        return _gain_and_shift(self.suffix, self.n)

    def forward(self, x: Array, run: Run) -> Array:
        """Return ``gamma * xhat + beta``."""
        return _normalise(x, -1, self.name, self.suffix, run)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return dL/dx through the input, and the mean and the variance of its row."""
        xhat: Array = run.cache[self.name][0]
        rows = tuple(range(dout.ndim - 1))
        run.gradients["gamma" + self.suffix] = (dout * xhat).sum(axis=rows)
        run.gradients["beta" + self.suffix] = dout.sum(axis=rows)
        return _normalise_backward(
            dout * run.parameters["gamma" + self.suffix],
            *run.cache[self.name],
            axis=-1,
            through_mean=True,
            through_variance=run.bug_in(self.name) != "layernorm_mean_only",
        )


def _gain_and_shift(suffix: str, n: int) -> tuple[Block, ...]:
    return (Block("gamma" + suffix, (n,), "gain"), Block("beta" + suffix, (n,), "shift"))


def _normalise(x: Array, axis: int, name: str, suffix: str, run: Run) -> Array:
    std = np.sqrt(x.var(axis=axis, keepdims=True) + EPSILON)
    xhat = (x - x.mean(axis=axis, keepdims=True)) / std
    run.cache[name] = (xhat, std)
    out: Array = run.parameters["gamma" + suffix] * xhat + run.parameters["beta" + suffix]
    return out


def _normalise_backward(
    dxhat: Array,
    xhat: Array,
    std: Array,
    *,
    axis: int,
    through_mean: bool,
    through_variance: bool,
) -> Array:
    dx = dxhat
    if through_mean:
        dx = dx - dxhat.mean(axis=axis, keepdims=True)
    if through_variance:
        dx = dx - xhat * (dxhat * xhat).mean(axis=axis, keepdims=True)
    return dx / std
