"""Weights and gradients that an object holds, found by running its code."""

import numpy as np
import pytest

from gradhook import check_gradients


class Logistic:
    """Logistic regression of a bias of one element, whose gradient ``form`` shapes."""

    def __init__(self, form):
        rng = np.random.default_rng(0)
        self.batch = rng.normal(size=(50, 4)), (rng.random(50) > 0.5).astype(float)
        self.w, self.b, self.form = rng.normal(size=4) / 3, np.zeros(1), form

    def run(self, X, y):
        z = X @ self.w + self.b
        d = (1 / (1 + np.exp(-z)) - y) / len(y)
        self.dw, self.db = X.T @ d, self.form(d)
        return float(np.mean(np.logaddexp(0, z) - y * z))


@pytest.mark.parametrize("as_given", [float, np.float64, np.asarray, lambda d: np.array([d])])
def test_a_weight_of_one_element_is_paired_with_a_gradient_that_is_a_number(as_given):
    net = Logistic(lambda d: as_given(7 * d.sum()))
    report = check_gradients(net.run, net, batch=net.batch, progress=False)
    assert report.blocks["b"].verdict == "FAIL"
    assert report.blocks["w"].verdict == "PASS"


def test_a_batch_that_the_object_holds_is_no_weight():
    net = Logistic(lambda d: np.array([d.sum()]))
    net.X, net.y = net.batch
    net.dX = np.ones_like(net.X)
    report = check_gradients(net.run, net, batch=net.batch, samples=None, progress=False)
    assert report.passed
    assert list(report.blocks) == ["w", "b"]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_numbers_has_its_gradients_in_a_list(kind):
    net = Logistic(lambda d: np.array([d.sum()]))
    net.w = net.w.tolist()
    run = net.run

    def listed(X, y):
        loss = run(X, y)
        net.dw = kind(net.dw)
        return loss

    report = check_gradients(listed, net, batch=net.batch, progress=False)
    assert report.passed
    assert "w[0]" in report.blocks
    assert all(type(w) is float for w in net.w)
