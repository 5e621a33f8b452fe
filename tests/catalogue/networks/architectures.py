"""The architectures, and what each can be asked to contain.

An architecture draws its sizes, depth, activations and options from a generator.  A bug needs
something to sit in (a hinge loss, a residual branch, a square weight matrix): ``offers`` lists what
a network has, or can be asked for, and ``build`` takes what is needed and draws the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.catalogue.networks.drawing import ACTIVATIONS
from tests.catalogue.networks.mlp import linear_svm, maxout, mlp
from tests.catalogue.networks.network import Network
from tests.catalogue.networks.structured import convolutional, recurrent, transformer

__all__ = ["ARCHITECTURES", "Architecture"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """One way to build a network and a batch.

    Args:
        name: Its name, the first part of a case's name.
        build: Draws a network and a batch, given what the network needs.
        offers: What the network has or can be asked for.
    """

    name: str
    build: Callable[[np.random.Generator, Set[str]], tuple[Network, tuple[Any, ...]]]
    offers: frozenset[str]


# "affine": an affine layer.            "deep": one whose dx reaches parameters.
# "dense": one with its activation.     "stacked": two with inputs of one shape.
# "square": one above others, with as many inputs as outputs.
_ACTIVATED = {*ACTIVATIONS, "saturating", "activation"}
_EVERYWHERE = {"affine", "l2"}

ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "mlp",
            mlp,
            frozenset(
                _EVERYWHERE
                | _ACTIVATED
                | {"deep", "dense", "stacked", "square", "mixed", "softmax", "mse", "hinge"}
                | {"batchnorm", "layernorm", "dropout", "residual", "weights", "mask", "l1"}
            ),
        ),
        Architecture(
            "rnn",
            recurrent,
            frozenset(_EVERYWHERE | {"deep", "softmax", "embedding", "recurrent"}),
        ),
        Architecture(
            "cnn",
            convolutional,
            frozenset(
                _EVERYWHERE
                | _ACTIVATED
                | {"deep", "mixed", "softmax", "hinge", "convolution", "strided", "pool"}
            ),
        ),
        Architecture(
            "transformer",
            transformer,
            frozenset(
                _EVERYWHERE
                | _ACTIVATED
                | {
                    "deep",
                    "dense",
                    "softmax",
                    "mse",
                    "residual",
                    "layernorm",
                    "attention",
                    "dropout",
                }
            ),
        ),
        Architecture("svm", linear_svm, frozenset(_EVERYWHERE | {"hinge"})),
        Architecture(
            "maxout",
            maxout,
            frozenset(
                _EVERYWHERE | {"deep", "stacked", "activation", "softmax", "mse", "hinge", "pieces"}
            ),
        ),
    )
}
"""Every architecture by name."""
