"""From a network to a problem: where the bug goes is drawn, and that it does something there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradhook._types import Blocks
from tests.catalogue.networks.network import LossAndGradients, Network, loss_function
from tests.catalogue.networks.starts import generic
from tests.catalogue.record import Problem, gradient_ratios
from tests.catalogue.table import Operator

__all__ = ["EQUAL", "TELLING_PENALTY", "differs", "network_problem", "planted"]

TELLING_PENALTY = 0.07
"""A penalty comparable to the data term, so that no mistake in it hides."""

EQUAL = 1e-12
"""A mutant whose ratio stays below this everywhere is not one."""

POINTS = 3
"""Random points at which a mutant is compared with the right code."""


def network_problem(
    network: Network,
    batch: tuple[Any, ...],
    parameters: Blocks,
    seed: int,
    displaced: Callable[[np.random.Generator], Blocks] | None = None,
) -> Problem:
    """Return a network, at some parameters and on some batch, as a problem.

    Args:
        network: The network; its ``sites`` say where ``build`` plants a bug.
        batch: Its batch.
        parameters: Where it stands.
        seed: Seed of its dropout masks.
        displaced: Draws another point; a generic one by default.
    """

    def build(bug: str) -> LossAndGradients:
        return loss_function(replace(network, bug=bug), seed)

    dropout, penalty = network.switches.split(", ")
    return Problem(
        parameters,
        batch,
        build,
        displaced=displaced or (lambda rng: generic(network.blocks(), rng)),
        dropout=dropout if network.keep_prob < 1 else None,
        penalty=penalty,
        telling={penalty: TELLING_PENALTY},
        site=", ".join(network.sites or ()),
    )


def planted(
    network: Network,
    batch: tuple[Any, ...],
    parameters: Blocks,
    operator: Operator | None,
    rng: np.random.Generator,
    displaced: Callable[[np.random.Generator], Blocks] | None = None,
) -> Problem:
    """Return a network as a problem whose bug sits where it does something, if there is a place.

    Args:
        network: The network.
        batch: Its batch.
        parameters: Where it stands.
        operator: The bug that will be planted; ``None`` for right code.
        rng: Draws the place and the seed of dropout.
        displaced: Draws another point; a generic one by default.
    """
    seed = int(rng.integers(2**31))
    if operator is None:
        return network_problem(network, batch, parameters, seed, displaced)
    for sites in _places(network, operator, rng):
        here = replace(network, sites=sites)
        problem = network_problem(here, batch, parameters, seed, displaced)
        if differs(problem, operator):
            break
    return problem


def differs(problem: Problem, operator: Operator) -> bool:
    """Whether a mutant's gradient leaves the right one at any of three random points.

    Args:
        problem: Where the operator is planted.
        operator: The bug.
    """
    rng = np.random.default_rng(0)
    return any(
        max(
            gradient_ratios(
                problem,
                operator.name,
                problem.displaced(rng),
                problem.batch,
                problem.telling,
                second_call=operator.second_call,
            ).values()
        )
        > EQUAL
        for _ in range(POINTS)
    )


def _places(
    network: Network, operator: Operator, rng: np.random.Generator
) -> Iterator[frozenset[str] | None]:
    """Yield places in random order: everywhere first or last, single layers or blocks between."""
    if operator.scope == "loss":
        yield None
        return
    names = (
        network.layer_names()
        if operator.scope == "layer"
        else [block.name for block in network.blocks()]
    )
    single = [frozenset([str(name)]) for name in rng.permutation(names)]
    everywhere = [None] if operator.scope != "one block" else []
    yield from [*everywhere, *single] if rng.random() < 0.5 else [*single, *everywhere]
