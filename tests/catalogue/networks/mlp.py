"""Multi-layer perceptrons, with everything that notebooks add to them.

Two or three hidden layers of one width, so that the weights between them are square and a forgotten
transpose goes unnoticed.  Drawn, or asked for: the loss, the activations, batch or layer
normalisation between ``z`` and ``f(z)``, dropout, residual branches, sample weights or a label
mask, an L2 or L1 penalty.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np

from tests.catalogue.layers.activations import Activation, Maxout
from tests.catalogue.layers.affine import Affine
from tests.catalogue.layers.losses import HEADS, Weighting
from tests.catalogue.layers.norms import BatchNorm, LayerNorm
from tests.catalogue.layers.plumbing import Dropout, Residual
from tests.catalogue.layers.run import Layer
from tests.catalogue.networks.drawing import (
    activations,
    chance,
    pick,
    targets,
    third_array,
)
from tests.catalogue.networks.network import Network

__all__ = ["linear_svm", "maxout", "mlp"]


def mlp(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return a perceptron and a batch for it.

    Args:
        rng: Source of every draw.
        needs: What it must contain: ``"softmax"``, ``"mse"`` or ``"hinge"``; ``"batchnorm"`` or
            ``"layernorm"``; ``"dropout"``; ``"residual"``; ``"weights"`` or ``"mask"``; ``"l2"`` or
            ``"l1"``; an activation's name, ``"saturating"`` (tanh or sigmoid), ``"mixed"`` (not the
            same everywhere).
    """
    n_samples, n_in = int(rng.integers(8, 17)), int(rng.integers(4, 10))
    width, n_out = int(rng.integers(5, 11)), int(rng.integers(3, 6))
    depth = int(rng.integers(2, 4))
    loss = pick(rng, needs, ("softmax", "mse", "hinge"))
    norm = pick(rng, needs, ("none", "batchnorm", "layernorm", "no", "neither"))
    weightings: tuple[Weighting, ...] = ("weights", "mask", "", "", "")
    weighting = pick(rng, needs, weightings)
    kinds = activations(rng, needs, depth)
    dropout = chance(rng, needs, "dropout", 0.3)
    residual = chance(rng, needs, "residual", 0.3)

    layers: list[Layer] = []
    for i, kind in enumerate(kinds, start=1):
        other = next((each for each in kinds if each != kind), "")
        before = f"fc{i - 1}" if i > 1 else ""
        hidden: list[Layer] = [
            Affine(f"fc{i}", str(i), width if i > 1 else n_in, width, before, f"act{i}")
        ]
        if norm == "batchnorm":
            hidden.append(BatchNorm(f"bn{i}", str(i), width))
        if norm == "layernorm":
            hidden.append(LayerNorm(f"ln{i}", str(i), width))
        hidden.append(Activation(f"act{i}", kind, other))
        if dropout:
            hidden.append(Dropout(f"drop{i}"))
        layers += [Residual(f"skip{i}", tuple(hidden))] if residual and i > 1 else hidden
    layers.append(Affine("out", str(depth + 1), width, n_out, before=f"fc{depth}"))

    network = Network(
        tuple(layers),
        HEADS[loss],
        penalty=pick(rng, needs, ("l2", "l2", "l1")),
        keep_prob=float(rng.choice([0.6, 0.7, 0.8])) if dropout else 1.0,
        weighting=weighting,
        switches=pick(rng, needs, ("keep_prob, reg", "dropout, l2")),
    )
    x = rng.standard_normal((n_samples, n_in))
    y = targets(rng, loss, (n_samples,), n_out)
    return network, (x, y, *third_array(rng, weighting, n_samples))


def maxout(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return a network of hidden units that are the largest of affine pieces, and a batch."""
    n_samples, n_in = int(rng.integers(8, 17)), int(rng.integers(4, 9))
    width, pieces, n_out = int(rng.integers(4, 8)), int(rng.integers(2, 4)), int(rng.integers(3, 6))
    loss = pick(rng, needs, ("softmax", "mse", "hinge"))
    layers = (
        Affine("fc1", "1", n_in, width * pieces),
        Maxout("max1", pieces),
        Affine("fc2", "2", width, width * pieces, before="fc1"),
        Maxout("max2", pieces),
        Affine("out", "3", width, n_out, before="fc2"),
    )
    x = rng.standard_normal((n_samples, n_in))
    return Network(layers, HEADS[loss]), (x, targets(rng, loss, (n_samples,), n_out))


def linear_svm(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return a linear multi-class SVM, hinge loss and L2 penalty, and a batch."""
    n_samples, n_in = int(rng.integers(8, 17)), int(rng.integers(6, 20))
    n_out = int(rng.integers(3, 8))
    x = rng.standard_normal((n_samples, n_in))
    network = Network((Affine("out", "1", n_in, n_out),), HEADS["hinge"])
    return network, (x, targets(rng, "hinge", (n_samples,), n_out))
