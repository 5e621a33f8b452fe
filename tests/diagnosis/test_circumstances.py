"""What a factor is said to count must be there: measured by the loss alone."""

import contextlib
import types

import numpy as np
import pytest

from gradhook.diagnosis import experiment
from gradhook.diagnosis.hypotheses import circumstances

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 5)), RNG.normal(size=(7, 3))
V = {"A": RNG.normal(size=(5, 3)), "B": RNG.normal(size=(5, 3))}


@pytest.fixture
def losing(monkeypatch):
    """Return a function that makes a mismatch of a loss of values and batch."""

    def made(loss):
        here = types.SimpleNamespace(values=dict(V), batch=(X, Y))
        workspace = types.SimpleNamespace(values=lambda name: V[name])
        evaluator = types.SimpleNamespace(
            batch=(X, Y), workspace=workspace, loss=lambda: loss(here.values, *here.batch)
        )

        @contextlib.contextmanager
        def changed(mismatch, *, values=None, batch=None, switches=None):
            before = here.values, here.batch
            here.values, here.batch = {**V, **(values or {})}, batch or (X, Y)
            yield
            here.values, here.batch = before

        monkeypatch.setattr(experiment, "changed", changed)
        monkeypatch.setattr(circumstances, "without", lambda mismatch, role: iter(()))
        prober = types.SimpleNamespace(noise=1e-15)
        return types.SimpleNamespace(
            evaluator=evaluator,
            gradients=V,
            options=types.SimpleNamespace(seed=0),
            measured=types.SimpleNamespace(prober=prober),
            budget=types.SimpleNamespace(left=100),
        )

    return made


def squares(v, X, Y):
    return float(np.sum((np.tanh(X @ v["A"]) - Y) ** 2))


def quartic(v, X, Y):
    return float(np.sum(np.sum((X @ v["A"] - Y) ** 2, axis=1) ** 2))


def test_squares_add_up_over_outputs_and_are_quadratic_in_their_targets(losing):
    mismatch = losing(squares)
    assert not circumstances.adds_up_over_outputs(mismatch, 3).refuted
    assert not circumstances.is_a_square(mismatch).refuted


def test_a_loss_that_couples_its_outputs_is_neither(losing):
    mismatch = losing(quartic)
    assert circumstances.adds_up_over_outputs(mismatch, 3).refuted
    assert circumstances.is_a_square(mismatch).refuted


def test_without_targets_of_that_width_nothing_can_be_told(losing):
    assert circumstances.adds_up_over_outputs(losing(squares), 4) is None


def test_queries_and_keys_act_by_their_product(losing):
    product = losing(lambda v, X, Y: float(np.sum(np.tanh(X @ v["A"] @ v["B"].T) ** 2)))
    assert not circumstances.is_a_product(product, ["A", "B"]).refuted
    apart = losing(lambda v, X, Y: float(np.sum(np.tanh(X @ v["A"]) * (X @ v["B"]))))
    assert circumstances.is_a_product(apart, ["A", "B"]).refuted


def test_one_weight_is_no_product(losing):
    assert circumstances.is_a_product(losing(squares), ["A"]) is None
