"""Six ways in which people write a network and its backward pass, each checked by one line.

    python examples/six_styles.py              # every gradient right
    python examples/six_styles.py --plant-bug  # one mistake in each

The data are scikit-learn's handwritten digits.  The styles: a class with ``W1`` and ``dW1``; layers
with ``params`` and ``grads`` and an optimiser; a list of weights with backpropagation sample by
sample; a trainer of one's own; a recurrent network with global variables that returns a flat tuple
(min-char-rnn); one vector ``theta`` for ``scipy.optimize.minimize``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradhook import GradCheckCallback, check_gradients

Array = NDArray[Any]

HIDDEN, CLASSES, PIXELS = 16, 10, 64


@dataclass
class Style:
    """One way of writing a network, as it is handed to gradhook and to a loop.

    Args:
        objective: First argument of ``check_gradients`` and of the callback.
        parameters: Second argument.
        step: Makes one update on a batch.
        weights: The arrays as they stand, by the names that a report uses.
        wrong: The blocks that the planted bug is in.
        options: Further keywords.
    """

    objective: Any
    parameters: Any
    step: Callable[[Array, Array], Any]
    weights: Callable[[], dict[str, Array]]
    wrong: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


def softmax_loss(scores: Array, y: Array) -> tuple[float, Array]:
    """Return mean cross-entropy and its gradient with respect to the scores."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(y))
    gradient = np.exp(log_p)
    gradient[rows, y] -= 1
    return float(-log_p[rows, y].mean()), gradient / len(y)


def weights(*shape: int) -> Array:
    """Return small random weights."""
    return np.random.default_rng(shape).normal(0, 1 / np.sqrt(shape[0]), shape)


# 1. A class with W1 and dW1.


class Net:
    """Two layers; activations, weights and gradients are attributes."""

    def __init__(self, *, bug: bool = False) -> None:
        self.bug = bug
        self.W1, self.b1 = weights(PIXELS, HIDDEN), np.zeros(HIDDEN)
        self.W2, self.b2 = weights(HIDDEN, CLASSES), np.zeros(CLASSES)

    def forward(self, X: Array) -> Array:
        """Return the scores."""
        self.X, self.z1 = X, X @ self.W1 + self.b1
        self.a1 = np.maximum(self.z1, 0)
        return self.a1 @ self.W2 + self.b2

    def backward(self, dscores: Array) -> None:
        """Leave the gradients beside the weights."""
        self.dW2, self.db2 = self.a1.T @ dscores, dscores.sum(axis=0)
        self.dz1 = dscores @ self.W2.T * (1 if self.bug else self.z1 > 0)
        self.dW1, self.db1 = self.X.T @ self.dz1, self.dz1.sum(axis=0)


def attributes(*, bug: bool = False) -> Style:
    """A class with W1 and dW1; the bug: the derivative of the ReLU is missing."""
    net = Net(bug=bug)

    def run(X: Array, y: Array) -> float:
        loss, dscores = softmax_loss(net.forward(X), y)
        net.backward(dscores)
        return loss

    def step(X: Array, y: Array) -> None:
        run(X, y)
        for name in ("W1", "b1", "W2", "b2"):  # bound anew
            setattr(net, name, getattr(net, name) - 0.1 * getattr(net, f"d{name}"))

    named = ("W1", "b1", "W2", "b2")
    return Style(run, net, step, lambda: {n: getattr(net, n) for n in named}, ("W1", "b1"))


# 2. Layers with params and grads, and an optimiser.


class Affine:
    """``x @ W + b``, whose gradients are added to buffers."""

    def __init__(self, inputs: int, outputs: int, *, bug: bool = False) -> None:
        self.bug = bug
        self.params = [weights(inputs, outputs), np.zeros(outputs)]
        self.grads = [np.zeros_like(param) for param in self.params]

    def forward(self, x: Array) -> Array:
        """Remember the input and return the output."""
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout: Array) -> Array:
        """Add to the gradients and return that of the input."""
        self.grads[0] += self.x.T @ dout
        self.grads[1] += dout[0] if self.bug else dout.sum(axis=0)
        return dout @ self.params[0].T


class Tanh:
    """``tanh(x)``, without parameters."""

    def __init__(self) -> None:
        self.params: list[Array] = []
        self.grads: list[Array] = []

    def forward(self, x: Array) -> Array:
        """Remember the output and return it."""
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout: Array) -> Array:
        """Return the gradient of the input."""
        return dout * (1 - self.out**2)


class Momentum:
    """Updates in place, and sets the gradients back to zero."""

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers
        self.v = [[np.zeros_like(param) for param in layer.params] for layer in layers]

    def step(self) -> None:
        """Make one update."""
        for layer, velocities in zip(self.layers, self.v, strict=True):
            for param, grad, v in zip(layer.params, layer.grads, velocities, strict=True):
                v *= 0.9
                v -= 0.05 * grad
                param += v
                grad[...] = 0


def layers(*, bug: bool = False) -> Style:
    """Layers with params and grads; the bug: the bias of the last takes the first row alone."""
    net = [Affine(PIXELS, HIDDEN), Tanh(), Affine(HIDDEN, CLASSES, bug=bug)]
    optimiser = Momentum(net)

    def run(X: Array, y: Array) -> float:
        out = X
        for layer in net:
            out = layer.forward(out)
        loss, dout = softmax_loss(out, y)
        for layer in reversed(net):
            dout = layer.backward(dout)
        return loss

    def step(X: Array, y: Array) -> None:
        run(X, y)
        optimiser.step()

    def now() -> dict[str, Array]:
        return {
            f"layers[{i}].params[{j}]": param
            for i, layer in enumerate(net)
            for j, param in enumerate(layer.params)
        }

    return Style(run, net, step, now, ("layers[2].params[1]",))


# 3. A list of weights, and backpropagation sample by sample.


def per_sample(*, bug: bool = False) -> Style:
    """A list of weights; the bug: the derivative of the sigmoid is missing from the first layer."""
    W = [weights(HIDDEN, PIXELS), weights(CLASSES, HIDDEN)]

    def backprop(W: list[Array], x: Array, label: int) -> tuple[float, list[Array]]:
        hidden = 1 / (1 + np.exp(-W[0] @ x))
        error = 1 / (1 + np.exp(-W[1] @ hidden)) - np.eye(CLASSES)[label]
        out = error + np.eye(CLASSES)[label]
        delta = error * out * (1 - out)
        below = W[1].T @ delta * (1 if bug else hidden * (1 - hidden))
        return 0.5 * float(error @ error), [np.outer(below, x), np.outer(delta, hidden)]

    def loss_and_gradients(W: list[Array], X: Array, y: Array) -> tuple[float, list[Array]]:
        total, sums = 0.0, [np.zeros_like(w) for w in W]
        for x, label in zip(X, y, strict=True):
            loss, gradients = backprop(W, x, label)
            total += loss
            sums = [s + g for s, g in zip(sums, gradients, strict=True)]
        return total, sums

    def step(X: Array, y: Array) -> None:
        for w, gradient in zip(W, loss_and_gradients(W, X, y)[1], strict=True):
            w -= 0.05 * gradient

    def now() -> dict[str, Array]:
        return {f"params[{i}]": w for i, w in enumerate(W)}

    return Style(loss_and_gradients, W, step, now, ("params[0]",))


# 4. A trainer of one's own.


class Trainer:
    """Softmax regression with weight decay, which updates in its own method."""

    def __init__(self, *, bug: bool = False) -> None:
        self.bug, self.decay = bug, 1e-2
        self.params = {"W": weights(PIXELS, CLASSES), "b": np.zeros(CLASSES)}

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[float, dict[str, Array]]:
        """Return the loss, decay included, and gradients by name."""
        W, b = self.params["W"], self.params["b"]
        loss, dscores = softmax_loss(X @ W + b, y)
        decay = 0 if self.bug else self.decay
        gradients = {"W": X.T @ dscores + decay * W, "b": dscores.sum(axis=0)}
        return loss + 0.5 * self.decay * float(np.sum(W * W)), gradients

    def update(self, X: Array, y: Array) -> None:
        """Make one update; the arrays are bound anew."""
        _, gradients = self.loss_and_gradients(X, y)
        self.params = {name: w - 0.2 * gradients[name] for name, w in self.params.items()}


def trainer(*, bug: bool = False) -> Style:
    """A trainer of one's own; the bug: the penalty is not in the gradient."""
    own = Trainer(bug=bug)
    return Style(own, None, own.update, lambda: own.params, ("W",))


# 5. min-char-rnn: weights are global variables, the function returns a flat tuple.

Wxh, Whh, Why = weights(HIDDEN, 8), weights(HIDDEN, HIDDEN), weights(CLASSES, HIDDEN)
bh, by = np.zeros((HIDDEN, 1)), np.zeros((CLASSES, 1))
FORGETS = False


def lossFun(inputs: Array, targets: Array) -> tuple[Any, ...]:
    """Read each image row by row; return the loss, the gradients and the last hidden state."""
    steps, count = inputs.reshape(-1, 8, 8).transpose(1, 2, 0), len(targets)
    hs = [np.zeros((HIDDEN, count))]
    for x in steps:
        hs.append(np.tanh(Wxh @ x + Whh @ hs[-1] + bh))
    loss, dscores = softmax_loss((Why @ hs[-1] + by).T, targets)
    dy = dscores.T
    dWhy, dby = dy @ hs[-1].T, dy.sum(axis=1, keepdims=True)
    dWxh, dWhh, dbh = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(bh)
    dh = Why.T @ dy
    for t in reversed(range(len(steps))):
        dhraw = (1 - hs[t + 1] ** 2) * dh
        dbh += dhraw.sum(axis=1, keepdims=True)
        dWxh += dhraw @ steps[t].T
        dWhh += dhraw @ hs[t].T
        dh = dhraw if FORGETS else Whh.T @ dhraw
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[-1]


def char_rnn(*, bug: bool = False) -> Style:
    """Global variables and a flat tuple; the bug: the way through time lacks Whh."""
    global FORGETS
    FORGETS = bug
    names = ("Wxh", "Whh", "Why", "bh", "by")

    def step(X: Array, y: Array) -> None:
        for name, gradient in zip(names, lossFun(X, y)[1:6], strict=True):
            globals()[name] -= 0.1 * np.clip(gradient, -5, 5)

    def now() -> dict[str, Array]:
        return {name: globals()[name] for name in names}

    return Style(lossFun, now, step, now, ("Wxh", "Whh", "bh"))


# 6. One vector, as scipy.optimize.minimize wants it.

SHAPES: dict[str, Any] = {
    "W1": (PIXELS, HIDDEN),
    "b1": HIDDEN,
    "W2": (HIDDEN, CLASSES),
    "b2": CLASSES,
}


def unrolled(*, bug: bool = False) -> Style:
    """One vector theta; the bug: the mean of the last bias's gradient instead of its sum."""
    parts = [PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES]
    theta = np.concatenate(
        [
            weights(PIXELS, HIDDEN).ravel(),
            np.zeros(HIDDEN),
            weights(HIDDEN, CLASSES).ravel(),
            np.zeros(CLASSES),
        ]
    )

    def cost(theta: Array, X: Array, y: Array) -> tuple[float, Array]:
        flat1, b1, flat2, b2 = np.split(theta, np.cumsum(parts))
        W1, W2 = flat1.reshape(PIXELS, HIDDEN), flat2.reshape(HIDDEN, CLASSES)
        hidden = np.tanh(X @ W1 + b1)
        loss, d2 = softmax_loss(hidden @ W2 + b2, y)
        d1 = d2 @ W2.T * (1 - hidden**2)
        db2 = d2.mean(axis=0) if bug else d2.sum(axis=0)
        return loss, np.concatenate([(X.T @ d1).ravel(), d1.sum(0), (hidden.T @ d2).ravel(), db2])

    def step(X: Array, y: Array) -> None:
        theta[...] -= 0.1 * cost(theta, X, y)[1]

    return Style(cost, theta, step, lambda: {"theta": theta}, ("b2",), {"parts": SHAPES})


STYLES = (attributes, layers, per_sample, trainer, char_rnn, unrolled)


def digits() -> tuple[Array, Array]:
    """Return images as rows of 64 numbers between 0 and 1, and labels."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X / 16, y


def train(style: Style, *, enabled: bool, steps: int = 20) -> GradCheckCallback:
    """A loop with the check in it."""
    X, y = digits()
    check = GradCheckCallback(
        style.objective, style.parameters, schedule=10, on_fail="record", enabled=enabled,
        **style.options,
    )  # fmt: skip
    check.on_train_begin(batch=(X[:32], y[:32]))
    for number, rows in enumerate(batches(len(X), steps), start=1):
        style.step(X[rows], y[rows])
        check.on_step_end(number, batch=(X[rows], y[rows]))
    check.on_train_end()
    return check


def batches(count: int, steps: int) -> Iterator[Array]:
    """Rows of each batch, always the same."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        yield rng.choice(count, 32, replace=False)


def main() -> None:
    """Check every style once, and then while it trains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plant-bug", action="store_true", help="one mistake in each style")
    bug = parser.parse_args().plant_bug
    X, y = digits()
    for make in STYLES:
        style = make(bug=bug)
        report = check_gradients(style.objective, style.parameters, batch=(X, y), **style.options)
        wrong = f", wrong: {', '.join(report.failing)}" if report.failing else ""
        history = train(style, enabled=True).history
        later = ", ".join(f"step {r.step} {r.verdict}" for r in history)
        print(f"{make.__name__}: {report.verdict}{wrong}; while training: {later}")
        print(
            *(f"    {note}" for note in report.notes[:1]), sep="\n", end="\n" * bool(report.notes)
        )


if __name__ == "__main__":
    main()
