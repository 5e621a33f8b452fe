"""How far the analytic gradients are off by rounding of their own.

A backward pass rounds too, and where terms cancel (a bias before a normalisation, on data of 1e-8)
all that it returns may be rounding.  So, before a mismatch at a displaced point counts, the
gradients are called twice more, each a few roundings away along its own random direction of all
blocks, ``x + t·s·v`` with ``t = min(1e-3, max(1e-15, 2·noise/|f|))``; the larger change is the
error.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gradhook._types import Blocks
from gradhook.evaluation.directions import seeded
from gradhook.evaluation.line import Line
from gradhook.objective.parameters import norm
from gradhook.probe.prober import Prober
from gradhook.verdict.evidence import BlockEvidence

__all__ = ["joint_analytic_error", "with_analytic_error"]

FARTHEST, NEAREST, CALLS = 1e-3, 1e-15, 2
"""Bounds on how far away, in units of the blocks' scales, and how often gradients are called."""


def with_analytic_error(
    prober: Prober, evidence: dict[str, BlockEvidence]
) -> dict[str, BlockEvidence]:
    """The evidence with the rounding of the analytic gradients; as it is where they raise nearby.

    Args:
        prober: At the point.
        evidence: What was measured there.
    """
    changes = _changes(prober)
    return {
        name: replace(e, analytic_error=max(e.analytic_error, changes[name]))
        for name, e in evidence.items()
    }


def joint_analytic_error(prober: Prober) -> float:
    """The same of all blocks together, each in units of its scale."""
    changes = _changes(prober)
    return math.hypot(*(prober.scales[name] * change for name, change in changes.items()))


def _changes(prober: Prober) -> dict[str, float]:
    """How much each gradient changes a few roundings away, a norm."""
    size = max(abs(prober.loss), prober.ordinary)
    distance = min(FARTHEST, max(NEAREST, 2 * prober.noise / size if size else 0.0))
    changes = dict.fromkeys(prober.gradients, 0.0)
    for call in range(CALLS):
        there = _gradients_at(prober, distance, seeded(prober.seed, 12, call))
        for name in changes:
            if name in there:
                change = norm(there[name] - prober.gradients[name])
                changes[name] = max(changes[name], change if math.isfinite(change) else 0.0)
    return changes


def _gradients_at(prober: Prober, distance: float, seed: int) -> Blocks:
    evaluator = prober.evaluator
    found: list[Blocks] = []

    def call() -> float:
        loss, gradients = evaluator.loss_and_gradients()
        found.append(gradients)
        return loss

    with Line(evaluator.workspace, prober.all_blocks(seed), call) as line:
        line(distance)
    return found[0] if found else {}  # none where the end of the domain is that near
