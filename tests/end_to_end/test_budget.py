"""What a passing check costs where probes are dear; a mismatch is looked into all the same."""

import numpy as np
import pytest

from gradhook import Objective, check_gradients


def rosenbrock(x):
    inner = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * x[:-1] * inner - 2 * (1 - x[:-1])
    gradient[1:] += 200 * inner
    return float((100 * inner**2 + (1 - x[:-1]) ** 2).sum()), gradient


@pytest.mark.parametrize("seed", range(5))
def test_at_a_minimum_where_the_loss_is_zero_a_check_keeps_its_budget(seed):
    report = check_gradients(rosenbrock, np.ones(5), seed=seed)
    assert report.passed
    # A loss of another size has its step looked for anew, and one probe may be measured again.
    assert report.evaluations <= 16 + 24 + 8


def steep(p, X, y, *, factor=1.0):
    """A loss over many powers of ten, whose rounding differs from direction to direction."""
    scores = np.exp(3 * (X @ p["w"] + p["b"]))
    weights = 3 * scores * factor
    return float(scores.sum()), {"w": X.T @ weights, "b": weights.sum(keepdims=True)}


def problem(seed):
    rng = np.random.default_rng(seed)
    X = 2 * rng.standard_normal((30, 12))
    return {"w": rng.standard_normal(12), "b": np.ones(1)}, X, np.zeros(30)


@pytest.mark.parametrize("seed", range(20))
def test_a_steep_loss_is_checked_within_the_budget(seed):
    parameters, X, y = problem(seed)
    report = check_gradients(steep, parameters, batch=(X, y), seed=seed)
    assert report.verdict == "PASS"
    assert report.evaluations <= 16 * 2 + 24


@pytest.mark.parametrize("seed", range(5))
def test_a_small_mismatch_of_a_steep_loss_fails_whatever_it_costs(seed):
    parameters, X, y = problem(seed)

    def wrong(p, X, y):
        return steep(p, X, y, factor=1.001)

    report = check_gradients(wrong, parameters, batch=(X, y), seed=seed)
    assert report.verdict == "FAIL"


@pytest.mark.parametrize("seed", range(10))
def test_a_check_among_ties_keeps_its_budget(seed):
    # Half of the rows are zero, and so are the biases: every unit has rows exactly at its kink.
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((14, 6)), rng.standard_normal((14, 3))
    X[::2] = 0
    parameters = {
        "W1": rng.standard_normal((6, 16)),
        "b1": np.zeros(16),
        "W2": rng.standard_normal((16, 3)),
        "b2": np.zeros(3),
    }

    def loss_and_gradients(p, X, Y):
        hidden = np.maximum(X @ p["W1"] + p["b1"], 0)
        residual = hidden @ p["W2"] + p["b2"] - Y
        behind = residual @ p["W2"].T * (hidden > 0)
        return 0.5 * float((residual**2).sum()), {
            "W1": X.T @ behind,
            "b1": behind.sum(axis=0),
            "W2": hidden.T @ residual,
            "b2": residual.sum(axis=0),
        }

    report = check_gradients(loss_and_gradients, parameters, batch=(X, Y), seed=seed)
    assert report.passed
    # Beside the passing settings, two gradients and two probes a block a step off the ties.
    assert report.evaluations <= 16 * 4 + 24


@pytest.mark.parametrize("seed", range(40))
def test_a_quick_check_keeps_its_two_dozen_evaluations(seed):
    # A loss of its own beside loss and gradients, and a noise that takes one table or several.
    parameters, X, y = problem(seed)
    parameters["w"] *= 10.0 ** -(seed % 5)
    objective = Objective(
        loss=lambda p, X, y: steep(p, X, y)[0], loss_and_gradients=lambda p, X, y: steep(p, X, y)
    )
    report = check_gradients(objective, parameters, batch=(X, y), seed=seed, effort="quick")
    assert report.passed
    assert report.evaluations <= 24
