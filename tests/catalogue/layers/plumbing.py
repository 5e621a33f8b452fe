"""Layers that move values about: dropout, the residual join, flattening, the mean over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run, backward_through, forward_through

__all__ = ["Dropout", "Flatten", "MeanOverTime", "Residual"]


@dataclass(frozen=True, slots=True)
class Dropout:
    """Inverted dropout, ``x * mask / keep_prob`` with a fresh mask each call; off at 1.

    Args:
        name: The layer's name.
    """

    name: str

    def blocks(self) -> tuple[Block, ...]:
        """Return nothing."""
        return ()

    def forward(self, x: Array, run: Run) -> Array:
        """Return the input with units dropped, and the rest scaled up."""
        if run.keep_prob >= 1:
            return x
        run.cache[self.name] = mask = run.rng.random(x.shape) < run.keep_prob
        return x * mask / run.keep_prob

    def backward(self, dout: Array, run: Run) -> Array:
        """Return ``dout`` with the same units dropped and the same scale."""
        bug = run.bug_in(self.name)
        if run.keep_prob >= 1 or bug == "dropout_mask_missing":
            return dout
        mask: Array = run.cache[self.name]
        if bug == "dropout_new_mask":
            mask = run.rng.random(dout.shape) < run.keep_prob
        if bug == "dropout_scale_missing":
            return dout * mask
        return dout * mask / run.keep_prob


@dataclass(frozen=True, slots=True)
class Residual:
    """``x + body(x)``: the input meets two uses, so its gradient is the sum of both.

    Args:
        name: The layer's name.
        body: The layers of the branch; its output has the input's shape.
    """

    name: str
    body: tuple[Any, ...]

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of the branch."""
        return tuple(block for layer in self.body for block in layer.blocks())

    def forward(self, x: Array, run: Run) -> Array:
        """Return ``x + body(x)``."""
        return x + forward_through(self.body, x, run)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return the gradient of the identity plus that of the branch."""
        bug = run.bug_in(self.name)
        dx = backward_through(self.body, dout, run)
        if bug == "skip_missing":
            return dx
        if bug == "skip_overwrite":
            return dout
        if bug == "double_count":
            return dx + dout + dout
        return dx + dout


@dataclass(frozen=True, slots=True)
class Flatten:
    """(N, ...) to (N, features).

    Args:
        name: The layer's name.
    """

    name: str

    def blocks(self) -> tuple[Block, ...]:
        """Return nothing."""
        return ()

    def forward(self, x: Array, run: Run) -> Array:
        """Return each sample as one row."""
        run.cache[self.name] = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return the gradient in the input's shape."""
        return dout.reshape(run.cache[self.name])


@dataclass(frozen=True, slots=True)
class MeanOverTime:
    """(N, time, features) to (N, features).

    Args:
        name: The layer's name.
    """

    name: str

    def blocks(self) -> tuple[Block, ...]:
        """Return nothing."""
        return ()

    def forward(self, x: Array, run: Run) -> Array:
        """Return the mean over the time axis."""
        run.cache[self.name] = x.shape
        mean: Array = x.mean(axis=1)
        return mean

    def backward(self, dout: Array, run: Run) -> Array:
        """Return the gradient shared out evenly over time."""
        shape = run.cache[self.name]
        return np.broadcast_to(dout[:, None] / shape[1], shape)
