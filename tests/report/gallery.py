"""Typical checks, whose reports ``test_golden_text.py`` compares with the text stored.

Small networks written as a student writes them, with one line wrong, and right ones that only look
wrong.  Each takes a fraction of a second.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import digits_network

from gradhook import Report, check_gradients, layer_check

__all__ = ["GALLERY"]

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((200, 12))
Y = GENERATOR.integers(0, 4, 200)


def planted(bug: str = "", *, effort: str = "standard") -> Report:
    """Check the network of the examples, small, with one of its bugs."""
    network = digits_network.plant_bug(bug) if bug else digits_network.loss_and_gradients

    def loss_and_gradients(parameters, X, y, dropout=0.0, l2=0.05):
        return network(parameters, X, y, masks=np.random.default_rng(3), dropout=dropout, l2=l2)

    initial = digits_network.initial_parameters(np.random.default_rng(1), sizes=(12, 8, 8, 4))
    return check_gradients(loss_and_gradients, initial, batch=(X, Y), penalty="l2", effort=effort)


def two_layers(backward: Callable[..., tuple], start: dict | None = None, rows=X) -> Report:
    """Check a network of one hidden layer whose loss is a mean square."""
    weights = np.random.default_rng(2)
    start = start or {
        "W1": 0.4 * weights.standard_normal((12, 5)),
        "b1": 0.1 * weights.standard_normal(5),
        "W2": 0.4 * weights.standard_normal((5, 1)),
        "b2": np.zeros(1),
    }

    def loss_and_gradients(parameters, X):
        W1, b1, W2, b2 = parameters.values()
        hidden = np.tanh(X @ W1 + b1)
        residual = hidden @ W2 + b2 - X[:, :1]
        loss = 0.5 * np.mean(residual**2)
        return loss, dict(zip(parameters, backward(X, hidden, residual, W2), strict=True))

    return check_gradients(loss_and_gradients, start, batch=(rows,))


def right(X, hidden, residual, W2):
    """The gradients as they should be."""
    above = residual / len(X)
    below = above @ W2.T * (1 - hidden**2)
    return X.T @ below, below.sum(0), hidden.T @ above, above.sum(0)


def one_element(X, hidden, residual, W2):
    """One weight of ``W2`` is wrong."""
    dW1, db1, dW2, db2 = right(X, hidden, residual, W2)
    dW2[3, 0] *= 0.7
    return dW1, db1, dW2, db2


def not_summed_by_rows(X, hidden, residual, W2):
    """The gradients of a sum for the loss of a mean."""
    return tuple(len(X) * gradient for gradient in right(X, hidden, residual, W2))


def not_a_number(X, hidden, residual, W2):
    """Division by zero in one gradient."""
    dW1, db1, dW2, db2 = right(X, hidden, residual, W2)
    return dW1, db1, dW2 * np.nan, db2


def normalised() -> Report:
    """Two biases stand before a normalisation, which takes their effect away."""

    def loss_and_gradients(parameters, X):
        W1, b1, W2, b2 = parameters.values()
        Z = X @ W1 + b1
        scale = 1 / np.sqrt(Z.var(0) + 1e-5)
        centred = (Z - Z.mean(0)) * scale
        hidden = np.tanh(centred)
        residual = hidden @ W2 + b2 - X[:, :1]
        above = residual / len(X)
        dcentred = above @ W2.T * (1 - hidden**2)
        dZ = scale * (dcentred - dcentred.mean(0) - centred * (dcentred * centred).mean(0))
        gradients = X.T @ dZ, dZ.sum(0), hidden.T @ above, above.sum(0)
        return 0.5 * np.mean(residual**2), dict(zip(parameters, gradients, strict=True))

    weights = np.random.default_rng(2)
    start = {
        "W1": 0.4 * weights.standard_normal((12, 5)),
        "b1": np.zeros(5),
        "W2": 0.4 * weights.standard_normal((5, 1)),
        "b2": np.zeros(1),
    }
    return check_gradients(loss_and_gradients, start, batch=(X,))


def coarse() -> Report:
    """A loss rounded to float32 whose arrays stay what they are."""

    def loss_and_gradients(parameters, X):
        w = parameters["w"].astype(np.float32)
        z = X.astype(np.float32) @ w
        return float(np.mean(z**2, dtype=np.float32)), {
            "w": (2 * X.T.astype(np.float32) @ z / len(X)).astype(np.float32)
        }

    start = {"w": np.random.default_rng(2).standard_normal(12).astype(np.float32)}
    return check_gradients(loss_and_gradients, start, batch=(X,))


def random_loss() -> Report:
    """Noise from a generator that nobody can reach."""
    import secrets

    def loss_and_gradients(parameters):
        w = parameters["w"]
        return float(w @ w) + secrets.randbelow(2**50) / 2**50, {"w": 2 * w}

    return check_gradients(loss_and_gradients, {"w": np.ones(5)})


def tie() -> Report:
    """The sum of ``|w|`` at zero, where it has no derivative."""

    def loss_and_gradients(parameters, X):
        w, v = parameters["w"], parameters["v"]
        residual = X @ v - X[:, 0]
        loss = 0.5 * np.mean(residual**2) + np.abs(w).sum()
        return loss, {"w": np.where(w >= 0, 1.0, -1.0), "v": X.T @ residual / len(X)}

    return check_gradients(loss_and_gradients, {"w": np.zeros(6), "v": np.ones(12)}, batch=(X,))


def layer() -> Report:
    """A layer by itself: the gradient of its input is not transposed."""

    def forward(x, w):
        return x @ w, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w, x.T @ dout

    return layer_check(forward, backward, {"x": X[:6, :5].copy(), "w": X[6:11, :5].copy()})


GALLERY: dict[str, Callable[[], Report]] = {
    "right": planted,
    "right, every element": lambda: planted(effort="exhaustive"),
    "penalty missing": lambda: planted("reg_missing"),
    "one element": lambda: two_layers(one_element),
    "sum for mean": lambda: two_layers(not_summed_by_rows),
    "bias averaged": lambda: planted("bias_mean"),
    "ReLU derivative missing": lambda: planted("act_deriv_missing"),
    "dW transposed": lambda: planted("dW_transposed"),
    "not a number": lambda: two_layers(not_a_number),
    "untested biases": normalised,
    "tie": tie,
    "random loss": random_loss,
    "coarse": coarse,
    "layer": layer,
}
"""Each check by name."""
