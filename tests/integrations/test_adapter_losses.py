"""The books' cross-entropy, told from any other loss."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradhook.integrations._losses import left_out

Y = np.array([[0.25, 0.75], [0.5, 0.5]])


def books(y, t):
    return float(-np.log(y[np.arange(len(y)), t] + 1e-7).mean())


@pytest.mark.parametrize("t", [np.array([1, 0]), np.array([[0, 1], [1, 0]])])
def test_what_the_book_leaves_out_is_added_back(t):
    layer, labels = SimpleNamespace(y=Y, t=t), np.array([1, 0])
    exact = float(-np.log(Y[np.arange(2), labels]).mean())
    assert books(Y, labels) + left_out(layer, books(Y, labels)) == pytest.approx(exact, abs=1e-15)


@pytest.mark.parametrize("layer", [None, SimpleNamespace(y=None, t=None), SimpleNamespace(y=Y)])
def test_other_layers_and_losses_are_left_alone(layer):
    assert left_out(layer, 1.0) == 0.0
    assert left_out(SimpleNamespace(y=Y, t=np.array([1, 0])), 0.5) == 0.0
