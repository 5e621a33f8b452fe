"""Functions in deeplearning.ai's style: even or odd digits, and the gradient checked in the loop.

    python examples/deeplearning_ai_digits.py
    python examples/deeplearning_ai_digits.py --plant-bug

The notebooks' functions are joined as they are.  Samples are columns, so the check needs
``sample_axis=1``; the loop makes new parameters at each step, so it hands them over.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from deeplearning_ai_course import (
    Array,
    Parameters,
    backward_propagation,
    compute_cost,
    forward_propagation,
    initialize_parameters,
    update_parameters,
)
from digits_mlp import digits

from gradhook import GradCheckCallback, Objective, schedules


def without_the_mask(X: Array, Y: Array, cache: Any, lambd: float, keep_prob: float) -> Parameters:
    """The backward pass with a mistake: the units that were dropped get a gradient too."""
    Z1, D1, A1, W1, Z2, D2, *rest = cache
    cache = (Z1, np.ones_like(D1), A1, W1, Z2, D2, *rest)
    return backward_propagation(X, Y, cache, lambd, keep_prob)


def train(
    backward: Callable[..., Parameters] = backward_propagation,
    *,
    steps: int = 60,
    lambd: float = 0.7,
    keep_prob: float = 0.86,
    **check_options: Any,
) -> tuple[Parameters, GradCheckCallback]:
    """Train the network and return its parameters and the callback."""
    X_train, _, y_train, _ = digits()
    X, Y = X_train.T, (y_train % 2)[None, :]
    parameters = initialize_parameters([64, 20, 10, 1])
    objective = Objective.from_functions(
        forward=forward_propagation,
        cost=compute_cost,
        backward=backward,
        lambd=lambd,
        keep_prob=keep_prob,
    )
    check = GradCheckCallback(
        objective,
        parameters,
        sample_axis=1,
        penalty="lambd",
        dropout="keep_prob",
        schedule=schedules.at(20, 50),
        **check_options,
    )
    check.on_train_begin(batch=(X, Y))
    for step in range(1, steps + 1):
        A3, cache = forward_propagation(X, parameters, keep_prob)
        grads = backward(X, Y, cache, lambd, keep_prob)
        parameters = update_parameters(parameters, grads, learning_rate=0.3)
        check.on_step_end(step, batch=(X, Y), parameters=parameters)
    check.on_train_end()
    print(f"cost {compute_cost(A3, Y, parameters, lambd):.3f} after {steps} steps")
    return parameters, check


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check the gradient of a deeplearning.ai network.")
    parser.add_argument("--plant-bug", action="store_true", help="forget a mask of dropout")
    options = parser.parse_args(arguments)
    backward = without_the_mask if options.plant_bug else backward_propagation
    _, check = train(backward, enabled=True, on_fail="record")
    for report in check.history:
        print(report)


if __name__ == "__main__":
    main()
