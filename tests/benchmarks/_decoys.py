"""Wrong gradients built so that an untrue cause or place lies near.

Each function draws one case.  ``true_kinds`` are the kinds that would be true of it, ``chain`` the
layers in forward order where its blocks are layers, and none where they are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["DECOYS", "Decoy", "decoys"]


@dataclass(frozen=True)
class Decoy:
    """A wrong gradient with a decoy near.

    Args:
        name: What it is.
        function: ``function(parameters, *batch) -> (loss, gradients)``.
        parameters: Blocks by name.
        batch: Its batch.
        true_kinds: Kinds of causes that would be true.
        chain: Blocks of each layer, the lowest first; empty where blocks are no layers.
        options: Keywords of the check.
    """

    name: str
    function: Callable[..., tuple[float, dict[str, Any]]]
    parameters: Mapping[str, Any]
    batch: tuple[Any, ...]
    true_kinds: frozenset[str] = frozenset()
    chain: tuple[frozenset[str], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def squared(g: Any, rng: Any) -> Any:
    """``g * g``."""
    return g * g


def rooted(g: Any, rng: Any) -> Any:
    """The square root of its size, with its sign."""
    return np.sign(g) * np.sqrt(np.abs(g))


def ordered(g: Any, rng: Any) -> Any:
    """Sorted along the last axis."""
    return np.sort(g, axis=-1)


def shaken(g: Any, rng: Any) -> Any:
    """Each element by a factor of its own, the same at every call."""
    return g * (1 + 0.3 * np.random.default_rng(5).standard_normal(np.shape(g)))


EDITS = (squared, rooted, ordered, shaken)


def positive_column(rng: Any, k: int) -> Decoy:
    """A column that is not negative and weighs no row."""
    n = 40
    X, w, b = rng.normal(size=(n, 4)), 0.3 * rng.normal(size=4), np.array(0.1)
    which = ("decay", "gamma", "poisson", "signs", "offset")[k % 5]

    def decay(p: Any, t: Any, y: Any) -> Any:
        e = np.exp(-p["k"] * t)
        q = p["A"] * e + p["c"] - y
        g = {"A": np.mean(q * e), "k": -np.mean(q * p["A"] * e), "c": q.mean()}
        return 0.5 * np.mean(q**2), {name: np.array(value) for name, value in g.items()}

    def glm(p: Any, X: Any, y: Any) -> Any:
        z = X @ p["w"] + p["b"]
        m = np.exp(z)
        if which == "gamma":
            loss, d = np.mean(y / m + z), 1 - 1 / m  # the factor y is missing
        elif which == "poisson":
            loss, d = np.mean(m - y * z), m - y**2
        elif which == "signs":
            margin = 1 - y * z
            loss, d = np.mean(np.log1p(np.exp(margin))), 1 / (1 + np.exp(-margin))
        else:
            loss, d = np.mean((z + y) ** 2), 2 * z  # the offset is missing
        d = d / len(y)
        return float(loss), {"w": X.T @ d, "b": np.array(d.sum())}

    if which == "decay":
        t = np.sort(rng.uniform(0.1, 5, n))
        start = {"A": np.array(1.8), "k": np.array(0.6), "c": np.array(0.4)}
        y = 2 * np.exp(-0.7 * t) + 0.5 + 0.05 * rng.normal(size=n)
        return Decoy(which, decay, start, (t, y))
    y = rng.choice([-1.0, 1.0], n) if which == "signs" else rng.gamma(2.0, 1.0, n)
    return Decoy(which, glm, {"w": w, "b": b}, (X, y))


def no_bias(rng: Any, k: int) -> Decoy:
    """A 1-D block behind a matrix that is no bias of it, or a bias that is wrong by no sum."""
    edit, kind = EDITS[k % 4], ("head", "slope", "bias")[k // 4 % 3]
    X, y = rng.normal(size=(40, 5)), rng.normal(size=40)
    p = {"W": 0.4 * rng.normal(size=(5, 4)), "v": 0.3 + 0.2 * rng.random(4)}
    u = rng.normal(size=4)

    def head(p: Any, X: Any, y: Any) -> Any:
        h = np.tanh(X @ p["W"])
        d = (h @ p["v"] - y) / len(y)
        g = {"W": X.T @ (np.outer(d, p["v"]) * (1 - h**2)), "v": edit(h.T @ d, rng)}
        return 0.5 * np.mean((h @ p["v"] - y) ** 2), g

    def slope(p: Any, X: Any, y: Any) -> Any:
        z = X @ p["W"]
        h = np.where(z > 0, z, p["v"] * z)
        d = np.outer(h @ u - y, u) / len(y)
        g = {"W": X.T @ (d * np.where(z > 0, 1, p["v"]))}
        g["v"] = edit((d * np.minimum(z, 0)).sum(0), rng)
        return 0.5 * np.mean((h @ u - y) ** 2), g

    def bias(p: Any, X: Any, y: Any) -> Any:
        h = np.tanh(X @ p["W"] + p["v"])
        d = np.outer(h @ u - y, u) / len(y) * (1 - h**2)
        return 0.5 * np.mean((h @ u - y) ** 2), {"W": X.T @ d, "v": edit(d.sum(0), rng)}

    function = {"head": head, "slope": slope, "bias": bias}[kind]
    return Decoy(f"{kind}, {edit.__name__}", function, p, (X, y))


def mlp(rng: Any, sizes: tuple[int, ...], *, biases: bool = True, names: str = "layers") -> Any:
    """Parameters of a tanh network with a softmax, their layers, and a batch."""
    p: dict[str, Any] = {}
    layers = range(1, len(sizes))
    label = {
        "layers": lambda k: (f"W{k}", f"b{k}"),
        "weights first": lambda k: (f"W{k}", f"b{k}"),
        "letters": lambda k: (("Wxh", "Whk", "Wky")[k - 1], ("bh", "bk", "by")[k - 1]),
        "indexed": lambda k: (f"{2 * k}.w0", f"{2 * k}.b1"),
    }[names]
    for k in layers:
        p[label(k)[0]] = rng.normal(size=sizes[k - 1 : k + 1]) / sizes[k - 1] ** 0.5
        if biases and names == "layers":
            p[label(k)[1]] = 0.3 * rng.normal(size=sizes[k])
    if biases and names != "layers":
        for k in layers:
            p[label(k)[1]] = 0.3 * rng.normal(size=sizes[k])
    chain = tuple(frozenset(label(k) if biases else label(k)[:1]) for k in layers)
    batch = (rng.normal(size=(30, sizes[0])), rng.integers(0, sizes[-1], 30))
    return p, [label(k) for k in layers], chain, batch


def softmax_network(
    labels: Any, *, at: int = -1, wrong: str = "", factor: Mapping[str, float] | None = None
) -> Callable[..., Any]:
    """The function of ``mlp``; ``wrong`` is a mistake in the derivative of layer ``at``."""

    def function(p: Any, X: Any, y: Any) -> Any:
        hidden = [X]
        for w, b in labels[:-1]:
            hidden.append(np.tanh(hidden[-1] @ p[w] + p.get(b, 0.0)))
        w, b = labels[-1]
        s = hidden[-1] @ p[w] + p.get(b, 0.0)
        q = np.exp(s - s.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(q[rows, y]).mean()
        q[rows, y] -= 1
        d = q / len(y)
        g = {}
        for k in range(len(labels) - 1, -1, -1):
            w, b = labels[k]
            g[w] = hidden[k].T @ d
            if b in p:
                g[b] = d.sum(0)
            if k:
                h = hidden[k]
                d = d @ p[w].T
                if k - 1 == at and wrong == "missing":
                    continue
                d = d * ((1 - h) if k - 1 == at and wrong == "unsquared" else (1 - h * h))
        for name, by in (factor or {}).items():
            g[name] = g[name] * by
        return float(loss), {name: g[name] for name in p}

    return function


def size_that_equals_a_factor(rng: Any, k: int) -> Decoy:
    """A factor that equals a width, the rows, a root or a half, and comes from nowhere."""
    sizes = (6, 9, 9, 4)
    p, labels, chain, batch = mlp(rng, sizes)
    by = (4.0, 0.25, 0.5, 7.0, 1 / 7, 3.0, 1 / 3)[k % 7]
    if k % 3 == 0:
        names = list(p)
    elif k % 3 == 1:
        names = [("W1", "b2", "W3")[k // 3 % 3]]
        chain = ()
    else:
        names = ["W1", "W2"]
        chain = ()
    function = softmax_network(labels, factor=dict.fromkeys(names, by))
    true = frozenset({"scale"})
    return Decoy(f"factor {by:.3g} on {len(names)}", function, p, batch, true, chain)


def weights_first(rng: Any, k: int) -> Decoy:
    """One wrong derivative in a network whose names say nothing of its order."""
    names = ("weights first", "letters", "indexed")[k % 3]
    p, labels, chain, batch = mlp(rng, (6, 7, 5, 4), names=names)
    wrong, at = ("missing", "unsquared")[k // 3 % 2], k // 6 % 2
    function = softmax_network(labels, at=at, wrong=wrong)
    return Decoy(f"{names}, {wrong}", function, p, batch, chain=chain)


def without_biases(rng: Any, k: int) -> Decoy:
    """One wrong derivative in a network without biases."""
    depth = (3, 4)[k % 2]
    p, labels, chain, batch = mlp(rng, (5, 6, 7, 4)[:depth], biases=False)
    wrong, at = ("missing", "unsquared")[k // 2 % 2], k // 4 % (depth - 2)
    function = softmax_network(labels, at=at, wrong=wrong)
    return Decoy(f"{depth - 1} weights, {wrong}", function, p, batch, chain=chain)


def parallel_branches(rng: Any, k: int) -> Decoy:
    """Queries, keys and values, or a gate: branches and no layers."""
    N, T, D, H = 20, 4, 4, 3
    X, Y = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, H))

    def attention(p: Any, X: Any, Y: Any) -> Any:
        Q, K, V = (X @ p[name] for name in ("Wq", "Wk", "Wv"))
        Z = Q @ K.swapaxes(-1, -2) / H**0.5
        A = np.exp(Z - Z.max(-1, keepdims=True))
        A /= A.sum(-1, keepdims=True)
        d = (A @ V - Y) / len(X)
        dA = d @ V.swapaxes(-1, -2)
        dZ = A * dA if k % 2 else A * (dA - (A * dA).sum(-1, keepdims=True)) + 0.1 * A * A
        dZ = dZ / H**0.5

        def down(e):
            return np.einsum("ntd,nth->dh", X, e)

        g = {"Wq": down(dZ @ K), "Wk": down(dZ.swapaxes(-1, -2) @ Q)}
        g["Wv"] = down(A.swapaxes(-1, -2) @ d)
        return 0.5 * np.sum((A @ V - Y) ** 2) / len(X), g

    def gate(p: Any, X: Any, y: Any) -> Any:
        a, s = np.tanh(X @ p["A"]), 1 / (1 + np.exp(-X @ p["B"]))
        d = np.outer((a * s) @ p["v"] - y, p["v"]) / len(y)
        g = {"A": X.T @ (d * s * (1 - a * a)), "B": X.T @ (d * a * s)}  # 1 - s is missing
        g["v"] = (a * s).T @ ((a * s) @ p["v"] - y) / len(y)
        return 0.5 * np.mean(((a * s) @ p["v"] - y) ** 2), g

    if k % 3 < 2:
        p = {name: 0.6 * rng.normal(size=(D, H)) for name in ("Wq", "Wk", "Wv")}
        return Decoy("attention", attention, p, (X, Y))
    p = {name: 0.6 * rng.normal(size=(D, 5)) for name in ("A", "B")}
    p["v"] = rng.normal(size=5)
    return Decoy("gate", gate, p, (X[:, 0], Y[:, 0, 0]))


def one_row_that_matters(rng: Any, k: int) -> Decoy:
    """A loss in which the first row alone has a say, or a gradient that depends on no row."""
    X, Y = rng.normal(size=(30, 5)), rng.normal(size=(30, 3))
    p = {"W": 0.4 * rng.normal(size=(5, 3))}
    edit = EDITS[k % 4]

    def first(p: Any, X: Any, Y: Any) -> Any:
        weight = np.zeros(len(X))
        weight[0] = 1.0
        r = (X @ p["W"] - Y) * weight[:, None]
        return 0.5 * np.sum(r * r), {"W": edit(X.T @ r, rng)}

    def ridge(p: Any, X: Any, Y: Any) -> Any:
        r = X @ p["W"] - Y
        loss = 0.5 * np.sum(r * r) / len(X) + 0.05 * np.sum(p["W"] ** 2)
        return loss, {"W": 0.1 * p["W"] if k % 2 else p["W"].copy()}

    function = first if k // 4 % 2 else ridge
    name = f"first row, {edit.__name__}" if function is first else "ridge"
    return Decoy(name, function, p, (X, Y))


def buffer_of_weights(rng: Any, k: int) -> Decoy:
    """A term that equals a multiple of the weights at the point checked, and is no penalty."""
    p, labels, chain, batch = mlp(rng, (6, 7, 4))
    inner, by = softmax_network(labels), (0.05, 0.2, 1.0)[k % 3]
    anchor = {name: np.array(value) for name, value in p.items()}
    which = ("W1", "W2", "b1")[k // 3 % 3]

    def function(p: Any, X: Any, y: Any) -> Any:
        loss, g = inner(p, X, y)
        g[which] = g[which] + by * anchor[which]
        return loss, g

    options = {"points": ("current",)}
    return Decoy(f"anchor of {which}", function, p, batch, chain=chain, options=options)


def coarse(rng: Any, k: int) -> Decoy:
    """A network in float32, where much is too coarse to judge."""
    p, labels, chain, batch = mlp(rng, (6, 7, 5, 4))
    low = {name: value.astype(np.float32) for name, value in p.items()}
    if k % 2:
        inner = softmax_network(labels, at=k // 2 % 2, wrong=("missing", "unsquared")[k // 4 % 2])
        true: frozenset[str] = frozenset()
    else:
        which = list(p)[k // 2 % len(p)]
        inner = softmax_network(labels, factor={which: 1.3})
        true, chain = frozenset({"scale"}), ()

    def function(p: Any, X: Any, y: Any) -> Any:
        loss, g = inner({n: v.astype(np.float32) for n, v in p.items()}, X, y)
        return np.float32(loss), {n: v.astype(np.float32) for n, v in g.items()}

    X, y = batch
    return Decoy("float32", function, low, (X.astype(np.float32), y), true, chain)


DECOYS: Mapping[str, Callable[[Any, int], Decoy]] = {
    "a positive column that is no weight": positive_column,
    "a 1-D block that is no bias": no_bias,
    "a size that equals a factor": size_that_equals_a_factor,
    "weights before biases": weights_first,
    "parallel branches": parallel_branches,
    "no biases": without_biases,
    "one row that matters": one_row_that_matters,
    "a buffer that equals the weights": buffer_of_weights,
    "float32": coarse,
}
"""What each family of decoys offers, and who draws it."""


def decoys(each: int) -> Iterator[tuple[str, int, Decoy]]:
    """So many cases of every family."""
    for index, (family, draw) in enumerate(DECOYS.items()):
        for k in range(each):
            yield family, k, draw(np.random.default_rng([70, index, k]), k)
