"""What is evidence that a loss sits on a kink, and what is not.

Which operands tie is told by ``gradhook.diagnosis.branches.recording``.
"""

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.check import off_the_kink

X = np.random.default_rng(0).standard_normal((12, 4))
Y = np.random.default_rng(1).standard_normal(12)


def evidence(monkeypatch, value, start):
    """What was seen at the start, of a loss whose gradient is wrong just there."""
    seen = []
    original = off_the_kink.look_for_ties

    def spy(*arguments):
        seen.append(original(*arguments))
        return seen[-1]

    monkeypatch.setattr(off_the_kink, "look_for_ties", spy)

    def loss_and_gradients(p, X, y):
        w = p["w"]
        h = 1e-6
        gradient = np.array(
            [(value(w + h * e, X, y) - value(w - h * e, X, y)) / (2 * h) for e in np.eye(len(w))]
        )
        return value(w, X, y), {"w": np.where(w == start, 0.0, gradient)}

    parameters = {"w": np.full(4, start)}
    check_gradients(loss_and_gradients, parameters, batch=(X, Y), progress=False, samples=None)
    return seen


def smooth(w, X, y):
    return ((X @ w - y) ** 2).mean()


def thresholded(w, X, y):
    """A series near zero, chosen by the size of what it is a series in."""
    z = X * w
    near = np.abs(z) < 1e-4
    safe = np.where(near, 1.0, z)
    return (np.where(near, 1 + z / 2, np.expm1(safe) / safe).sum(axis=1) - y).mean()


def shifted(w, X, y):
    """A softmax whose scores are all equal at zero."""
    z = np.outer(y, w)
    z = z - z.max(axis=1, keepdims=True)
    return (np.log(np.exp(z).sum(axis=1)) - z[:, 0]).mean()


def two_maxima(w, X, y):
    a = X @ w
    return ((np.maximum(a, 0) - np.maximum(-a, 0) - y) ** 2).mean()


@pytest.mark.parametrize("value", [smooth, thresholded, shifted])
def test_no_tie_is_seen_in_smooth_losses_with_thresholds_and_softmax_shifts(monkeypatch, value):
    seen = evidence(monkeypatch, value, 0.0)
    assert seen, "nobody looked"
    assert all(found is False for found in seen)


def test_operands_that_are_equal_to_the_bit_are_seen_where_kinks_cancel(monkeypatch):
    seen = evidence(monkeypatch, two_maxima, 0.0)
    assert seen, "nobody looked"
    assert all(seen)


def test_a_loss_that_leaves_numpy_cannot_be_traced(monkeypatch):
    def leaves(w, X, y):
        return ((X @ np.array([float(v) for v in w]) - y) ** 2).mean()

    seen = evidence(monkeypatch, leaves, 0.0)
    assert seen, "nobody looked"
    assert all(found is None for found in seen)
