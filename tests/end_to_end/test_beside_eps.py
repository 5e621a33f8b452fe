"""A mistake is told as well where the loss alone has the ``log(y + 1e-7)`` of the books."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gradhook import check_gradients

ROWS = np.random.default_rng(0).choice(1797, 12, replace=False)
X, y = (array[ROWS] for array in load_digits(return_X_y=True))
X = X / 16.0
L2 = 1e-2


def network(seed, hidden=16):
    rng = np.random.default_rng(seed)
    shapes = {"W1": (64, hidden), "W2": (hidden, hidden), "W3": (hidden, 10)}
    weights = {name: rng.normal(size=s) / s[0] ** 0.5 for name, s in shapes.items()}
    biases = {f"b{k}": 0.1 * rng.normal(size=weights[f"W{k}"].shape[1]) for k in (1, 2, 3)}
    return weights | biases


def forward(p, X):
    a1 = np.tanh(X @ p["W1"] + p["b1"])
    a2 = np.tanh(a1 @ p["W2"] + p["b2"])
    scores = a2 @ p["W3"] + p["b3"]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return a1, a2, e / e.sum(axis=1, keepdims=True)


def loss(p, X, y, eps=0.0):
    likelihood = forward(p, X)[-1][np.arange(len(y)), y]
    penalty = sum(np.sum(p[name] ** 2) for name in ("W1", "W2", "W3"))
    return -np.mean(np.log(likelihood + eps)) + L2 / 2 * penalty


def gradients(p, X, y, bug=""):
    a1, a2, delta = forward(p, X)
    delta[np.arange(len(y)), y] -= 1
    if bug == "a mean that is a sum":
        delta *= len(y)
    delta = (-delta if bug == "the sign" else delta) / len(y)
    g = {"W3": a2.T @ delta, "b3": delta.sum(axis=0)}
    delta = delta @ p["W3"].T
    delta = delta if bug == "no derivative" else delta * (1 - a2**2)
    g |= {"W2": a1.T @ delta, "b2": delta.sum(axis=0)}
    delta = delta @ (p["W2"] if bug == "not transposed" else p["W2"].T)
    delta = delta * (1 - a1**2)
    g |= {"W1": X.T @ delta, "b1": delta.sum(axis=0)}
    if bug == "a half":
        g["W1"] /= 2
    if bug == "a row":
        g["W2"][2] = 0
    if bug == "an element":
        g["W2"][1, 3] *= 3
    if bug == "half of the columns":
        g["W1"][:, :8] *= 1.1
    for name in ("W1", "W2", "W3"):
        g[name] += 0 if bug == "no penalty" and name == "W2" else L2 * p[name]
    return g


BUGS = """a mean that is a sum; the sign; no derivative; not transposed; a half; a row; an element;
half of the columns; no penalty"""


@pytest.mark.parametrize("bug", BUGS.replace("\n", " ").split("; "))
def test_a_mistake_beside_it_is_told_as_it_is_alone(bug):
    told = []
    for eps in (0.0, 1e-7):
        report = check_gradients(
            lambda p, X, y, eps=eps: loss(p, X, y, eps),
            network(0),
            gradient=lambda p, X, y: gradients(p, X, y, bug),
            batch=(X, y),
        )
        causes = [(cause.kind, cause.blocks) for cause in report.causes]
        where = {name: report.blocks[name].where for name in report.failing}
        told.append((causes, report.boundary, where))
    assert told[0] == told[1]
    assert told[0][0] or told[0][1] or all(told[0][2].values())
