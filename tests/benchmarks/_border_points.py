"""Special points, locations far from zero and inner solvers, right and wrong, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _border_networks import (
    Case,
    Objective,
    Pair,
    Random,
    drawn_network,
    log_uniform,
    network,
    pair_of,
    softmax_loss,
)


def special_points(random: Random) -> Pair:
    """A formula that is wrong exactly where its user stands, beside kinks that are none."""
    smooth = (_gamma_at_zero, _masked_zeros, _rotation, _box_cox, _exponent, _two_elements)
    kinks = (_identity_of_two, _max_pool, _hinge_at_margin, _l1, _dead_rows)
    right, wrong = smooth[int(random.integers(len(smooth)))](random)
    if random.integers(2):
        right = kinks[int(random.integers(len(kinks)))](random)
    return right, wrong


def _both(right: Objective, wrong: Objective, parameters: Any, batch: Any, note: str) -> Pair:
    return (
        Case(right, parameters, batch, note=note),
        Case(wrong, parameters, batch, right, note=note + ", wrong"),
    )


def _gamma_at_zero(random: Random) -> Pair:
    """x_hat recovered from the output, (out - beta) / gamma, and some gamma are zero."""
    parameters, batch = drawn_network(random)
    hidden = parameters["b1"].size
    gamma = random.uniform(0.5, 1.5, hidden) * (random.random(hidden) > random.uniform(0.2, 1))
    gamma[int(random.integers(hidden))] = 0.0
    parameters |= {"g": gamma, "s": 0.3 * random.normal(size=hidden)}
    right = network(batch_norm=1e-5)

    def wrong(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        loss, gradients = right(parameters, X, y)
        return loss, gradients | {"g": gradients["g"] * (parameters["g"] != 0)}

    return _both(right, wrong, parameters, batch, "batch normalisation, gamma 0")


def _masked_zeros(random: Random) -> Pair:
    """Weights that start at zero get no gradient."""
    parameters, batch = drawn_network(random)
    w = parameters["W2"]
    parameters["W2"] = w * (random.random(w.shape) > random.uniform(0.2, 1))
    parameters["W2"][int(random.integers(w.shape[0]))] = 0.0
    right = network()

    def wrong(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        loss, gradients = right(parameters, X, y)
        return loss, gradients | {"W2": gradients["W2"] * (parameters["W2"] != 0)}

    return _both(right, wrong, parameters, batch, "zero weights masked")


def _rotation(random: Random) -> Pair:
    """A rotation vector at the identity, whose series is cut off there."""
    X = random.normal(size=(12, 3))
    Y = X + 0.3 * random.normal(size=(12, 3))
    lost = float(random.choice([0.0, 0.5, -1.0]))

    def objective(at_zero: float) -> Objective:
        def loss_and_gradient(parameters: Any, X: Any, Y: Any) -> tuple[float, Any]:
            w, c = parameters["w"], parameters["c"]
            t2 = float(w @ w)
            t = np.sqrt(t2)
            if t < 1e-4:
                s, k, ds, dk = 1 - t2 / 6, 0.5 - t2 / 24, -1 / 3 + t2 / 30, -1 / 12 + t2 / 180
            else:
                s, k = np.sin(t) / t, (1 - np.cos(t)) / t2
                ds, dk = (np.cos(t) - s) / t2, (s - 2 * k) / t2
            cross, dot = np.cross(w, X), X @ w
            moved = (1 - t2 * k) * X + s * cross + k * np.outer(dot, w)
            r = moved + c - Y
            G = 2 * r / len(X)
            dw = (
                -s * (G * X).sum() * w + ds * (G * cross).sum() * w
                + s * np.cross(X, G).sum(axis=0) + dk * ((G @ w) * dot).sum() * w
                + k * ((G @ w) @ X + dot @ G)
            )  # fmt: skip
            return float((r * r).sum() / len(X)), {
                "w": dw if t2 else at_zero * dw, "c": G.sum(axis=0)
            }  # fmt: skip

        return loss_and_gradient

    parameters = {"w": np.zeros(3), "c": 0.1 * random.normal(size=3)}
    return _both(objective(1.0), objective(lost), parameters, (X, Y), "rotation at identity")


def _powers(random: Random, special: float, name: str) -> Pair:
    rows, columns = 20, int(random.integers(2, 9))
    X = random.uniform(0.3, 3.0, (rows, columns))
    Y = np.log(X) + 0.5 * random.normal(size=X.shape)
    p = np.where(random.random(columns) < 0.6, special, special + random.normal(size=columns))
    p[int(random.integers(columns))] = special

    def objective(right: bool) -> Objective:
        def loss_and_gradient(parameters: Any, X: Any, Y: Any) -> tuple[float, Any]:
            p, a = parameters["p"], parameters["a"]
            log = np.log(X)
            if name == "Box-Cox":
                z = p * log
                near = np.abs(z) < 1e-4
                safe = np.where(near, 1.0, z)
                unit = np.where(near, 1 + z / 2 + z * z / 6, np.expm1(safe) / safe)
                slope = np.where(near, 0.5 + z / 3 + z * z / 8, (np.exp(z) - unit) / safe)
                value, dp = log * unit, log * log * slope
            else:
                value = X**p / 2
                dp = value * log
            r = a * value - Y
            G = 2 * r / r.size
            if not right:
                dp = np.where(p == special, 0.0, dp)
            return float((r * r).mean()), {
                "p": (G * a * dp).sum(axis=0), "a": (G * value).sum(axis=0)
            }  # fmt: skip

        return loss_and_gradient

    parameters = {"p": p, "a": random.uniform(0.5, 1.5, columns)}
    return _both(objective(True), objective(False), parameters, (X, Y), f"{name} {special:g}")


def _box_cox(random: Random) -> Pair:
    return _powers(random, 0.0, "Box-Cox")


def _exponent(random: Random) -> Pair:
    return _powers(random, 2.0, "exponent")


def _two_elements(random: Random) -> Pair:
    """Weights at zero, of which some bear an L1 penalty and a smooth one gets no gradient."""
    columns = int(random.integers(4, 30))
    X, y = random.normal(size=(25, columns)), random.normal(size=25)
    w = random.normal(size=columns) * (random.random(columns) > 0.5)
    order = random.permutation(columns)
    smooth, penalised = order[0], order[1 : 1 + int(random.integers(1, columns - 1))]
    w[order[:2]] = 0.0
    weight = random.uniform(0.1, 1.0)

    def right(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        w = parameters["w"]
        r = X @ w + parameters["b"] - y
        loss = (r * r).mean() + weight * np.abs(w[penalised]).sum()
        gradient = 2 * X.T @ r / len(y)
        gradient[penalised] += weight * np.sign(w[penalised])
        return float(loss), {"w": gradient, "b": np.array([2 * r.mean()])}

    def wrong(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        loss, gradients = right(parameters, X, y)
        gradients["w"][smooth] *= parameters["w"][smooth] != 0
        return loss, gradients

    parameters = {"w": w, "b": 0.1 * random.normal(size=1)}
    return _both(right, wrong, parameters, (X, y), "one at a kink, one masked")


def _identity_of_two(random: Random) -> Case:
    """relu(x) - relu(-x) is x, and the gradient of both is taken for 0 at 0."""
    parameters, (X, y) = drawn_network(random)
    parameters |= {"W1": 0 * parameters["W1"], "b1": 0 * parameters["b1"]}

    def objective(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        p = parameters
        a = X @ p["W1"] + p["b1"]
        h = np.maximum(a, 0) - np.maximum(-a, 0)
        loss, d = softmax_loss(h @ p["W2"] + p["b2"], y)
        da = d @ p["W2"].T * ((a > 0) | (a < 0))
        return float(loss), {
            "W1": X.T @ da, "b1": da.sum(axis=0), "W2": h.T @ d, "b2": d.sum(axis=0)
        }  # fmt: skip

    return Case(objective, parameters, (X, y), note="relu(x) - relu(-x) at 0")


def _max_pool(random: Random) -> Case:
    """Equal scores in a max-pool; the first of them gets the gradient."""
    rows, places, inputs = 10, int(random.integers(2, 5)), 4
    X, y = random.normal(size=(rows, places, inputs)), random.normal(size=rows)

    def objective(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        s = X @ parameters["w"]
        won = s.argmax(axis=1)
        r = s.max(axis=1) + parameters["b"] - y
        g = 2 * r / len(y)
        return float((r * r).mean()), {
            "w": g @ X[np.arange(len(y)), won], "b": np.array([g.sum()])
        }  # fmt: skip

    parameters = {"w": np.zeros(inputs), "b": 0.1 * random.normal(size=1)}
    return Case(objective, parameters, (X, y), note="max-pool of equal scores")


def _hinge_at_margin(random: Random) -> Case:
    """Rows exactly at their margin: weights of zero and a bias of 1."""
    inputs = int(random.integers(2, 8))
    X, y = random.normal(size=(20, inputs)), random.choice([-1.0, 1.0], 20)

    def objective(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        w = parameters["w"]
        margin = 1 - y * (X @ w + parameters["b"])
        d = -y * (margin > 0) / len(y)
        loss = np.maximum(margin, 0).mean() + 0.05 * w @ w
        return float(loss), {"w": X.T @ d + 0.1 * w, "b": np.array([d.sum()])}

    return Case(
        objective, {"w": np.zeros(inputs), "b": np.ones(1)}, (X, y), note="hinge at its margin"
    )


def _l1(random: Random) -> Case:
    columns = int(random.integers(4, 30))
    X, y = random.normal(size=(25, columns)), random.normal(size=25)
    weight = random.uniform(0.05, 1.0)

    def objective(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        w = parameters["w"]
        r = X @ w - y
        loss = (r * r).mean() + weight * np.abs(w).sum()
        return float(loss), {"w": 2 * X.T @ r / len(y) + weight * np.sign(w)}

    w = random.normal(size=columns) * (random.random(columns) > random.uniform(0.2, 1))
    return Case(objective, {"w": w}, (X, y), note="L1 at 0")


def _dead_rows(random: Random) -> Case:
    """Rows of zeros and biases of zero before a ReLU."""
    parameters, (X, y) = drawn_network(random)
    X[random.random(len(X)) < 0.4] = 0.0
    parameters["b1"] *= 0
    return Case(network(relu=True), parameters, (X, y), note="ReLU at 0")


def locations(random: Random) -> Pair:
    """Coordinates, years and frequencies of 1e3 to 1e9, which act on a scale of their own."""
    far = log_uniform(random, 1e3, 1e9)
    make = (_centres, _year, _frequency, _normal_location)[int(random.integers(4))]
    right, parameters, batch, note = make(random, far)
    return pair_of(
        random, right, right, parameters=parameters, batch=batch,
        mistake=log_uniform(random, 0.01, 1.0), note=f"{note} at {far:.0e}", everywhere=False,
    )  # fmt: skip


Located = tuple[Objective, dict[str, Any], tuple[Any, ...], str]


def _centres(random: Random, far: float) -> Located:
    width = log_uniform(random, 1.0, max(1.0, far / 1e3))
    X = far + width * random.normal(size=(30, 2))
    y = random.normal(size=30)
    parameters = {"c": far + width * random.normal(size=(4, 2)), "w": random.normal(size=4)}

    def right(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
        away = (X[:, None] - parameters["c"]) / width
        k = np.exp(-0.5 * (away**2).sum(axis=-1))
        r = k @ parameters["w"] - y
        g = 2 * r / len(y)
        dk = g[:, None] * parameters["w"] * k
        return float((r * r).mean()), {
            "c": (dk[..., None] * away / width).sum(axis=0), "w": k.T @ g
        }  # fmt: skip

    return right, parameters, (X, y), "centres of kernels"


def _year(random: Random, far: float) -> Located:
    width = log_uniform(random, 1.0, max(1.0, far / 1e3))
    x = far + width * random.normal(size=30)
    y = (x > far).astype(float)
    parameters = {"t": np.array([far + 0.3 * width * random.normal()]), "k": np.array([1.3])}

    def right(parameters: Any, x: Any, y: Any) -> tuple[float, Any]:
        t, k = parameters["t"], parameters["k"]
        u = (x - t) / width
        z = k * u
        loss = (np.logaddexp(0, z) - y * z).mean()
        d = (0.5 * (1 + np.tanh(z / 2)) - y) / len(y)
        return float(loss), {"t": np.array([-(d * k / width).sum()]), "k": np.array([d @ u])}

    return right, parameters, (x, y), "year of a change"


def _frequency(random: Random, far: float) -> Located:
    x = random.uniform(0, 3 / far, 30) * log_uniform(random, 1, 10)
    y = np.sin(far * x) + 0.1 * random.normal(size=30)
    parameters = {"f": np.array([far * (1 + 0.01 * random.normal())]), "a": np.array([0.8])}

    def right(parameters: Any, x: Any, y: Any) -> tuple[float, Any]:
        f, a = parameters["f"], parameters["a"]
        r = a * np.sin(f * x) - y
        g = 2 * r / len(y)
        return float((r * r).mean()), {
            "f": np.array([g @ (a * x * np.cos(f * x))]), "a": np.array([g @ np.sin(f * x)])
        }  # fmt: skip

    return right, parameters, (x, y), "frequency"


def _normal_location(random: Random, far: float) -> Located:
    width = log_uniform(random, 1.0, max(1.0, far / 1e3))
    x = far + width * random.normal(size=(25, 3))
    parameters = {
        "mu": far + 0.3 * width * random.normal(size=3),
        "log_sigma": np.full(3, np.log(width)) + 0.1 * random.normal(size=3),
    }

    def right(parameters: Any, x: Any) -> tuple[float, Any]:
        mu, s = parameters["mu"], parameters["log_sigma"]
        u = (x - mu) * np.exp(-s)
        loss = (0.5 * u * u + s).sum(axis=1).mean()
        return float(loss), {
            "mu": -(u * np.exp(-s)).mean(axis=0), "log_sigma": 1 - (u * u).mean(axis=0)
        }  # fmt: skip

    return right, parameters, (x,), "mean of a normal"


def solvers(random: Random) -> Pair:
    """Losses of what an inner solver returns at a tolerance of 1e-10 to 1e-5."""
    tolerance = log_uniform(random, 1e-10, 1e-5)
    make = (_bisection, _fixed_point)[int(random.integers(2))]
    right, exact, parameters, batch, note = make(random, tolerance)
    return pair_of(
        random, right, exact, parameters=parameters, batch=batch,
        mistake=log_uniform(random, 0.01, 1.0), note=f"{note} to {tolerance:.0e}",
    )  # fmt: skip


Solved = tuple[Objective, Objective, dict[str, Any], tuple[Any, ...], str]


def _implicit(random: Random, solve: Callable[..., Any], note: str, tolerance: float) -> Solved:
    """u = c·tanh(u) + X w with |c| < 1, and a squared loss of u; the gradient is implicit."""
    X, y = random.normal(size=(20, 5)), random.normal(size=20)
    parameters = {"w": random.normal(size=5) / 2, "c": np.array([random.uniform(0.1, 0.6)])}

    def objective(tolerance: float) -> Objective:
        def loss_and_gradient(parameters: Any, X: Any, y: Any) -> tuple[float, Any]:
            w, c = parameters["w"], float(parameters["c"][0])
            u = solve(c, X @ w, tolerance)
            h = np.tanh(u)
            r = u - y
            v = 2 * r / len(y) / (1 - c * (1 - h * h))
            return float((r * r).mean()), {"w": v @ X, "c": np.array([v @ h])}

        return loss_and_gradient

    return objective(tolerance), objective(1e-15), parameters, (X, y), note


def _bisection(random: Random, tolerance: float) -> Solved:
    def solve(c: float, b: Any, tolerance: float) -> Any:
        low, high = b - 1.0, b + 1.0
        while np.max(high - low) > 2 * max(tolerance, 1e-15):
            middle = (low + high) / 2
            if np.all((middle == low) | (middle == high)):
                break
            above = middle - c * np.tanh(middle) > b
            high, low = np.where(above, middle, high), np.where(above, low, middle)
        return (low + high) / 2

    return _implicit(random, solve, "bisection", tolerance)


def _fixed_point(random: Random, tolerance: float) -> Solved:
    def solve(c: float, b: Any, tolerance: float) -> Any:
        u = b
        for _ in range(2000):
            new = c * np.tanh(u) + b
            if np.max(np.abs(new - u)) <= tolerance:
                break
            u = new
        return new

    return _implicit(random, solve, "fixed point", tolerance)
