"""Handwritten digits with a network in plain NumPy, and a gradient check in its training loop.

Train, and print the test accuracy; the same with the gradient checked; the same with a mistake in
the backward pass; the checks as charts:

    python examples/digits_mlp.py
    python examples/digits_mlp.py --grad-check
    python examples/digits_mlp.py --grad-check --plant-bug reg_missing
    tensorboard --logdir runs/digits_mlp

All that gradhook needs is in ``train``: build the callback, call its three hooks.  The check leaves
no trace in the training: the hash of the final weights is the same with it and without.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

import digits_network

from gradhook import GradCheckCallback, Report, schedules

Array: TypeAlias = NDArray[Any]
Memory: TypeAlias = dict[str, Array]
Optimizer: TypeAlias = Callable[[Array, Memory, int], Array]


def train(
    loss_and_gradients: digits_network.LossAndGradients,
    parameters: digits_network.Parameters,
    X_train: Array,
    y_train: Array,
    *,
    optimizer: Optimizer,
    steps: int,
    order: np.random.Generator,
    **check_options: Any,
) -> GradCheckCallback:
    """Train ``parameters`` in place, checking the gradient at the start and after 100 steps.

    Args:
        loss_and_gradients: ``(parameters, X, y) -> (loss, gradients)``.
        parameters: Arrays by name; updated in place.
        X_train: Pixels, shape ``(rows, 64)``.
        y_train: Classes, shape ``(rows,)``.
        optimizer: ``(gradient, memory, step) -> what to subtract``.
        steps: Number of updates.
        order: Source of the minibatches.
        check_options: Keywords of ``GradCheckCallback``, such as ``enabled`` and ``logdir``.

    Returns:
        The callback, whose ``history`` holds the reports.
    """
    memory: dict[str, Memory] = {name: {} for name in parameters}
    check = GradCheckCallback(
        loss_and_gradients,
        parameters,
        schedule=schedules.at(100),
        dropout="dropout",
        penalty="l2",
        **check_options,
    )
    show(check.on_train_begin(batch=(X_train, y_train)))
    for step in range(1, steps + 1):
        rows = order.choice(len(X_train), size=64, replace=False)
        X_batch, y_batch = X_train[rows], y_train[rows]
        loss, gradients = loss_and_gradients(parameters, X_batch, y_batch)
        for name, parameter in parameters.items():
            parameter -= optimizer(gradients[name], memory[name], step)
        show(check.on_step_end(step, batch=(X_batch, y_batch), parameters=parameters))
        if step % 100 == 0:
            print(f"step {step:4d}   loss {loss:.3f}")
    check.on_train_end()
    return check


def show(report: Report | None) -> None:
    """Print a report, where there is one: a check that is off or not due returns none."""
    if report is not None:
        print(report)


def sgd(gradient: Array, memory: Memory, step: int) -> Array:
    """Plain stochastic gradient descent."""
    return 0.1 * gradient


def momentum(gradient: Array, memory: Memory, step: int) -> Array:
    """Gradient descent with momentum 0.9."""
    memory["velocity"] = 0.9 * memory.get("velocity", 0.0) + gradient
    return 0.02 * memory["velocity"]


def adagrad(gradient: Array, memory: Memory, step: int) -> Array:
    """AdaGrad: each element's rate falls with the root of its summed squared gradients."""
    memory["squares"] = memory.get("squares", 0.0) + gradient**2
    return 0.03 * gradient / (np.sqrt(memory["squares"]) + 1e-8)


def adam(gradient: Array, memory: Memory, step: int) -> Array:
    """Adam with bias correction; ``step`` counts from 1."""
    memory["mean"] = 0.9 * memory.get("mean", 0.0) + 0.1 * gradient
    memory["square"] = 0.999 * memory.get("square", 0.0) + 0.001 * gradient**2
    mean = memory["mean"] / (1 - 0.9**step)
    square = memory["square"] / (1 - 0.999**step)
    return 0.003 * mean / (np.sqrt(square) + 1e-8)


OPTIMIZERS: dict[str, Optimizer] = {
    "adam": adam,
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
}


def digits() -> tuple[Array, Array, Array, Array]:
    """Return ``X_train, X_test, y_train, y_test``, standardised by the training rows."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=360, stratify=y, random_state=0
    )
    mean, deviation = X_train.mean(axis=0), X_train.std(axis=0)
    deviation[deviation == 0] = 1  # Some corner pixels are black in every picture.
    return (X_train - mean) / deviation, (X_test - mean) / deviation, y_train, y_test


def weights_hash(parameters: digits_network.Parameters) -> str:
    """Return 16 hexadecimal digits that change with any bit of any parameter."""
    digest = hashlib.sha256()
    for parameter in parameters.values():
        digest.update(parameter.tobytes())
    return digest.hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    options = parse(arguments)
    initial, masks, order = np.random.SeedSequence(options.seed).spawn(3)
    planted = options.plant_bug
    network = digits_network.plant_bug(planted) if planted else digits_network.loss_and_gradients
    loss_and_gradients = functools.partial(
        network, svm=options.svm, masks=np.random.default_rng(masks)
    )
    parameters = digits_network.initial_parameters(np.random.default_rng(initial))
    X_train, X_test, y_train, y_test = digits()
    if planted:
        bug = digits_network.BUGS[planted]
        print(f"planted {planted}: {bug.mistake}")
        print(f"    right: {bug.right}\n    wrong: {bug.wrong}")

    check = train(
        loss_and_gradients,
        parameters,
        X_train,
        y_train,
        optimizer=OPTIMIZERS[options.optimizer],
        steps=options.steps,
        order=np.random.default_rng(order),
        enabled=True if options.grad_check else None,
        effort=options.effort,
        on_fail=options.on_fail,
        logdir=options.logdir,
    )

    accuracy = digits_network.accuracy(parameters, X_test, y_test)
    print(f"test accuracy {accuracy:.1%} of {len(y_test)} digits")
    print(f"final weights {weights_hash(parameters)}")
    if check.history:
        print(f"see the checks in TensorBoard:  tensorboard --logdir {options.logdir}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train a NumPy network on handwritten digits, and check its gradient."
    )
    add = parser.add_argument
    add("--optimizer", choices=OPTIMIZERS, default="adam")
    add("--svm", action="store_true", help="multiclass hinge loss in place of softmax")
    add("--steps", type=int, default=600, help="number of minibatches (default: %(default)s)")
    add("--seed", type=int, default=0, help="of weights, masks and batches (default: %(default)s)")
    add("--grad-check", action="store_true", help="check the gradient; GRADHOOK=1 does the same")
    add(
        "--effort",
        choices=["quick", "standard", "exhaustive"],
        default="standard",
        help="exhaustive measures every element, and takes its time (default: %(default)s)",
    )
    add("--on-fail", choices=["warn", "raise", "record"], default="warn")
    add("--logdir", default="runs/digits_mlp", help="TensorBoard folder (default: %(default)s)")
    add(
        "--plant-bug",
        choices=digits_network.BUGS,
        metavar="NAME",
        help="put a known mistake into the backward pass: " + ", ".join(digits_network.BUGS),
    )
    options = parser.parse_args(arguments)
    loss = "hinge" if options.svm else "softmax"
    if options.plant_bug and digits_network.needs_loss(options.plant_bug) not in (None, loss):
        parser.error(
            f"--plant-bug {options.plant_bug} sits in a loss that this run does not use: "
            f"{'drop' if options.svm else 'add'} --svm"
        )
    return options


if __name__ == "__main__":
    main()
