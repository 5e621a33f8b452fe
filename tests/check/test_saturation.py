"""A network trained to zero loss is judged where its loss has its ordinary size."""

import numpy as np
import pytest

from gradhook import check_gradients


def trained(grown, *, factor=1.0):
    """Softmax regression that is sure and right: labels are its own, weights ``grown`` times."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((40, 5))
    parameters = {"W": rng.standard_normal((5, 3)), "b": 0.1 * rng.standard_normal(3)}
    y = (X @ parameters["W"] + parameters["b"]).argmax(axis=1)

    def loss_and_gradients(p, X, y):
        z = X @ p["W"] + p["b"]
        z = z - z.max(axis=1, keepdims=True)
        q = np.exp(z)
        q /= q.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = (np.log(np.exp(z).sum(axis=1)) - z[rows, y]).mean()
        q[rows, y] -= 1
        q /= len(y)
        return float(loss), {"W": factor * X.T @ q, "b": q.sum(axis=0)}

    sure = {name: grown * p for name, p in parameters.items()}
    return check_gradients(loss_and_gradients, sure, batch=(X, y), progress=False)


@pytest.mark.parametrize("grown", [1.0, 30.0, 1e3, 1e4])
def test_a_right_softmax_passes_and_a_wrong_one_fails_however_sure_it_is(grown):
    report = trained(grown)
    assert report.passed
    assert report.blocks["W"].verdict == "PASS"
    wrong = trained(grown, factor=1.3)
    assert wrong.blocks["W"].verdict == "FAIL"
    assert wrong.blocks["b"].verdict != "FAIL"


def test_losses_of_legitimately_tiny_scale_are_judged_where_they_are():
    def tiny(p, factor=1.0):
        return 1e-300 * float((p["w"] ** 2).sum()), {"w": factor * 2e-300 * p["w"]}

    w = {"w": np.linspace(1, 2, 9)}
    assert check_gradients(tiny, w, progress=False).passed
    assert check_gradients(lambda p: tiny(p, 1.1), w, progress=False).verdict == "FAIL"


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_parameter_in_a_denominator_may_overflow_at_smaller_weights(factor):
    def growth(s, x):
        v = np.exp(x / s)
        return float(np.mean(v)), float(np.mean(-v * x / s**2)) * factor

    x = np.linspace(0.5, 1, 20)
    with np.errstate(over="ignore"):
        report = check_gradients(growth, np.array(0.01), batch=(x,), progress=False)
    assert report.verdict == ("PASS" if factor == 1.0 else "FAIL")
