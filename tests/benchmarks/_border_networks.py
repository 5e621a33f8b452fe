"""Networks at the borders of what a check can see, right and wrong, drawn at random.

Each function draws one pair: code whose gradient is right, and code whose gradient is not.  The
mathematics is a small network with one hidden layer, written out by hand; what varies is the size
of its numbers, the arithmetic and the noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Objective = Callable[..., tuple[float, dict[str, Any]]]
Random = np.random.Generator


@dataclass(frozen=True)
class Case:
    """An objective at the point where its user stands.

    Args:
        objective: Returns loss and gradients.
        parameters: Its parameters.
        batch: Its data.
        exact: The exact gradient's objective, where this one is wrong; ``None`` where it is right.
        everywhere: Whether the mistake shows at every ordinary point; else the arithmetic decides.
        note: What was drawn, in words.
        mistake: Relative size of the mistake, where it is one factor.
        options: What its user tells the check.
    """

    objective: Objective
    parameters: dict[str, Any]
    batch: tuple[Any, ...]
    exact: Objective | None = None
    everywhere: bool = False
    note: str = ""
    mistake: float = np.nan
    options: dict[str, Any] = field(default_factory=dict)


Pair = tuple[Case, Case]


def log_uniform(random: Random, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def softmax_loss(z: Any, y: Any) -> tuple[Any, Any]:
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = (np.log(total[:, 0]) - z[rows, y]).mean(dtype=z.dtype)
    d = e / total
    d[rows, y] -= 1
    return loss, d / z.dtype.type(len(y))


def logistic_loss(z: Any, y: Any) -> tuple[Any, Any]:
    sign = (2 * (np.arange(z.shape[1]) == y[:, None]) - 1).astype(z.dtype)
    m = -sign * z
    loss = np.logaddexp(z.dtype.type(0), m).mean(dtype=z.dtype)
    return loss, -sign * np.exp(-np.logaddexp(z.dtype.type(0), -m)) / z.dtype.type(z.size)


def hinge_loss(z: Any, y: Any) -> tuple[Any, Any]:
    rows = np.arange(len(y))
    margin = z - z[rows, y][:, None] + 1
    margin[rows, y] = 0
    active = (margin > 0).astype(z.dtype)
    active[rows, y] = -active.sum(axis=1)
    return np.maximum(margin, 0).sum() / len(y), active / len(y)


def contrastive_loss(z: Any, y: Any) -> tuple[Any, Any]:
    """InfoNCE: row i belongs to row i + 1 of the other half."""
    half = len(z) // 2
    left, right = z[:half], z[half : 2 * half]
    loss, d = softmax_loss(left @ right.T, np.arange(half))
    dz = np.zeros_like(z)
    dz[:half], dz[half : 2 * half] = d @ right, d.T @ left
    return loss, dz


def network(
    *,
    relu: bool = False,
    head: Callable[..., tuple[Any, Any]] = softmax_loss,
    dtype: Any = None,
    batch_norm: float | None = None,
    center: bool = True,
) -> Objective:
    """A network of one hidden layer.

    Args:
        relu: Rectified, else tanh.
        head: The loss of the outputs and its gradient.
        dtype: What it is computed in; ``None`` for that of its parameters.
        batch_norm: The eps of a batch normalisation before the activation; ``None`` for none.
        center: Whether the backward pass of that normalisation takes away the means.
    """

    def objective(parameters: dict[str, Any], X: Any, y: Any) -> tuple[float, dict[str, Any]]:
        p = {k: v if dtype is None else v.astype(dtype) for k, v in parameters.items()}
        X = X if dtype is None else X.astype(dtype)
        a = X @ p["W1"] + p["b1"]
        if batch_norm is not None:
            deviation = np.sqrt(a.var(axis=0) + batch_norm)
            a = (a - a.mean(axis=0)) / deviation
            normal = a
            a = p["g"] * a + p["s"]
        h = np.maximum(a, 0) if relu else np.tanh(a)
        z = h @ p["W2"] + p["b2"]
        # Of half precision the loss alone is computed in single, as everywhere.
        loss, d = head(z.astype(np.float32) if z.dtype == np.float16 else z, y)
        d = d.astype(z.dtype)
        da = (d @ p["W2"].T) * ((a > 0) if relu else 1 - h * h)
        gradients = {"W2": h.T @ d, "b2": d.sum(axis=0)}
        if batch_norm is not None:
            gradients |= {"g": (da * normal).sum(axis=0), "s": da.sum(axis=0)}
            da = da * p["g"]
            means = da.mean(axis=0) if center else 0.0
            da = (da - means - normal * (da * normal).mean(axis=0)) / deviation
        gradients |= {"W1": X.T @ da, "b1": da.sum(axis=0)}
        return float(loss), {name: gradients[name] for name in parameters}

    return objective


def drawn_network(
    random: Random, *, rows: int = 24, inputs: int | None = None, scale: float = 1.0
) -> tuple[dict[str, Any], tuple[Any, Any]]:
    inputs = inputs or int(random.integers(4, 10))
    hidden, classes = int(random.integers(5, 12)), int(random.integers(3, 6))
    X = scale * random.normal(size=(rows, inputs))
    parameters = {
        "W1": random.normal(size=(inputs, hidden)) / np.sqrt(inputs) / scale,
        "b1": 0.3 * random.normal(size=hidden),
        "W2": random.normal(size=(hidden, classes)) / np.sqrt(hidden),
        "b2": 0.3 * random.normal(size=classes),
    }
    return parameters, (X, random.integers(0, classes, rows))


def with_factor(objective: Objective, name: str, factor: float, part: Any = ...) -> Objective:
    """The same with one part of a gradient multiplied."""

    def wrong(*arguments: Any) -> tuple[float, dict[str, Any]]:
        loss, gradients = objective(*arguments)
        gradients = dict(gradients)
        gradients[name] = np.array(gradients[name])
        gradients[name][part] *= factor
        return loss, gradients

    return wrong


def pair_of(
    random: Random, objective: Objective, exact: Objective, *, parameters: Any, batch: Any,
    mistake: float, note: str, everywhere: bool = False,
) -> Pair:  # fmt: skip
    """A right objective beside the same with one block off by a factor."""
    name = str(random.choice([k for k, v in parameters.items() if np.size(v)]))
    factor = 1 + mistake * float(random.choice([-1.0, 1.0]))
    wrong = with_factor(objective, name, factor)
    note = f"{note}, {name} off by {mistake:.1e}"
    return (
        Case(objective, parameters, batch, note=note),
        Case(wrong, parameters, batch, exact, everywhere, note, mistake),
    )


def saturation(random: Random) -> Pair:
    """Networks that are sure and right: trained on separable data, or with large weights."""
    heads = (softmax_loss, logistic_loss, hinge_loss, contrastive_loss)
    head = heads[int(random.integers(4))]
    right = network(relu=bool(random.integers(2)), head=head)
    parameters, (X, y) = drawn_network(random)
    scores = []

    def keep(z: Any, y: Any) -> tuple[Any, Any]:
        scores.append(z)
        return softmax_loss(z, y)

    network(head=keep)(parameters, X, y)
    y = scores[0].argmax(axis=1)
    if head is contrastive_loss:
        X[len(X) // 2 :] = X[: len(X) // 2] + 0.01 * random.normal(size=(len(X) // 2, X.shape[1]))
    # The scores of pairs are products of two outputs.
    grown = log_uniform(random, 1, 30 if head is contrastive_loss else 1e4)
    parameters |= {"W2": grown * parameters["W2"], "b2": grown * parameters["b2"]}
    if random.integers(2):
        parameters = _trained(right, parameters, (X, y), int(random.integers(10, 300)), 1.0)
    note = f"{head.__name__}, weights grown {grown:.0e}"
    right_case, wrong = pair_of(
        random,
        right,
        right,
        parameters=parameters,
        batch=(X, y),
        mistake=log_uniform(random, 0.05, 1.0),
        note=note,
        everywhere=True,
    )
    # Rows drawn anew would be no pairs any more.
    options = {"samples": None} if head is contrastive_loss else {}
    return replace(right_case, options=options), replace(wrong, options=options)


def _trained(objective: Objective, parameters: Any, batch: Any, steps: int, rate: float) -> Any:
    for _ in range(steps):
        gradients = objective(parameters, *batch)[1]
        moved = {name: p - rate * gradients[name] for name, p in parameters.items()}
        if not objective(moved, *batch)[0] <= objective(parameters, *batch)[0]:
            break
        parameters = moved
    return parameters


def parts(random: Random) -> Pair:
    """A wrong row, column or element, between 1 and 1e-5 of its block."""
    parameters, (X, y) = drawn_network(random, inputs=int(random.integers(6, 40)))
    size = log_uniform(random, 1e-5, 1)
    axis = int(random.integers(3))
    row, column = (int(random.integers(n)) for n in parameters["W1"].shape)
    share = np.sqrt(size) if axis == 2 else size
    if axis in (0, 2):
        X[:, row] *= share
    if axis in (1, 2):
        parameters["W2"][column] *= share
    right = network(relu=bool(random.integers(4) == 0))
    part = ((row, slice(None)), (slice(None), column), (row, column))[axis]
    factor = float(random.choice([0.0, -1.0, 2.0, 0.5]))
    wrong = with_factor(right, "W1", factor, part)
    note = f"{('row', 'column', 'element')[axis]} of size {size:.0e} times {factor:g}"
    return (
        Case(right, parameters, (X, y), note=note),
        Case(wrong, parameters, (X, y), right, note=note),
    )


def noise(random: Random) -> Pair:
    """A loss with noise of 1e-9 to 1e-4 of its size, the same whenever it is asked at a point."""
    level = log_uniform(random, 1e-9, 1e-4)
    inner = network(relu=bool(random.integers(3) == 0))
    parameters, batch = drawn_network(random)

    def noisy(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        loss, gradients = inner(parameters, X, y)
        code = zlib.crc32(b"".join(np.ascontiguousarray(p).tobytes() for p in parameters.values()))
        return loss * (1 + level * (code / 2**31 - 1)), gradients

    mistake = log_uniform(random, 5e-4, 5e-2)
    return pair_of(
        random, noisy, inner, parameters=parameters, batch=batch, mistake=mistake,
        note=f"noise {level:.0e}",
    )  # fmt: skip


def coarse(kind: str, relu: bool) -> Callable[[Random], Pair]:
    """Arithmetic in float16 or float32, or weights stored so; in float32 half of it is 1 % off."""

    def draw(random: Random) -> Pair:
        parameters, (X, y) = drawn_network(random)
        exact = network(relu=relu)
        if kind == "float32 weights":
            parameters = {name: p.astype(np.float32) for name, p in parameters.items()}
            X, right = X.astype(np.float32), exact
        else:
            right = network(relu=relu, dtype=kind.split()[0])
        half = kind.startswith("float16")
        low, high = (0.05, 2.0) if half else (5e-3, 0.5)
        mistake = 0.01 if random.integers(2) and not half else log_uniform(random, low, high)
        return pair_of(
            random, right, exact, parameters=parameters, batch=(X, y), mistake=mistake, note=kind
        )

    return draw


def invariances(random: Random) -> Pair:
    """What a normalisation makes the loss blind to, on data of 1e-9 to 1e9."""
    if random.integers(2):
        return _attention(random)
    scale = log_uniform(random, 1e-9, 1e9)
    parameters, (X, y) = drawn_network(random)
    X = X * scale
    hidden = parameters["b1"].size
    parameters |= {"g": random.uniform(0.5, 1.5, hidden), "s": 0.3 * random.normal(size=hidden)}
    eps = float(random.choice([0.0, 1e-5]))
    right = network(batch_norm=eps)
    note = f"batch normalisation, eps {eps:g}, data of {scale:.0e}"
    if random.integers(3) == 0:
        wrong = network(batch_norm=eps, center=False)
        return (
            Case(right, parameters, (X, y), note=note),
            Case(wrong, parameters, (X, y), right, note=note + ", means forgotten"),
        )
    return pair_of(
        random, right, right, parameters=parameters, batch=(X, y),
        mistake=log_uniform(random, 0.01, 1), note=note,
    )  # fmt: skip


def _attention(random: Random) -> Pair:
    """Attention of one head: a bias of the keys shifts every score of a row alike."""
    scale = log_uniform(random, 1e-9, 1e9)
    rows, inputs, width = 9, 5, 4
    X, Y = scale * random.normal(size=(rows, inputs)), random.normal(size=(rows, width))
    parameters = {
        name: random.normal(size=(inputs, width)) / np.sqrt(inputs) / scale
        for name in ("Q", "K", "V")
    }
    parameters["bk"] = 0.3 * random.normal(size=width)

    def right(parameters: Any, X: Any, Y: Any) -> tuple[float, Any]:
        p = parameters
        q, k, v = X @ p["Q"], X @ p["K"] + p["bk"], X @ p["V"]
        s = q @ k.T / 2
        e = np.exp(s - s.max(axis=1, keepdims=True))
        w = e / e.sum(axis=1, keepdims=True)
        r = w @ v - Y
        do = 2 * r / r.size
        dw = do @ v.T
        ds = w * (dw - (w * dw).sum(axis=1, keepdims=True)) / 2
        dk = ds.T @ q
        return float((r * r).mean()), {
            "Q": X.T @ (ds @ k), "K": X.T @ dk, "V": X.T @ (w.T @ do), "bk": dk.sum(axis=0),
        }  # fmt: skip

    fault = int(random.integers(2))
    note = f"attention, data of {scale:.0e}"
    if fault:
        # One row of the scores is left out of the keys' gradient: its sum is no zero any more.
        def forgets(parameters: Any, X: Any, Y: Any) -> tuple[float, Any]:
            loss, gradients = right(parameters, X, Y)
            q = X @ parameters["Q"]
            k, v = X @ parameters["K"] + parameters["bk"], X @ parameters["V"]
            s = q @ k.T / 2
            e = np.exp(s - s.max(axis=1, keepdims=True))
            w = e / e.sum(axis=1, keepdims=True)
            dw = 2 * (w @ v - Y) / Y.size @ v.T
            return loss, gradients | {"bk": ((w * dw / 2).T @ q).sum(axis=0)}

        return (
            Case(right, parameters, (X, Y), note=note),
            Case(forgets, parameters, (X, Y), right, note=note + ", softmax term forgotten"),
        )
    del parameters["bk"]

    def without(parameters: Any, X: Any, Y: Any) -> tuple[float, Any]:
        loss, gradients = right({**parameters, "bk": np.zeros(width)}, X, Y)
        return loss, {name: gradients[name] for name in parameters}

    return pair_of(
        random, without, without, parameters=parameters, batch=(X, Y),
        mistake=log_uniform(random, 0.01, 1), note=note,
    )  # fmt: skip
