"""Layers are found by what acts on what; branches, products and likelihoods are none."""

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.diagnosis import layers as module
from gradhook.diagnosis.layers import order_levels


@pytest.mark.parametrize(
    "passes",
    [
        {"A": {"B", "C"}, "B": {"A", "C"}, "C": set()},  # a product of A and B
        {"A": {"C"}, "B": {"D"}, "C": set(), "D": set()},  # two towers
        {"A": set(), "B": set()},  # parameters of a likelihood
        {"A": {"X"}, "B": set()},  # through what stands with nothing of the next place
        {"A": set()},
        {},
    ],
)
def test_products_towers_and_lone_blocks_form_none(passes):
    assert order_levels(passes, sorted(passes)) == ()


@pytest.fixture
def measured(monkeypatch):
    """Return the layers that a check measures for a spoiled function."""
    seen, left = [], []
    inner = module.measure_layers

    def spy(mismatch):
        workspace, batch = mismatch.evaluator.workspace, mismatch.evaluator.batch
        before = {name: array.copy() for name, array in workspace.arrays.items()}
        seen.append(inner(mismatch))
        left.extend(n for n, array in before.items() if np.any(workspace.arrays[n] != array))
        left.extend(["batch"] * (mismatch.evaluator.batch is not batch))
        return seen[-1]

    monkeypatch.setattr(module, "measure_layers", spy)

    def check(function, parameters, batch):
        report = check_gradients(function, parameters, batch=batch)
        assert report.verdict == "FAIL"
        assert not [line for line in report.coverage if "could not be explained" in line]
        assert left == []
        return seen[-1].levels

    return check


def names_of(levels):
    return [set(level) for level in levels]


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 5)), RNG.normal(size=(20, 3))
NOISE = RNG.normal(size=(20, 6))


def network(order):
    """Two tanh layers, the derivative of the first wrong, blocks in any order."""
    shapes = {"in": (5, 6), "shift": (6,), "out": (6, 3), "last": (3,)}
    parameters = {name: RNG.normal(size=shapes[name]) / 2 for name in order}

    def function(p, X, Y):
        h = np.tanh(X @ p["in"] + p["shift"])
        d = (h @ p["out"] + p["last"] - Y) / len(X)
        e = d @ p["out"].T * (1 - h)
        g = {"in": X.T @ e, "shift": e.sum(0), "out": h.T @ d, "last": d.sum(0)}
        return 0.5 * len(X) * np.sum(d * d), g

    return function, parameters


@pytest.mark.parametrize(
    "order",
    [
        ("in", "shift", "out", "last"),
        ("last", "out", "shift", "in"),
        ("in", "out", "last", "shift"),
    ],
)
def test_the_order_of_the_names_does_not_matter(measured, order):
    levels = measured(*network(order), (X, Y))
    assert names_of(levels) == [{"in", "shift"}, {"out", "last"}]


def test_a_gate_and_what_it_gates_are_no_chain(measured):
    p = {"A": RNG.normal(size=(5, 4)), "B": RNG.normal(size=(5, 4)), "v": RNG.normal(size=4)}

    def function(p, X, Y):
        a, s = np.tanh(X @ p["A"]), 1 / (1 + np.exp(-X @ p["B"]))
        r = (a * s) @ p["v"] - Y[:, 0]
        d = np.outer(r, p["v"]) / len(X)
        g = {"A": X.T @ (d * s * (1 - a * a)), "B": X.T @ (d * a * s)}
        return 0.5 * np.mean(r * r), {**g, "v": (a * s).T @ r / len(X)}

    assert measured(function, p, (X, Y)) == ()


def test_a_path_around_a_layer_leaves_no_chain(measured):
    p = {"W": RNG.normal(size=(5, 5)), "V": RNG.normal(size=(5, 3))}

    def function(p, X, Y):
        h = X + np.tanh(X @ p["W"])
        d = (h @ p["V"] - Y) / len(X)
        g = {"W": X.T @ (d @ p["V"].T), "V": h.T @ d}  # the derivative of tanh is missing
        return 0.5 * len(X) * np.sum(d * d), g

    assert measured(function, p, (X, Y)) == ()


def test_all_is_put_back_where_the_loss_does_not_take_fewer_rows(measured):
    function, parameters = network(("in", "shift", "out", "last"))

    def graph(p, X, Y):
        return function(p, np.eye(20) @ X, Y)  # of twenty nodes, and no fewer

    assert measured(graph, parameters, (X, Y)) == ()
