"""Mismatches too small for the ratio: judged by their shape."""

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.difference import Ridders


def wave(n, seed=0):
    """A sum of sines with a gradient for each of ``n`` weights."""
    rng = np.random.default_rng(seed)
    x, phase = rng.standard_normal(n), rng.uniform(0, 6, n)

    def loss(p):
        return float(np.mean(np.sin(p["w"] + phase)))

    def gradient(p):
        return np.cos(p["w"] + phase) / n

    return {"w": x}, loss, gradient


def checked(parameters, loss, gradient, **options):
    return check_gradients(lambda p: (loss(p), {"w": gradient(p)}), parameters, **options)


def test_two_exchanged_elements_of_ten_thousand_fail():
    parameters, loss, gradient = wave(10**4)

    def exchanged(p):
        g = gradient(p)
        g[[17, 4242]] = g[[4242, 17]]
        return g

    report = checked(parameters, loss, exchanged, points=("generic",))
    assert report.verdict == "FAIL"


@pytest.mark.parametrize("size", [40, 4000])
def test_a_uniform_factor_of_one_and_a_hundred_thousandth_warns(size):
    parameters, loss, gradient = wave(size)
    report = checked(parameters, loss, lambda p: gradient(p) * (1 + 1e-5))
    assert report.verdict == "WARN"
    assert "1.00001 times the numerical one" in report.blocks["w"].sentence


def test_a_missing_multiple_of_the_weights_warns_however_small():
    parameters, loss, gradient = wave(400)
    report = checked(parameters, loss, lambda p: gradient(p) + 1e-9 * p["w"], points=("generic",))
    assert report.verdict == "WARN"
    # The factor is known to the share of the residual that is noise, about a hundredth here.
    factor = float(report.blocks["w"].sentence.split("by ")[1].split(" times")[0])
    assert factor == pytest.approx(1e-9, rel=1e-2)


def test_an_epsilon_inside_the_logarithm_of_the_only_block_warns():
    rng = np.random.default_rng(0)
    parameters = {"w": 0.5 * rng.standard_normal((20, 10))}
    X, y = rng.standard_normal((7, 20)), rng.integers(0, 10, 7)

    def softmax_with_epsilon(p, X, y):
        z = X @ p["w"]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        q = e / e.sum(axis=1, keepdims=True)
        n = len(y)
        d = q.copy()
        d[np.arange(n), y] -= 1
        return -np.mean(np.log(q[np.arange(n), y] + 1e-8)), {"w": X.T @ d / n}

    report = check_gradients(softmax_with_epsilon, parameters, batch=(X, y))
    block = report.blocks["w"]
    # Of one block alone nothing tells such a loss from a mistake in that block.
    assert report.verdict == "WARN"
    assert 1e-9 < block.ratio < 1e-5


@pytest.mark.parametrize(("ratio", "passing"), [(3e-7, (20, 20)), (3e-6, (0, 2)), (4e-5, (0, 0))])
def test_an_unexplained_mismatch_of_the_only_block_passes_below_warn_and_warns_above(
    ratio, passing
):
    verdicts = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        w, d = rng.normal(size=400), rng.normal(size=400)

        def loss_and_gradients(p, d=d):
            n = np.cos(p["w"])
            e = d * np.sin(3 * p["w"])
            e *= 2 * ratio * np.linalg.norm(n) / np.linalg.norm(e)
            return float(np.sin(p["w"]).sum()), {"w": n + e}

        verdicts.append(check_gradients(loss_and_gradients, {"w": w}, seed=seed).verdict)
    assert set(verdicts) <= {"PASS", "WARN"}
    assert passing[0] <= verdicts.count("PASS") <= passing[1]


def test_a_right_gradient_costs_no_evaluation_for_this():
    parameters, loss, gradient = wave(400)
    report = checked(parameters, loss, gradient)
    assert report.verdict == "PASS"
    assert report.evaluations <= 16 + 24


@pytest.mark.parametrize(
    ("switches", "options"),
    [
        *((0, {}), (5, {}), (0, {"method": Ridders()}), (5, {"method": Ridders()})),
        # Element by element, a setting takes seconds.
        *((0, {"effort": "exhaustive"}), (1, {"effort": "exhaustive"})),
    ],
)
def test_a_wrong_row_of_tiny_numbers_is_found_whatever_has_spent_the_budget(switches, options):
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(20, 30)), rng.normal(size=(20, 12))
    X[:, 4] *= 1e-5
    parameters = {"W": 0.3 * rng.normal(size=(30, 12)), "V": 0.3 * rng.normal(size=(12, 12))}
    names = [f"l2_{k}" for k in range(switches)]

    def loss_and_gradients(p, X, T, l2_0=0.01, l2_1=0.01, l2_2=0.01, l2_3=0.01, l2_4=0.01):
        l2 = l2_0 + l2_1 + l2_2 + l2_3 + l2_4
        H = np.tanh(X @ p["W"])
        D = (H @ p["V"] - T) / len(X)
        dW = X.T @ (D @ p["V"].T * (1 - H * H))
        dW[4] *= 1.5
        loss = 0.5 * len(X) * np.sum(D * D) + 0.5 * l2 * np.sum(p["V"] ** 2)
        return loss, {"W": dW, "V": H.T @ D + l2 * p["V"]}

    report = check_gradients(
        loss_and_gradients, parameters, batch=(X, T), penalty=names or None, **options
    )
    assert (report.verdict, report.blocks["W"].where) == ("FAIL", "W[4, :]")
