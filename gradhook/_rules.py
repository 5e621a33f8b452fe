"""Rules that a mismatch may follow wherever it is spread over a block.

A residual that is the same multiple of the gradient, or of the weights, everywhere has a cause,
however small it is.  The multiple is fitted on a few probes and must explain fresh ones.  Blocks
are held against the rules together first: what enters at the loss shows in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from gradhook._types import Array, Tolerance
from gradhook.evaluation.directions import Direction, seeded, spread
from gradhook.probe.blocks import Prober
from gradhook.probe.evidence import BlockEvidence, Probe

__all__ = ["find_rules"]

FITTED, CONFIRMED = 3, 2
"""Probes that a rule is fitted on, and fresh ones that it must explain."""

ALONE = 3
"""Blocks that are held against a rule each by itself, where none holds for all."""


def find_rules(
    prober: Prober,
    blocks: Sequence[BlockEvidence],
    sizes: Mapping[str, float],
    *,
    values: Callable[[str], Array],
    tolerance: Tolerance,
    seed: int,
) -> dict[str, str]:
    """The rule that each block's residual follows, as a sentence; blocks without one are left out.

    Args:
        prober: At the point and with the switches of the evidence.
        blocks: Blocks whose mismatch is spread over them.
        sizes: The norms of their residuals.
        values: Returns a block at this point.
        tolerance: The constants of judging.
        seed: Seed of fresh directions.
    """

    def rule(several: Sequence[BlockEvidence], seed: int) -> str:
        return _rule(prober, several, sizes, values, tolerance, seed)

    shared = rule(blocks, seed) if blocks else ""
    if shared:
        return dict.fromkeys(sizes, shared)
    if not 1 < len(blocks) <= ALONE:
        return {}
    alone = {block.name: rule([block], seed + 1) for block in blocks}
    return {name: found for name, found in alone.items() if found}


def _rule(
    prober: Prober,
    blocks: Sequence[BlockEvidence],
    sizes: Mapping[str, float],
    values: Callable[[str], Array],
    tolerance: Tolerance,
    seed: int,
) -> str:
    """The rule that the residual of all these blocks follows; empty if none does."""
    if len(blocks) == 1 and blocks[0].exact:
        probes: Sequence[Probe] = blocks[0].probes
        drawn = [[(blocks[0].name, v, 1.0)] for v in prober.directions(blocks[0])]
    else:
        # Sharp enough to tell a rule from an accident: a few probes agree with many to 10 %.
        wanted = tolerance.explained * math.sqrt(len(blocks)) / 3
        drawn = [_drawn(blocks, sizes, seeded(seed, 9, k)) for k in range(FITTED + CONFIRMED)]
        probes = [prober.along(parts, wanted=wanted) for parts in drawn]
    if len(probes) < FITTED:
        return ""
    factor = _fit(probes, [probe.slope.value for probe in probes], tolerance)
    if factor is not None:
        return f"the gradient is {1 + factor:.8g} times the numerical one, everywhere"
    arrays = {block.name: values(block.name) for block in blocks}
    along = [math.fsum(w * v.dot(arrays[name]) for name, v, w in parts) for parts in drawn]
    weight = _fit(probes, along, tolerance)
    if weight is not None:
        return f"the gradient differs by {weight:.3e} times the block itself, everywhere"
    return ""


def _drawn(
    blocks: Sequence[BlockEvidence], sizes: Mapping[str, float], seed: int
) -> list[tuple[str, Direction, float]]:
    """A direction over all blocks, each at a weight by which its residual counts one."""
    return [
        (b.name, spread(b.size, seeded(seed, index)), 1 / sizes[b.name])
        for index, b in enumerate(blocks)
    ]


def _fit(probes: Sequence[Probe], known: Sequence[float], tolerance: Tolerance) -> float | None:
    """The ``c`` of ``residual = c * known``, if it holds on probes that it was not fitted on."""
    fitted = slice(0, -CONFIRMED) if len(probes) >= FITTED + CONFIRMED else slice(None)
    fresh = slice(len(probes) - CONFIRMED, None) if fitted.stop else slice(None)
    size = math.fsum(k * k for k in known[fitted])
    if not size:
        return None
    pairs = zip(probes[fitted], known[fitted], strict=True)
    factor = math.fsum(p.residual * k for p, k in pairs) / size
    typical = math.hypot(*(p.residual for p in probes)) / math.sqrt(len(probes))
    for probe, k in zip(probes[fresh], known[fresh], strict=True):
        if abs(probe.residual - factor * k) + probe.slope.error > tolerance.explained * typical:
            return None
    return factor
