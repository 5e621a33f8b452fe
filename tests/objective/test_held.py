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


def test_an_array_that_moves_the_loss_and_has_no_gradient_is_left_out_in_words():
    net = Logistic(lambda d: [7 * float(d.sum())])
    net.seen, net.unread = net.batch[0], np.ones(3)
    report = check_gradients(net.run, net, batch=net.batch, progress=False)
    (note,) = [note for note in report.notes if "left out" in note]
    assert note.endswith("left out: b (no gradient was found beside it)")
    assert np.array_equal(net.b, np.zeros(1))


def test_a_batch_that_the_object_holds_is_no_weight_without_a_gradient():
    net = Logistic(lambda d: np.array([d.sum()]))
    net.X, net.y = net.batch
    report = check_gradients(net.run, net, batch=net.batch, samples=None, progress=False)
    assert report.passed
    assert not any("left out" in note for note in report.notes)


@pytest.mark.parametrize("kind", [np.asarray, list, tuple])
def test_a_list_of_numbers_has_gradients_in_a_list_or_is_left_out_in_words(kind):
    net = Logistic(lambda d: np.array([d.sum()]))
    net.w = net.w.tolist()
    run = net.run

    def listed(X, y):
        loss = run(X, y)
        net.dw = kind(net.dw)
        return loss

    report = check_gradients(listed, net, batch=net.batch, progress=False)
    assert report.passed
    left_out = any("left out: w (no gradient" in note for note in report.notes)
    assert left_out == (kind is np.asarray)
    assert ("w[0]" in report.blocks) == (kind is not np.asarray)
    assert all(type(w) is float for w in net.w)
