"""numpy-ml: activations, losses, every layer, logistic regression."""

from __future__ import annotations

import collections
import collections.abc
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "numpy-ml",
    "numpy-ml",
    "numpy_ml",
    conventions=(
        (
            "Version 0.1.2 does not import on Python 3.10 and later as it stands: `Hashable` "
            "moved to `collections.abc`; the audit lends it the old name."
        ),
        "`CrossEntropy.grad` and `SquaredError.grad` are in the input of the last nonlinearity.",
    ),
    left_out="`RNN` and `LSTM` (cannot be built: their base class sets a property; the cells are "
    "checked); `Pool2D` with padding (raises); `SparseEvolution` (does not run with NumPy 2); "
    "RBM, NCE and WGAN-GP losses (no plain loss beside the gradient); the modules built of these "
    "layers.",
    seen=(
        (
            "`RNN` and `LSTM` cannot be built, `SparseEvolution` does not run with NumPy 2, "
            "`Pool2D` with padding raises."
        ),
    ),
)

FAULTS = (
    Fault(
        "`LogisticRegression._NLL_grad`: the sign of the penalty",
        ("LogisticRegression l? gamma=0.7",),
        "The minus in front of the data term covers the penalty too: `-(X.T (y - p) + d_penalty) "
        "/ N`; `fit` descends away from small coefficients.",
        "`(d_penalty - X.T (y - p)) / N`.",
        "Algebra; differences of `_NLL`.",
        "",
        """\
import collections, collections.abc; collections.Hashable = collections.abc.Hashable
import numpy as np; from numpy_ml.linear_models.lm import LogisticRegression
m, X, y, p = LogisticRegression(gamma=1.0), np.eye(1), np.ones(1), lambda b: 1 / (1 + np.exp(-b))
f = lambda b: (setattr(m, "beta", b), m._NLL(X, y, p(b)), m._NLL_grad(X, y, p(b)))
b = np.array([0.7]); print(f(b)[2][0], (f(b + 1e-6)[1] - f(b - 1e-6)[1]) / 2e-6)""",
    ),
    Fault(
        "`Embedding` with pooling: a word that occurs twice in an example",
        ("Embedding pool=sum", "Embedding pool=mean"),
        "`dW[v_ids] += dLdy[ix]` adds once for an index that stands several times in `v_ids` "
        "(NumPy's buffered `+=` with an index array).",
        "`np.add.at(dW, v_ids, dLdy[ix])`.",
        "Algebra; without repeats, and without pooling, the gradient is right.",
        "Not looked for.",
        """\
import collections, collections.abc; collections.Hashable = collections.abc.Hashable
import numpy as np; from numpy_ml.neural_nets.layers import Embedding
m, ids = Embedding(1, vocab_size=2, pool="sum"), np.array([[1, 1]]); m._init_params()
f = lambda w: (m.parameters.update(W=np.array([[0.0], [w]])), m._fwd(ids).sum())[1]
print(m._bwd(np.ones((1, 1, 1)), ids)[1, 0], f(1.5) - f(0.5))""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    collections.Hashable = collections.abc.Hashable  # type: ignore[attr-defined]  # see above
    yield from _activations_and_losses()
    yield from _layers()
    yield from _regression()


def _activations_and_losses() -> Iterator[Derivative]:
    from numpy_ml.neural_nets import activations as a
    from numpy_ml.neural_nets import losses

    z = np.array([-2.9, -1.7, -0.6, 0.4, 1.3, 2.8])
    kinds = (
        a.Sigmoid(), a.ReLU(), a.LeakyReLU(0.2), a.Tanh(), a.Affine(1.4, 0.3), a.ELU(0.7),
        a.Exponential(), a.SELU(), a.HardSigmoid(), a.SoftPlus(),
    )  # fmt: skip
    for kind in kinds:
        name = type(kind).__name__
        yield Derivative(f"{name} grad", kind.fn, elementwise(kind.grad), z)
        if name not in ("ReLU", "LeakyReLU", "Affine", "HardSigmoid"):  # Zero almost everywhere.
            yield Derivative(f"{name} grad2", kind.grad, elementwise(kind.grad2), z)
    random = np.random.default_rng(0)
    logits, target = random.normal(size=(5, 3)), np.eye(3)[[0, 2, 1, 1, 0]]

    def softmax(z: np.ndarray) -> np.ndarray:
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    yield Derivative(
        "CrossEntropy grad",
        lambda z: losses.CrossEntropy.loss(target, softmax(z)),
        lambda z, c: losses.CrossEntropy.grad(target, softmax(z)),
        logits,
    )
    for kind in (a.Tanh(), a.Sigmoid(), a.Affine(1.0, 0.0)):
        yield Derivative(
            f"SquaredError grad {type(kind).__name__}",
            lambda z, k=kind: losses.SquaredError.loss(target, k.fn(z)),
            lambda z, c, k=kind: losses.SquaredError.grad(target, k.fn(z), z, k),
            logits,
        )
    at = {
        "y": random.uniform(0.1, 0.9, (5, 3)),
        "log variance": random.normal(size=(5, 2)),
        "mean": random.normal(size=(5, 2)),
    }
    yield Derivative(
        "VAELoss grad",
        lambda p: losses.VAELoss.loss(target, p["y"], p["mean"], p["log variance"]),
        lambda p, c: dict(
            zip(at, losses.VAELoss.grad(target, p["y"], p["mean"], p["log variance"]), strict=True)
        ),
        at,
    )


def _layers() -> Iterator[Derivative]:
    from numpy_ml.neural_nets import activations as a
    from numpy_ml.neural_nets import layers

    random = np.random.default_rng(1)
    row, image = random.normal(size=(6, 4)), random.normal(size=(2, 5, 6, 3))
    series = random.normal(size=(3, 4, 5))
    for act in (a.Tanh(), a.Sigmoid(), a.ReLU(), a.ELU(0.7), a.SoftPlus()):
        name = type(act).__name__
        yield _layer(f"FullyConnected {name}", layers.FullyConnected(3, act_fn=act), row)
        yield _layer(f"Add {name}", layers.Add(act_fn=act), [row, row[::-1] ** 2])
        yield _layer(f"Multiply {name}", layers.Multiply(act_fn=act), [row, row[::-1] + 2])
    yield _layer("Softmax", layers.Softmax(), row)
    for keep in ("first", "last"):
        yield _layer(f"Flatten {keep}", layers.Flatten(keep_dim=keep), image)
    yield _layer("BatchNorm1D", layers.BatchNorm1D(), row)
    yield _layer("BatchNorm2D", layers.BatchNorm2D(), image)
    yield _layer("LayerNorm1D", layers.LayerNorm1D(), row)
    yield _layer("LayerNorm2D", layers.LayerNorm2D(), image)
    for stride, pad, dilation in ((1, 0, 0), (2, 1, 0), (1, "same", 1)):
        by = f"stride={stride} pad={pad} dilation={dilation}"
        keywords = {"stride": stride, "pad": pad, "dilation": dilation, "act_fn": "Tanh"}
        yield _layer(f"Conv1D {by}", layers.Conv1D(2, 3, **keywords), random.normal(size=(2, 9, 3)))
        yield _layer(f"Conv2D {by}", layers.Conv2D(2, (2, 3), **keywords), image)
    for mode in ("max", "average"):
        for stride, pad in ((1, 0), (2, 0)):
            yield _layer(
                f"Pool2D {mode} stride={stride} pad={pad}",
                layers.Pool2D((2, 2), stride=stride, pad=pad, mode=mode),
                image,
            )
    for stride, pad in ((1, 0), (2, 0)):
        yield _layer(
            f"Deconv2D stride={stride} pad={pad}",
            layers.Deconv2D(2, (2, 3), stride=stride, pad=pad, act_fn="Tanh"),
            image,
        )
    for kind in (layers.RNNCell, layers.LSTMCell):
        yield _cell(kind.__name__, kind(3), series)
    for scale in (True, False):
        yield _layer(
            f"DotProductAttention scale={scale}",
            layers.DotProductAttention(scale=scale),
            [random.normal(size=(2, 4, 5)) for _ in range(3)],
            apart=True,
        )
    words = np.array([[0, 2, 2], [4, 1, 0], [3, 3, 3]])
    for name, ids in (("", words), (" without repeats", np.array([[0, 1, 2], [4, 1, 0]]))):
        for pool in (None, "sum", "mean"):
            layer = layers.Embedding(2, vocab_size=5, pool=pool)
            layer._init_params()
            layer.parameters["W"] = random.normal(size=(5, 2))
            yield _layer(f"Embedding pool={pool}{name}", layer, ids, indices=True)


def _layer(
    name: str, layer: Any, inputs: Any, *, apart: bool = False, indices: bool = False
) -> Derivative:
    """A layer at its input and its own parameters: forward, then backward with the cotangent.

    Args:
        name: What is checked.
        layer: The layer, untouched: each evaluation works on a copy.
        inputs: One array, or several.
        apart: Whether ``forward`` takes several arrays as arguments of their own.
        indices: Whether the input is of indices: then only the parameters have a derivative.
    """
    np.random.seed(0)  # numpy-ml draws its weights from the global stream.
    arrays = inputs if isinstance(inputs, list) else [inputs]

    def run(at: Any, c: Any = None) -> Any:
        made = copy.deepcopy(layer)
        made.parameters.update({k: v.copy() for k, v in at.items() if not k.startswith("X")})
        X = [inputs] if indices else [at[f"X{i}"].copy() for i in range(len(arrays))]
        y = made.forward(*X) if apart or len(X) == 1 else made.forward(X)
        if c is None:
            return np.array(y)
        back = made.backward(c)
        back = list(back) if isinstance(back, (list, tuple)) else [back]
        found = {} if indices else {f"X{i}": d for i, d in enumerate(back)}
        return {k: made.gradients[k] if k in made.parameters else found[k] for k in at}

    layer = copy.deepcopy(layer)
    layer.forward(*arrays) if apart or len(arrays) == 1 else layer.forward(arrays)
    inner = getattr(layer, "softmax", layer)
    for part in (layer, getattr(inner, "_base_layer", inner)):
        part.X = []  # What this forward pass left behind.
        kept = part.derived_variables.items()
        part.derived_variables = {k: [] if isinstance(v, list) else v for k, v in kept}
    own = {k: np.array(v) for k, v in layer.parameters.items() if k in layer.gradients}
    at = {} if indices else {f"X{i}": a for i, a in enumerate(arrays)}
    return Derivative(name, run, run, {**at, **own})


def _cell(name: str, cell: Any, series: np.ndarray) -> Derivative:
    """A recurrent cell over four steps: forward in time, then backward."""
    np.random.seed(0)  # numpy-ml draws its weights from the global stream.
    cell.n_in = series.shape[1]
    cell._init_params()

    def run(at: Any, c: Any = None) -> Any:
        made = copy.deepcopy(cell)
        made.parameters.update({k: v.copy() for k, v in at.items() if k != "X"})
        steps = range(series.shape[2])
        out = [made.forward(at["X"][:, :, t].copy()) for t in steps]
        out = [y[0] if isinstance(y, tuple) else y for y in out]
        if c is None:
            return np.stack(out, axis=2)
        back = {t: made.backward(c[:, :, t]) for t in reversed(steps)}
        found = {"X": np.stack([back[t] for t in steps], axis=2)}
        return {k: found[k] if k == "X" else made.gradients[k] for k in at}

    own = {k: np.array(v) for k, v in cell.parameters.items() if isinstance(v, np.ndarray)}
    own = {k: v + 0.1 for k, v in own.items() if k in cell.gradients}
    return Derivative(name, run, run, {"X": series, **own})


def _regression() -> Iterator[Derivative]:
    from numpy_ml.linear_models.lm import LogisticRegression
    from numpy_ml.neural_nets.activations import Sigmoid

    random = np.random.default_rng(2)
    X, y = random.normal(size=(12, 3)), np.arange(12) % 2
    for penalty in ("l1", "l2"):
        for gamma in (0.0, 0.7):
            model = LogisticRegression(penalty=penalty, gamma=gamma, fit_intercept=False)

            def parts(beta: np.ndarray, model: Any = model) -> Any:
                model.beta = beta
                return model, Sigmoid().fn(X @ beta)

            yield Derivative(
                f"LogisticRegression {penalty} gamma={gamma}",
                lambda b, parts=parts: parts(b)[0]._NLL(X, y, parts(b)[1]),
                lambda b, c, parts=parts: parts(b)[0]._NLL_grad(X, y, parts(b)[1]),
                random.normal(size=3),
            )
