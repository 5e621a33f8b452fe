"""The search names what survives its refutation, each block at most once."""

import types

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.diagnosis.explain import diagnose
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, name_cause


def family(name, blocks, refutation, *, elimination=False):
    """A kind of hypothesis about some blocks, with what comes of its refutation."""

    class Made(Hypothesis):
        family, kind, said = "D", "disconnected", "disconnected"
        by_elimination = elimination
        support = name

        def __init__(self, blocks):
            self.blocks = tuple(blocks)
            self.predicted = dict.fromkeys(blocks)

        @classmethod
        def propose(cls, mismatch, names):
            asked.append((name, list(names)))
            yield cls(blocks)

        def refute(self, mismatch):
            return refutation

    return Made


asked = []
HELD = (Trial("tried", "held"),)
BROKEN = (Trial("tried", "broke", refuted=True),)


def search(*families, left=1000):
    asked.clear()
    budget = types.SimpleNamespace(left=left)
    mismatch = types.SimpleNamespace(blocks={"W": None, "b": None}, budget=budget)
    return [name_cause(*each).evidence for each in diagnose(mismatch, keep=100, among=families)]


def test_what_survives_is_named_and_its_blocks_are_explained():
    first, second = family("first", ["W"], HELD), family("second", ["W"], HELD)
    assert search(first, second) == ["first; tried: held"]
    assert asked == [("first", ["W", "b"]), ("second", ["b"])]


def test_what_is_ruled_out_or_was_not_tried_is_not_named_and_the_next_is_asked():
    ruled_out, untried = family("ruled out", ["W"], BROKEN), family("untried", ["W"], ())
    assert search(ruled_out, untried, family("third", ["W"], HELD)) == ["third; tried: held"]


def test_two_faults_are_both_told():
    both = family("one", ["W"], HELD), family("two", ["b"], HELD)
    assert search(*both) == ["one; tried: held", "two; tried: held"]


def test_what_goes_by_elimination_is_not_asked_of_blocks_that_something_fitted():
    search(family("fits", ["W"], BROKEN), family("rest", ["b"], HELD, elimination=True))
    assert asked[1] == ("rest", ["b"])


def test_nothing_is_asked_that_places_need_the_budget_for():
    assert search(family("first", ["W"], HELD), left=99) == []
    assert asked == []


def two_heads(parameters, X, labels, values):
    """A policy and a value on one trunk; the gradient of the value's error is doubled."""
    p, n = parameters, len(X)
    hidden = np.tanh(X @ p["W"] + p["b"])
    policy = np.exp(hidden @ p["P"])
    policy /= policy.sum(axis=1, keepdims=True)
    error = hidden @ p["V"] - values
    loss = -np.log(policy[np.arange(n), labels]).mean() + 0.5 * np.sum(error**2) / n
    dpolicy, derror = policy.copy(), 2 * error / n
    dpolicy[np.arange(n), labels] -= 1
    dpolicy /= n
    dhidden = (dpolicy @ p["P"].T + derror @ p["V"].T) * (1 - hidden**2)
    trunk = {"W": X.T @ dhidden, "b": dhidden.sum(axis=0)}
    return loss, {**trunk, "P": hidden.T @ dpolicy, "V": hidden.T @ derror}


@pytest.mark.parametrize("seed", range(3))
def test_what_a_wrong_head_passes_down_is_no_second_fault(seed):
    rng = np.random.default_rng(seed)
    parameters = {"W": rng.normal(size=(4, 6)) / 2, "b": np.zeros(6)}
    parameters |= {"P": rng.normal(size=(6, 3)) / 2, "V": rng.normal(size=(6, 1)) / 2}
    batch = rng.normal(size=(50, 4)), rng.integers(0, 3, 50), rng.normal(size=(50, 1))
    report = check_gradients(two_heads, parameters, batch=batch, seed=seed)
    assert [(cause.kind, cause.blocks) for cause in report.causes] == [("factor_two", ("V",))]
    assert set(report.failing) == {"W", "b", "V"}
    assert report.boundary == ""


@pytest.mark.parametrize("seed", range(3))
def test_every_wrong_block_shows_two_numbers_where_the_search_is_dear(seed):
    """A graph network that passes down along the wrong edges, and cannot be cut to a few nodes."""
    rng = np.random.default_rng(seed)
    edges = (rng.random((20, 20)) < 0.2) + np.eye(20)
    edges /= edges.sum(axis=1, keepdims=True)

    def loss_and_gradients(p, X, labels):
        first = np.maximum(edges @ X @ p["W1"] + p["b1"], 0)
        scores = edges @ first @ p["W2"] + p["b2"]
        q = np.exp(scores - scores.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        n = np.arange(len(labels))
        loss = -np.log(q[n, labels]).mean()
        q[n, labels] -= 1
        q /= len(labels)
        above = edges @ q  # edges.T @ q
        below = above @ p["W2"].T * (first > 0)
        grads = {"W1": (edges @ X).T @ below, "b1": below.sum(axis=0), "W2": first.T @ above}
        return loss, {**grads, "b2": q.sum(axis=0)}

    parameters = {"W1": rng.normal(size=(5, 6)) / 2, "b1": np.zeros(6)}
    parameters |= {"W2": rng.normal(size=(6, 3)) / 2, "b2": np.zeros(3)}
    batch = rng.normal(size=(20, 5)), rng.integers(0, 3, 20)
    report = check_gradients(loss_and_gradients, parameters, batch=batch, seed=seed)
    assert set(report.failing) == {"W1", "b1", "W2"}
    for name in report.failing:
        worst = report.blocks[name].worst
        assert abs(worst.analytic - worst.numerical) > 3 * worst.error
