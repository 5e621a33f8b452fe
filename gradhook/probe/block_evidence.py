"""The evidence of a block: its probes along a few directions of its own, which later ones add to.

A block of at most as many elements as directions is probed element by element, which is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradhook._types import Array
from gradhook.difference import Backward, Forward
from gradhook.evaluation.directions import Coordinate, Direction, random_direction, seeded
from gradhook.probe.budget import UNLIMITED, Budget
from gradhook.probe.prober import Prober
from gradhook.report.format import count
from gradhook.verdict.evidence import BlockEvidence, Location, Probe, describe

__all__ = ["add_probes", "concluded", "direction_of", "directions_of", "gather"]


def gather(
    prober: Prober,
    name: str,
    *,
    probes: int,
    budget: Budget = UNLIMITED,
    elements: Sequence[Probe] | None = None,
) -> BlockEvidence:
    """Probe a block along so many directions, or take probes of its ``elements`` that were made.

    As long as nothing stands out the budget counts, and one direction less does once it is spent.
    """
    gradient = prober.gradients[name]
    whole = math.isfinite(prober.norms[name])
    spoiled = "" if whole else _where(name, ~np.isfinite(gradient))
    evidence = BlockEvidence(
        name,
        gradient.size,
        prober.norms[name],
        prober.scales[name],
        spoiled=spoiled,
        kinked=name in prober.kinked,
        analytic_error=prober.evaluator.rounding.get(name, 0.0),
    )
    if spoiled or not gradient.size:
        return evidence
    if elements is not None:
        values = np.array([p.slope.value for p in elements]).reshape(gradient.shape)
        measured = replace(evidence, probes=tuple(elements), exact=True, elements=values)
        return concluded(prober, measured)
    if prober.carried_on and prober.steps.knows(name) and not prober.steps.pair_suffices(name):
        probes = 1  # a sharp one, at the cost of two pairs
    exact = gradient.size <= probes
    found: list[Probe] = []
    for k in range(gradient.size if exact else probes):
        calm = all(p.z <= 1 for p in found)
        spent = calm and budget.left < (2 if prober.steps.pair_suffices(name) else 4)
        if spent and not exact and 0 < len(found) >= probes - 1:
            break
        direction = Coordinate(k) if exact else direction_of(prober, name, k)
        allowed = budget if calm else UNLIMITED
        found.append(prober.probe(name, direction, sharp=False, budget=allowed))
        if found[-1].slope.kink and prober.carried_on and not exact:
            break  # at a tie further directions cross it too
    return concluded(prober, replace(evidence, probes=tuple(found), exact=exact))


def _where(name: str, mask: Array) -> str:
    """The elements of a mask in words: a box that they fill, or the first and how many more."""
    if not mask.any():  # a norm can overflow where every element is finite
        return ""
    where = np.argwhere(mask)
    corners = zip(where.min(axis=0).tolist(), where.max(axis=0).tolist(), strict=True)
    box = tuple(slice(first, last + 1) for first, last in corners)
    full = bool(mask[box].all())
    if not full:
        box = tuple(slice(i, i + 1) for i in where[0].tolist())
    said = describe(Location(name, mask.shape, (box,)))
    return said if full else f"{said} and {count(len(where) - 1, 'other element')}"


def add_probes(
    prober: Prober, evidence: BlockEvidence, probes: int, *, sharp: bool = False
) -> BlockEvidence:
    """Probe a block along further directions, sharply or in pairs where these suffice."""
    name, made = evidence.name, len(evidence.probes)
    directions = (direction_of(prober, name, k) for k in range(made, made + probes))
    fresh = [prober.probe(name, direction, sharp=sharp) for direction in directions]
    return concluded(prober, replace(evidence, probes=(*evidence.probes, *fresh)))


def directions_of(prober: Prober, evidence: BlockEvidence) -> list[Direction]:
    """The directions along which a block's probes were measured, in order."""
    name, exact = evidence.name, evidence.exact
    indices = range(len(evidence.probes))
    return [Coordinate(k) if exact else direction_of(prober, name, k) for k in indices]


def direction_of(prober: Prober, name: str, k: int) -> Direction:
    """The k-th direction of a block."""
    block = prober.evaluator.workspace.names.index(name)
    one_sided = isinstance(prober.method, (Forward, Backward))
    seed = seeded(prober.seed, 3, block, k)
    return random_direction(prober.gradients[name].size, seed, one_sided=one_sided)


def concluded(prober: Prober, evidence: BlockEvidence) -> BlockEvidence:
    """The evidence, with what all its probes say together."""
    if any(p.slope.kink for p in evidence.probes):
        prober.kinked.add(evidence.name)
    unmoved = bool(evidence.probes) and all(
        p.slope.value == 0.0 and p.slope.gap == 0.0 for p in evidence.probes
    )
    return replace(evidence, unmoved=unmoved)
