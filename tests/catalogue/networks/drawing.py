"""Draws that architectures share: options, activations, targets."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, TypeVar

import numpy as np

from gradhook._types import Array
from tests.catalogue.layers.losses import Weighting

__all__ = ["ACTIVATIONS", "activations", "chance", "pick", "targets", "third_array"]

ACTIVATIONS = ("relu", "leaky", "elu", "tanh", "sigmoid")
"""The activations that an architecture draws from."""

Option = TypeVar("Option", bound=str)


def pick(rng: np.random.Generator, needs: Set[str], options: Sequence[Option]) -> Option:
    """Return the option that is needed, or else one of them at random."""
    drawn = options[int(rng.integers(len(options)))]
    return next((option for option in options if option in needs), drawn)


def chance(rng: np.random.Generator, needs: Set[str], option: str, probability: float) -> bool:
    """Whether to have an option: always where it is needed, else with the probability given."""
    return bool(rng.random() < probability) or option in needs


def activations(rng: np.random.Generator, needs: Set[str], n: int) -> list[str]:
    """Return the activation of each of ``n`` layers: mostly one for all, sometimes mixed."""
    kinds = [str(kind) for kind in rng.permutation(ACTIVATIONS)]
    if "saturating" in needs:
        kinds.sort(key=lambda kind: kind not in ("tanh", "sigmoid"))
    kinds.sort(key=lambda kind: kind not in needs)
    return kinds[:n] if chance(rng, needs, "mixed", 0.3) else kinds[:1] * n


def targets(rng: np.random.Generator, loss: str, shape: tuple[int, ...], n_out: int) -> Array:
    """Return real targets (*shape, n_out) for squared errors, class numbers (*shape) otherwise."""
    if loss == "mse":
        return rng.standard_normal((*shape, n_out))
    return rng.integers(n_out, size=shape)


def third_array(rng: np.random.Generator, weighting: Weighting, n: int) -> tuple[Any, ...]:
    """Return the sample weights or the mask as the rest of a batch, empty for none."""
    if weighting == "weights":
        return (rng.uniform(0.2, 3.0, n),)
    if weighting == "mask":
        # Half of the labels, so that any few rows hold some of both.
        return (rng.permutation(n) % 2 == 0,)
    return ()
