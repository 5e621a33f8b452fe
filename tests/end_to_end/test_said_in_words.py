"""Numbers and sentences of what cannot be measured, was not exercised, or is too small to fail."""

import math

import numpy as np
import pytest

from gradhook import L2, check_gradients
from gradhook.sinks.metrics import scalars


def two_blocks(spoil):
    parameters = {"a": np.arange(1.0, 5.0), "b": np.arange(1.0, 4.0)}

    def loss_and_gradients(p):
        g = 2 * p["a"]
        g[1] = spoil
        return float(p["a"] @ p["a"] + p["b"] @ p["b"]), {"a": g, "b": 2 * p["b"]}

    return check_gradients(loss_and_gradients, parameters)


@pytest.mark.parametrize("spoil", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_has_ratio_one_in_numbers_and_curves(spoil):
    report = two_blocks(spoil)
    assert report.verdict == "FAIL"
    assert report.ratio == 1.0
    assert report.blocks["a"].ratio == 1.0
    assert report.blocks["b"].ratio < 1e-6
    assert "NaN or infinite at a[1], where" in report.blocks["a"].sentence
    drawn = scalars(report)
    assert drawn["gradcheck/ratio"] == 0.0
    assert drawn["gradcheck/a"] == 0.0
    assert drawn["gradcheck/0 wrong blocks"] == 1


def test_untested_blocks_have_no_ratio():
    report = check_gradients(
        lambda p: (float(p["a"] @ p["a"]), {"a": 2 * p["a"], "b": np.zeros(3), "z": p["z"]}),
        {"a": np.ones(4), "b": np.ones(3), "z": np.zeros((0, 3))},
    )
    for name in ("b", "z"):
        assert report.blocks[name].verdict == "UNTESTED"
        assert math.isnan(report.blocks[name].ratio)
    assert report.ratio == report.blocks["a"].ratio
    assert "the block has no elements" in report.blocks["z"].sentence
    assert any(said.startswith("z untested: the block has no elements") for said in report.coverage)
    drawn = scalars(report)
    assert math.isnan(drawn["gradcheck/b"])
    assert math.isnan(drawn["gradcheck/z"])


def test_where_every_block_is_fixed_the_coverage_says_so():
    report = check_gradients(
        lambda p: (float(p["a"] @ p["a"]), {"a": 2 * p["a"]}), {"a": np.ones(4)}, fixed=["a"]
    )
    assert report.verdict == "PASS"
    (said,) = report.coverage
    assert said.startswith("checked at these weights alone: every block is fixed, or the loss ")


def test_where_no_block_has_elements_nothing_has_passed():
    report = check_gradients(lambda p: (1.0, {"a": p["a"]}), {"a": np.zeros((0, 3))})
    assert report.verdict == "UNTESTED"
    assert not report.passed
    assert "a untested: the block has no elements" in report.coverage


def ridge(lam):
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(30, 5)), rng.normal(size=30), rng.normal(size=5)

    def loss_and_gradients(w, X, y):
        e = X @ w - y
        return float(np.mean(e * e)), 2 * X.T @ e / len(y) + lam * w

    return check_gradients(loss_and_gradients, w, batch=(X, y), penalty=L2(lam))


def test_a_penalty_that_is_lost_beside_the_data_is_said_to_be_unseen():
    report = ridge(1e-9)
    assert report.passed
    (said,) = report.coverage
    assert said.startswith("the penalty given is ")
    assert said.endswith("of the loss: a mistake in its gradient would not show")


def test_a_penalty_of_usual_size_needs_no_such_sentence():
    report = ridge(1e-2)
    assert report.passed
    assert report.coverage == ()


def test_one_element_of_a_million_one_percent_off_is_the_worst_and_is_where_it_fails():
    rng = np.random.default_rng(3)
    n, wrong = 10**6, 654321
    w, phase = rng.normal(size=n), rng.uniform(0, 6, n)

    def loss_and_gradients(w):
        g = np.cos(w + phase) / n
        g[wrong] *= 1.01
        return float(np.mean(np.sin(w + phase))), g

    report = check_gradients(loss_and_gradients, w, points=("generic",))
    block = report.blocks["w"]
    assert report.verdict == "FAIL"
    assert block.ratio < 1e-4  # by its size alone it would have passed
    assert block.where == f"w[{wrong}]"
    assert block.worst.index == (wrong,)
    # Of the larger of both, 1.01 times the true one.
    assert block.worst.relative_error == pytest.approx(0.01 / 1.01, rel=0.01)
    assert report.evaluations <= 150
