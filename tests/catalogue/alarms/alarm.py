"""What the false alarms share: the record, plain networks, and problems made of a formula."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, Blocks
from tests.catalogue.networks.mlp import mlp
from tests.catalogue.networks.network import LossAndGradients, Network, spoiled
from tests.catalogue.record import Problem
from tests.catalogue.table import Operator

__all__ = ["Alarm", "Draw", "Formula", "formula_problem", "near", "needed", "plain"]

Draw: TypeAlias = Callable[[np.random.Generator, "Operator | None"], Problem]
"""Draws a problem in which the operator, if there is one, can be planted."""

Formula: TypeAlias = Callable[[Blocks, Array, Array, str], tuple[float, Blocks]]
"""``(parameters, x, y, bug) -> (loss, gradients)``."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One situation in which a textbook check condemns right code.

    Args:
        name: Its name, the first part of a case's name.
        kind: The class of false alarm that it belongs to.
        why: What happens there, in one sentence; the same for all of a kind.
        draw: Draws the problem.
        bugs: Operators planted for the wrong twins, in turn; so that a checker which passes
            everything is found out.
    """

    name: str
    kind: str
    why: str
    draw: Draw
    bugs: tuple[str, ...]


def needed(operator: Operator | None, *needs: str) -> Set[str]:
    """Return what a network must contain: what is asked for, and what the operator needs."""
    return {*needs, *(operator.needs if operator else ())}


def plain(rng: np.random.Generator, needs: Set[str]) -> tuple[Network, tuple[Any, ...]]:
    """Return a perceptron without normalisation, weights or dropout, and a batch.

    Its only switch is the penalty, ``reg``.
    """
    network, batch = mlp(rng, {"none", "", *needs})
    return replace(network, keep_prob=1.0, switches="keep_prob, reg"), batch


def near(parameters: Blocks, rng: np.random.Generator, spread: float = 0.1) -> Blocks:
    """Return the parameters, each entry multiplied by 1 + U(-spread, spread)."""
    return {
        name: np.asarray(value * (1 + rng.uniform(-spread, spread, value.shape)))
        for name, value in parameters.items()
    }


def formula_problem(
    formula: Formula,
    parameters: Blocks,
    x: Array,
    y: Array,
    rng: np.random.Generator,
) -> Problem:
    """Return a problem made of a formula instead of layers.

    Bugs of one block (``sign_one``, ``factor_two``, ``disconnected``) are planted in a block drawn
    here, all others are the formula's own affair.

    Args:
        formula: Computes loss and gradients.
        parameters: Where it stands.
        x: Inputs, samples along axis 0.
        y: Targets, samples along axis 0.
        rng: Draws the block.
    """
    block = str(rng.choice(list(parameters)))

    def build(bug: str) -> LossAndGradients:
        def loss_and_gradients(parameters: Blocks, x: Array, y: Array) -> tuple[float, Blocks]:
            loss, gradients = formula(parameters, x, y, bug)
            return loss, {**gradients, block: spoiled(gradients[block], bug)}

        return loss_and_gradients

    return Problem(parameters, (x, y), build, displaced=lambda rng: near(parameters, rng))
