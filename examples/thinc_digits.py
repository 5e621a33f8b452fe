"""Thinc on handwritten digits: a layer of one's own, its backprop callback checked in the loop.

    python examples/thinc_digits.py
    python examples/thinc_digits.py --plant-bug

Needs ``pip install "gradhook[thinc]" scikit-learn``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from thinc.api import Adam, Dropout, Linear, Model, Softmax, chain, fix_random_seed

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from digits_mlp import Array, digits

from gradhook import GradCheckCallback, layer_check, schedules
from gradhook.integrations import thinc_model
from gradhook.report import Report


def gated_forward(model: Any, X: Array, is_train: bool) -> tuple[Array, Callable[[Array], Array]]:
    """``Y = X * tanh(X @ W)``, with its backprop callback written by hand."""
    W = model.get_param("W")
    gate = np.tanh(X @ W)

    def backprop(dY: Array) -> Array:
        dZ = dY * X * (1 - gate**2)
        model.inc_grad("W", X.T @ dZ)
        return dY * gate + dZ @ W.T

    return X * gate, backprop


def gated_without_transpose(
    model: Any, X: Array, is_train: bool
) -> tuple[Array, Callable[[Array], Array]]:
    """The same with a mistake: ``W`` is not transposed on the way back."""
    Y, _ = gated_forward(model, X, is_train)
    W = model.get_param("W")
    gate = np.tanh(X @ W)

    def backprop(dY: Array) -> Array:
        dZ = dY * X * (1 - gate**2)
        model.inc_grad("W", X.T @ dZ)
        return dY * gate + dZ @ W

    return Y, backprop


def gated(forward: Callable[..., Any], width: int) -> Any:
    """Return the layer, which is as wide as its input."""
    W = np.random.default_rng(1).normal(size=(width, width)) / np.sqrt(width)
    return Model("gated", forward, params={"W": W.astype("f")})


def cross_entropy(guesses: Array, truths: Array) -> tuple[float, Array]:
    """Return the mean cross-entropy and, as ``Softmax`` wants it, the gradient of the logits."""
    loss = -np.sum(truths * np.log(guesses)) / len(guesses)
    return loss, (guesses - truths) / len(guesses)


def train(
    forward: Callable[..., Any] = gated_forward, *, steps: int = 60, **check_options: Any
) -> tuple[Any, GradCheckCallback]:
    """Train a model around the layer and return it and the callback."""
    fix_random_seed(0)
    X, X_test, y, y_test = digits()
    X, X_test, Y = X.astype("f"), X_test.astype("f"), np.eye(10, dtype="f")[y]
    model = chain(Linear(32, 64), gated(forward, 32), Dropout(0.1), Softmax(10, 32))
    model.initialize(X=X, Y=Y)
    optimizer = Adam(0.005)
    check = thinc_model.attach(
        model, loss=cross_entropy, schedule=schedules.at(10, 50), **check_options
    )
    check.on_train_begin(batch=(X, Y))
    order = np.random.default_rng(0)
    for step in range(1, steps + 1):
        rows = order.choice(len(X), 100)
        guesses, backprop = model.begin_update(X[rows])
        backprop(cross_entropy(guesses, Y[rows])[1])
        model.finish_update(optimizer)
        check.on_step_end(step, batch=(X[rows], Y[rows]))
    check.on_train_end()
    print(f"test accuracy {np.mean(model.predict(X_test).argmax(axis=1) == y_test):.1%}")
    return model, check


def check_layer_alone(forward: Callable[..., Any] = gated_forward) -> Report:
    """Check the layer by itself: its input's gradient as well as its parameter's."""
    layer = gated(forward, 6)
    layer.set_param("W", layer.get_param("W").astype("d"))
    return layer_check(
        layer.begin_update,
        lambda dY, backprop: backprop(dY),
        np.random.default_rng(2).normal(size=(5, 6)),
        {"W": layer.get_param("W")},
        gradients=lambda: {"W": layer.get_grad("W")},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check the callbacks of a Thinc model.")
    parser.add_argument("--plant-bug", action="store_true", help="forget to transpose")
    options = parser.parse_args(arguments)
    forward = gated_without_transpose if options.plant_bug else gated_forward
    _, check = train(forward, enabled=True, on_fail="record")
    for report in check.history:
        print(report)
    print("the layer alone")
    print(check_layer_alone(forward))


if __name__ == "__main__":
    main()
