"""The network of ``loops.py``, and its losses: right, and wrong once it has turned."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

NAMES = ("W1", "b1", "W2", "b2")


@dataclass
class Net:
    """Tanh between two affine layers, or one affine layer whose weights are a vector."""

    loop: Any
    arrays: dict = field(default_factory=dict)
    turned: bool = False

    def __post_init__(self):
        rng = np.random.default_rng(self.loop.number)
        shapes = dict(zip(NAMES, ((4, 5), 5, (5, 3), 3), strict=True))
        if self.loop.style == "vector":
            shapes = {"theta": 12}
        self.arrays = {
            name: (0.5 * rng.normal(size=shape)).astype(self.loop.dtype)
            for name, shape in shapes.items()
        }

    def evaluate(self, p, X, y, m):
        """Loss and gradients; wrong ones once the code has turned."""
        if "theta" in p:
            s = X @ p["theta"].reshape(4, 3)
        else:
            h = np.tanh(X @ p["W1"] + p["b1"])
            s = h @ p["W2"] + p["b2"]
        weight = m / max(m.sum(), 1)
        loss, d = LOSS[self.loop.loss](s, y)
        loss, d = float(weight @ loss), d * weight[:, None]
        if "theta" in p:
            g = {"theta": (X.T @ d).ravel()}
        else:
            dh = (d @ p["W2"].T) * (1 - h * h)
            g = {"W1": X.T @ dh, "b1": dh.sum(0), "W2": h.T @ d, "b2": d.sum(0)}
        if self.turned:
            name = self.loop.block
            g[name] = {
                "factor": 1.5 * g[name],
                "sign": -g[name],
                "missing": np.where(np.arange(g[name].shape[-1]) == 0, 0, g[name]),
                "penalty": g[name] + 0.05 * p[name],
            }[self.loop.fault]
        return loss, g


def squares(s, y):
    r = s - np.eye(3)[y]
    return 0.5 * (r**2).sum(1), r


def softmax(s, y):
    p = np.exp(s - s.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    return -np.log(p[rows, y]), p - np.eye(3)[y]


def logistic(s, y):
    t = 2 * np.eye(3)[y] - 1
    return np.logaddexp(0, -t * s).sum(1), -t / (1 + np.exp(t * s))


def hinge(s, y):
    """A margin for each pair of classes; zero and flat once all are kept."""
    rows = np.arange(len(y))
    margins = s - s[rows, y][:, None] + 1
    margins[rows, y] = 0
    on = (margins > 0).astype(float)
    on[rows, y] = -on.sum(1)
    return np.maximum(margins, 0).sum(1), on


LOSS = {
    "squares": squares, "softmax": softmax, "hinge": hinge, "easy hinge": hinge,
    "logistic": logistic,
}  # fmt: skip
