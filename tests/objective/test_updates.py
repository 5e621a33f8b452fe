"""Gradients read from what an update does; whole checks stand in tests/integrations/test_styles."""

import numpy as np
import pytest

from gradhook import Objective, check_gradients
from gradhook.objective.functions import Updater


@pytest.mark.parametrize("where", ["closure", "dictionary", "returned"])
def test_new_arrays_are_found_where_they_were_bound_and_the_old_ones_put_back(where):
    w = np.array([1.0, 2.0])
    old, held = w, {"w": w}

    def in_closure():
        nonlocal w
        w = w - 0.5

    def in_dictionary():
        held["w"] = held["w"] - 0.5

    def returned():
        return {"w": held["w"] - 0.5}

    functions = {"closure": in_closure, "dictionary": in_dictionary, "returned": returned}
    found = Updater(functions[where], 0.5, held, held)()
    assert found["w"].tolist() == [1.0, 1.0]
    assert held["w"] is old
    assert w is old


def test_weights_are_put_back_where_the_update_raises():
    w = np.zeros(2)

    def update():
        w[...] = 7.0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Updater(update, 0.5, w, w)()
    assert w.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rate", [1e-4, 1e-5, 1e-6])
def test_an_update_that_rounds_to_float32_convicts_no_right_code(rate):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 6)), rng.normal(size=(50, 2))
    W = {"W": rng.normal(size=(6, 2)).astype(np.float32)}

    def loss(X, Y):
        return 0.5 * np.sum((X @ W["W"] - Y) ** 2) / len(X)

    def train(X, Y):
        W["W"] = (W["W"] - rate * X.T @ (X @ W["W"] - Y) / len(X)).astype(np.float32)

    objective = Objective.from_update(train, W, learning_rate=rate, loss=loss)
    report = check_gradients(objective, batch=(X, Y))
    assert report.verdict in ("PASS", "INCONCLUSIVE")
    assert report.blocks["W"].ratio_error > 1e-8 / rate
