"""Penalties that a loop adds to its gradients and not to its loss."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import L1, L2, Verdict, check_gradients, difference
from gradhook.errors import OptionError

BLOCKS = {"W1": np.array([[1.0, -2.0]]), "W2": np.array([3.0]), "b1": np.array([10.0])}


@pytest.mark.parametrize(
    ("penalty", "value"),
    [
        (L2(0.5), 0.25 * (1 + 4 + 9 + 100)),
        (L2(0.5, "W*"), 0.25 * (1 + 4 + 9)),
        (L2(2, "W2", "b1"), 109.0),
        (L1(0.5), 8.0),
        (L1(np.float32(0.5), "*1"), 6.5),
    ],
)
def test_the_sum_is_over_the_blocks_that_the_patterns_name(penalty, value):
    assert penalty(BLOCKS) == pytest.approx(value, rel=1e-15)


@given(st.sampled_from([L1, L2]), st.floats(-10, 10), st.lists(st.sampled_from(["W*", "b1"])))
def test_its_text_is_code_that_makes_it_again(kind, coefficient, patterns):
    penalty = kind(coefficient, *patterns)
    assert eval(repr(penalty), {"L1": L1, "L2": L2}) == penalty
    assert pickle.loads(pickle.dumps(penalty)) == copy.deepcopy(penalty) == penalty


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("W*",), "a penalty's coefficient must be a finite number, got 'W*'"),
        ((True,), "must be a finite number, got True"),
        ((np.nan,), "must be a finite number, got nan"),
        ((1.0, 2.0), "patterns are strings such as 'W*', got (2.0,)"),
    ],
)
def test_what_is_no_coefficient_or_pattern_is_refused(arguments, said):
    with pytest.raises(OptionError) as caught:
        L2(*arguments)
    assert said in str(caught.value)


def test_patterns_that_match_nothing_are_refused():
    with pytest.raises(
        OptionError, match=r"no block matches the penalty's patterns w\*; blocks are W1"
    ):
        L1(0.1, "w*")(BLOCKS)


def decayed(parameters):
    """A loss without penalty, and gradients to which a loop has added one."""
    w, b = parameters["w"], parameters["b"]
    loss = np.sum(np.sin(w)) + np.sum(b**3)
    return loss, {"w": np.cos(w) + 0.1 * w + 0.2 * np.sign(w), "b": 3 * b**2}


def parameters():
    return {"w": np.array([0.7, -0.4, 1.1]), "b": np.array([0.5])}


def added(parameters):
    return 0.05 * np.sum(parameters["w"] ** 2) + 0.2 * np.sum(np.abs(parameters["w"]))


BOTH = [L2(0.1, "w"), L1(0.2, "w")]


@pytest.mark.parametrize(
    ("penalty", "method"),
    [
        (BOTH, None),
        (tuple(BOTH), difference.Ridders()),
        (BOTH, difference.ComplexStep()),
        (added, None),
        (added, difference.Ridders()),
    ],
)
def test_the_loss_is_checked_with_the_penalty_that_the_gradients_include(penalty, method):
    report = check_gradients(decayed, parameters(), penalty=penalty, method=method)
    assert report.verdict is Verdict.PASS


@pytest.mark.parametrize("penalty", [None, L2(0.1, "w"), L2(0.1), [L2(0.2, "w"), L1(0.2, "w")]])
def test_another_penalty_than_that_of_the_gradients_fails(penalty):
    assert check_gradients(decayed, parameters(), penalty=penalty).verdict is Verdict.FAIL


def test_a_penalty_function_takes_the_batch_too():
    def loss_and_gradients(w, x):
        return np.sum((x @ w) ** 2), 2 * x.T @ (x @ w) + len(x) * w

    def penalty(w, x):
        return 0.5 * len(x) * w @ w

    x = np.random.default_rng(0).standard_normal((20, 3))
    assert check_gradients(loss_and_gradients, np.ones(3), batch=x, penalty=penalty).passed


def test_patterns_of_tied_arrays_name_either_and_count_each():
    shared = np.array([0.5, -1.0])

    def function(p):
        return np.sum(p["V"] ** 3), {"V": 3 * p["V"] ** 2 + 0.1 * p["V"], "U": 0.1 * p["U"]}

    tied = {"U": shared, "V": shared}
    assert check_gradients(function, tied, penalty=L2(0.1)).verdict is Verdict.PASS
    assert check_gradients(function, tied, penalty=L2(0.1, "U")).verdict is Verdict.FAIL


def test_a_penalty_without_its_coefficient_is_refused():
    with pytest.raises(OptionError, match=r"penalty=L2 is a class; .*such as L2\(1e-3\)"):
        check_gradients(decayed, parameters(), penalty=L2)
