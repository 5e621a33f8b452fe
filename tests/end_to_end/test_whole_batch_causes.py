"""What the rows drawn say of a cause, held against the whole batch."""

import numpy as np
import pytest

from gradhook import check_gradients


def of_kinds(params, X, kind, y):
    """Two linear models, each for its rows; the gradient of ``c`` leaves most of its own out."""
    b, c = params["b"], params["c"]
    d = (np.where(kind == 0, X @ b, (X @ c) ** 2) - y) / len(y)
    seen = d * (kind == 1) * 2 * (X @ c) * (X[:, 0] > 0.8)
    loss = 0.5 * len(y) * np.mean(d**2) * len(y)
    return loss, {"b": X.T @ (d * (kind == 0)), "c": X.T @ seen}


@pytest.mark.parametrize("seed", range(8))
def test_a_gradient_that_other_rows_write_is_never_said_to_be_unwritten(seed):
    rng = np.random.default_rng(seed)
    batch = (rng.normal(size=(80, 3)), rng.integers(0, 2, 80), rng.normal(size=80))
    report = check_gradients(of_kinds, {n: rng.normal(size=3) for n in "bc"}, batch=batch)
    assert report.blocks["c"].verdict == "FAIL"
    assert report.blocks["b"].verdict == "PASS"
    assert report.causes == ()
    assert report.blocks["c"].worst is not None


def ratings(params, user, item, y, P_seen):
    """Matrix factorisation; the gradient of ``P`` leaves some ratings out."""
    P, Q = params["P"], params["Q"]
    error = (np.sum(P[user] * Q[item], axis=1) - y) / len(y)
    dP, dQ = np.zeros_like(P), np.zeros_like(Q)
    np.add.at(dP, user, (error * P_seen)[:, None] * Q[item])
    np.add.at(dQ, item, error[:, None] * P[user])
    return 0.5 * len(y) * np.mean(error**2) * len(y), {"P": dP, "Q": dQ}


@pytest.mark.parametrize("seed", range(12))
def test_a_row_that_other_data_write_is_not_said_to_be_left_out(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(1, 6, 120).astype(float)
    batch = (rng.integers(0, 12, 120), rng.integers(0, 12, 120), y, (y < 5).astype(float))
    parameters = {n: 0.5 * rng.normal(size=(12, 3)) for n in "PQ"}
    report = check_gradients(ratings, parameters, batch=batch)
    assert report.blocks["P"].verdict == "FAIL"
    assert "last_row_missing" not in {cause.kind for cause in report.causes}


def test_a_last_minibatch_that_is_left_out_is_found_in_a_batch_of_thousands():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6000, 6)), rng.normal(size=6000)

    def in_minibatches(p, X, y, size=256):
        error = X @ p["w"] - y
        last = len(y) - len(y) % size or len(y)  # drops the ragged rest
        rows = slice(0, last if len(y) > size else len(y))
        return 0.5 * np.mean(error**2), {"w": X[rows].T @ error[rows] / len(y[rows])}

    report = check_gradients(in_minibatches, {"w": rng.normal(size=6)}, batch=(X, y))
    assert report.verdict == "FAIL"
    right = check_gradients(
        lambda p, X, y: in_minibatches(p, X, y, size=10**4), {"w": np.ones(6)}, batch=(X, y)
    )
    assert "7 of 6000 rows, then 4093 of them once" in str(right)
