"""The affine layer, ``z = x @ W + b``, where most gradient bugs live.

With ``dz`` the gradient of ``z``, and N rows::

    dW = x.T @ dz          (sums over the rows)
    db = dz.sum(axis=0)    (b was broadcast over the rows, so its gradient sums over them)
    dx = dz @ W.T

Rows are samples; an input with more axes, such as (samples, time, features), is read as that many
more rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["Affine"]

LEARNING_RATE = 0.5
"""Of the update that ``uses_updated_W`` makes too early."""


@dataclass(frozen=True, slots=True)
class Affine:
    """``x @ W + b`` on the last axis.

    Args:
        name: The layer's name; its blocks are ``"W" + suffix`` and ``"b" + suffix``.
        suffix: End of the block names.
        n_in: Length of the input's last axis.
        n_out: Length of the output's last axis.
        before: The affine layer before this one, whose cache ``wrong_cached_input`` takes; empty
            for none.
        activation: The activation after this one, whose upstream gradient ``upstream_not_local``
            takes.
    """

    name: str
    suffix: str
    n_in: int
    n_out: int
    before: str = ""
    activation: str = ""

    def blocks(self) -> tuple[Block, ...]:
        """Return ``W`` (n_in, n_out) and ``b`` (n_out,)."""
        return (
            Block("W" + self.suffix, (self.n_in, self.n_out), "weight", fan_in=self.n_in),
            Block("b" + self.suffix, (self.n_out,), "bias"),
        )

    def forward(self, x: Array, run: Run) -> Array:
        """Return ``x @ W + b``."""
        run.cache[self.name] = x
        z: Array = x @ run.parameters["W" + self.suffix] + run.parameters["b" + self.suffix]
        return z

    def backward(self, dout: Array, run: Run) -> Array:
        """Return ``dout @ W.T``."""
        bug = run.bug_in(self.name)
        W: Array = run.parameters["W" + self.suffix]
        x: Array = run.cache[self.name]
        dz = dout
        if bug == "wrong_cached_input" and self.before and run.cache[self.before].shape == x.shape:
            x = run.cache[self.before]
        if bug == "stale_cache":
            x = run.one_call_late(self.name, x)
        if bug == "upstream_not_local" and self.activation:
            dz = run.upstream[self.activation]

        x_rows, dz_rows = x.reshape(-1, self.n_in), dz.reshape(-1, self.n_out)
        dW = _weight_gradient(x_rows, dz_rows, bug)
        run.gradients["W" + self.suffix] = dW
        run.gradients["b" + self.suffix] = _bias_gradient(dz_rows, bug)

        if bug == "uses_updated_W":
            W = W - LEARNING_RATE * dW
        if bug == "W_not_transposed" and self.n_in == self.n_out:
            return dout @ W
        return dout @ W.T


def _weight_gradient(x: Array, dz: Array, bug: str) -> Array:
    dW: Array = np.zeros((x.shape[1], dz.shape[1]), dz.dtype)
    if bug == "loop_overwrite":
        for x_i, dz_i in zip(x, dz, strict=True):
            dW = np.outer(x_i, dz_i)
        return dW
    if bug == "early_return":
        for x_i, dz_i in zip(x, dz, strict=True):
            dW += np.outer(x_i, dz_i)
            return dW
    dW = x.T @ dz
    if bug == "dW_transposed" and dW.shape[0] == dW.shape[1]:
        return dW.T
    if bug == "rolled_rows":
        return np.roll(dW, 1, axis=0)
    if bug == "last_row_missing":
        dW[-1] = 0
    return dW


def _bias_gradient(dz: Array, bug: str) -> Array:
    db: Array = dz.sum(axis=0)
    if bug == "bias_mean":
        db = dz.mean(axis=0)
    if bug in ("bias_first_sample", "early_return"):
        db = dz[0].copy()
    if bug == "bias_oversum":
        return np.full_like(db, dz.sum())
    if bug == "bias_wrong_axis":
        # One number a row: it fits where rows and units are as many, and is cut or repeated here.
        return np.resize(dz.sum(axis=1), db.shape)
    return db
