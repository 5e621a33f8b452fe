"""What deeplearning.ai's second course has at its end: a three-layer network as single functions.

Written anew to the notebooks' signatures, which ``Objective.from_functions`` takes as they are:
``forward(X, parameters, keep_prob) -> (A3, cache)``, ``compute_cost(A3, Y, parameters, lambd)``,
``backward(X, Y, cache, lambd, keep_prob)``.  Samples are columns, the gradient of ``W1`` is called
``dW1``, the caches are tuples, and the forward pass seeds NumPy's global stream before it draws its
masks.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "backward_propagation",
    "compute_cost",
    "forward_propagation",
    "initialize_parameters",
    "update_parameters",
]

Array: TypeAlias = NDArray[Any]
Parameters: TypeAlias = dict[str, Array]


def initialize_parameters(layers_dims: list[int]) -> Parameters:
    """Return He-initialised weights of shape ``(outputs, inputs)`` and zero biases, as columns."""
    np.random.seed(3)
    parameters = {}
    for layer in range(1, len(layers_dims)):
        shape = layers_dims[layer], layers_dims[layer - 1]
        parameters[f"W{layer}"] = np.random.randn(*shape) * np.sqrt(2 / shape[1])
        parameters[f"b{layer}"] = np.zeros((shape[0], 1))
    return parameters


def forward_propagation(
    X: Array, parameters: Parameters, keep_prob: float = 0.5
) -> tuple[Array, Any]:
    """Return the probabilities ``A3`` of shape ``(1, m)`` for columns ``X``, and the cache."""
    np.random.seed(1)
    W1, b1, W2, b2, W3, b3 = (parameters[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))
    Z1 = W1 @ X + b1
    D1 = np.random.rand(*Z1.shape) < keep_prob
    A1 = np.maximum(Z1, 0) * D1 / keep_prob
    Z2 = W2 @ A1 + b2
    D2 = np.random.rand(*Z2.shape) < keep_prob
    A2 = np.maximum(Z2, 0) * D2 / keep_prob
    Z3 = W3 @ A2 + b3
    A3 = 1 / (1 + np.exp(-Z3))
    return A3, (Z1, D1, A1, W1, Z2, D2, A2, W2, A3, W3)


def compute_cost(A3: Array, Y: Array, parameters: Parameters, lambd: float) -> float:
    """Return the mean cross-entropy plus ``lambd / (2 m)`` times the squared weights."""
    m = Y.shape[1]
    entropy = -np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)) / m
    squares = sum(np.sum(np.square(parameters[name])) for name in ("W1", "W2", "W3"))
    return float(entropy + lambd / (2 * m) * squares)


def backward_propagation(
    X: Array, Y: Array, cache: Any, lambd: float, keep_prob: float
) -> Parameters:
    """Return the gradients, those of the activations among them."""
    m = X.shape[1]
    Z1, D1, A1, W1, Z2, D2, A2, W2, A3, W3 = cache
    dZ3 = A3 - Y
    dA2 = W3.T @ dZ3 * D2 / keep_prob
    dZ2 = dA2 * (Z2 > 0)
    dA1 = W2.T @ dZ2 * D1 / keep_prob
    dZ1 = dA1 * (Z1 > 0)
    return {
        "dZ3": dZ3,
        "dW3": (dZ3 @ A2.T + lambd * W3) / m,
        "db3": dZ3.sum(axis=1, keepdims=True) / m,
        "dA2": dA2,
        "dZ2": dZ2,
        "dW2": (dZ2 @ A1.T + lambd * W2) / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
        "dA1": dA1,
        "dZ1": dZ1,
        "dW1": (dZ1 @ X.T + lambd * W1) / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
    }


def update_parameters(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    """Return new parameters in a new dictionary."""
    return {name: value - learning_rate * grads["d" + name] for name, value in parameters.items()}
