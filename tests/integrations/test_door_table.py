"""The table "my code looks like … → write …": every row runs, wherever the table stands."""

import re
from pathlib import Path

import numpy as np
import pytest

import gradhook

ROOT = Path(__file__).resolve().parents[2]
HEADER = "| my code looks like | write |"
PAGES = [
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "integrations/README.md")
]
TABLE = next(page for page in PAGES if HEADER in page).split(HEADER)[1].split("\n\n")[0]
ROWS = re.findall(r"`(check_gradients\(.*?\))`(?:,| \|)", TABLE)


def computed(p, X, y):
    r = (X @ p["W"] + p["b"] - y) / len(y)
    return 0.5 * len(y) * float(np.sum(r**2)), X.T @ r, r.sum(axis=0)


class Model:
    def __init__(self):
        self.params = {"W": np.ones((3, 2)), "b": np.zeros(2)}

    def loss(self, X, y):
        loss, dW, db = computed(self.params, X, y)
        return loss, {"W": dW, "b": db}


class Net:
    def __init__(self):
        self.W1, self.b1 = np.ones((3, 2)), np.zeros(2)

    def run(self, X, y):
        loss, self.dW1, self.db1 = computed({"W": self.W1, "b": self.b1}, X, y)
        return loss


def names_of(row):
    """Return what the reader of a row has, by the names that it uses."""
    rng = np.random.default_rng(0)
    W, b, net = rng.normal(size=(3, 2)), np.zeros(2), Net()

    def f(p, X, y):
        loss, dW, db = computed(p, X, y)
        return loss, {"W": dW, "b": db}

    def cost(theta, X, y):
        loss, dW, db = computed({"W": theta[:6].reshape(3, 2), "b": theta[6:]}, X, y)
        return loss, np.concatenate([dW.ravel(), db])

    def step(X, y):
        _, dW, db = computed({"W": W, "b": b}, X, y)
        W[...] -= 0.1 * dW
        b[...] -= 0.1 * db

    def backward(AL, Y, cache):
        r = (AL - Y) / len(Y)
        return {"dW": cache.T @ r, "db": r.sum(axis=0)}

    given = {
        "check_gradients": gradhook.check_gradients,
        "Objective": gradhook.Objective,
        "X": rng.normal(size=(20, 3)),
        "y": rng.normal(size=(20, 2)),
        "W": W,
        "b": b,
        "params": {"W": W, "b": b},
        "theta": np.concatenate([W.ravel(), b]),
        "x0": np.ones(3),
        "f": f,
        "f_flat": lambda p, X, y: (*computed(p, X, y), X),
        "cost": cost,
        "step": step,
        "model": Model(),
        "net": net,
        "run": net.run,
        "backward": backward,
        "loss": lambda X, y: computed({"W": W, "b": b}, X, y)[0],
        "g": np.cos,
        "forward": lambda X, parameters: (X @ parameters["W"] + parameters["b"], X),
    }
    if "gradient=g" in row:
        given["f"] = lambda x: float(np.sin(x).sum())
    if "from_functions" in row:
        given["cost"] = lambda AL, Y: 0.5 * float(np.sum((AL - Y) ** 2)) / len(Y)
    return given


@pytest.mark.parametrize("row", [row for row in ROWS if "jax." not in row])
def test_a_row_of_the_table_runs(row):
    assert eval(row, names_of(row)).verdict == "PASS"


@pytest.mark.framework
def test_the_row_for_jax_runs():
    jax = pytest.importorskip("jax")
    (row,) = (row for row in ROWS if "jax." in row)
    names = names_of(row) | {"jax": jax}
    names["loss"] = lambda p, X, y: jax.numpy.mean((X @ p["W"] + p["b"] - y) ** 2)
    assert eval(row, names).verdict == "PASS"


def test_every_row_of_the_table_has_a_line_to_write():
    assert len(ROWS) == TABLE.strip().count("\n") == 10
