"""Networks on sequences and images: recurrent, a transformer block, convolutional."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np

from tests.catalogue.layers.activations import Activation
from tests.catalogue.layers.affine import Affine
from tests.catalogue.layers.attention import Attention
from tests.catalogue.layers.convolution import Convolution, MaxPool
from tests.catalogue.layers.losses import HEADS
from tests.catalogue.layers.norms import LayerNorm
from tests.catalogue.layers.plumbing import Dropout, Flatten, MeanOverTime, Residual
from tests.catalogue.layers.recurrent import Embedding, Recurrent
from tests.catalogue.networks.drawing import activations, chance, pick, targets
from tests.catalogue.networks.network import Network

__all__ = ["convolutional", "recurrent", "transformer"]


def recurrent(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return a recurrent network that predicts at every step, and a batch of repeated indices.

    ``needs`` may ask for ``"carried"``: each call starts from the last state of the one before.
    """
    n_samples, n_steps = int(rng.integers(7, 11)), int(rng.integers(4, 7))
    vocabulary, n_in, width = (
        int(rng.integers(8, 14)),
        int(rng.integers(3, 6)),
        int(rng.integers(5, 9)),
    )
    n_out = int(rng.integers(3, 6))
    layers = (
        Embedding("embedding", vocabulary, n_in),
        Recurrent("rnn", n_in, width, carried="carried" in needs),
        Affine("out", "y", width, n_out),
    )
    index = rng.integers(vocabulary, size=(n_samples, n_steps))
    y = targets(rng, "softmax", (n_samples, n_steps), n_out)
    return Network(layers, HEADS["softmax"]), (index, y)


def transformer(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return a pre-norm block, attention and affine layers in residual branches, and a batch."""
    n_samples, n_steps = int(rng.integers(7, 10)), int(rng.integers(3, 6))
    n, width, n_out = int(rng.integers(4, 8)), int(rng.integers(6, 10)), int(rng.integers(3, 6))
    loss = pick(rng, needs, ("softmax", "mse"))
    dropout = chance(rng, needs, "dropout", 0.2)
    feed_forward = [
        LayerNorm("ln2", "2", n),
        Affine("fc1", "1", n, width, activation="act"),
        Activation("act", activations(rng, needs, 1)[0]),
        Affine("fc2", "2", width, n),
        *([Dropout("drop")] if dropout else []),
    ]
    layers = (
        Residual("attend", (LayerNorm("ln1", "1", n), Attention("attention", n))),
        Residual("feed", tuple(feed_forward)),
        MeanOverTime("mean"),
        Affine("out", "3", n, n_out),
    )
    x = rng.standard_normal((n_samples, n_steps, n))
    network = Network(
        layers, HEADS[loss], keep_prob=0.8 if dropout else 1.0, switches="dropout, l2"
    )
    return network, (x, targets(rng, loss, (n_samples,), n_out))


def convolutional(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return two convolutions around an overlapping max-pool, and images with a black edge.

    Every pooling window inside the black edge holds equal values, at any parameters: a tie that no
    displacement removes, and that right code survives because all the tied pixels move together.
    """
    n_samples, n_in, n_mid = (
        int(rng.integers(7, 9)),
        int(rng.integers(1, 3)),
        int(rng.integers(2, 4)),
    )
    n_out = int(rng.integers(3, 5))
    loss = pick(rng, needs, ("softmax", "hinge"))
    kinds = activations(rng, needs, 2)
    size, stride = [(2, 1), (3, 2)][int(rng.integers(2))]
    pixels = 7
    pooled = (pixels - size) // stride + 1
    second_stride = 2 if "strided" in needs else int(rng.integers(1, 3))
    last = (pooled + 2 - 3) // second_stride + 1
    layers = (
        Convolution("conv1", "1", n_in, n_mid),
        Activation("act1", kinds[0], kinds[1] if kinds[1] != kinds[0] else ""),
        MaxPool("pool", size, stride),
        Convolution("conv2", "2", n_mid, n_mid, stride=second_stride),
        Activation("act2", kinds[1]),
        Flatten("flatten"),
        Affine("out", "3", n_mid * last * last, n_out),
    )
    x = rng.uniform(0.1, 1.0, (n_samples, n_in, pixels, pixels))
    x[..., -4:] = 0.0
    return Network(layers, HEADS[loss]), (x, targets(rng, loss, (n_samples,), n_out))
