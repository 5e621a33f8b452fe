"""Thinc: every layer in weights and input, the backprops of its operations, cosine distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "Thinc",
    "thinc",
    "thinc",
    conventions=(
        (
            "`L2Distance` and the cross-entropies return as loss the sum of squares of the "
            "gradient, a number to watch and not the function that the gradient belongs to."
        ),
        (
            "The backward pass of the layers `Softmax` and `MultiSoftmax` takes the gradient in "
            "the logits, `guesses - truths`, as Thinc's cross-entropies return it."
        ),
        "Weights are float32; the audit puts float64 in their place.",
        "`backprop_softmax` and `backprop_sigmoid` take the layer's output.",
    ),
    left_out="layers around PyTorch, TensorFlow and MXNet; `HashEmbed` beyond its table; dropout.",
    seen=(
        (
            "`MultiSoftmax` does not apply its softmax: it relies on `ops.softmax(..., "
            "inplace=True)`, which returns a new array; the rows of its output do not sum to one."
        ),
    ),
)

FAULTS = (
    Fault(
        "`Dish`: the derivative at the layer's input",
        ("Dish",),
        "The backward pass calls `backprop_dish(dY, X)` with the layer's input `X`; the "
        "activation was applied to `X Wᵀ + b`. (Where the widths differ it raises.)",
        "`backprop_dish(dY, Y_preact)`; `Swish`, `Gelu` and others do so.",
        "Algebra; differences of the forward pass in float64; `backprop_dish` by itself is right.",
        "",
        """\
import numpy as np; from thinc.api import Dish
m = Dish(1, 1); m.initialize(np.zeros((1, 1), "f")); m.set_param("W", np.array([[2.0]]))
f, x, h = lambda x: m.begin_update(np.array([[x]])), 0.7, 1e-6
print(f(x)[1](np.ones((1, 1)))[0, 0], (f(x + h)[0] - f(x - h)[0])[0, 0] / (2 * h))""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    yield from _operations()
    yield from _layers()
    yield from _sequences()
    yield _cosine()


def _operations() -> Iterator[Derivative]:
    from thinc.api import NumpyOps

    ops = NumpyOps()
    X = np.array([[-3.7, -2.1, -0.9, -0.3], [0.2, 0.8, 1.9, 4.3]])
    for name in ("relu", "relu_k", "clipped_linear", "hard_sigmoid", "hard_tanh", "hard_swish",
                 "hard_swish_mobilenet", "dish", "gelu", "gelu_approx", "mish"):  # fmt: skip
        yield _operation(name, getattr(ops, name), getattr(ops, f"backprop_{name}"), X)
    slope = (0.7, 0.2, -0.8, 1.3)
    yield _operation(
        "clipped_linear sloped",
        lambda x: ops.clipped_linear(x, *slope),
        lambda d, x: ops.backprop_clipped_linear(d, x, *slope),
        X,
    )
    yield _operation("swish", ops.swish, lambda d, x: ops.backprop_swish(d, x, ops.swish(x)), X)
    yield _operation(
        "sigmoid", ops.sigmoid, lambda d, x: ops.backprop_sigmoid(d, ops.sigmoid(x)), X
    )
    for axis in (-1, 0):
        yield _operation(
            f"softmax axis={axis}", lambda x, a=axis: ops.softmax(x, axis=a),
            lambda d, x, a=axis: ops.backprop_softmax(ops.softmax(x, axis=a), d, axis=a), X,
        )  # fmt: skip
    temperature = 1.7
    yield _operation(
        "softmax temperature", lambda x: ops.softmax(x, temperature=temperature),
        lambda d, x: ops.backprop_softmax(
            ops.softmax(x, temperature=temperature), d, temperature=temperature
        ), X,
    )  # fmt: skip


def _operation(name: str, forward: Any, backward: Any, X: np.ndarray) -> Derivative:
    # Copies: some operations may write into what they are given.
    return Derivative(
        f"ops.backprop_{name}",
        lambda x: np.array(forward(x.copy())),
        lambda x, c: np.array(backward(c.copy(), x.copy())),
        X,
    )


def _layers() -> Iterator[Derivative]:
    from thinc import api as t

    random = np.random.default_rng(0)
    X = random.normal(size=(5, 4))
    activations = ("Relu", "ClippedLinear", "ReluK", "HardSigmoid", "HardTanh", "HardSwish",
                   "HardSwishMobilenet", "Swish", "Gelu", "Mish", "Dish", "Sigmoid")  # fmt: skip
    for name in activations:
        kind = getattr(t, name)
        yield _model(name, kind(4 if name == "Dish" else 3, 4), X)
        if name != "Dish":
            yield _model(f"{name} normalised", kind(3, 4, normalize=True) if name not in (
                "Sigmoid",) else t.chain(kind(3, 4), t.LayerNorm(3)), X)  # fmt: skip
    for name, model in (
        ("Linear", t.Linear(3, 4)),
        ("softmax_activation", t.softmax_activation()),
        ("sigmoid_activation", t.sigmoid_activation()),
        ("LayerNorm", t.LayerNorm(4)),
        ("Maxout", t.Maxout(3, 4, nP=3)),
        ("Maxout normalised", t.Maxout(3, 4, nP=2, normalize=True)),
        ("MultiSoftmax", t.MultiSoftmax((2, 3), 4)),
        ("residual", t.residual(t.Swish(4, 4))),
        ("chain", t.chain(t.Mish(3, 4), t.Linear(2, 3))),
        ("concatenate", t.concatenate(t.Linear(3, 4), t.Gelu(2, 4))),
        ("add", t.add(t.Linear(3, 4), t.Mish(3, 4))),
        ("clone", t.clone(t.Mish(4, 4), 2)),
        ("expand_window 1", t.expand_window(1)),
        ("expand_window 2", t.expand_window(2)),
        ("with_array2d", t.with_array2d(t.Linear(3, 4))),
        ("noop", t.noop()),
        ("Embed", t.Embed(3, 6)),
    ):
        ids = np.array([0, 2, 2, 5], dtype="uint64")
        yield _model(name, model, ids if name == "Embed" else X, indices=name == "Embed")
    yield _pairs("CauchySimilarity", t.CauchySimilarity(4), random)
    yield _pairs("siamese", t.siamese(t.Linear(3, 4), t.CauchySimilarity(3)), random)


def _model(
    name: str,
    model: Any,
    X: Any,
    *,
    indices: bool = False,
    wrap: Callable[[Any], Any] | None = None,
) -> Derivative:
    """A model at its input and its weights, in float64."""
    wrap = wrap or (lambda x: x)
    model.initialize(X=wrap(X if indices else X.astype("f")))
    random = np.random.default_rng(1)
    places = {
        f"{i}.{name}": (layer, name)
        for i, layer in enumerate(model.walk())
        for name in layer.param_names
    }

    def run(at: Any, c: Any = None) -> Any:
        for key, (layer, parameter) in places.items():
            layer.set_param(parameter, at[key].copy())
            layer.set_grad(parameter, np.zeros_like(at[key]))
        Y, backward = model.begin_update(wrap(X if indices else at["X"].copy()))
        if c is None:
            return np.array(_flat(Y))
        dX = backward(_like(Y, c))
        found = {key: np.array(layer.get_grad(p)) for key, (layer, p) in places.items()}
        return found if indices else {"X": np.array(_flat(dX)), **found}

    # Thinc draws from NumPy's global stream: the weights are drawn anew.
    weights = {
        key: 0.5 * random.normal(size=layer.get_param(p).shape) + 0.2
        for key, (layer, p) in places.items()
    }
    return Derivative(name, run, run, weights if indices else {"X": X, **weights})


def _flat(Y: Any) -> Any:
    """The numbers of what layers pass on: an array, or a ragged array's data."""
    return getattr(Y, "data", Y) if type(Y).__name__ in ("Ragged", "Padded") else Y


def _like(Y: Any, c: np.ndarray) -> Any:
    from thinc.types import Padded, Ragged

    if isinstance(Y, Ragged):
        return Ragged(c.copy(), Y.lengths)
    if isinstance(Y, Padded):
        return Padded(c.copy(), Y.size_at_t, Y.lengths, Y.indices)
    return c.copy()


def _sequences() -> Iterator[Derivative]:
    from thinc import api as t
    from thinc.types import Ragged

    random = np.random.default_rng(2)
    X, lengths = random.normal(size=(9, 4)), np.array([3, 2, 4], dtype="i")

    def ragged(x: np.ndarray) -> Any:
        return Ragged(x, lengths)

    for name, model in (
        ("reduce_sum", t.reduce_sum()),
        ("reduce_mean", t.reduce_mean()),
        ("reduce_max", t.reduce_max()),
        ("reduce_first", t.reduce_first()),
        ("reduce_last", t.reduce_last()),
        ("with_array", t.with_array(t.Mish(3, 4))),
        ("ParametricAttention", t.ParametricAttention(4)),
        ("ParametricAttention_v2", t.ParametricAttention_v2(nO=4)),
        ("attention and sum", t.chain(t.ParametricAttention(4), t.reduce_sum())),
    ):
        yield _model(name, model, X, wrap=ragged)


def _pairs(name: str, model: Any, random: np.random.Generator) -> Derivative:
    """A model of two inputs."""
    A, B = random.normal(size=(5, 4)), random.normal(size=(5, 4))
    model.initialize(X=(A.astype("f"), B.astype("f")))
    places = {
        f"{i}.{p}": (layer, p) for i, layer in enumerate(model.walk()) for p in layer.param_names
    }

    def run(at: Any, c: Any = None) -> Any:
        for key, (layer, parameter) in places.items():
            layer.set_param(parameter, at[key].copy())
            layer.set_grad(parameter, np.zeros_like(at[key]))
        Y, backward = model.begin_update((at["A"].copy(), at["B"].copy()))
        if c is None:
            return np.array(Y)
        dA, dB = backward(c.copy())
        found = {key: np.array(layer.get_grad(p)) for key, (layer, p) in places.items()}
        return {"A": np.array(dA), "B": np.array(dB), **found}

    weights = {
        key: 0.5 * random.normal(size=layer.get_param(p).shape) + 0.2
        for key, (layer, p) in places.items()
    }
    return Derivative(name, run, run, {"A": A, "B": B, **weights})


def _cosine() -> Derivative:
    from thinc.api import CosineDistance

    random = np.random.default_rng(3)
    loss, truths = CosineDistance(), random.normal(size=(5, 4))
    return Derivative(
        "CosineDistance",
        lambda x: loss.get_loss(x, truths),
        lambda x, c: loss.get_grad(x, truths),
        random.normal(size=(5, 4)),
    )
