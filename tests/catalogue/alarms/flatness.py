"""Gradients of zero, or nearly: converged, saturated and clipped losses, unreached blocks.

Where both derivatives are round-off their ratio is anything between 0 and 1 and means nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradhook._types import Array, Blocks
from tests.catalogue.alarms.alarm import Alarm, formula_problem, near, needed, plain
from tests.catalogue.layers.losses import Softmax
from tests.catalogue.networks.mlp import linear_svm, mlp
from tests.catalogue.networks.network import LossAndGradients, loss_function
from tests.catalogue.networks.planting import planted
from tests.catalogue.networks.starts import generic
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["ALARMS"]

DESCENT = 300
"""Steps of gradient descent to an optimum."""


def least_squares(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Linear regression at its exact solution."""
    x, w = rng.standard_normal((15, 5)), rng.standard_normal(5)
    y = x @ w + 0.3 * rng.standard_normal(15)
    with_ones = np.column_stack([x, np.ones(15)])
    solution = np.linalg.lstsq(with_ones, y, rcond=None)[0]
    parameters = {"w": solution[:-1], "b": solution[-1:]}

    def formula(parameters: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        error = x @ parameters["w"] + parameters["b"] - y
        dz = (1 if bug == "mse_no_two" else 2) * error / len(x)
        db = dz.mean(keepdims=True) if bug == "bias_mean" else dz.sum(keepdims=True)
        return float((error**2).mean()), {"w": x.T @ dz, "b": db}

    return formula_problem(formula, parameters, x, y, rng)


def logistic(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Logistic regression with a small penalty, taken to the optimum by Newton's method."""
    x = rng.standard_normal((16, 4))
    y = (x @ rng.standard_normal(4) + rng.standard_normal(16) > 0).astype(float)
    lam = 0.05

    def formula(parameters: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        w = parameters["w"]
        z = x @ w
        loss = (np.logaddexp(0, z) - y * z).mean() + 0.5 * lam * w @ w
        p = 0.5 * (1 + np.tanh(0.5 * z))
        dz = (y - p if bug == "ce_sign" else p - y) / len(x)
        return float(loss), {"w": x.T @ dz + (0 if bug == "reg_missing" else lam) * w}

    w = np.zeros(4)
    for _ in range(30):
        p = 0.5 * (1 + np.tanh(0.5 * (x @ w)))
        hessian = (x.T * (p * (1 - p))) @ x / len(x) + lam * np.eye(4)
        w = w - np.linalg.solve(hessian, formula({"w": w}, x, y, "")[1]["w"])
    return formula_problem(formula, {"w": w}, x, y, rng)


def trained(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A small tanh network after a few hundred steps of gradient descent."""
    network, batch = plain(rng, needed(operator, "tanh", "softmax"))
    network = replace(network, reg=0.01)
    parameters = generic(network.blocks(), rng)
    function = loss_function(network, seed=0)
    for _ in range(DESCENT):
        _, gradients = function(parameters, *batch)
        parameters = {name: value - 0.5 * gradients[name] for name, value in parameters.items()}
    return planted(network, batch, parameters, operator, rng)


def saturated(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A softmax so sure, and so right, that the data term and its gradient all but vanish."""
    network, (x, y) = linear_svm(rng, needed(operator, "hinge"))
    network = replace(network, head=Softmax())
    parameters = generic(network.blocks(), rng)
    parameters["W1"] *= 50
    y = (x @ parameters["W1"] + parameters["b1"]).argmax(axis=1)
    return planted(
        network, (x, y), parameters, operator, rng, lambda rng: generic(network.blocks(), rng)
    )


def truncated_loss(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Each squared error counts up to 1: beyond it the loss is flat, and has no gradient."""
    x, w = rng.standard_normal((14, 4)), rng.standard_normal(4)
    y = x @ w + 0.3 * rng.standard_normal(14)
    y[::2] += 4 * rng.choice([-1, 1], 7)  # half lies beyond, so a few rows drawn hold some
    parameters = {"w": w + 0.1 * rng.standard_normal(4), "b": 0.3 * rng.standard_normal(1)}

    def formula(parameters: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        error = x @ parameters["w"] + parameters["b"] - y
        counts = np.ones_like(error) if bug == "mask_ignored" else error**2 < 1
        dz = 2 * error * counts / len(x)
        return float(np.minimum(error**2, 1).mean()), {"w": x.T @ dz, "b": dz.sum(keepdims=True)}

    return formula_problem(formula, parameters, x, y, rng)


def clipped_probability(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """``-log(clip(p, 1e-7, 1 - 1e-7))``, differentiated as it stands; half of it is clipped."""
    x = rng.standard_normal((12, 4))
    parameters = {"w": rng.standard_normal(4), "b": np.zeros(1)}
    x[::2] *= 60  # |z| of about 16 is where the clipping starts
    y = (x @ parameters["w"] > 0).astype(float)

    def formula(parameters: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        sign = 2 * y - 1
        p = 0.5 * (1 + np.tanh(0.5 * sign * (x @ parameters["w"] + parameters["b"])))
        kept = np.clip(p, 1e-7, 1 - 1e-7)
        dz = -sign * (1 - p) * (p == kept) / len(x)
        if bug == "no_1_over_N":
            dz = dz * len(x)
        return float(-np.log(kept).mean()), {"w": x.T @ dz, "b": dz.sum(keepdims=True)}

    return formula_problem(formula, parameters, x, y, rng)


def dead_units(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A first layer whose ReLU units are all off for every sample: no gradient reaches it."""
    network, batch = plain(rng, needed(operator, "relu", "softmax"))
    parameters = generic(network.blocks(), rng)
    parameters["b1"] = np.full_like(parameters["b1"], -100.0)
    return planted(network, batch, parameters, operator, rng, lambda rng: near(parameters, rng))


def bias_before_norm(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Biases that batch normalisation subtracts again: their gradient is zero but for round-off."""
    network, batch = mlp(rng, needed(operator, "batchnorm"))
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


def unused_block(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A block that the loss does not read: both derivatives are exactly zero."""
    network, batch = plain(rng, needed(operator))
    parameters = generic(network.blocks(), rng)
    problem = planted(network, batch, parameters, operator, rng)
    unused = rng.standard_normal((3, 4))

    def build(bug: str) -> LossAndGradients:
        inner = problem.build(bug)

        def loss_and_gradients(
            parameters: Blocks, x: Array, y: Array, *, reg: float = 1e-4
        ) -> tuple[float, Blocks]:
            loss, gradients = inner(parameters, x, y, reg=reg)
            return loss, {**gradients, "unused": np.zeros_like(parameters["unused"])}

        return loss_and_gradients

    return replace(
        problem,
        parameters={**parameters, "unused": unused},
        displaced=lambda rng: {**problem.displaced(rng), "unused": unused},
        build=build,
    )


_FLAT = "the gradient is round-off where the loss has converged, saturated or been clipped"
_ZERO = "both derivatives of a block are zero"
_DENSE = ("bias_mean", "reg_missing", "act_deriv_missing", "ce_sign", "factor_two")
_ABOVE = ("bias_mean", "factor_two", "ce_forgot_minus1", "sign_one")

ALARMS = (
    Alarm(
        "least-squares", "optimum", _FLAT, least_squares, ("mse_no_two", "bias_mean", "sign_one")
    ),
    Alarm("logistic", "optimum", _FLAT, logistic, ("reg_missing", "ce_sign", "factor_two")),
    Alarm("trained", "optimum", _FLAT, trained, _DENSE),
    Alarm(
        "saturated", "saturated", _FLAT, saturated, ("ce_forgot_minus1", "reg_missing", "bias_mean")
    ),
    Alarm(
        "truncated-loss",
        "clipped",
        _FLAT,
        truncated_loss,
        ("mask_ignored", "sign_one", "factor_two"),
    ),
    Alarm(
        "clipped-probability", "clipped", _FLAT, clipped_probability, ("no_1_over_N", "sign_one")
    ),
    Alarm("dead-units", "zero_gradient", _ZERO, dead_units, _ABOVE),
    Alarm(
        "bias-before-norm",
        "zero_gradient",
        _ZERO,
        bias_before_norm,
        ("bn_no_var", *_ABOVE[:2], "bn_no_mean"),
    ),
    Alarm(
        "unused-block",
        "zero_gradient",
        _ZERO,
        unused_block,
        ("factor_two", "act_deriv_missing", "bias_mean"),
    ),
)
"""Flat losses and zero gradients."""
