"""PyTorch on handwritten digits: an ``autograd.Function`` of one's own, checked in the loop.

    python examples/pytorch_digits.py
    python examples/pytorch_digits.py --plant-bug

Needs ``pip install "gradhook[torch]" scikit-learn``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from digits_mlp import Array, digits

from gradhook import GradCheckCallback, layer_check, schedules
from gradhook.integrations import pytorch_module
from gradhook.report import Report


class Swish(torch.autograd.Function):
    """``x * sigmoid(beta * x)``, with a backward pass by hand for ``x`` and ``beta``."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        """Return the output."""
        ctx.save_for_backward(x, beta)
        return x * torch.sigmoid(beta * x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        """Return the gradients of ``x`` and ``beta``."""
        x, beta = ctx.saved_tensors
        gate = torch.sigmoid(beta * x)
        slope = gate * (1 - gate)
        (upstream,) = grad_outputs
        return upstream * (gate + beta * x * slope), (upstream * x * x * slope).sum()


class SwishWithoutBeta(Swish):
    """The function with a mistake: ``beta`` is taken for 1 in the gradient of ``x``."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        """Return the gradients of ``x`` and ``beta``."""
        _, dbeta = Swish.backward(ctx, *grad_outputs)
        x, beta = ctx.saved_tensors
        gate = torch.sigmoid(beta * x)
        return grad_outputs[0] * (gate + x * gate * (1 - gate)), dbeta


class Network(torch.nn.Module):
    """Two affine layers with the function between them, batch normalisation and dropout."""

    def __init__(self, swish: type[Swish]) -> None:
        super().__init__()
        self.swish = swish
        self.first, self.second = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
        self.norm, self.dropout = torch.nn.BatchNorm1d(32), torch.nn.Dropout(0.2)
        self.beta = torch.nn.Parameter(torch.tensor(1.5))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the scores."""
        hidden = self.swish.apply(self.first(X), self.beta)
        scores: torch.Tensor = self.second(self.dropout(self.norm(hidden)))
        return scores


def train(
    swish: type[Swish] = Swish, *, steps: int = 60, **check_options: Any
) -> tuple[Network, GradCheckCallback]:
    """Train a network around the function and return it and the callback."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # A hundred rows are too few to share.
    X, X_test, y, y_test = (torch.from_numpy(array) for array in digits())
    X, X_test = X.float(), X_test.float()
    network, criterion = Network(swish), torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    check = pytorch_module.attach(
        network, criterion=criterion, schedule=schedules.at(10, 50), **check_options
    )
    check.on_train_begin(batch=(X, y))
    for step in range(1, steps + 1):
        rows = torch.randint(len(X), (100,))
        optimiser.zero_grad()
        criterion(network(X[rows]), y[rows]).backward()
        check.on_step_end(step, batch=(X[rows], y[rows]))
        optimiser.step()
    check.on_train_end()
    network.eval()
    accuracy = (network(X_test).argmax(dim=1) == y_test).double().mean().item()
    print(f"test accuracy {accuracy:.1%}")
    return network, check


def check_function_alone(swish: type[Swish] = Swish) -> Report:
    """Check the function by itself: both of its gradients, whatever the loss may be."""

    def forward(x: Array, beta: Array) -> tuple[Array, Any]:
        inputs = [torch.tensor(array, requires_grad=True) for array in (x, beta)]
        y = swish.apply(*inputs)
        return y.detach().numpy(), (y, inputs)

    def backward(dy: Array, cache: Any) -> tuple[Array, ...]:
        y, inputs = cache
        return tuple(g.numpy() for g in torch.autograd.grad(y, inputs, torch.from_numpy(dy)))

    x = np.random.default_rng(2).normal(size=(5, 6))
    return layer_check(forward, backward, x, {"beta": np.array(1.5)})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check a module with a Function of one's own.")
    parser.add_argument("--plant-bug", action="store_true", help="take beta for 1")
    options = parser.parse_args(arguments)
    swish = SwishWithoutBeta if options.plant_bug else Swish
    _, check = train(swish, enabled=True, on_fail="record")
    for report in check.history:
        print(report)
    print("the function alone")
    print(check_function_alone(swish))


if __name__ == "__main__":
    main()
