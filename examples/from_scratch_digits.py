"""The ``Trainer`` of *Deep Learning from Scratch* on handwritten digits, with its gradient checked.

python examples/from_scratch_digits.py
python examples/from_scratch_digits.py --plant-bug
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from digits_mlp import digits
from from_scratch_course import Affine, MultiLayerNetExtend, Trainer

from gradhook import GradCheckCallback, schedules
from gradhook.integrations import from_scratch_trainer


class BiasAveraged(Affine):
    """An affine layer with a mistake: ``db`` is a mean over the batch for the sum."""

    def backward(self, dout: Any) -> Any:
        """Keep ``dW`` and ``db``, and return the gradient of the input."""
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


def train(*, plant_bug: bool = False, **check_options: Any) -> tuple[Trainer, GradCheckCallback]:
    """Train a network and return the trainer and the callback."""
    np.random.seed(0)
    x_train, x_test, t_train, t_test = digits()
    network = MultiLayerNetExtend(
        64,
        [48, 32],
        10,
        weight_decay_lambda=1e-4,
        use_dropout=True,
        dropout_ration=0.2,
    )
    if plant_bug:
        network.layers["Affine3"] = BiasAveraged(network.params["W3"], network.params["b3"])
    trainer = Trainer(network, x_train, t_train, x_test, t_test, epochs=5)
    check = from_scratch_trainer.attach(trainer, schedule=schedules.at(10, 50), **check_options)
    trainer.train()
    print(f"test accuracy {trainer.test_acc:.1%}")
    return trainer, check


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check the gradient of a from-scratch network.")
    parser.add_argument("--plant-bug", action="store_true", help="average db3 over the batch")
    options = parser.parse_args(arguments)
    _, check = train(plant_bug=options.plant_bug, enabled=True, on_fail="record")
    for report in check.history:
        print(report)


if __name__ == "__main__":
    main()
