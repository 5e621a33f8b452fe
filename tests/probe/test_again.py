"""Slopes measured again: a step that is shorter contradicts errors that were too small by luck."""

import numpy as np
import pytest

from gradhook import check_gradients
from tests import catalogue


def offset_relu(seed, *, factor=1.0):
    """A ReLU network whose loss stands on 1e9: only steps long enough to meet kinks tell."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((7, 5)), rng.integers(0, 3, 7)
    parameters = {
        "W1": rng.standard_normal((5, 6)) / 2,
        "b1": rng.standard_normal(6) / 3,
        "W2": rng.standard_normal((6, 3)) / 2,
        "b2": rng.standard_normal(3) / 3,
    }

    def loss_and_gradients(p):
        hidden = np.maximum(X @ p["W1"] + p["b1"], 0)
        scores = hidden @ p["W2"] + p["b2"]
        q = np.exp(scores - scores.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        loss = 1e9 - np.log(q[np.arange(7), y]).sum()
        q[np.arange(7), y] -= 1
        behind = q @ p["W2"].T * (hidden > 0)
        return loss, {
            "W1": factor * (X.T @ behind),
            "b1": behind.sum(axis=0),
            "W2": hidden.T @ q,
            "b2": q.sum(axis=0),
        }

    return check_gradients(loss_and_gradients, parameters, seed=seed)


def test_kinks_that_hide_each_other_inside_long_steps_convict_no_right_code():
    assert not any(offset_relu(seed).verdict == "FAIL" for seed in range(20))


def test_a_wrong_block_fails_where_only_long_steps_tell():
    verdicts = [offset_relu(seed, factor=1.5).blocks["W1"].verdict for seed in range(8)]
    assert verdicts.count("FAIL") >= 7


HIDDEN = [
    "constant-1e9/clean-bias_mean/special/4141",
    "constant-1e9/clean-act_deriv_missing/special/4388",
]
"""Right code of which two probes of a block lie by several of their errors, by accident."""


def checked(name):
    case = catalogue.case(name)
    return check_gradients(
        case.objective, case.parameters, batch=case.batch, **case.check_options
    ).verdict


@pytest.mark.parametrize("name", HIDDEN)
def test_two_kinks_inside_one_step_are_found_by_a_shorter_one(name):
    assert checked(name) != "FAIL"


def test_an_element_at_a_kink_shares_its_error_with_others_as_coarse():
    assert checked("float16-inside/clean-wrong_cached_input/special/4037") != "FAIL"
