"""A small mismatch is judged where it sits."""

import numpy as np
import pytest

from gradhook import check_gradients


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


@pytest.mark.parametrize("size", [1e4, 1e5, 1e6, 1e7])
@pytest.mark.parametrize("wrong", [(1, 0, 0), (1, -1, -1), (1, 0, 1), (1, 2, 2)])
def test_of_three_elements_one_or_two_small_ones_that_are_wrong_fail(size, wrong):
    rng = np.random.default_rng(0)
    A = np.column_stack([rng.normal(size, size / 5, 50), rng.normal(size=50), np.ones(50)])
    y = 3 * rng.normal(size=50)

    def check(factors):
        def regression(w, A, y):
            r = A @ w - y
            return float(r @ r) / (2 * len(y)), A.T @ r / len(y) * factors

        w = np.array([1 / size, 0.5, 0.3])
        return check_gradients(regression, w, batch=(A, y), progress=False)

    report = check(np.array(wrong))
    assert report.verdict == "FAIL"
    assert "w[0]" not in report.blocks["w"].where
    assert "right at these" not in str(report)
    assert check(np.ones(3)).passed


def test_log_of_p_plus_eps_passes_where_a_bias_of_two_or_three_is_probed_one_by_one():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        classes = 2 + seed % 2
        X, y = rng.standard_normal((40, 4)), rng.integers(0, classes, 40)

        def softmax(p, X, y):
            z = X @ p["W"] + p["b"]
            q = np.exp(z - z.max(axis=1, keepdims=True))
            q /= q.sum(axis=1, keepdims=True)
            rows = np.arange(len(y))
            loss = -np.log(q[rows, y] + 1e-8).mean()
            q[rows, y] -= 1
            return float(loss), {"W": X.T @ q / len(y), "b": q.mean(axis=0)}

        p = {"W": rng.standard_normal((4, classes)) / 3, "b": rng.standard_normal(classes) / 9}
        report = check_gradients(softmax, p, batch=(X, y), seed=seed, progress=False)
        assert report.passed, report
