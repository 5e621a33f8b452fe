"""Losses that change from call to call: fresh dropout masks, augmentation, states carried along.

Two calls at the same parameters differ, so a difference quotient measures the generator.  The
gradient of each call is right for that call's mask.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradhook._types import Array, Blocks
from tests.catalogue.alarms.alarm import Alarm, needed, plain
from tests.catalogue.networks.mlp import mlp
from tests.catalogue.networks.network import LossAndGradients
from tests.catalogue.networks.planting import planted
from tests.catalogue.networks.starts import generic
from tests.catalogue.networks.structured import recurrent
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["ALARMS"]


def fresh_masks(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A fresh mask each call, from the function's own generator, and no switch is named."""
    return replace(switched_masks(rng, operator), dropout=None)


def switched_masks(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A fresh mask each call, with the switch named."""
    network, batch = mlp(rng, needed(operator, "dropout"))
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


def global_masks(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A fresh mask each call, from NumPy's global stream, and no switch is named."""
    network, batch = mlp(rng, needed(operator, "dropout"))
    network = replace(network, global_masks=True)
    problem = planted(network, batch, generic(network.blocks(), rng), operator, rng)
    return replace(problem, dropout=None)


def train_flag(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Dropout behind ``train=True``: loss and gradient agree in one mode, and not across modes."""
    network, batch = mlp(rng, needed(operator, "dropout", "none", ""))
    network = replace(network, switches="keep_prob, reg")
    problem = planted(network, batch, generic(network.blocks(), rng), operator, rng)
    kept = network.keep_prob

    def build(bug: str) -> LossAndGradients:
        inner = problem.build(bug)

        def loss_and_gradients(
            parameters: Blocks, x: Array, y: Array, *, train: bool = True, reg: float = 0.01
        ) -> tuple[float, Blocks]:
            return inner(parameters, x, y, keep_prob=kept if train else 1.0, reg=reg)

        return loss_and_gradients

    return replace(problem, build=build, dropout=None)


def augmentation(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Noise added to the inputs, fresh in each call."""
    network, batch = plain(rng, needed(operator))
    problem = planted(network, batch, generic(network.blocks(), rng), operator, rng)
    seed = int(rng.integers(2**31))

    def build(bug: str) -> LossAndGradients:
        inner = problem.build(bug)
        noise = np.random.default_rng(seed)

        def loss_and_gradients(
            parameters: Blocks, x: Array, y: Array, *, reg: float = 0.01
        ) -> tuple[float, Blocks]:
            return inner(parameters, x + 0.1 * noise.standard_normal(x.shape), y, reg=reg)

        return loss_and_gradients

    return replace(problem, build=build)


def running_statistics(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Batch normalisation in training mode: every call moves the running statistics."""
    network, batch = mlp(rng, needed(operator, "batchnorm"))
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


def carried_state(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """A recurrent network that starts each call from the last state of the call before."""
    network, batch = recurrent(rng, needed(operator, "carried"))
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


_RANDOM = "the loss is drawn anew in each call"
_STATE = "each call changes the state that the next one starts from"
_MASKS = ("dropout_mask_missing", "dropout_scale_missing", "dropout_new_mask", "bias_mean")
_NORMS = ("bn_no_mean", "bn_stats_const", "bn_swapped", "bn_gamma_missing", "bias_first_sample")
_TIMES = ("bptt_truncated", "rnn_overwrite_t", "bptt_no_dhnext", "disconnected")

ALARMS = (
    Alarm("dropout-fresh", "random", _RANDOM, fresh_masks, _MASKS),
    Alarm("dropout-switched", "random", _RANDOM, switched_masks, _MASKS),
    Alarm("dropout-global", "random", _RANDOM, global_masks, _MASKS),
    Alarm("train-flag", "random", _RANDOM, train_flag, _MASKS),
    Alarm(
        "augmentation", "random", _RANDOM, augmentation, ("bias_mean", "sign_one", "no_1_over_N")
    ),
    Alarm("running-statistics", "state", _STATE, running_statistics, _NORMS),
    Alarm("carried-state", "state", _STATE, carried_state, _TIMES),
)
"""Randomness and state."""
