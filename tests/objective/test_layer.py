"""A layer and a cotangent as an objective."""

import numpy as np
import pytest

from gradhook.objective.layer import Layer

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3))


def forward(x, W):
    return x @ W, (x, W)


def backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy


def layer_of(forward=forward, backward=backward, x=X, parameters=None, gradients=None, seed=0):
    return Layer(forward, backward, x, parameters or {"W": W}, gradients, None, seed)


def both(layer, x=X, W=W):
    return layer._both({"x": x, "W": W})


def test_the_loss_is_the_product_with_a_cotangent_and_backward_gets_that_cotangent():
    handed = []
    layer = layer_of(backward=lambda dy, cache: handed.append(dy) or backward(dy, cache))
    loss, gradients = both(layer)
    (dy,) = handed
    assert loss == pytest.approx(np.sum(dy * (X @ W)), rel=1e-14)
    np.testing.assert_array_equal(gradients["W"], X.T @ dy)
    assert np.all((np.abs(dy) >= 0.5) & (np.abs(dy) <= 1.5))
    assert both(layer)[0] == loss
    assert both(layer_of(seed=1))[0] != loss


def test_the_second_cotangent_has_opposite_signs_and_is_a_thousand_times_as_large():
    handed = []
    layer = layer_of(backward=lambda dy, cache: handed.append(dy) or backward(dy, cache))
    for layer.cotangent in (0, 1):
        both(layer)
    share = handed[1] / handed[0]
    assert np.all(share < -300)
    assert np.ptp(share) > 100  # other magnitudes too
    first, second = (layer.seen[k] for k in (0, 1))
    assert first.keys() == second.keys()  # by the point
    assert not np.array_equal(*(next(iter(seen.values()))["W"] for seen in (first, second)))


def test_the_cotangent_has_the_precision_of_the_output():
    handed = []
    layer = layer_of(backward=lambda dy, cache: handed.append(dy) or backward(dy, cache))
    both(layer)
    both(layer, X.astype(np.float32), W.astype(np.float32))
    assert [dy.dtype for dy in handed] == [np.float64, np.float32]
    np.testing.assert_array_equal(handed[0], handed[1])
