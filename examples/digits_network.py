"""A two-hidden-layer ReLU network with its backward pass written by hand, and bugs to plant in it.

``loss_and_gradients(parameters, X, y) -> (loss, gradients)`` is a pure function of its parameters
but for the generator that draws the dropout masks.  The loss is the mean softmax cross-entropy (or
multiclass hinge loss) over the rows plus ``l2 / 2`` times the sum of the squared weights, so the
gradient of the penalty is ``l2 * W``.

``MISTAKES`` lists what people really get wrong in such code, under the names of gradhook's
catalogue: a right line, and below it the wrong ones that were written in its place.  ``plant_bug``
swaps one in and compiles the source anew, so that the right code needs no switches to break it.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BUGS",
    "Bug",
    "LossAndGradients",
    "Parameters",
    "accuracy",
    "initial_parameters",
    "loss_and_gradients",
    "needs_loss",
    "plant_bug",
]

Array: TypeAlias = NDArray[Any]
Parameters: TypeAlias = dict[str, Array]
LossAndGradients: TypeAlias = Callable[..., tuple[float, Parameters]]

WEIGHTS = ("W1", "W2", "W3")
"""The blocks that the penalty covers; biases are free."""


def initial_parameters(
    generator: np.random.Generator, *, sizes: tuple[int, int, int, int] = (64, 48, 48, 10)
) -> Parameters:
    """Draw He-initialised weights and zero biases.

    Args:
        generator: Source of the weights.
        sizes: Pixels, units of both hidden layers, classes.

    Returns:
        ``W1, b1, W2, b2, W3, b3``, with ``W`` of shape ``(inputs, outputs)``.
    """
    parameters = {}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        scale = np.sqrt(2 / inputs)
        parameters[f"W{layer}"] = scale * generator.standard_normal((inputs, outputs))
        parameters[f"b{layer}"] = np.zeros(outputs)
    return parameters


def loss_and_gradients(
    parameters: Parameters,
    X: Array,
    y: Array,
    *,
    masks: np.random.Generator,
    svm: bool = False,
    dropout: float = 0.1,
    l2: float = 1e-3,
) -> tuple[float, Parameters]:
    """Return the loss on these rows and its gradient with respect to every parameter.

    Args:
        parameters: ``W1, b1, W2, b2, W3, b3``.
        X: Pixels, shape ``(rows, 64)``.
        y: Classes, integers of shape ``(rows,)``.
        masks: Source of the dropout masks.
        svm: Multiclass hinge loss in place of softmax cross-entropy.
        dropout: Probability of dropping a hidden unit.
        l2: Coefficient of the penalty ``l2 / 2 * sum(W**2)``.
    """
    W1, b1, W2, b2, W3, b3 = (parameters[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))

    Z1 = X @ W1 + b1
    M1 = dropout_mask(Z1.shape, dropout, masks)
    H1 = np.maximum(Z1, 0) * M1
    Z2 = H1 @ W2 + b2
    M2 = dropout_mask(Z2.shape, dropout, masks)
    H2 = np.maximum(Z2, 0) * M2
    scores = H2 @ W3 + b3
    losses, dscores = hinge(scores, y) if svm else softmax(scores, y)
    loss = losses.mean() + l2 / 2 * sum(np.sum(parameters[name] ** 2) for name in WEIGHTS)

    dscores /= len(X)
    dW3 = H2.T @ dscores
    db3 = dscores.sum(axis=0)
    dH2 = dscores @ W3.T
    dA2 = dH2 * M2
    dZ2 = dA2 * (Z2 > 0)
    dW2 = H1.T @ dZ2
    db2 = dZ2.sum(axis=0)
    dH1 = dZ2 @ W2.T
    dA1 = dH1 * M1
    dZ1 = dA1 * (Z1 > 0)
    dW1 = X.T @ dZ1
    db1 = dZ1.sum(axis=0)
    gradients = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}
    for name in WEIGHTS:
        gradients[name] += l2 * parameters[name]
    return float(loss), gradients


def softmax(scores: Array, y: Array) -> tuple[Array, Array]:
    """Return each row's cross-entropy and its derivative with respect to the row's scores."""
    rows = np.arange(len(y))
    logits = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    dscores = np.exp(log_probabilities)
    dscores[rows, y] -= 1
    return -log_probabilities[rows, y], dscores


def hinge(scores: Array, y: Array) -> tuple[Array, Array]:
    """Return each row's hinge loss and its derivative with respect to the row's scores."""
    rows = np.arange(len(y))
    margins = np.maximum(scores - scores[rows, y][:, None] + 1, 0)
    margins[rows, y] = 0
    dscores = (margins > 0).astype(float)
    dscores[rows, y] = -dscores.sum(axis=1)
    return margins.sum(axis=1), dscores


def dropout_mask(shape: tuple[int, ...], dropout: float, masks: np.random.Generator) -> Array:
    """Return an inverted dropout mask: 0 for a dropped unit, ``1 / (1 - dropout)`` for others."""
    return (masks.random(shape) >= dropout) / (1 - dropout)


def accuracy(parameters: Parameters, X: Array, y: Array) -> float:
    """Return the share of rows whose largest score is that of their class; nothing is dropped."""
    hidden = np.maximum(X @ parameters["W1"] + parameters["b1"], 0)
    hidden = np.maximum(hidden @ parameters["W2"] + parameters["b2"], 0)
    scores = hidden @ parameters["W3"] + parameters["b3"]
    return float(np.mean(scores.argmax(axis=1) == y))


# Right line: {name: (wrong line, what was got wrong)}.
MISTAKES: dict[str, dict[str, tuple[str, str]]] = {
    # The loss on the scores.
    "dscores[rows, y] -= 1": {
        "ce_forgot_minus1": ("pass", "softmax without the minus one at the right class"),
    },
    "dscores = np.exp(log_probabilities)": {
        "softmax_diag_only": (
            "dscores = np.exp(log_probabilities) * np.eye(scores.shape[1])[y]",
            "the softmax Jacobian's diagonal alone: the other classes get no gradient",
        ),
    },
    "dscores[rows, y] = -dscores.sum(axis=1)": {
        "hinge_no_correct": ("pass", "the score of the right class gets no gradient"),
        "hinge_count1": ("dscores[rows, y] = -1", "1 for the number of violated margins"),
    },
    # Scale.
    "dscores /= len(X)": {
        "no_1_over_N": ("pass", "the loss is a mean over the rows, the gradient a sum"),
        "extra_1_over_N": ("dscores /= len(X) ** 2", "divided by the number of rows twice"),
    },
    # Weights of the last layer and of the second.
    "dW3 = H2.T @ dscores": {
        "wrong_cached_input": ("dW3 = H1.T @ dscores", "the activation of another layer"),
        "clipped": ("dW3 = np.clip(H2.T @ dscores, -0.01, 0.01)", "clipped too early"),
    },
    "dW2 = H1.T @ dZ2": {
        "factor_two": ("dW2 = 2 * H1.T @ dZ2", "a stray factor in one layer"),
        "sign_one": ("dW2 = -H1.T @ dZ2", "a stray sign in one layer"),
        "dW_transposed": ("dW2 = dZ2.T @ H1", "transposed; runs because W2 is square"),
    },
    # Weights of the first layer.
    "dW1 = X.T @ dZ1": {
        "rolled_rows": ("dW1 = np.roll(X, 1, axis=1).T @ dZ1", "off by one pixel"),
        "last_row_missing": (
            "dW1 = np.vstack([X[:, :-1].T @ dZ1, 0 * b1])",
            "a loop over the pixels that stops at n - 1",
        ),
        "loop_overwrite": (
            "for x, dz in zip(X, dZ1): dW1 = np.outer(x, dz)",
            "= for += in a loop over the rows: only the last one counts",
        ),
    },
    # Biases.
    "db2 = dZ2.sum(axis=0)": {
        "bias_first_sample": ("db2 = dZ2[0]", "the first row for the sum of all"),
        "disconnected": ("db2 = np.zeros_like(b2)", "allocated and never filled"),
    },
    "db1 = dZ1.sum(axis=0)": {
        "bias_mean": ("db1 = dZ1.mean(axis=0)", "a mean over the rows for the sum"),
        "bias_oversum": ("db1 = np.full_like(b1, dZ1.sum())", "summed over the units as well"),
    },
    # Between the layers.
    "dZ2 = dA2 * (Z2 > 0)": {
        "relu_mask_on_grad": (
            "dZ2 = dA2 * (dA2 > 0)",
            "ReLU applied to the gradient, as if going forward",
        ),
    },
    "dZ1 = dA1 * (Z1 > 0)": {
        "act_deriv_missing": ("dZ1 = dA1", "the derivative of ReLU was forgotten"),
        "wrong_layer_act": ("dZ1 = dA1 * (Z2 > 0)", "the ReLU of the other layer"),
    },
    "dH1 = dZ2 @ W2.T": {
        "W_not_transposed": ("dH1 = dZ2 @ W2", "not transposed; runs because W2 is square"),
    },
    # Dropout.
    "dA1 = dH1 * M1": {
        "dropout_mask_missing": ("dA1 = dH1", "units that were dropped get a gradient"),
        "dropout_scale_missing": ("dA1 = dH1 * (M1 > 0)", "the mask without 1 / (1 - dropout)"),
    },
    "dA2 = dH2 * M2": {
        "dropout_new_mask": (
            "dA2 = dH2 * dropout_mask(Z2.shape, dropout, masks)",
            "a fresh mask for the backward pass",
        ),
    },
    # Penalty.
    "for name in WEIGHTS:": {
        "reg_on_bias": ("for name in parameters:", "biases penalised in the gradient alone"),
    },
    "gradients[name] += l2 * parameters[name]": {
        "reg_missing": ("pass", "the penalty is in the loss alone"),
        "reg_half": ("gradients[name] += l2 / 2 * parameters[name]", "the 2 of W**2 was lost"),
        "reg_double": ("gradients[name] += 2 * l2 * parameters[name]", "the half was forgotten"),
        "reg_over_N": ("gradients[name] += l2 * parameters[name] / len(X)", "averaged over rows"),
        "reg_sign": ("gradients[name] -= l2 * parameters[name]", "subtracted for added"),
        "reg_l1_form": (
            "gradients[name] += l2 * np.sign(parameters[name])",
            "the derivative of |W| for that of W**2 / 2",
        ),
    },
}


class Bug(NamedTuple):
    """A right line of the backward pass, the wrong one, and what was got wrong."""

    right: str
    wrong: str
    mistake: str


BUGS = {
    name: Bug(right, *variant)
    for right, variants in MISTAKES.items()
    for name, variant in variants.items()
}
"""The mistakes by name."""


def plant_bug(name: str) -> LossAndGradients:
    """Return ``loss_and_gradients`` with one line of the backward pass replaced.

    Args:
        name: A key of ``BUGS``.
    """
    bug = BUGS[name]
    functions = (softmax, hinge, loss_and_gradients)
    source = "\n".join(inspect.getsource(function) for function in functions)
    source = source.replace(bug.right, bug.wrong)
    file = f"<digits_network.py with {name}>"
    # Tracebacks and the branch trace look source lines up here.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = dict(globals())
    exec(compile(source, file, "exec"), namespace)
    planted: LossAndGradients = namespace["loss_and_gradients"]
    return planted


def needs_loss(name: str) -> str | None:
    """Return ``"hinge"`` or ``"softmax"`` where the bug sits in that loss alone, else ``None``."""
    right = BUGS[name].right
    for function in (hinge, softmax):
        if right in inspect.getsource(function):
            return function.__name__
    return None
