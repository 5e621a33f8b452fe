"""Blocks that the rows drawn leave alone, measured on rows that were not drawn."""

import functools

import numpy as np
import pytest

from gradhook import check_gradients


def hinge_machine(p, X, y, *, bias):
    """A multi-class hinge loss whose bias gradients sum to zero over the classes."""
    n = np.arange(len(y))
    scores = X @ p["W"] + p["b"]
    margins = np.maximum(0, scores - scores[n, y][:, None] + 1)
    margins[n, y] = 0
    counts = (margins > 0).astype(float)
    counts[n, y] = -counts.sum(axis=1)
    counts /= len(y)
    return margins.sum() / len(y), {"W": X.T @ counts, "b": bias(counts) * np.ones_like(p["b"])}


def checked_on_six_rows(objective):
    """Each class is the right one as often, and every margin counts.

    The gradient of b is zero on the six rows drawn, and on these alone.
    """
    rng = np.random.default_rng(1)
    batch = 0.01 * rng.standard_normal((7, 5)), np.array([0, 1, 2, 0, 1, 2, 0])
    parameters = {"W": rng.standard_normal((5, 3)), "b": np.zeros(3)}
    return check_gradients(objective, parameters, batch=batch, samples=6)


right_machine = functools.partial(hinge_machine, bias=lambda counts: counts.sum(axis=0))
wrong_machine = functools.partial(hinge_machine, bias=lambda counts: counts.sum())


def test_a_block_that_the_rows_drawn_leave_alone_is_measured_on_other_rows():
    assert checked_on_six_rows(right_machine).blocks["b"].verdict == "PASS"
    wrong = checked_on_six_rows(wrong_machine)
    assert wrong.blocks["b"].verdict == "FAIL"
    assert wrong.blocks["W"].verdict == "PASS"


def test_a_block_that_the_rows_leave_alone_is_judged_on_the_whole_batch():
    def objective(p, X, y):
        if len(set(y)) < 3:
            raise ValueError("a class is missing")
        return right_machine(p, X, y)

    report = checked_on_six_rows(objective)
    assert report.blocks["b"].verdict == "PASS"
    assert report.passed


def rare(p, X, flags, *, factor):
    """Least squares, and a term that only flagged rows have."""
    flagged, error = X[flags > 0], X @ p["w"]
    h = np.tanh(flagged @ p["t"])
    gradients = {"w": 2 * X.T @ error, "t": factor * flagged.T @ (1 - h**2)}
    return float((error**2).sum() + h.sum()), gradients


def rare_rows():
    """Parameters and a batch of twenty rows of which those that a check draws have no flag."""
    X = np.random.default_rng(0).normal(size=(20, 5))
    parameters = {"w": np.ones(5), "t": np.ones(5)}
    drawn = check_gradients(
        functools.partial(rare, factor=1), parameters, batch=(X, np.zeros(20))
    ).rows
    return parameters, (X, marks(drawn, 20))


def marks(drawn, count):
    """Positive for the rows not drawn; of as many values as rows, so that nobody mixes by them."""
    return np.array([(1 + row / 100) * (1 if row not in drawn else -1) for row in range(count)])


@pytest.mark.parametrize("reg", [0.0, 1e-9])
def test_a_penalty_scaled_up_does_not_hide_a_block_from_other_rows(reg):
    parameters, batch = rare_rows()

    def loss_and_gradients(p, X, flags, reg=reg):
        loss, gradients = rare(p, X, flags, factor=-1)
        gradients["t"] = gradients["t"] + 2 * reg * p["t"]
        return loss + reg * (p["t"] ** 2).sum(), gradients

    penalty = "reg" if reg else None
    report = check_gradients(loss_and_gradients, parameters, batch=batch, penalty=penalty)
    assert report.blocks["t"].verdict == "FAIL"


def test_where_only_the_current_point_is_wanted_no_other_rows_are_looked_at():
    parameters, batch = rare_rows()
    report = check_gradients(
        functools.partial(rare, factor=-1), parameters, batch=batch, points=("current",)
    )
    assert report.settings == ("current point",)
    assert report.blocks["t"].verdict == "UNTESTED"


def test_rows_in_another_order_are_no_other_rows():
    # The gradient of a graph's propagation relies on a symmetric matrix, as right code may.
    rng = np.random.default_rng(165)
    M = (rng.random((6, 6)) < 0.4).astype(float)
    A = np.maximum(M, M.T)
    np.fill_diagonal(A, 1)
    A /= np.sqrt(np.outer(A.sum(1), A.sum(1)))
    X, Y, V = rng.normal(size=(6, 4)), rng.normal(size=(6, 2)), rng.normal(size=(4, 1))
    here, turned = (A @ X @ V).max(), (np.roll(A, 3, 0) @ np.roll(X, 3, 0) @ V).max()
    parameters = {"W": rng.normal(size=(4, 2)), "V": V, "t": np.array([0.4 * here + 0.6 * turned])}

    def loss_and_gradients(p, A, X, Y):
        Z = A @ X @ p["V"] - p["t"]
        R, Q = A @ X @ p["W"] - Y, A @ np.maximum(Z, 0)
        dZ = (A @ (2 * Q)) * (Z > 0)
        gradients = {"W": (A @ X).T @ (2 * R), "V": (A @ X).T @ dZ, "t": -dZ.sum(0)}
        return float((R**2).sum() + (Q**2).sum()), gradients

    report = check_gradients(loss_and_gradients, parameters, batch=(A, X, Y), samples=None)
    assert report.passed
    assert not any("other rows" in setting for setting in report.settings)


def test_what_other_rows_leave_open_spoils_no_report():
    def loss_and_gradients(p, x, flags):
        n = np.count_nonzero(flags > 0)
        v, E, w = p["v"], p["E"], p["w"]
        gradients = {"v": 2 * (v - 1), "E": n * np.cos(E), "w": n * (w > 0)}
        loss = ((v - 1) ** 2).sum() + n * np.sin(E).sum() + n * np.maximum(w, 0).sum()
        return float(loss), gradients

    parameters = {
        "v": np.array([0.3, 0.4, 0.5, 0.6, 0.7]),
        "E": np.array([0.3, 0.1, 0.2, 0.4, 0.5]),
        "w": np.zeros(5),  # fixed, so at its ties on any rows
    }
    drawn = check_gradients(
        loss_and_gradients, parameters, batch=(np.arange(14.0), np.zeros(14)), samples=7
    ).rows
    batch = (np.arange(14.0), marks(drawn, 14))
    report = check_gradients(loss_and_gradients, parameters, batch=batch, samples=7, fixed=("w",))
    assert report.blocks["E"].verdict == "PASS"
    assert report.blocks["w"].verdict == "UNTESTED"
    assert report.passed
