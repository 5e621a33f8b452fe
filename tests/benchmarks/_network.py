"""A right network of any size, and a stopwatch, for the benchmarks of cost.

``network(weights)`` is a ReLU network with two hidden layers, softmax cross-entropy and a hand-made
backward pass, as functions of its parameters: small enough to read, and at ten million weights
bound by memory as real ones are.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradhook

FEATURES, CLASSES = 64, 10


@dataclass(frozen=True)
class Network:
    """A loss, its gradients, parameters and a batch."""

    parameters: dict[str, Any]
    batch: tuple[Any, Any]

    @property
    def size(self) -> int:
        """Number of weights and biases."""
        return sum(array.size for array in self.parameters.values())

    @property
    def objective(self) -> gradhook.Objective:
        """What a check takes."""
        return gradhook.Objective(
            parameters=self.parameters, loss=loss, loss_and_gradients=loss_and_gradients
        )

    def forward(self) -> float:
        """The loss at the parameters."""
        return loss(self.parameters, *self.batch)

    def backward(self) -> tuple[float, dict[str, Any]]:
        """Loss and gradients at the parameters."""
        return loss_and_gradients(self.parameters, *self.batch)


def network(weights: int, *, rows: int = 8, seed: int = 0) -> Network:
    """Draw a network with about so many weights; both hidden layers are equally wide.

    Args:
        weights: Number of weights wanted.
        rows: Rows of the batch.
        seed: Seed of weights and data.
    """
    generator = np.random.default_rng(seed)
    # width**2 + width * (FEATURES + CLASSES) = weights
    linear = FEATURES + CLASSES
    width = max(2, round((math.sqrt(linear**2 + 4 * weights) - linear) / 2))
    parameters = {}
    for layer, (inputs, outputs) in enumerate(
        ((FEATURES, width), (width, width), (width, CLASSES)), start=1
    ):
        block = generator.standard_normal((inputs, outputs))
        block *= math.sqrt(2 / inputs)  # in place: at 10**8 weights a second array is 0.8 GB
        parameters[f"W{layer}"] = block
        parameters[f"b{layer}"] = 0.1 * generator.standard_normal(outputs)
    X = generator.standard_normal((rows, FEATURES))
    return Network(parameters, (X, generator.integers(0, CLASSES, rows)))


def loss(parameters: dict[str, Any], X: Any, y: Any) -> float:
    """Mean softmax cross-entropy."""
    return _forward(parameters, X, y)[0]


def loss_and_gradients(parameters: dict[str, Any], X: Any, y: Any) -> tuple[float, dict[str, Any]]:
    """The loss and its gradients."""
    value, H1, H2, probabilities = _forward(parameters, X, y)
    d = probabilities
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    gradients = {"W3": H2.T @ d, "b3": d.sum(axis=0)}
    d = (d @ parameters["W3"].T) * (H2 > 0)
    gradients |= {"W2": H1.T @ d, "b2": d.sum(axis=0)}
    d = (d @ parameters["W2"].T) * (H1 > 0)
    return value, gradients | {"W1": X.T @ d, "b1": d.sum(axis=0)}


def _forward(parameters: dict[str, Any], X: Any, y: Any) -> tuple[float, Any, Any, Any]:
    H1 = np.maximum(X @ parameters["W1"] + parameters["b1"], 0)
    H2 = np.maximum(H1 @ parameters["W2"] + parameters["b2"], 0)
    scores = H2 @ parameters["W3"] + parameters["b3"]
    scores = scores - scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(y)), y].mean()), H1, H2, np.exp(logs)


def machine(*packages: str) -> str:
    """One line on machine and versions."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", *packages)]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{', '.join(versions)}; OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS')}"
    )


def seconds(
    function: Callable[[], object],
    *,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Median time of a call, after one that is not counted; by the wall's clock unless another."""
    function()
    times = []
    for _ in range(repeats):
        started = clock()
        function()
        times.append(clock() - started)
    return statistics.median(times)
