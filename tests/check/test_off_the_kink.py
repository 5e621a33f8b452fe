"""A mismatch at the current point alone: excused by evidence of a kink, and by nothing else."""

import numpy as np
import pytest

from gradhook import check_gradients

X = np.random.default_rng(6).standard_normal((20, 6))
Y = np.random.default_rng(7).standard_normal(20)


def squares(r):
    return float((r * r).mean()), 2 * r / len(r)


def masked(p, X, y):
    """Weights at zero get no gradient, where the loss is smooth."""
    loss, d = squares(X @ p["w"] - y)
    return loss, {"w": (X.T @ d) * (p["w"] != 0)}


def box_cox(wrong):
    def loss_and_gradient(p, X, y):
        log = np.log(np.abs(X[:, 0]) + 0.3)
        z = p["k"] * log
        near = np.abs(z) < 1e-4
        safe = np.where(near, 1.0, z)
        unit = np.where(near, 1 + z / 2 + z * z / 6, np.expm1(safe) / safe)
        slope = np.where(near, 0.5 + z / 3, (np.exp(z) - unit) / safe)
        loss, d = squares(log * unit - y)
        gradient = d @ (log * log * slope)
        return loss, {"k": np.array([0.0 if wrong and p["k"][0] == 0 else gradient])}

    return loss_and_gradient


def exponent(wrong):
    def loss_and_gradient(p, X, y):
        base = np.abs(X[:, 0]) + 0.3
        value = base ** p["k"]
        loss, d = squares(value - y)
        gradient = d @ (value * np.log(base))
        return loss, {"k": np.array([0.0 if wrong and p["k"][0] == 2 else gradient])}

    return loss_and_gradient


@pytest.mark.parametrize(("make", "start"), [(box_cox, 0.0), (exponent, 2.0)])
def test_a_formula_that_is_wrong_at_its_special_value_fails_and_a_right_one_passes(make, start):
    start = {"k": np.array([start])}
    assert check_gradients(make(False), start, batch=(X, Y), progress=False).passed
    assert check_gradients(make(True), start, batch=(X, Y), progress=False).verdict == "FAIL"


def two_relus(p, X, y):
    a = X @ p["w"]
    loss, d = squares(np.maximum(a, 0) - np.maximum(-a, 0) - y)
    return loss, {"w": X.T @ (d * ((a > 0) | (a < 0)))}


def max_pool(p, X, y):
    s = X.reshape(-1, 2, 3) @ p["w"]
    won = s.argmax(axis=1)
    loss, d = squares(s.max(axis=1) - y)
    return loss, {"w": d @ X.reshape(-1, 2, 3)[np.arange(len(y)), won]}


def hinge(p, X, y):
    sign = np.sign(y)
    margin = 1 - sign * (X @ p["w"] + 1) * sign
    return float(np.maximum(margin, 0).mean()), {"w": -X.T @ (margin > 0) / len(y)}


def lasso(p, X, y):
    loss, d = squares(X @ p["w"] - y)
    return loss + float(np.abs(p["w"]).sum()), {"w": X.T @ d + np.sign(p["w"])}


@pytest.mark.parametrize("loss", [two_relus, max_pool, hinge, lasso])
def test_real_kinks_at_the_current_point_fail_nothing(loss):
    size = 3 if loss is max_pool else 6
    report = check_gradients(loss, {"w": np.zeros(size)}, batch=(X, Y), progress=False)
    assert report.passed, str(report)


def beside_a_kink(penalty):
    """Element 0 bears an L1 penalty; element 1 is masked at zero."""

    def loss_and_gradient(p, X, y):
        loss, d = squares(X @ p["w"] - y)
        gradient = X.T @ d
        gradient[0] += penalty * np.sign(p["w"][0])
        gradient[1] *= p["w"][1] != 0
        return loss + penalty * float(np.abs(p["w"][0])), {"w": gradient}

    return loss_and_gradient


# A small penalty's kink does not explain the mismatch of probes that cross it.
@pytest.mark.parametrize("penalty", [1.0, 0.1, 0.01])
def test_a_smooth_mistake_beside_a_real_kink_fails_and_its_element_is_named(penalty):
    w = {"w": np.array([0.0, 0.0, 0.7, -0.4, 1.1, 0.2])}
    block = check_gradients(beside_a_kink(penalty), w, batch=(X, Y), progress=False).blocks["w"]
    assert block.verdict == "FAIL"
    assert block.where == "w[1]"


def test_one_element_of_a_large_block_that_is_masked_at_zero_fails_and_is_named():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(30, 200)), rng.normal(size=30)

    def masked_once(p, X, y):
        loss, d = squares(X @ p["w"] - y)
        gradient = X.T @ d
        gradient[150] *= p["w"][150] != 0
        return loss, {"w": gradient}

    start = {"w": np.zeros(200)}
    block = check_gradients(masked_once, start, batch=(inputs, targets), progress=False).blocks["w"]
    assert (block.verdict, block.where) == ("FAIL", "w[150]")
    assert block.sentence.startswith("w[150] wrong exactly here, where the loss is smooth")


def untraceable(wrong):
    def loss_and_gradient(p, X, y):
        w = np.array([float(v) for v in p["w"]])  # leaves the trace
        loss, d = squares(np.array([sum(x * w) for x in X]) - y)
        return loss, {"w": (X.T @ d) * ((w != 0) if wrong else 1)}

    return loss_and_gradient


def test_where_the_loss_cannot_be_traced_both_readings_are_told():
    start = {"w": np.zeros(6)}
    block = check_gradients(untraceable(True), start, batch=(X, Y), progress=False).blocks["w"]
    assert block.verdict in ("WARN", "FAIL")
    assert check_gradients(untraceable(False), start, batch=(X, Y), progress=False).passed
