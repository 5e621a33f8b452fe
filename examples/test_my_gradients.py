"""Gradient checks in a test suite.

    python -m pytest examples/test_my_gradients.py

``gradhook.testing.assert_gradients`` reads like ``numpy.testing``'s functions: it returns the
report of a check that passed, and raises an ``AssertionError`` that carries the report otherwise.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.
sys.path.append(str(Path(__file__).resolve().parent))

import digits_network

from gradhook.testing import assert_gradients


@pytest.fixture(scope="module")
def batch():
    """Fifty real digits."""
    X, y = load_digits(return_X_y=True)
    return X[:50] / 16, y[:50]


def network(**settings):
    """The network of ``digits_mlp.py`` as it is at its first step, and where it starts."""
    masks = np.random.default_rng(1)
    parameters = digits_network.initial_parameters(np.random.default_rng(0))
    return functools.partial(digits_network.loss_and_gradients, masks=masks, **settings), parameters


@pytest.mark.parametrize("svm", [False, True], ids=["softmax", "hinge"])
def test_the_backward_pass_of_my_network(svm, batch):
    loss_and_gradients, parameters = network(svm=svm)
    assert_gradients(loss_and_gradients, parameters, batch=batch, dropout="dropout", penalty="l2")


def test_a_layer_that_i_wrote():
    W = np.random.default_rng(0).normal(size=(4, 3))

    def log_softmax_of_affine(W, X):
        scores = X @ W
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -logs[:, 0].sum(), X.T @ (np.exp(logs) - np.eye(3)[0])

    X = np.random.default_rng(1).normal(size=(9, 4))
    assert_gradients(log_softmax_of_affine, W, batch=X, err_msg="the softmax layer is wrong")


def test_a_forgotten_penalty_is_found(batch):
    wrong = functools.partial(
        digits_network.plant_bug("reg_missing"), masks=np.random.default_rng(1)
    )
    parameters = network()[1]
    with pytest.raises(AssertionError, match="FAIL") as caught:
        assert_gradients(wrong, parameters, batch=batch, dropout="dropout", penalty="l2")
    blocks = caught.value.report.blocks
    assert {name for name in blocks if blocks[name].verdict == "FAIL"} == {"W1", "W2", "W3"}
