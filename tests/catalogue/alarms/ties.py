"""Kinks and ties: the slopes on either side differ, and a central difference is their mean.

Backpropagation takes one of the slopes (or, at an exact tie, any value that the code happens to
give), and is right.
"""

from __future__ import annotations

import numpy as np

from tests.catalogue.alarms.alarm import Alarm, needed, plain
from tests.catalogue.layers.affine import Affine
from tests.catalogue.layers.convolution import Convolution, MaxPool
from tests.catalogue.layers.losses import HEADS
from tests.catalogue.layers.plumbing import Flatten
from tests.catalogue.networks.drawing import targets
from tests.catalogue.networks.mlp import linear_svm, maxout
from tests.catalogue.networks.network import Network
from tests.catalogue.networks.planting import planted
from tests.catalogue.networks.starts import generic, notebook
from tests.catalogue.networks.structured import convolutional
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["ALARMS"]


def relu_start(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """ReLU at W = 0.01 randn, b = 0: every pre-activation is within a step of zero."""
    network, batch = plain(rng, needed(operator, "relu"))
    return planted(network, batch, notebook(network.blocks(), rng), operator, rng)


def maxout_start(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Maxout at W = 0.01 randn, b = 0: the pieces are within a step of each other."""
    network, batch = maxout(rng, needed(operator))
    return planted(network, batch, notebook(network.blocks(), rng), operator, rng)


def late_training(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Every unit of the first layer within 1e-7 of its kink for one of the samples."""
    network, batch = plain(rng, needed(operator, "relu", "softmax"))
    parameters = generic(network.blocks(), rng)
    z = batch[0] @ parameters["W1"]
    sample = rng.integers(len(z), size=z.shape[1])
    distance = 1e-7 * rng.standard_normal(z.shape[1])
    parameters["b1"] = distance - z[sample, np.arange(z.shape[1])]
    return planted(network, batch, parameters, operator, rng)


def zero_rows(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Padding: a third of the samples is zero, so are the biases, so is all that follows."""
    network, (x, y) = plain(rng, needed(operator, "relu"))
    x[len(x) // 3 :: 2] = 0
    return planted(network, (x, y), notebook(network.blocks(), rng), operator, rng)


def zero_weights(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """All weights and biases zero: everything ties, and nearly every gradient is zero."""
    network, batch = plain(rng, needed(operator, "relu"))
    parameters = {block.name: np.zeros(block.shape) for block in network.blocks()}
    return planted(network, batch, parameters, operator, rng)


def black_pixels(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Black pixels and zero biases: exact zeros, which tie in the ReLU and in the windows."""
    network, (x, y) = convolutional(rng, needed(operator, "relu", "softmax"))
    x[len(x) // 2 :] = np.round(x[len(x) // 2 :])
    return planted(network, (x, y), notebook(network.blocks(), rng), operator, rng)


def pooled_integers(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Max-pooling over pixels of three grey levels: windows tie at any parameters."""
    n_samples, pixels, channels, n_out = int(rng.integers(8, 13)), 5, 2, 3
    layers = (
        Convolution("conv1", "1", 1, channels, size=1, pad=0),
        MaxPool("pool", size=2, stride=1),
        Flatten("flatten"),
        Affine("out", "2", channels * (pixels - 1) ** 2, n_out),
    )
    network = Network(layers, HEADS["softmax"])
    x = rng.integers(3, size=(n_samples, 1, pixels, pixels)) / 2.0
    batch = (x, targets(rng, "softmax", (n_samples,), n_out))
    return planted(network, batch, generic(network.blocks(), rng), operator, rng)


def hinge_at_margin(rng: np.random.Generator, operator: Operator | None) -> Problem:
    """Integer weights and data: many margins are exactly zero."""
    network, (x, y) = linear_svm(rng, needed(operator))
    x = np.sign(np.round(x))
    parameters = {
        block.name: rng.integers(-1, 2, size=block.shape).astype(float)
        for block in network.blocks()
    }
    return planted(network, (x, y), parameters, operator, rng)


_NEAR = "a kink lies inside the step of the difference"
_ON = "the point sits exactly on a kink or tie"
_DENSE = ("bias_mean", "relu_mask_on_grad", "wrong_cached_input", "sign_one", "reg_missing")
_IMAGES = ("conv_no_flip", "pool_overlap_overwrite", "bias_first_sample", "conv_bias_nospatial")

ALARMS = (
    Alarm("relu-start", "kink", _NEAR, relu_start, _DENSE),
    Alarm(
        "maxout-start",
        "kink",
        _NEAR,
        maxout_start,
        ("act_deriv_missing", "bias_oversum", "reg_half"),
    ),
    Alarm("late-training", "kink", _NEAR, late_training, ("ce_forgot_minus1", *_DENSE)),
    Alarm("zero-rows", "tie", _ON, zero_rows, _DENSE),
    Alarm("zero-weights", "tie", _ON, zero_weights, ("act_deriv_missing", *_DENSE)),
    Alarm("black-pixels", "tie", _ON, black_pixels, _IMAGES),
    Alarm(
        "pooled-integers",
        "tie",
        _ON,
        pooled_integers,
        ("pool_all_ties", "pool_as_mean", "no_1_over_N"),
    ),
    Alarm(
        "hinge-at-margin",
        "tie",
        _ON,
        hinge_at_margin,
        ("hinge_count1", "hinge_no_correct", "reg_double"),
    ),
)
"""Kinks and ties."""
