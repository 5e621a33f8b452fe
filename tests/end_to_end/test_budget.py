"""What a passing check costs where probes are dear; a mismatch is looked into all the same."""

import numpy as np
import pytest

from gradhook import Objective, Switch, check_gradients


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


@pytest.mark.parametrize("seed", range(10))
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


@pytest.mark.parametrize("seed", range(15))
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


def half_in_float32(seed, *, factor=1.0, effort="standard"):
    """Two layers, the first computed in float32 without the loss showing it."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((12, 5)), rng.standard_normal((12, 3))
    parameters = {
        "W1": rng.standard_normal((5, 6)),
        "b1": 0.1 * rng.standard_normal(6),
        "W2": rng.standard_normal((6, 3)),
        "b2": np.zeros(3),
    }

    def loss_and_gradients(p, X, Y):
        product = (X.astype(np.float32) @ p["W1"].astype(np.float32)).astype(float)
        hidden = np.tanh(product + p["b1"])
        residual = hidden @ p["W2"] + p["b2"] - Y
        behind = residual @ p["W2"].T * (1 - hidden * hidden)
        return 0.5 * float((residual**2).sum()), {
            "W1": factor * (X.T @ behind),
            "b1": behind.sum(axis=0),
            "W2": hidden.T @ residual,
            "b2": residual.sum(axis=0),
        }

    return check_gradients(loss_and_gradients, parameters, batch=(X, Y), seed=seed, effort=effort)


def test_stairs_leave_a_passing_check_within_its_budget():
    reports = [half_in_float32(seed) for seed in range(20)]
    assert not any(report.verdict == "FAIL" for report in reports)
    spent = [report.evaluations for report in reports if report.passed]
    assert len(spent) > 15
    # At most two long probes a block come on top, of sixty evaluations each.
    assert max(spent) <= 40 * 4 + 100 + 2 * 60 * 4


def test_a_block_that_is_wrong_beside_stairs_fails_all_the_same():
    verdicts = [half_in_float32(seed, factor=1.2).blocks["W1"].verdict for seed in range(10)]
    assert verdicts == ["FAIL"] * 10


def test_a_setting_without_loss_and_gradients_is_skipped_and_said_to_be():
    rng = np.random.default_rng(0)
    X, mask = rng.standard_normal((9, 6)), np.zeros(9)

    def masked(p, X, mask, l2=1e-2):
        residual = (X @ p["w"] + p["b"]) * mask
        loss = 0.5 * float(residual @ residual) + l2 * float(p["w"] @ p["w"])
        return loss, {
            "w": X.T @ (residual * mask) + 2 * l2 * p["w"],
            "b": np.array(float(np.sum(residual * mask))),
        }

    parameters = {"w": rng.standard_normal(6), "b": np.array(0.5)}
    report = check_gradients(masked, parameters, batch=(X, mask), penalty="l2")
    assert report.passed
    assert "generic point, l2 off" not in report.settings
    said = "l2 could not be looked at by itself: loss and gradients are zero then"
    assert said in report.coverage


def test_quick_effort_sees_stairs_within_its_two_dozen_evaluations():
    reports = [half_in_float32(seed, effort="quick") for seed in range(40)]
    passed = [report for report in reports if report.passed]
    assert len(passed) >= 20
    assert sum(report.evaluations <= 24 for report in passed) >= 10


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_data_term_below_a_rounded_penalty_has_a_noise_of_its_own_size(seed, factor):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((12, 5)), rng.standard_normal((12, 3))

    def rounded(p, X, Y, reg=1e3):
        hidden = np.tanh(X @ p["W1"])
        residual = hidden @ p["W2"] - Y
        behind = residual @ p["W2"].T * (1 - hidden**2)
        weights = float((p["W1"] ** 2).sum() + (p["W2"] ** 2).sum())
        return np.float32(0.5 * (residual**2).sum() + reg * weights), {
            "W1": factor * X.T @ behind + 2 * reg * p["W1"],
            "W2": hidden.T @ residual + 2 * reg * p["W2"],
        }

    parameters = {"W1": rng.standard_normal((5, 6)), "W2": rng.standard_normal((6, 3))}
    report = check_gradients(
        rounded, parameters, batch=(X, Y), penalty=Switch("reg", off=0.0), seed=seed
    )
    assert report.verdict == ("PASS" if factor == 1.0 else "FAIL")
