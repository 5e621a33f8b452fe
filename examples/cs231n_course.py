"""What a CS231n student has after assignment 2: layers, a fully connected network, a ``Solver``.

The course's package cannot be installed, so this is written anew to its public interface, which is
what ``gradhook.integrations.cs231n_solver`` relies on: ``model.loss(X, y) -> (loss, grads)`` and
without labels the scores, ``model.params``, ``reg``, ``use_dropout``, ``dropout_param``,
``bn_params`` and ``dtype`` (float32 unless asked otherwise); ``solver._step()``, ``train()``,
``loss_history``, update rules that return new arrays, and the best parameters put into the model at
the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FullyConnectedNet", "Solver", "dropout_backward"]

Array: TypeAlias = NDArray[Any]
Configuration: TypeAlias = dict[str, Any]


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """Return ``x @ w + b`` for rows of any shape, and the cache."""
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return the gradients of ``x``, ``w`` and ``b``."""
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: Configuration
) -> tuple[Array, Any]:
    """Normalise over the batch, or by the running statistics when testing."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    mean = bn_param.setdefault("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
    variance = bn_param.setdefault("running_var", np.zeros(x.shape[1], dtype=x.dtype))
    if bn_param["mode"] == "test":
        return gamma * (x - mean) / np.sqrt(variance + eps) + beta, None
    deviation = np.sqrt(x.var(axis=0) + eps)
    normalised = (x - x.mean(axis=0)) / deviation
    bn_param["running_mean"] = momentum * mean + (1 - momentum) * x.mean(axis=0)
    bn_param["running_var"] = momentum * variance + (1 - momentum) * x.var(axis=0)
    return gamma * normalised + beta, (normalised, deviation, gamma)


def batchnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return the gradients of ``x``, ``gamma`` and ``beta``."""
    normalised, deviation, gamma = cache
    dnormalised = dout * gamma
    through_mean = dnormalised.mean(axis=0)
    through_deviation = normalised * (dnormalised * normalised).mean(axis=0)
    dx = (dnormalised - through_mean - through_deviation) / deviation
    return dx, (dout * normalised).sum(axis=0), dout.sum(axis=0)


def dropout_forward(x: Array, dropout_param: Configuration) -> tuple[Array, Any]:
    """Keep each unit with probability ``p`` and scale by ``1 / p``; do nothing when testing."""
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if dropout_param["mode"] == "test":
        return x, None
    mask = (np.random.rand(*x.shape) < dropout_param["p"]) / dropout_param["p"]
    return (x * mask).astype(x.dtype, copy=False), mask


def dropout_backward(dout: Array, mask: Any) -> Array:
    """Return the gradient of ``x``."""
    return dout if mask is None else dout * mask


def softmax_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Return the mean cross-entropy of the scores and its gradient."""
    rows = np.arange(len(y))
    shifted = x - x.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dx = np.exp(logs)
    dx[rows, y] -= 1
    return -logs[rows, y].mean(), dx / len(y)


class FullyConnectedNet:
    """``{affine - [batchnorm] - relu - [dropout]} × (L - 1) - affine - softmax``."""

    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 64,
        num_classes: int = 10,
        dropout_keep_ratio: float = 1,
        normalization: str | None = None,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        self.normalization = normalization
        self.use_dropout = dropout_keep_ratio != 1
        self.reg = reg
        self.num_layers = 1 + len(hidden_dims)
        self.dtype = dtype
        self.params: dict[str, Array] = {}
        dims = [input_dim, *hidden_dims, num_classes]
        for layer in range(1, self.num_layers + 1):
            shape = dims[layer - 1], dims[layer]
            self.params[f"W{layer}"] = weight_scale * np.random.randn(*shape)
            self.params[f"b{layer}"] = np.zeros(dims[layer])
            if normalization == "batchnorm" and layer < self.num_layers:
                self.params[f"gamma{layer}"] = np.ones(dims[layer])
                self.params[f"beta{layer}"] = np.zeros(dims[layer])
        self.dropout_param: Configuration = {}
        if self.use_dropout:
            self.dropout_param = {"mode": "train", "p": dropout_keep_ratio}
            if seed is not None:
                self.dropout_param["seed"] = seed
        self.bn_params: list[Configuration] = []
        if normalization == "batchnorm":
            self.bn_params = [{"mode": "train"} for _ in hidden_dims]
        for name, value in self.params.items():
            self.params[name] = value.astype(dtype)

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Return ``(loss, grads)``, or the scores where there are no labels."""
        x = X.astype(self.dtype)
        mode = "test" if y is None else "train"
        if self.use_dropout:
            self.dropout_param["mode"] = mode
        for bn_param in self.bn_params:
            bn_param["mode"] = mode

        params, caches = self.params, []
        for layer in range(1, self.num_layers):
            x, affine = affine_forward(x, params[f"W{layer}"], params[f"b{layer}"])
            norm = mask = None
            if self.bn_params:
                gamma, beta = params[f"gamma{layer}"], params[f"beta{layer}"]
                x, norm = batchnorm_forward(x, gamma, beta, self.bn_params[layer - 1])
            active = x > 0
            x = x * active
            if self.use_dropout:
                x, mask = dropout_forward(x, self.dropout_param)
            caches.append((affine, norm, active, mask))
        last = self.num_layers
        scores, affine = affine_forward(x, params[f"W{last}"], params[f"b{last}"])
        if y is None:
            return scores

        loss, dx = softmax_loss(scores, y)
        grads = {}
        dx, grads[f"W{last}"], grads[f"b{last}"] = affine_backward(dx, affine)
        for layer in range(last - 1, 0, -1):
            affine, norm, active, mask = caches.pop()
            if self.use_dropout:
                dx = dropout_backward(dx, mask)
            dx = dx * active
            if self.bn_params:
                dx, grads[f"gamma{layer}"], grads[f"beta{layer}"] = batchnorm_backward(dx, norm)
            dx, grads[f"W{layer}"], grads[f"b{layer}"] = affine_backward(dx, affine)
        for layer in range(1, last + 1):
            weights = params[f"W{layer}"]
            loss += 0.5 * self.reg * np.sum(weights * weights)
            grads[f"W{layer}"] = grads[f"W{layer}"] + self.reg * weights
        return loss, grads


def sgd(w: Array, dw: Array, config: Configuration) -> tuple[Array, Configuration]:
    """Plain stochastic gradient descent."""
    return w - config.setdefault("learning_rate", 1e-2) * dw, config


def adam(w: Array, dw: Array, config: Configuration) -> tuple[Array, Configuration]:
    """Adam, which like all the course's rules returns a new array."""
    rate = config.setdefault("learning_rate", 1e-3)
    config["t"] = config.get("t", 0) + 1
    config["m"] = 0.9 * config.get("m", 0.0) + 0.1 * dw
    config["v"] = 0.999 * config.get("v", 0.0) + 0.001 * dw**2
    mean, square = config["m"] / (1 - 0.9 ** config["t"]), config["v"] / (1 - 0.999 ** config["t"])
    return w - rate * mean / (np.sqrt(square) + 1e-8), config


UPDATE_RULES: dict[str, Callable[..., tuple[Array, Configuration]]] = {"sgd": sgd, "adam": adam}


class Solver:
    """Trains a model by minibatches and keeps the parameters that validate best."""

    def __init__(self, model: Any, data: dict[str, Array], **kwargs: Any) -> None:
        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self.update_rule = UPDATE_RULES[kwargs.pop("update_rule", "sgd")]
        self.optim_config = kwargs.pop("optim_config", {})
        self.batch_size = kwargs.pop("batch_size", 100)
        self.num_epochs = kwargs.pop("num_epochs", 10)
        if kwargs:
            raise ValueError(f"Unrecognized arguments {', '.join(kwargs)}")
        self.best_val_acc = 0.0
        self.best_params: dict[str, Array] = {}
        self.loss_history: list[float] = []
        self.optim_configs = {name: dict(self.optim_config) for name in model.params}

    def _step(self) -> None:
        """Make one update."""
        chosen = np.random.choice(len(self.X_train), self.batch_size)
        loss, grads = self.model.loss(self.X_train[chosen], self.y_train[chosen])
        self.loss_history.append(loss)
        for name, weights in self.model.params.items():
            config = self.optim_configs[name]
            self.model.params[name], self.optim_configs[name] = self.update_rule(
                weights, grads[name], config
            )

    def check_accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows whose largest score is that of their class."""
        return float(np.mean(self.model.loss(X).argmax(axis=1) == y))

    def train(self) -> None:
        """Make all updates, then put the best parameters into the model."""
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        for step in range(self.num_epochs * per_epoch):
            self._step()
            if (step + 1) % per_epoch == 0:
                accuracy = self.check_accuracy(self.X_val, self.y_val)
                if accuracy > self.best_val_acc:
                    self.best_val_acc = accuracy
                    params = self.model.params.items()
                    self.best_params = {name: value.copy() for name, value in params}
        self.model.params = self.best_params
