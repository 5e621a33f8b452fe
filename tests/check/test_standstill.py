"""Which blocks a gradient should have moved: not those at which training has arrived."""

import numpy as np
import pytest

from gradhook import Objective
from gradhook.check.guarded import moving_blocks
from gradhook.options import Options

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = X @ np.arange(4.0) + RNG.normal(size=60)


def objective(w, *, dtype=float):
    def lines(p, X, y):
        r = X @ p["w"] - y
        gradients = {"w": X.T @ r / len(X), "b": np.zeros(2)}
        return 0.5 * np.mean(r**2), gradients

    return Objective.of(lines, {"w": w.astype(dtype), "b": np.ones(2)})


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gradient_of_rounding_on_the_whole_batch_moves_nothing(dtype):
    # On seven rows of it the gradient is of order one.
    best = np.linalg.lstsq(X, Y, rcond=None)[0]
    assert moving_blocks(objective(best, dtype=dtype), Options(), (X, Y)) == set()
    assert moving_blocks(objective(best + 0.1, dtype=dtype), Options(), (X, Y)) == {"w"}


def test_nothing_is_left_of_the_calls_and_an_exception_names_no_block():
    calls = []

    def counting(p, X, y):
        calls.append(1)
        return p["w"].sum() + p["b"].sum(), {"w": np.ones(4), "b": np.ones(2)}

    parameters = {"w": np.ones(4), "b": np.ones(2)}
    assert moving_blocks(Objective.of(counting, parameters), Options(), (X, Y)) == {"w", "b"}
    assert calls == []  # a list in reach is state, and put back

    def whole_alone(p, X, y):
        assert len(X) == 60
        return p["w"].sum() + p["b"].sum(), {"w": np.ones(4), "b": np.ones(2)}

    assert moving_blocks(Objective.of(whole_alone, parameters), Options(), (X, Y)) == {"w", "b"}

    def broken(p, X, y):
        raise ValueError

    assert moving_blocks(Objective.of(broken, parameters), Options(), (X, Y)) == set()
