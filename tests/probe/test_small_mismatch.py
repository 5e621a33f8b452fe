"""A small mismatch is judged where it sits."""

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.probe import small_mismatch


def network(wrong=None, *, shrink=1.0, eps=0.0):
    """A softmax network; ``wrong`` changes dW1, the last input is ``shrink`` times as large."""
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((30, 12)), rng.integers(0, 4, 30)
    X[:, -1] *= shrink
    parameters = {
        "W1": rng.standard_normal((12, 9)) / 3,
        "b1": rng.standard_normal(9) / 5,
        "W2": rng.standard_normal((9, 4)) / 2,
    }

    def loss_and_gradients(p, X, y):
        h = np.tanh(X @ p["W1"] + p["b1"])
        z = h @ p["W2"]
        q = np.exp(z - z.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(q[rows, y] + eps).mean()
        q[rows, y] -= 1
        q /= len(y)
        da = q @ p["W2"].T * (1 - h * h)
        dW1 = X.T @ da
        if wrong:
            wrong(dW1)
        return float(loss), {"W1": dW1, "b1": da.sum(axis=0), "W2": h.T @ q}

    return check_gradients(loss_and_gradients, parameters, batch=(X, y), progress=False)


def last_row(gradient):
    gradient[-1] = 0.0


@pytest.mark.parametrize("shrink", [1e-3, 1e-4, 1e-5])
def test_a_wrong_row_fails_however_small_beside_its_block_and_is_named(shrink):
    block = network(last_row, shrink=shrink).blocks["W1"]
    assert block.verdict == "FAIL"
    assert block.where.startswith("W1[11")
    assert network(shrink=shrink).passed


@pytest.mark.parametrize("column", [0, 4])
def test_a_column_that_is_off_by_a_little_is_found_beside_right_ones(column):
    def slightly(gradient):
        gradient[:, column] *= 1 + 1e-5

    block = network(slightly).blocks["W1"]
    assert block.verdict == "WARN"
    named = block.where.partition(" and ")[0].split(", W1")
    assert all(part.endswith(f", {column}]") for part in named)


def test_a_loss_that_adds_eps_inside_its_logarithm_passes_with_its_number():
    report = network(eps=1e-7)
    assert report.passed
    assert any("as a log(y + eps)" in block.sentence for block in report.blocks.values())


def test_a_small_factor_on_all_of_a_block_is_no_pass_and_is_told():
    def scaled(gradient):
        gradient *= 1 + 1e-6

    block = network(scaled).blocks["W1"]
    assert block.verdict == "WARN"
    assert "times the numerical one, everywhere" in block.sentence


def test_without_a_look_at_the_part_a_small_wrong_row_would_pass(monkeypatch):
    monkeypatch.setattr(small_mismatch, "_search_worth", lambda *arguments: 0)
    assert network(last_row, shrink=1e-5).blocks["W1"].verdict != "FAIL"
