"""Parameters that are not weights: logarithms, kernel widths, temperatures, sparse tables.

Each has a domain (a Cholesky factorisation that fails outside, a temperature that must be positive)
or a scale of its own, so moving it like a weight goes wrong.
"""

from __future__ import annotations

import numpy as np

from gradhook._types import Array, Blocks
from tests.catalogue.alarms.alarm import Alarm, formula_problem, needed
from tests.catalogue.layers.losses import HEADS
from tests.catalogue.layers.recurrent import Embedding
from tests.catalogue.networks.network import Network
from tests.catalogue.networks.planting import planted
from tests.catalogue.networks.starts import generic
from tests.catalogue.networks.structured import recurrent
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["ALARMS"]


def log_variance(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Gaussian likelihood by log(sigma): without the chain rule a factor sigma is missing."""
    x, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    parameters = {
        "w": rng.standard_normal(3),
        "b": np.asarray(rng.standard_normal()),
        "log_sigma": np.asarray(rng.uniform(-1.5, -0.5)),
    }

    def formula(p: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        sigma = np.exp(p["log_sigma"])
        error = (x @ p["w"] + p["b"] - y) / sigma
        dsigma = (1 - (error**2).mean()) / sigma
        dlog_sigma = dsigma if bug == "act_deriv_missing" else dsigma * sigma
        dz = error / sigma / len(x)
        loss = 0.5 * (error**2).mean() + p["log_sigma"]
        db = dz.mean() if bug == "bias_mean" else dz.sum()
        return float(loss), {
            "w": x.T @ dz,
            "b": np.asarray(db),
            "log_sigma": np.asarray(dlog_sigma),
        }

    return formula_problem(formula, parameters, x, y, rng)


def gaussian_process(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Negative log marginal likelihood; outside its domain the Cholesky factorisation raises."""
    x = rng.uniform(0, 3, (11, 2))
    y = np.sin(x.sum(axis=1)) + 0.1 * rng.standard_normal(11)
    parameters = {
        "width": rng.uniform(0.7, 1.5, 2),
        "variance": np.asarray(rng.uniform(0.5, 2.0)),
        "noise": np.asarray(rng.uniform(0.01, 0.05)),
    }

    def formula(p: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        squares = (x[:, None] - x[None]) ** 2
        shape = np.exp(-0.5 * (squares / p["width"] ** 2).sum(axis=2))
        K = p["variance"] * shape
        L = np.linalg.cholesky(K + p["noise"] * np.eye(len(x)))
        inverse = np.linalg.inv(L @ L.T)
        alpha = inverse @ y
        loss = 0.5 * y @ alpha + np.log(np.diag(L)).sum() + 0.5 * len(x) * np.log(2 * np.pi)
        # dL/dK; the trace of its product with dK/dtheta is the gradient.
        dK = 0.5 * (inverse - np.outer(alpha, alpha))
        power = 2 if bug == "act_deriv_missing" else 3
        dwidth = ((dK * K)[:, :, None] * squares).sum(axis=(0, 1)) / p["width"] ** power
        return float(loss), {
            "width": dwidth,
            "variance": np.asarray((dK * shape).sum()),
            "noise": np.asarray(dK.sum() if bug == "bias_oversum" else np.trace(dK)),
        }

    return formula_problem(formula, parameters, x, y, rng)


def temperature(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Scores over a temperature, which must be positive."""
    x, y = rng.standard_normal((10, 4)), rng.integers(3, size=10)
    parameters = {
        "W": rng.standard_normal((4, 3)),
        "temperature": np.asarray(rng.uniform(0.1, 0.6)),
    }

    def formula(p: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        if p["temperature"] <= 0:
            raise ValueError(f"the temperature must be positive, got {float(p['temperature']):g}")
        scores = x @ p["W"] / p["temperature"]
        losses, dscores = HEADS["softmax"](scores, y, bug)
        dscores = dscores / len(x)
        slope = -(dscores * scores).sum()
        if bug != "act_deriv_missing":
            slope = slope / p["temperature"]
        return float(losses.mean()), {
            "W": x.T @ dscores / p["temperature"],
            "temperature": np.asarray(slope),
        }

    return formula_problem(formula, parameters, x, y, rng)


def ascent(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A log-likelihood that is to be maximised: the gradient of the score, not of its negative."""
    x = rng.standard_normal((12, 3))
    y = rng.poisson(np.exp(0.5 * x[:, 0])).astype(float)
    parameters = {"w": 0.5 * rng.standard_normal(3), "b": 0.3 * rng.standard_normal(1)}

    def formula(p: Blocks, x: Array, y: Array, bug: str) -> tuple[float, Blocks]:
        log_rate = x @ p["w"] + p["b"]
        score = y * log_rate - np.exp(log_rate)
        dz = (y - np.exp(log_rate)) / len(x)
        return float(score.mean()), {"w": x.T @ dz, "b": dz.sum(keepdims=True)}

    return formula_problem(formula, parameters, x, y, rng)


def three_rows(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """An embedding of forty rows of which the batch reads three: the rest has no gradient."""
    network, (index, y) = recurrent(rng, needed(operator))
    embedding, *rest = network.layers
    assert isinstance(embedding, Embedding)
    network = Network((Embedding("embedding", 40, embedding.n), *rest), network.head)
    index = rng.choice(40, 3, replace=False)[index % 3]
    return planted(network, (index, y), generic(network.blocks(), rng), operator, rng)


_MEANING = "a parameter with a domain or a meaning of its own"
_SPARSE = "the batch reads a few rows of a table"
_CHAIN = ("act_deriv_missing", "factor_two", "sign_one")

ALARMS = (
    Alarm("log-variance", "meaning", _MEANING, log_variance, (*_CHAIN, "bias_mean")),
    Alarm("gaussian-process", "meaning", _MEANING, gaussian_process, (*_CHAIN, "bias_oversum")),
    Alarm("temperature", "meaning", _MEANING, temperature, (*_CHAIN, "ce_forgot_minus1")),
    Alarm("ascent", "meaning", _MEANING, ascent, ("sign_one", "factor_two", "disconnected")),
    Alarm(
        "three-rows",
        "sparse",
        _SPARSE,
        three_rows,
        ("emb_fancy_iadd", "bptt_no_dhnext", "factor_two", "reg_missing"),
    ),
)
"""Parameters of another meaning."""
