"""What looks like a cause and is another, or none: the report does not name it."""

import numpy as np
import pytest

from gradhook import check_gradients


def mlp(p, X, y, *, dtype=np.float64, decay=0.0, held=None, down=np.transpose):
    """A softmax over two dense layers of tanh, with a penalty ``decay / 2 * W ** 2``.

    ``held`` is the decay that the gradient has, and ``down(W2)`` what its backward pass multiplies
    by in the place of the transpose.
    """
    W1, b1, W2, b2 = (np.asarray(p[name]).astype(dtype) for name in ("W1", "b1", "W2", "b2"))
    X, n = X.astype(dtype), len(X)
    held = decay if held is None else held
    hidden = np.tanh(X @ W1 + b1)
    scores = hidden @ W2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = -logs[np.arange(n), y].mean() + dtype(decay / 2) * (np.sum(W1**2) + np.sum(W2**2))
    delta = np.exp(logs)
    delta[np.arange(n), y] -= 1
    delta /= dtype(n)
    below = delta @ down(W2) * (1 - hidden**2)
    return dtype(loss), {
        "W1": X.T @ below + dtype(held) * W1,
        "b1": below.sum(axis=0),
        "W2": hidden.T @ delta + dtype(held) * W2,
        "b2": delta.sum(axis=0),
    }


def network(seed, dtype=np.float64, *, size=1.0, sizes=(10, 8, 4), inputs=1.0):
    """Parameters of ``mlp``, weights and inputs of these sizes, and a batch."""
    rng = np.random.default_rng(seed)
    first, width, classes = sizes
    batch = inputs * rng.normal(size=(50, first)), rng.integers(0, classes, 50)
    parameters = {
        "W1": (size * rng.normal(size=(first, width))).astype(dtype),
        "b1": np.zeros(width, dtype),
        "W2": (size * rng.normal(size=(width, classes))).astype(dtype),
        "b2": np.zeros(classes, dtype),
    }
    return parameters, batch


@pytest.mark.parametrize(
    ("dtype", "decay", "inputs", "seed"),
    [(np.float64, 10.0, 1e-6, 0), (np.float32, 1.0, 1e-3, 0), (np.float32, 10.0, 1e-6, 3)],
)
def test_a_doubled_penalty_is_no_factor_of_one_on_the_data(dtype, decay, inputs, seed):
    parameters, batch = network(seed, dtype, inputs=inputs)

    def doubled(p, X, y):
        return mlp(p, X, y, dtype=dtype, decay=decay, held=2 * decay)

    report = check_gradients(doubled, parameters, batch=batch, seed=seed)
    assert not report.passed
    assert "scale" not in {cause.kind for cause in report.causes}


@pytest.mark.parametrize("seed", [11, 14, 27])  # classes that repeat have features, others none
def test_labels_index_no_rows_of_a_dense_layer(seed):
    rng = np.random.default_rng(seed)
    batch = rng.poisson(0.2, size=(200, 4)).astype(float), rng.integers(0, 4, 200)
    parameters = {n: rng.normal(size=s) for n, s in {"W1": (4, 4), "b1": 4, "W2": (4, 4)}.items()}

    def wrong_derivative(p, X, y):
        hidden = np.tanh(X @ p["W1"] + p["b1"])
        error = hidden @ p["W2"] - np.eye(4)[y]
        loss = np.sum(error**2) / len(X) + 0.05 * sum(np.sum(p[n] ** 2) for n in ("W1", "W2"))
        delta = 2 * error / len(X)
        below = delta @ p["W2"].T * (1 - np.tanh(hidden) ** 2)
        return loss, {
            "W1": X.T @ below + 0.1 * p["W1"],
            "b1": below.sum(axis=0),
            "W2": hidden.T @ delta + 0.1 * p["W2"],
        }

    report = check_gradients(wrong_derivative, parameters, batch=batch, seed=seed)
    assert not report.passed
    assert not report.causes


@pytest.mark.parametrize("seed", range(2))
def test_rounding_in_another_order_of_the_rows_is_no_lost_sum(seed):
    parameters, batch = network(seed, np.float32, size=0.3, sizes=(10, 6, 6), inputs=1e-6)

    def not_transposed(p, X, y):
        return mlp(p, X, y, dtype=np.float32, decay=0.1, down=lambda W: W)

    report = check_gradients(not_transposed, parameters, batch=batch, seed=seed)
    assert not report.passed
    assert "bias_wrong_axis" not in {cause.kind for cause in report.causes}


def test_a_row_on_which_nothing_depends_says_nothing_of_what_a_factor_counts():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(2, 5)), rng.normal(size=(2, 3))
    X[0] = -1e3  # every unit is dead on this row, and its gradient is zero whatever the factor
    parameters = {"W": rng.uniform(0.5, 1.0, size=(5, 4)), "b": np.zeros(4), "V": np.ones((4, 3))}

    def averaged(p, X, T):
        hidden = np.maximum(X @ p["W"] + p["b"], 0.0)
        error = hidden @ p["V"] - T
        delta = (error / len(X) @ p["V"].T) * (hidden > 0)
        gradients = {"W": X.T @ delta, "b": delta.mean(axis=0), "V": hidden.T @ error / len(X)}
        return 0.5 * np.sum(error**2) / len(X), gradients

    report = check_gradients(averaged, parameters, batch=(X, T))
    assert not report.passed
    assert "in place of" not in " ".join(cause.evidence for cause in report.causes)
