"""What the adapters' page shows: every snippet runs, and every adapter has one."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.integrations import test_adapter_method as book

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "integrations" / "README.md").read_text(encoding="utf-8")

CODE = re.findall(r"^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SNIPPETS = {
    found[1]: code for code in CODE if (found := re.search(r"integrations import (\w+)", code))
}
OTHER = [code for code in CODE if code not in SNIPPETS.values()]
FOR_LAYERS = [code for code in OTHER if "layer_check" in code]
FOREIGN = [code for code in OTHER if code not in FOR_LAYERS]


def run(name, names):
    """Run a snippet with the names that its reader has, and return the callback."""
    exec(compile(SNIPPETS[name], f"<page: {name}>", "exec"), names)
    return names["check"]


@pytest.fixture(scope="module")
def data(example):
    return example("digits_mlp").digits()


def test_every_adapter_has_a_row_and_a_snippet():
    adapters = {path.stem for path in (ROOT / "integrations").glob("[!_]*.py")} - {"__init__"}
    assert set(SNIPPETS) == adapters
    rows = re.findall(r"^\| .* \|$", PAGE, re.MULTILINE)
    for adapter in adapters:
        assert sum(f"`{adapter}." in row or f"={adapter}." in row for row in rows) == 1, adapter


def test_the_snippet_for_cs231n_runs(example, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    course = example("cs231n_course")
    np.random.seed(0)
    keys = ("X_train", "X_val", "y_train", "y_val")
    names = {
        "Solver": course.Solver,
        "model": course.FullyConnectedNet([16], weight_scale=0.1),
        "data": dict(zip(keys, data, strict=True)),
    }
    assert run("cs231n_solver", names).last_report.verdict == "PASS"
    assert (tmp_path / "runs" / "cs231n").is_dir()


def test_the_snippet_for_the_book_runs(example, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    course = example("from_scratch_course")
    np.random.seed(0)
    names = dict(zip(("x_train", "x_test", "t_train", "t_test"), data, strict=True))
    names |= {"Trainer": course.Trainer, "network": course.MultiLayerNetExtend(64, [16], 10)}
    assert run("from_scratch_trainer", names).last_report.verdict == "PASS"
    assert (tmp_path / "runs" / "from_scratch").is_dir()


def test_the_snippet_for_scipy_runs(example, data):
    digits = example("scipy_digits")
    X, _, y, _ = data
    names = {"fun": digits.fun, "jac": digits.jac, "X": X[:100], "y": y[:100]}
    check = run("scipy_optimize", names | {"alpha": 0.1, "x0": np.zeros(640)})
    assert {report.verdict for report in check.history} == {"PASS"}


def test_the_snippet_for_scikit_learn_runs(example, data):
    X, _, y, _ = data
    model = example("scikit_learn_digits").SoftmaxRegression
    names = {"SoftmaxRegression": model, "X": X, "y": y}
    assert run("scikit_learn_fit", names).last_report.verdict == "PASS"


@pytest.mark.framework
def test_the_snippet_for_thinc_runs(example, data):
    from thinc.api import Adam, Relu, Softmax, chain, glorot_uniform_init

    X, Y = data[0].astype("f"), np.eye(10, dtype="f")[data[2]]
    softmax = Softmax(10, 16, init_W=glorot_uniform_init)
    names = {
        "model": chain(Relu(16, 64), softmax).initialize(X=X, Y=Y),
        "cross_entropy": example("thinc_digits").cross_entropy,
        "batches": [(X[:100], Y[:100]), (X[100:200], Y[100:200])],
        "optimizer": Adam(0.01),
    }
    assert run("thinc_model", names).last_report.verdict == "PASS"


@pytest.mark.framework
def test_the_snippet_for_pytorch_runs(data):
    import torch

    torch.set_num_threads(1)  # The arrays here are too small to share.
    X, y = torch.from_numpy(data[0]).float(), torch.from_numpy(data[2])
    module = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.Tanh(), torch.nn.Linear(16, 10))
    names = {
        "module": module,
        "criterion": torch.nn.CrossEntropyLoss(),
        "loader": [(X[:100], y[:100]), (X[100:200], y[100:200])],
        "optimiser": torch.optim.SGD(module.parameters(), lr=0.1),
    }
    assert run("pytorch_module", names).last_report.verdict == "PASS"


@pytest.fixture
def network():
    """Return parameters, and a function of them that returns loss and gradients."""

    def loss_and_gradients(params, X, y):
        difference = X @ params["W"] - y
        loss = 0.5 * float(np.sum(difference**2)) / len(y)
        return loss, {"W": X.T @ difference / len(y)}

    rng = np.random.default_rng(0)
    return {
        "params": {"W": rng.normal(size=(3, 2))},
        "loss_and_gradients": loss_and_gradients,
        "X": rng.normal(size=(12, 3)),
        "y": rng.normal(size=(12, 2)),
    }


def test_the_snippet_for_a_method_runs(network):
    class Trainer:
        def update(self, X, y):
            network["params"]["W"] -= (
                0.1 * network["loss_and_gradients"](network["params"], X, y)[1]["W"]
            )

        def train(self):
            self.update(network["X"], network["y"])

    assert run("method", {**network, "trainer": Trainer()}).last_report.verdict == "PASS"


def test_the_snippet_for_the_second_book_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {
        "Trainer": book.BookTrainer,
        "model": book.TwoLayerNet(),
        "optimizer": book.SGD(),
        "x": book.X,
        "t": book.LABELS,
    }
    assert run("from_scratch_2_trainer", names).last_report.verdict == "PASS"
    assert (tmp_path / "runs" / "from_scratch_2").is_dir()


@pytest.mark.framework
def test_the_snippet_for_jax_runs(network):
    jax = pytest.importorskip("jax")

    def loss(params, X, y):
        return jax.numpy.mean((X @ params["W"] - y) ** 2)

    batches = [(network["X"], network["y"])] * 2
    names = {"jax": jax, "loss": loss, "params": network["params"], "batches": batches}
    assert run("jax_value_and_grad", names).last_report.verdict == "PASS"


class Keras:
    """A stand-in for whatever calls hooks of other names."""

    def __init__(self, network, callback):
        self.network, self.callback = network, callback

    def fit(self):
        self.callback.on_train_begin()
        for batch in range(2):
            gradient = self.network["loss_and_gradients"](
                self.network["params"], self.network["X"], self.network["y"]
            )[1]["W"]
            self.network["params"]["W"] -= 0.1 * gradient
            self.callback.on_train_batch_end(batch)
        self.callback.on_train_end()


def test_the_snippet_for_a_list_of_callbacks_with_other_hooks_runs(network):
    assert len(FOREIGN) == 1
    names = {**network, "Callback": object}
    exec(compile(FOREIGN[0], "<page: other hooks>", "exec"), names)
    callback = names["GradientCheck"]()
    Keras(network, callback).fit()
    assert [str(report.verdict) for report in callback.check.history] == ["PASS"]


def run_for_layer(word, names):
    """Run the snippet for a single layer that names a word, and return the report."""
    (code,) = (code for code in FOR_LAYERS if word in code)
    exec(compile(code, f"<page: {word}>", "exec"), names)
    return names["report"]


def test_every_snippet_for_a_layer_is_run_below():
    assert len(FOR_LAYERS) == 2


@pytest.mark.framework
def test_the_snippet_for_a_layer_of_thinc_runs(example):
    digits, X = example("thinc_digits"), np.random.default_rng(0).normal(size=(5, 6))
    names = {"layer": digits.gated(digits.gated_forward, 6), "X": X}
    assert run_for_layer("begin_update", names).verdict == "PASS"
    names["layer"] = digits.gated(digits.gated_without_transpose, 6)
    assert run_for_layer("begin_update", names).failing == ("x",)


@pytest.mark.framework
def test_the_snippet_for_a_function_of_pytorch_runs(example):
    import torch

    digits, x = example("pytorch_digits"), np.random.default_rng(0).normal(size=(5, 6))
    names = {"torch": torch, "Swish": digits.Swish, "x": x, "beta": np.array(1.5)}
    report = run_for_layer("autograd.grad", names)
    assert {name: str(b.verdict) for name, b in report.blocks.items()} == {
        "x": "PASS",
        "beta": "PASS",
    }
    names["Swish"] = digits.SwishWithoutBeta
    assert run_for_layer("autograd.grad", names).failing == ("x",)
