"""The README's table "my code looks like … → I write …": each row is run, right and with a bug.

The bug is the same everywhere: the gradient of the bias is a mean over the rows and not a sum.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import gradhook
from gradhook import Report
from gradhook.testing import assert_gradients

ROOT = Path(__file__).resolve().parents[1]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 5)), RNG.normal(size=(20, 2))
START = {"W": RNG.normal(size=(5, 2)), "b": np.zeros(2)}


def forward(params, X):
    return X @ params["W"] + params["b"]


def least_squares(params, X, y):
    return 0.5 * float(np.sum((forward(params, X) - y) ** 2)) / len(y)


def gradients_of(params, X, y, bug):
    error = (forward(params, X) - y) / len(y)
    return {"W": X.T @ error, "b": error.mean(axis=0) if bug else error.sum(axis=0)}


def fresh():
    return {name: array.copy() for name, array in START.items()}


# Each row's reader: what the names of its code stand for, one for each manner that the row names.


def by_name(bug):
    for prefix in ("", "d", "grad_"):

        def f(params, X, y, prefix=prefix):
            found = gradients_of(params, X, y, bug)
            return least_squares(params, X, y), {prefix + name: g for name, g in found.items()}

        yield {"f": f, "params": fresh()}


def in_order(bug):
    def flat(params, X, y):
        found = gradients_of(params, X, y, bug)
        return least_squares(params, X, y), found["W"], found["b"], forward(params, X)

    def swapped(params, X, y):
        return gradients_of(params, X, y, bug), least_squares(params, X, y)

    for f in (flat, swapped):
        yield {"f": f, "params": fresh()}


def as_for_scipy(bug):
    yield {
        "f": lambda x: float(np.sum(np.sin(x))),
        "g": lambda x: np.cos(x).mean() * np.ones(3) if bug else np.cos(x),
        "x": np.array([0.3, 1.0, 2.0]),
    }


def unrolled(bug):
    def f(theta, X, y):
        params = {"W": theta[:10].reshape(5, 2), "b": theta[10:]}
        found = gradients_of(params, X, y, bug)
        return least_squares(params, X, y), np.concatenate([found["W"].ravel(), found["b"]])

    yield {"f": f, "theta": np.concatenate([START["W"].ravel(), START["b"]])}


class Network:
    """Weights by name, and what the three models below share."""

    def __init__(self, bug):
        self.params, self.bug = fresh(), bug


class LossReturnsBoth(Network):
    def loss(self, X, y):
        return least_squares(self.params, X, y), gradients_of(self.params, X, y, self.bug)


class LossAndGradient(Network):
    def loss(self, X, y):
        return least_squares(self.params, X, y)

    def gradient(self, X, y):
        return gradients_of(self.params, X, y, self.bug)


class LossAndGradients(Network):
    def loss_and_gradients(self, X, y):
        return least_squares(self.params, X, y), gradients_of(self.params, X, y, self.bug)


def models(bug):
    for model in (LossReturnsBoth, LossAndGradient, LossAndGradients):
        yield {"model": model(bug)}


class Attributes:
    """``W`` and ``dW``."""

    def __init__(self, bug):
        self.W, self.b = fresh().values()
        self.bug = bug

    def run(self, X, y):
        params = {"W": self.W, "b": self.b}
        self.dW, self.db = gradients_of(params, X, y, self.bug).values()
        return least_squares(params, X, y)


class Lists(Network):
    """``params`` and ``grads``."""

    def __init__(self, bug):
        super().__init__(bug)
        self.params = list(self.params.values())
        self.grads = [np.zeros_like(array) for array in self.params]

    def run(self, X, y):
        params = dict(zip("Wb", self.params, strict=True))
        for grad, found in zip(
            self.grads, gradients_of(params, X, y, self.bug).values(), strict=True
        ):
            grad[...] = found
        return least_squares(params, X, y)


class Tensor:
    """``data`` and ``grad``."""

    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


def holders(bug):
    for net in (Attributes(bug), Lists(bug)):
        yield {"run": net.run, "net": net}
    layer = Attributes(bug)
    yield {"run": layer.run, "net": [layer]}
    W, b = map(Tensor, fresh().values())

    def run(X, y):
        params = {"W": W.data, "b": b.data}
        for tensor, found in zip((W, b), gradients_of(params, X, y, bug).values(), strict=True):
            tensor.grad += found
        return least_squares(params, X, y)

    yield {"run": run, "net": [W, b]}


def three_functions(bug):
    def forward(X, parameters):
        return parameters["W"].T @ X + parameters["b"]

    def cost(A, Y):
        return 0.5 * np.sum((A - Y) ** 2) / Y.shape[1]

    def backward(X, Y, A):
        dA = (A - Y) / Y.shape[1]
        return {"dW": X @ dA.T, "db": (np.mean if bug else np.sum)(dA, axis=1, keepdims=True)}

    params = {"W": START["W"].copy(), "b": np.zeros((2, 1))}
    names = {"forward": forward, "cost": cost, "backward": backward, "params": params}
    yield names | {"batch": (X.T, Y.T)}


def updates(bug):
    params = fresh()

    def update(X, y):
        for name, gradient in gradients_of(params, X, y, bug).items():
            params[name] -= 0.1 * gradient

    yield {"update": update, "params": params, "loss": lambda X, y: least_squares(params, X, y)}


def in_jax(bug):
    import jax

    @jax.custom_vjp
    def affine(X, W, b):
        return X @ W + b

    def backward(kept, dout):
        X, W = kept
        return dout @ W.T, X.T @ dout, (dout.mean if bug else dout.sum)(axis=0)

    affine.defvjp(lambda X, W, b: (affine(X, W, b), (X, W)), backward)

    def loss(params, X, y):
        return jax.numpy.mean((affine(X, params["W"], params["b"]) - y) ** 2)

    yield {"jax": jax, "loss": loss, "params": fresh()}


def a_layer(bug):
    def affine_forward(x, w, b):
        return x @ w + b, (x, w)

    def affine_backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, (dout.mean if bug else dout.sum)(axis=0)

    yield {"affine_forward": affine_forward, "affine_backward": affine_backward, **START}


def a_test_suite(bug):
    yield from ({**names, "gradcheck": assert_gradients} for names in by_name(bug))


READERS = (
    by_name,
    in_order,
    as_for_scipy,
    unrolled,
    models,
    holders,
    three_functions,
    updates,
    in_jax,
    a_layer,
    a_test_suite,
)


def rows() -> list[tuple[str, list[str]]]:
    """Return what each row's code looks like, and the lines to write."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| my code looks like | I write |\n|---|---|\n")[2].partition("\n\n")[0]
    cells = [row.strip("| ").split(" | ") for row in table.splitlines()]
    return [(looks, re.findall(r"`(\w+ = .+?|\w+\(.+?\))`", write)) for looks, write in cells]


def names_of(reader, bug) -> list[dict]:
    public = {name: getattr(gradhook, name) for name in gradhook.__all__}
    return [public | {"X": X, "batch": (X, Y)} | names for names in reader(bug)]


def written(lines: list[str], names: dict) -> Report:
    """Return the report that the lines of a row make."""
    *before, last = lines
    for line in before:
        exec(line, names)
    return eval(last, names)


def cases() -> list:
    return [
        pytest.param(lines, reader, id=reader.__name__,
                     marks=[pytest.mark.framework] if reader is in_jax else [])
        for (_, lines), reader in zip(rows(), READERS, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(("lines", "reader"), cases())
def test_a_right_gradient_written_like_this_passes(lines, reader):
    for names in names_of(reader, bug=False):
        report = written(lines, names)
        assert report.verdict == "PASS", report.details()


@pytest.mark.parametrize(("lines", "reader"), cases())
def test_a_wrong_gradient_written_like_this_fails_in_its_block(lines, reader):
    for names in names_of(reader, bug=True):
        try:
            report = written(lines, names)
        except AssertionError as error:
            report = error.report
        assert report.verdict == "FAIL"
        assert report.failing[-1].endswith(("b", "params[1]", "x")), report.failing
        assert len(report.failing) == 1


def test_the_same_arguments_are_taken_by_the_callback():
    names = names_of(by_name, bug=True)[0]
    check = gradhook.GradCheckCallback(names["f"], names["params"], on_fail="record", enabled=True)
    assert check.on_train_begin(batch=names["batch"]).failing == ("b",)
    by_keyword = dict(zip(("X", "y"), names["batch"], strict=True))
    assert check.on_step_end(100, batch=by_keyword).failing == ("b",)
    report = gradhook.check_gradients(names["f"], names["params"], batch=by_keyword)
    assert report.failing == ("b",)
