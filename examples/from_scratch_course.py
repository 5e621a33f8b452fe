"""What a reader of *Deep Learning from Scratch* has after chapter 6: layers, a network, a trainer.

The book's code cannot be installed, so this is written anew to its public interface, which is what
``gradhook.integrations.from_scratch_trainer`` relies on: ``network.params``, ``loss(x, t,
train_flg)``, ``gradient(x, t)``, ``weight_decay_lambda``, layers that hold references to the arrays
of ``params``; ``trainer.train_step()``, ``train()`` and ``current_iter``, optimisers that update in
place.  Like the book's, the dropout scales when testing and not when training, and the
cross-entropy adds 1e-7 inside the logarithm.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Affine", "MultiLayerNetExtend", "Trainer"]

Array: TypeAlias = NDArray[Any]


class Affine:
    """``x @ W + b``, with references to the network's arrays."""

    def __init__(self, W: Array, b: Array) -> None:
        self.W, self.b = W, b

    def forward(self, x: Array) -> Array:
        """Remember the input and return the output."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Array) -> Array:
        """Keep ``dW`` and ``db``, and return the gradient of the input."""
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    """``max(x, 0)``; the backward pass writes to what it is given."""

    def forward(self, x: Array) -> Array:
        """Remember where the input is not positive and return the output."""
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout: Array) -> Array:
        """Return the gradient of the input."""
        dout[self.mask] = 0
        return dout


class Dropout:
    """Drops units when training and scales all of them when testing."""

    def __init__(self, dropout_ratio: float = 0.5) -> None:
        self.dropout_ratio = dropout_ratio

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        """Return the output."""
        if not train_flg:
            return x * (1 - self.dropout_ratio)
        self.mask = np.random.rand(*x.shape) > self.dropout_ratio
        return x * self.mask

    def backward(self, dout: Array) -> Array:
        """Return the gradient of the input."""
        return dout * self.mask


class BatchNormalization:
    """Normalises over the batch when training, by running statistics when testing."""

    def __init__(self, gamma: Array, beta: Array, momentum: float = 0.9) -> None:
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean: Any = None
        self.running_var: Any = None

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        """Return the output; update the running statistics when training."""
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        if not train_flg:
            scale = np.sqrt(self.running_var + 1e-6)
            return self.gamma * (x - self.running_mean) / scale + self.beta
        mean, variance = x.mean(axis=0), x.var(axis=0)
        self.std = np.sqrt(variance + 1e-6)
        self.xn = (x - mean) / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * variance
        return self.gamma * self.xn + self.beta

    def backward(self, dout: Array) -> Array:
        """Keep ``dgamma`` and ``dbeta``, and return the gradient of the input."""
        self.dgamma, self.dbeta = (self.xn * dout).sum(axis=0), dout.sum(axis=0)
        dxn = self.gamma * dout
        spread = self.xn * (dxn * self.xn).mean(axis=0)
        return (dxn - dxn.mean(axis=0) - spread) / self.std


class SoftmaxWithLoss:
    """Softmax and mean cross-entropy; the labels are numbers or one-hot rows."""

    loss = y = t = None

    def forward(self, x: Array, t: Array) -> float:
        """Return the loss."""
        shifted = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = shifted / shifted.sum(axis=1, keepdims=True)
        self.t = t.argmax(axis=1) if t.ndim == 2 else t
        self.loss = float(-np.log(self.y[np.arange(len(x)), self.t] + 1e-7).mean())
        return self.loss

    def backward(self, dout: float = 1) -> Array:
        """Return the gradient of the scores."""
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)


class MultiLayerNetExtend:
    """Affine layers with optional batch normalisation, ReLU and optional dropout between them."""

    def __init__(
        self,
        input_size: int,
        hidden_size_list: list[int],
        output_size: int,
        weight_decay_lambda: float = 0,
        use_dropout: bool = False,
        dropout_ration: float = 0.5,  # The book's spelling.
        use_batchnorm: bool = False,
    ) -> None:
        self.hidden_layer_num = len(hidden_size_list)
        self.weight_decay_lambda = weight_decay_lambda
        self.params: dict[str, Array] = {}
        self.layers: dict[str, Any] = {}
        sizes = [input_size, *hidden_size_list, output_size]
        for layer in range(1, len(sizes)):
            W = np.sqrt(2 / sizes[layer - 1]) * np.random.randn(sizes[layer - 1], sizes[layer])
            b = np.zeros(sizes[layer])
            self.params[f"W{layer}"], self.params[f"b{layer}"] = W, b
            self.layers[f"Affine{layer}"] = Affine(W, b)
            if layer == len(sizes) - 1:
                break
            if use_batchnorm:
                gamma, beta = np.ones(sizes[layer]), np.zeros(sizes[layer])
                self.params[f"gamma{layer}"], self.params[f"beta{layer}"] = gamma, beta
                self.layers[f"BatchNorm{layer}"] = BatchNormalization(gamma, beta)
            self.layers[f"Activation_function{layer}"] = Relu()
            if use_dropout:
                self.layers[f"Dropout{layer}"] = Dropout(dropout_ration)
        self.last_layer = SoftmaxWithLoss()

    def predict(self, x: Array, train_flg: bool = False) -> Array:
        """Return the scores."""
        for name, layer in self.layers.items():
            if "Dropout" in name or "BatchNorm" in name:
                x = layer.forward(x, train_flg)
            else:
                x = layer.forward(x)
        return x

    def loss(self, x: Array, t: Array, train_flg: bool = False) -> float:
        """Return cross-entropy plus weight decay; by default of the network as it is tested."""
        decay = 0.0
        for layer in range(1, self.hidden_layer_num + 2):
            decay += 0.5 * self.weight_decay_lambda * float(np.sum(self.params[f"W{layer}"] ** 2))
        return self.last_layer.forward(self.predict(x, train_flg), t) + decay

    def accuracy(self, x: Array, t: Array) -> float:
        """Return the share of rows whose largest score is that of their class."""
        return float(np.mean(self.predict(x).argmax(axis=1) == t))

    def gradient(self, x: Array, t: Array) -> dict[str, Array]:
        """Return the gradients of the network as it is trained."""
        self.loss(x, t, train_flg=True)
        dout = self.last_layer.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        grads = {}
        for number in range(1, self.hidden_layer_num + 2):
            affine, W = self.layers[f"Affine{number}"], self.params[f"W{number}"]
            grads[f"W{number}"] = affine.dW + self.weight_decay_lambda * W
            grads[f"b{number}"] = affine.db
            if f"gamma{number}" in self.params:
                norm = self.layers[f"BatchNorm{number}"]
                grads[f"gamma{number}"], grads[f"beta{number}"] = norm.dgamma, norm.dbeta
        return grads


class Adam:
    """Adam, updating in place so that the layers see it."""

    def __init__(self, lr: float = 0.001) -> None:
        self.lr, self.iter = lr, 0
        self.m: dict[str, Array] = {}
        self.v: dict[str, Array] = {}

    def update(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        """Make one update."""
        self.iter += 1
        rate = self.lr * np.sqrt(1 - 0.999**self.iter) / (1 - 0.9**self.iter)
        for name, value in params.items():
            self.m[name] = 0.9 * self.m.get(name, 0) + 0.1 * grads[name]
            self.v[name] = 0.999 * self.v.get(name, 0) + 0.001 * grads[name] ** 2
            value -= rate * self.m[name] / (np.sqrt(self.v[name]) + 1e-7)


class Trainer:
    """Trains a network by minibatches."""

    def __init__(
        self,
        network: MultiLayerNetExtend,
        x_train: Array,
        t_train: Array,
        x_test: Array,
        t_test: Array,
        epochs: int = 20,
        mini_batch_size: int = 100,
        optimizer_param: dict[str, float] | None = None,
    ) -> None:
        self.network = network
        self.x_train, self.t_train = x_train, t_train
        self.x_test, self.t_test = x_test, t_test
        self.batch_size = mini_batch_size
        self.optimizer = Adam(**(optimizer_param or {}))
        self.max_iter = int(epochs * max(len(x_train) / mini_batch_size, 1))
        self.current_iter = 0
        self.train_loss_list: list[float] = []

    def train_step(self) -> None:
        """Make one update."""
        chosen = np.random.choice(len(self.x_train), self.batch_size)
        x_batch, t_batch = self.x_train[chosen], self.t_train[chosen]
        self.optimizer.update(self.network.params, self.network.gradient(x_batch, t_batch))
        self.train_loss_list.append(self.network.loss(x_batch, t_batch))
        self.current_iter += 1

    def train(self) -> None:
        """Make all updates."""
        for _ in range(self.max_iter):
            self.train_step()
        self.test_acc = self.network.accuracy(self.x_test, self.t_test)
