"""Losses and penalties with kinks of their own, and one not quite what its gradient assumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import Array
from tests.catalogue.alarms.alarm import Alarm, Draw, needed, plain
from tests.catalogue.layers.activations import Activation
from tests.catalogue.layers.affine import Affine
from tests.catalogue.layers.losses import HEADS, Softmax
from tests.catalogue.networks.network import Network
from tests.catalogue.networks.planting import planted
from tests.catalogue.networks.starts import generic
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["ALARMS"]


@dataclass(frozen=True, slots=True)
class Residuals:
    """A loss ``sum over outputs of rho(s - y)``.

    Args:
        rho: The loss of one residual.
        slope: Its derivative; where it has a kink, one of the slopes or a number between them.
    """

    rho: Callable[[Array], Array]
    slope: Callable[[Array], Array]

    def __call__(self, scores: Array, y: Array, bug: str) -> tuple[Array, Array]:
        """Return the loss of each row and the gradient of the scores."""
        losses: Array = self.rho(scores - y).sum(axis=1)
        return losses, self.slope(scores - y)


ABSOLUTE = Residuals(np.abs, np.sign)
HUBER = Residuals(
    lambda e: np.where(np.abs(e) < 1, 0.5 * e**2, np.abs(e) - 0.5), lambda e: np.clip(e, -1, 1)
)
QUANTILE = Residuals(lambda e: np.maximum(0.3 * e, -0.7 * e), lambda e: np.where(e > 0, 0.3, -0.7))


def regression(head: Residuals) -> Draw:
    """Return the draw of a linear regression at zero weights, with residuals of exactly 0 or 1."""

    def draw(rng: np.random.Generator, operator: Operator | None) -> Problem:
        n_samples, n_in, n_out = int(rng.integers(9, 16)), int(rng.integers(3, 7)), 2
        network = Network((Affine("out", "1", n_in, n_out),), head)
        x, y = rng.standard_normal((n_samples, n_in)), rng.standard_normal((n_samples, n_out))
        y[::3] = 0
        y[1::6] = 1
        parameters = {block.name: np.zeros(block.shape) for block in network.blocks()}
        return planted(network, (x, y), parameters, operator, rng)

    return draw


def lasso(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """An L1 penalty where half of the weights are exactly zero, as a lasso leaves them."""
    n_in, n_out = 6, 2
    network = Network((Affine("out", "1", n_in, n_out),), HEADS["mse"], penalty="l1", reg=0.1)
    x, y = rng.standard_normal((12, n_in)), rng.standard_normal((12, n_out))
    parameters = generic(network.blocks(), rng)
    parameters["W1"][rng.permutation(n_in)[: n_in // 2]] = 0
    return planted(network, (x, y), parameters, operator, rng)


def log_epsilon(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """``-log(p + 1e-7)`` differentiated as ``-log(p)``: off by some 1e-6 at every step size.

    Scores between -1 and 1 keep every p above 1e-2: right code is right on every row and nearby.
    """
    network, batch = plain(rng, needed(operator, "softmax"))
    layers = (*network.layers, Activation("bound", "tanh"))
    network = replace(network, layers=layers, head=Softmax(epsilon=1e-7))
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


_KINKED = "the loss or the penalty has a kink of its own, and the point sits on it"
_EPSILON = "the loss carries a small constant that the gradient leaves out on purpose"
_LINEAR = ("bias_mean", "no_1_over_N", "sign_one", "bias_first_sample", "reg_sign")

ALARMS = (
    Alarm("absolute", "kinked_loss", _KINKED, regression(ABSOLUTE), _LINEAR),
    Alarm("huber", "kinked_loss", _KINKED, regression(HUBER), _LINEAR),
    Alarm("quantile", "kinked_loss", _KINKED, regression(QUANTILE), _LINEAR),
    Alarm(
        "lasso",
        "kinked_loss",
        _KINKED,
        lasso,
        ("reg_missing", "reg_half", "reg_sign", "mse_no_two"),
    ),
    Alarm(
        "log-epsilon",
        "log_epsilon",
        _EPSILON,
        log_epsilon,
        ("bias_mean", "reg_missing", "ce_sign", "factor_two"),
    ),
)
"""Kinked losses, and the epsilon in a logarithm."""
