"""Small mismatches, judged where they sit and not by their size.

Right code has none, so this costs nothing when all is well.  A wrong row of small numbers adds next
to nothing to the norm of its block, and is a bug all the same: so any mismatch that stands out of
its error is looked for in both halves of each axis, and in random subsets of the elements.  Where a
part is free of it, the wrong part is searched, and its own ratio decides.  A mismatch that is the
same multiple of the gradient, or of the weights, everywhere has a cause and is worth a warning.
One that lies all over the blocks of a network, follows no such rule and stays below 1e-5 is typical
of ``log(y + 1e-7)`` in the loss alone, and passes with its number.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradhook._types import Tolerance, Verdict
from gradhook.evaluation.directions import (
    Direction,
    Part,
    cut,
    masked,
    random_direction,
    seeded,
    whole,
)
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.localise import locate
from gradhook.probe.prober import SEARCH, SHORT_SEARCH, Budget, LineParts, Prober
from gradhook.probe.setting import EarlierResults
from gradhook.verdict.evidence import BlockEvidence, Location, Probe, describe, is_apart
from gradhook.verdict.judge import Further, Judgement

SUBSETS, SUBSET_SHARE, TELLING_SUBSET = 3, 1 / 16, 6.0
"""Random subsets that tell a spread mismatch, their share of the elements, and how far one that
holds its share of the mismatch should stand out."""

ACROSS_HALVES, EMPTIER = 2, 0.03
"""Directions along which both halves of an axis are compared, and the share of the higher half's
mismatch below which the lower one has none."""

SHARED_BLOCKS = 2
"""Blocks, and half of all, that a mismatch which enters at the loss shows in at least."""

FITTED, CONFIRMED = 3, 2
"""Probes that a rule is fitted on, and fresh ones that it must explain."""

RULED_ALONE = 3
"""Blocks that are held against a rule each by itself, where none holds for all."""


def judge_small(
    prober: Prober,
    evidence: Mapping[str, BlockEvidence],
    judgements: Mapping[str, Judgement],
    *,
    tolerance: Tolerance,
    earlier: EarlierResults,
) -> dict[str, Judgement]:
    """Judge resolved mismatches, too small to be a FAIL by their size alone, by their shape."""
    seed = prober.seed + 11
    # Of those whose part is worth a search: all at the main setting, few further on.
    least = tolerance.warn if earlier.like else 0.0
    small = {
        name: judgement
        for name, judgement in judgements.items()
        if Further.PART in judgement.further
        and judgement.finding.ratio >= least
        and name not in earlier.known_wrong
    }
    # Up to this ratio a mismatch is taken for one that lies all over other blocks too.
    dense = tolerance.unlike * max(earlier.dense.values(), default=0.0)
    judged: dict[str, Judgement] = {}
    spread: list[str] = []
    for index, (name, judgement) in enumerate(small.items()):
        if judgement.finding.ratio <= dense:
            judged[name] = _by_rule(judgement, "", tolerance, shared=True)
            continue
        block, size = evidence[name], judgement.comparison.norms.residual
        # What enters at the loss shows in every block, and about alike.
        ratios = [small[other].finding.ratio for other in spread]
        usual = statistics.median(ratios) if len(ratios) >= SHARED_BLOCKS else -math.inf
        alike = judgement.finding.ratio <= tolerance.unlike * usual
        drawn = seeded(seed, 10, index)
        worth = 0 if alike else _search_worth(prober, block, size, tolerance, drawn)
        found = None
        if worth:
            budget = Budget(lambda: prober.evaluator.evaluations, worth)
            gradient = prober.gradients[name]
            found = locate(prober, block, gradient, tolerance=tolerance, budget=budget, seed=seed)
        if found and is_apart(found, block, tolerance.few) and found.norms.ratio > tolerance.warn:
            verdict = Verdict.FAIL if found.norms.ratio > tolerance.fail else Verdict.WARN
            note = f"{describe(found)} wrong: ratio {found.norms.ratio:.1e} there"
            note += ", and nothing else stands out" if found.complete else ""
            judged[name] = _revised(judgement, verdict, note, found)
        else:
            spread.append(name)
    shared = len(spread) >= max(SHARED_BLOCKS, len(evidence) / 2)
    sizes = {name: small[name].comparison.norms.residual for name in spread}
    blocks = [evidence[name] for name in spread]
    rule = _rule(prober, blocks, sizes, tolerance, seed) if blocks else ""
    for block in blocks:
        alone = not rule and 1 < len(blocks) <= RULED_ALONE
        own = _rule(prober, [block], sizes, tolerance, seed + 1) if alone else rule
        judged[block.name] = _by_rule(small[block.name], own, tolerance, shared=shared)
    return judged


def _search_worth(
    prober: Prober, evidence: BlockEvidence, size: float, tolerance: Tolerance, seed: int
) -> int:
    """Evaluations that a search may take; 0 where no part of the block is free of the mismatch.

    The mismatch's ``size`` is the norm of the residual.
    """
    if evidence.exact:
        return SEARCH  # every element is known, and none is asked again
    name, count, shape = evidence.name, evidence.size, prober.gradients[evidence.name].shape

    def seen(directions: Sequence[Direction], share: float) -> tuple[float, float]:
        """The mismatch in a share of the elements and its error, root mean squares."""
        wanted = math.sqrt(share) * size / TELLING_SUBSET
        probes = [prober.along([(name, v, 1.0)], share=share, wanted=wanted) for v in directions]
        residual = math.hypot(*(probe.residual for probe in probes))
        error = math.hypot(*(probe.slope.error for probe in probes))
        return residual / math.sqrt(len(probes)), error / math.sqrt(len(probes))

    unsure = False
    for axis, length in ((axis, length) for axis, length in enumerate(shape) if length > 1):
        drawn = [seeded(seed, 20 + axis, k) for k in range(ACROSS_HALVES)]
        halves = []
        for first, last in ((0, length // 2), (length // 2, length)):
            box = cut(whole(shape), axis, first, last)
            parts = [Part(random_direction(count, each), shape, box) for each in drawn]
            halves.append(seen(parts, (last - first) / length))
        low, high = sorted(halves)
        if low[0] <= max(tolerance.resolved * low[1], EMPTIER * high[0]):
            if tolerance.resolved * low[1] < high[0] / 2:
                return SEARCH
            unsure = True
    if SUBSET_SHARE * count < 1:
        return SHORT_SEARCH
    random = np.random.default_rng(seed)
    for k in range(SUBSETS):
        kept = random.random(count) < SUBSET_SHARE
        subset = masked(random_direction(count, seeded(seed, k)), kept)
        residual, error = seen([subset], SUBSET_SHARE)
        allowed = tolerance.resolved * error
        if residual <= allowed:
            expected = math.sqrt(SUBSET_SHARE) * size
            return SEARCH if allowed < expected / 2 else SHORT_SEARCH
    return SHORT_SEARCH if unsure else 0


def _by_rule(judgement: Judgement, rule: str, tolerance: Tolerance, *, shared: bool) -> Judgement:
    """A mismatch all over its block, by the rule that it follows; ``shared`` by other blocks."""
    if rule:
        verdict = max(judgement.finding.verdict, Verdict.WARN, key=lambda v: v.severity)
        return _revised(judgement, verdict, rule)
    ratio = judgement.finding.ratio
    if shared:
        note = (
            f"differs by {ratio:.0e} everywhere, the same at every step: as a log(y + eps) in the "
            "loss alone does"
        )
        passes = ratio < tolerance.unexplained
        return _revised(judgement, Verdict.PASS if passes else judgement.finding.verdict, note)
    return judgement


def _revised(
    judgement: Judgement, verdict: Verdict, note: str, location: Location | None = None
) -> Judgement:
    finding = replace(judgement.finding, verdict=verdict, note=note)
    return replace(judgement, finding=finding, location=location)


def _rule(
    prober: Prober,
    blocks: Sequence[BlockEvidence],
    sizes: Mapping[str, float],
    tolerance: Tolerance,
    seed: int,
) -> str:
    """The rule that the residual of all these blocks follows, as a sentence; empty if none does.

    The mismatch is spread over the blocks, and its ``sizes`` are the norms of their residuals.
    """
    drawn: list[LineParts]
    if len(blocks) == 1 and blocks[0].exact:
        probes: Sequence[Probe] = blocks[0].probes
        drawn = [[(blocks[0].name, v, 1.0)] for v in directions_of(prober, blocks[0])]
    else:
        # Sharp enough to tell a rule from an accident: a few probes agree with many to 10 %.
        wanted = tolerance.explained * math.sqrt(len(blocks)) / 3
        seeds = [seeded(seed, 9, k) for k in range(FITTED + CONFIRMED)]
        drawn = [
            [
                (b.name, random_direction(b.size, seeded(each, index)), 1 / sizes[b.name])
                for index, b in enumerate(blocks)
            ]
            for each in seeds
        ]
        probes = [prober.along(parts, wanted=wanted) for parts in drawn]
    if len(probes) < FITTED:
        return ""
    factor = _fit(probes, [probe.slope.value for probe in probes], tolerance)
    if factor is not None:
        return f"the gradient is {1 + factor:.8g} times the numerical one, everywhere"
    arrays = prober.evaluator.workspace.arrays
    along = [math.fsum(w * v.dot(arrays[name]) for name, v, w in parts) for parts in drawn]
    weight = _fit(probes, along, tolerance)
    if weight is not None:
        return f"the gradient differs by {weight:.3e} times the block itself, everywhere"
    return ""


def _fit(probes: Sequence[Probe], known: Sequence[float], tolerance: Tolerance) -> float | None:
    """The ``c`` of ``residual = c * known``, if it holds on probes that it was not fitted on.

    Where these are too few it must hold on all of them.
    """
    pairs = list(zip(probes, known, strict=True))
    few = len(pairs) < FITTED + CONFIRMED
    fitted, fresh = (pairs, pairs) if few else (pairs[:-CONFIRMED], pairs[-CONFIRMED:])
    size = math.fsum(k * k for _, k in fitted)
    if not size:
        return None
    factor = math.fsum(p.residual * k for p, k in fitted) / size
    typical = math.hypot(*(p.residual for p in probes)) / math.sqrt(len(probes))
    allowed = tolerance.explained * typical
    holds = all(abs(p.residual - factor * k) + p.slope.error <= allowed for p, k in fresh)
    return factor if holds else None
