"""CS231n's ``Solver`` on handwritten digits, with the gradient of its network checked.

    python examples/cs231n_digits.py
    python examples/cs231n_digits.py --plant-bug
    python examples/cs231n_digits.py --batchnorm

The network keeps float32, drops units and is penalised: all that makes a plain check cry wolf.
``--batchnorm`` adds batch normalisation, and with it two blocks that no check can exercise: a bias
just before it has no gradient.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from cs231n_course import FullyConnectedNet, Solver
from digits_mlp import digits

from gradhook import GradCheckCallback, schedules
from gradhook.integrations import cs231n_solver


class PenaltyForgotten(FullyConnectedNet):
    """The network with a mistake: the gradient of ``W2`` lacks the penalty."""

    def loss(self, X: Any, y: Any = None) -> Any:
        """Return ``(loss, grads)``, or the scores where there are no labels."""
        returned = super().loss(X, y)
        if y is not None:
            returned[1]["W2"] = returned[1]["W2"] - self.reg * self.params["W2"]
        return returned


def train(
    network: type[FullyConnectedNet] = FullyConnectedNet,
    *,
    normalization: str | None = None,
    **check_options: Any,
) -> tuple[Solver, GradCheckCallback]:
    """Train a network and return the solver and the callback."""
    np.random.seed(231)
    X_train, X_val, y_train, y_val = digits()
    model = network(
        [48, 32], dropout_keep_ratio=0.8, normalization=normalization, reg=1e-3, weight_scale=0.1
    )
    data = {"X_train": X_train, "y_train": y_train, "X_val": X_val, "y_val": y_val}
    solver = Solver(model, data, update_rule="adam", num_epochs=5)
    check = cs231n_solver.attach(solver, schedule=schedules.at(10, 50), **check_options)
    solver.train()
    print(f"best validation accuracy {solver.best_val_acc:.1%}")
    return solver, check


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check the gradient of a CS231n network.")
    parser.add_argument("--plant-bug", action="store_true", help="forget the penalty of W2")
    parser.add_argument("--batchnorm", action="store_true", help="normalise hidden layers")
    options = parser.parse_args(arguments)
    network = PenaltyForgotten if options.plant_bug else FullyConnectedNet
    normalization = "batchnorm" if options.batchnorm else None
    _, check = train(network, normalization=normalization, enabled=True, on_fail="record")
    for report in check.history:
        print(report)


if __name__ == "__main__":
    main()
