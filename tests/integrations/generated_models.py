"""Networks in the manners in which people keep weights and gradients, drawn at random.

Each knows which arrays are its weights, so that a reader of such objects can be held against them.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

import numpy as np

MANNERS = ("attributes", "layers", "dictionary of layers", "lists", "dictionaries", "tensors")
NAMES = {
    "d{}": ("W", "b"),
    "grad_{}": ("W", "b"),
    "{}_grad": ("W", "b"),
    "g{}": ("W", "b"),
    " d{}": ("weights", "biases"),
}
FILLS = ("new", "overwritten", "added")


class Parameter:
    """A tensor of a tape, as far as its keeping goes."""

    def __init__(self, data):
        self.data, self.grad = data, None


class Model:
    """A network drawn from a seed.

    ``run(X, y)`` makes both passes; ``root`` is what a user would pass; ``weights`` are the arrays.
    """

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng([seed, 19])
        pick = lambda options: options[rng.integers(len(options))]  # noqa: E731  # used once
        self.manner, self.form, self.fill = MANNERS[seed % 6], pick(list(NAMES)), pick(FILLS)
        self.dtype = pick([np.float64, np.float64, np.float32])
        self.kept = pick([("inputs", "dinputs"), ("x", "dx"), ("z", "dz"), ("a", "grad_a")])
        self.reuses = bool(rng.integers(2))
        self.warm = bool(rng.integers(2))
        depth = int(rng.integers(1, 4))
        sizes = [4, *rng.integers(3, 6, depth - 1), 2]
        self.W = [rng.normal(0, 0.6, s).astype(self.dtype) for s in itertools.pairwise(sizes)]
        self.b = [rng.normal(0, 0.1, n).astype(self.dtype) for n in sizes[1:]]
        self.root, self.places = self._built(depth)
        self.sizes = sizes
        self._distract()

    @property
    def weights(self):
        """The weights, as they are kept now."""
        return [array for W, b in zip(self.W, self.b, strict=True) for array in (W, b)]

    def _built(self, depth):
        """The object that a user would pass, and for each layer where its things are kept."""
        wname, bname = NAMES[self.form]
        if self.manner == "attributes":
            net = Net()
            for i in range(depth):
                setattr(net, f"{wname}{i}", self.W[i])
                setattr(net, f"{bname}{i}", self.b[i])
            return net, [net] * depth
        if self.manner in ("layers", "dictionary of layers"):
            made = []
            for i in range(depth):
                layer = Net()
                setattr(layer, wname, self.W[i])
                setattr(layer, bname, self.b[i])
                made.append(layer)
            net = Net()
            if self.manner == "layers":
                net.layers = made
                return (net if self.rng.integers(2) else made), made
            net.layers = OrderedDict((f"affine{i}", layer) for i, layer in enumerate(made))
            return net, made
        net = Net()
        if self.manner == "lists":
            net.params = self.weights
            net.grads = [np.zeros_like(w) for w in net.params]
        elif self.manner == "dictionaries":
            net.params = {
                f"{n}{i}": a[i] for i in range(depth) for n, a in (("W", self.W), ("b", self.b))
            }
            net.grads = (
                {} if self.fill == "new" else {k: np.zeros_like(v) for k, v in net.params.items()}
            )
        else:
            net.weights = [Parameter(w) for w in self.W]
            net.biases = [Parameter(b) for b in self.b]
        return net, [net] * depth

    def _distract(self):
        """Things that look like weights and are none."""
        net = self.places[0]
        net.running_mean = np.zeros(3)
        net.velocity = [np.zeros_like(w) for w in self.weights]
        net.t, net.dt = 0.5, 0.01
        net.W_prev, net.dW_prev = np.ones((2, 2)), np.full((2, 2), 0.5)
        net.images = self.rng.normal(size=(5, 4))
        if self.warm:
            self.run(*batch())

    def now(self, i):
        """The weights of a layer, read as the network's own code would."""
        wname, bname = NAMES[self.form]
        place = self.places[i]
        if self.manner == "attributes":
            return getattr(place, f"{wname}{i}"), getattr(place, f"{bname}{i}")
        if self.manner in ("layers", "dictionary of layers"):
            return getattr(place, wname), getattr(place, bname)
        if self.manner == "lists":
            return place.params[2 * i], place.params[2 * i + 1]
        if self.manner == "dictionaries":
            return place.params[f"W{i}"], place.params[f"b{i}"]
        return place.weights[i].data, place.biases[i].data

    def run(self, X, y):
        """Forward and backward; the gradients are left where the manner keeps them."""
        acts = [X.astype(self.dtype) if self.dtype == np.float32 else X]
        for i in range(len(self.W)):
            W, b = self.now(i)
            self._keep(i, 0, acts[-1])
            acts.append(np.tanh(acts[-1] @ W + b))
        loss = 0.5 * np.sum((acts[-1] - y) ** 2) / len(y)
        delta = (acts[-1] - y) / len(y)
        for i in reversed(range(len(self.W))):
            W, _ = self.now(i)
            delta = delta * (1 - acts[i + 1] ** 2)
            self._leave(i, acts[i].T @ delta, delta.sum(axis=0))
            delta = delta @ W.T
            self._keep(i, 1, delta)
        return float(loss)

    def _keep(self, i, which, value):
        """An activation or its gradient, as an attribute; perhaps written into what is there."""
        name = self.kept[which]
        if self.places[i] is self.places[0] and len(self.places) > 1 and self.manner != "layers":
            name = f"{name}{i}"
        there = getattr(self.places[i], name, None)
        if (
            self.reuses
            and there is not None
            and there.shape == value.shape
            and there.dtype == value.dtype
        ):
            there[...] = value
        else:
            setattr(self.places[i], name, value.copy() if self.reuses else value)

    def _leave(self, i, dW, db):
        place, form = self.places[i], self.form.strip()
        wname, bname = NAMES[self.form]
        if self.manner in ("attributes", "layers", "dictionary of layers"):
            suffix = str(i) if self.manner == "attributes" else ""
            for name, value in ((wname + suffix, dW), (bname + suffix, db)):
                called = form.replace("{}", name)
                place.__dict__[called] = self._filled(getattr(place, called, None), value)
        elif self.manner == "lists":
            place.grads[2 * i] = self._filled(place.grads[2 * i], dW)
            place.grads[2 * i + 1] = self._filled(place.grads[2 * i + 1], db)
        elif self.manner == "dictionaries":
            for name, value in ((f"W{i}", dW), (f"b{i}", db)):
                place.grads[name] = self._filled(place.grads.get(name), value)
        else:
            for tensor, value in ((place.weights[i], dW), (place.biases[i], db)):
                tensor.grad = self._filled(tensor.grad, value)

    def _filled(self, there, value):
        if there is None or self.fill == "new":
            return value
        if self.fill == "overwritten":
            there[...] = value
        else:
            there += value
        return there


class Net:
    """An object with attributes."""


def batch():
    """Twelve rows."""
    rng = np.random.default_rng(3)
    return rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
