"""Activations ``a = f(z)``, element by element: ``dz = da * f'(z)``.

The derivative is taken at the input ``z`` of the activation.  ``tanh`` and the sigmoid are often
written through their output (``1 - a**2``, ``a * (1 - a)``), which is right only when it is the
output that is put in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.run import Block, Run

__all__ = ["DERIVATIVES", "FUNCTIONS", "Activation", "Maxout"]

LEAK = 0.1
"""Slope of the leaky ReLU for negative input."""


def _elu(z: Array) -> Array:
    # minimum keeps exp from overflowing on the side that where does not take.
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * z))


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky": lambda z: np.where(z > 0, z, LEAK * z),
    "elu": _elu,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
}
"""Each activation by name."""

DERIVATIVES: Mapping[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.where(z > 0, z.dtype.type(1), z.dtype.type(0)),
    "leaky": lambda z: np.where(z > 0, z.dtype.type(1), z.dtype.type(LEAK)),
    "elu": lambda z: np.where(z > 0, z.dtype.type(1), np.exp(np.minimum(z, 0))),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "sigmoid": lambda z: _sigmoid(z) * (1 - _sigmoid(z)),
}
"""Derivative of each activation, as a function of its input; 0 or the leak at a kink."""

THROUGH_OUTPUT: Mapping[str, Callable[[Array], Array]] = {
    "tanh": lambda a: 1 - a**2,
    "sigmoid": lambda a: a * (1 - a),
}
"""Derivatives as functions of the *output*."""


@dataclass(frozen=True, slots=True)
class Activation:
    """``f(z)``, element by element.

    Args:
        name: The layer's name.
        kind: A key of ``FUNCTIONS``.
        other: Activation of another layer, whose derivative ``wrong_layer_act`` takes.
    """

    name: str
    kind: str
    other: str = ""

    def blocks(self) -> tuple[Block, ...]:
        """Return nothing: an activation has no parameters."""
        return ()

    def forward(self, x: Array, run: Run) -> Array:
        """Return ``f(x)``."""
        run.cache[self.name] = x
        return FUNCTIONS[self.kind](x)

    def backward(self, dout: Array, run: Run) -> Array:
        """Return ``dout * f'(z)``."""
        bug = run.bug_in(self.name)
        z: Array = run.cache[self.name]
        if bug == "act_deriv_missing":
            return dout
        if bug == "act_deriv_at_output":
            return dout * DERIVATIVES[self.kind](FUNCTIONS[self.kind](z))
        if bug == "act_deriv_uses_z" and self.kind in THROUGH_OUTPUT:
            return dout * THROUGH_OUTPUT[self.kind](z)
        if bug == "leaky_slope_ignored" and self.kind == "leaky":
            return dout * (z > 0)
        if bug == "elu_wrong" and self.kind == "elu":
            return dout * np.where(z > 0, 1, _elu(z))
        if bug == "relu_mask_on_grad" and self.kind == "relu":
            return dout * (dout > 0)
        if bug == "wrong_layer_act" and self.other:
            return dout * DERIVATIVES[self.other](z)
        return dout * DERIVATIVES[self.kind](z)


@dataclass(frozen=True, slots=True)
class Maxout:
    """The largest of ``pieces`` neighbouring inputs: (..., units * pieces) to (..., units).

    Args:
        name: The layer's name.
        pieces: How many inputs compete for each output.
    """

    name: str
    pieces: int

    def blocks(self) -> tuple[Block, ...]:
        """Return nothing: the pieces come from the affine layer below."""
        return ()

    def forward(self, x: Array, run: Run) -> Array:
        """Return the largest of each group."""
        groups = x.reshape(*x.shape[:-1], -1, self.pieces)
        run.cache[self.name] = groups.argmax(axis=-1)
        best: Array = groups.max(axis=-1)
        return best

    def backward(self, dout: Array, run: Run) -> Array:
        """Return the gradient of each group given to its winner alone."""
        winner: Array = run.cache[self.name]
        won: Array = winner[..., None] == np.arange(self.pieces)
        if run.bug_in(self.name) == "act_deriv_missing":
            won = np.ones_like(won)
        return (dout[..., None] * won).reshape(*dout.shape[:-1], -1)
