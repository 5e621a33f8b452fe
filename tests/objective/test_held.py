"""Weights and gradients that an object holds, found by running its code."""

import dataclasses
from collections import namedtuple

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.errors import GradientShapeError, LossTypeError, ObjectiveError


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


X, Y = np.random.default_rng(1).normal(size=(20, 3)), np.random.default_rng(2).normal(size=20)


def line(weights, X, y):
    r = X @ weights.w + weights.b - y
    return np.mean(r**2) / 2, X.T @ r / len(y), 2 * np.mean(r)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("bias", [0.5, np.full(1, 0.5, np.float32)], ids=["number", "float32"])
@pytest.mark.parametrize(("frozen", "slots"), [(False, False), (True, False), (True, True)])
def test_a_data_class_has_its_gradients_in_another(frozen, slots, bias, in_place):
    @dataclasses.dataclass(frozen=frozen, slots=slots)
    class Weights:
        w: object
        b: object
        rate: float = 0.1

    weights = Weights(np.array([0.5, -1.0, 0.3]), bias)

    def function(weights, X, y):
        loss, dw, db = line(weights, X, y)
        return loss, Weights(dw, np.reshape(db, np.shape(bias)))

    given = (lambda X, y: function(weights, X, y)) if in_place else function
    report = check_gradients(given, weights, batch=(X, Y))
    assert {n: str(b.verdict) for n, b in report.blocks.items()} == {"w": "PASS", "b": "FAIL"}
    assert weights.b is bias


def test_gradients_without_names_beside_an_object_are_told_how_to_name_them():
    weights = Logistic(float)
    with pytest.raises(LossTypeError, match=r"by the attributes .* such as \(loss, {'W1': dW1}\)$"):
        check_gradients(line, weights, batch=weights.batch)


@pytest.mark.parametrize(
    "form", [namedtuple("Pair", ["w", "b"]), lambda *pair: pair], ids=["named", "plain"]
)
def test_a_named_tuple_has_its_gradients_in_another_or_in_order(form):
    def function(weights, X, y):
        loss, dw, db = line(weights, X, y)
        return loss, form(dw, db)

    weights = namedtuple("Pair", ["w", "b"])(np.array([0.5, -1.0, 0.3]), np.array(0.5))
    report = check_gradients(function, weights, batch=(X, Y))
    assert report.failing == ("params.b",)


class Affine:
    """A layer whose backward pass leaves ``db(d)`` as the gradient of its bias, or nothing."""

    def __init__(self, db, start):
        rng = np.random.default_rng(1)
        self.W, self.b, self._db = rng.normal(size=(4, 3)), np.zeros(3), db
        self.dW, self.db = np.zeros((4, 3)), start

    def run(self, X, y):
        error = X @ self.W + self.b - y
        self.dW = X.T @ error / len(X)
        if self._db is not None:
            self.db = self._db(error / len(X))
        return 0.5 * float(np.sum(error**2)) / len(X)


ROWS = np.random.default_rng(2).normal(size=(20, 4)), np.random.default_rng(3).normal(size=(20, 3))


@pytest.mark.parametrize("start", [np.zeros(3), None], ids=["zeros", "None"])
def test_a_gradient_that_no_run_writes_is_a_fault_where_the_loss_moves_with_its_weight(start):
    layer = Affine(None, start)
    report = check_gradients(layer.run, layer, batch=ROWS)
    assert report.failing == ("b",)
    assert [cause.kind for cause in report.causes] == ["disconnected"]
    assert layer.db is start


def test_a_gradient_that_no_run_writes_is_none_where_the_loss_does_not_move_with_its_weight():
    layer = Affine(lambda d: d.sum(axis=0), np.zeros(3))
    layer.spare, layer.dspare = np.ones(3), np.zeros(3)
    report = check_gradients(layer.run, layer, batch=ROWS)
    assert report.passed
    assert list(report.blocks) == ["W", "b"]
    assert "left out: spare (no run writes dspare)" in report.notes[0]


def test_a_gradient_without_its_axis_is_refused_and_one_of_whole_numbers_named():
    layer = Affine(np.sum, np.zeros(3))
    with pytest.raises(GradientShapeError, match=r"'b' has shape \(\), the parameter has \(3,\)"):
        check_gradients(layer.run, layer, batch=ROWS)
    layer = Affine(lambda d: np.round(10 * d.sum(axis=0)).astype(int), np.zeros(3))
    report = check_gradients(layer.run, layer, batch=ROWS)
    assert [cause.kind for cause in report.causes] == ["integer_buffer"]


def test_a_weight_whose_gradient_has_no_name_known_is_noted():
    layer = Affine(None, np.zeros(3))
    layer.b_delta = layer.__dict__.pop("db")
    report = check_gradients(layer.run, layer, batch=ROWS)
    assert list(report.blocks) == ["W"]
    assert "left out: b (the loss reads it, and no gradient is beside it)" in report.notes[0]
    assert not layer.b.any()


def test_weights_that_the_first_run_makes_are_told_to_be_made_before():
    class Lazy(Affine):
        def run(self, X, y):
            if not hasattr(self, "W"):
                self.W = np.ones((4, 3))
            return super().run(X, y)

    layer = Lazy(None, None)
    del layer.W, layer.b, layer.db
    layer.b = 0.0
    with pytest.raises(ObjectiveError, match=r"W \(made by the run: if it is a weight, run once"):
        check_gradients(layer.run, layer, batch=ROWS)
