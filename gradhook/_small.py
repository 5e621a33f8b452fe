"""Small mismatches, judged by their shape and not by their size.

Right code has none, so this costs nothing when all is well.  A mismatch that sits in a few elements
is judged by the ratio of those elements alone: one wrong element of a million is a bug, whatever it
adds to the norm.  One that is the same multiple of the gradient, or of the weights, everywhere has
a cause and is worth a warning.  One that is spread over the block, follows no such rule and does
not change with the step is typical of ``log(y + 1e-7)`` in the loss alone, and passes with a note
while it is below 1e-5.

Whether a mismatch is spread is told by random subsets of a block's elements, which all stand out
then, and in small blocks by the others: what enters at the loss shows in most blocks, and about
alike.  Blocks with spread mismatches are held against the rules together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gradhook._rules import find_rules
from gradhook._types import Array, Blocks, Tolerance, Verdict
from gradhook.evaluation.directions import masked, seeded, spread
from gradhook.probe.blocks import Prober
from gradhook.probe.budget import SEARCH, Budget
from gradhook.probe.evidence import BlockEvidence, Location
from gradhook.probe.localise import locate
from gradhook.verdict.judge import Judgement
from gradhook.verdict.parts import describe, is_apart

__all__ = ["judge_small"]

SUBSETS, SHARE, TELLING = 3, 1 / 16, 6.0
"""Random subsets that tell a spread mismatch, their share of the elements, and how far one that
holds its share of the mismatch should stand out."""

LARGE = 512
"""Elements from which on subsets tell."""

UNSURE = 60
"""Evaluations that a search may take where subsets are too coarse to tell."""


def judge_small(
    prober: Prober,
    evidence: Mapping[str, BlockEvidence],
    judgements: Mapping[str, Judgement],
    *,
    spread: float,
    gradients: Blocks,
    values: Callable[[str], Array],
    tolerance: Tolerance,
    seed: int,
) -> dict[str, Judgement]:
    """Judge resolved mismatches that are too small to be a FAIL by themselves.

    Args:
        prober: At the point and with the switches of the evidence.
        evidence: The blocks' probes.
        judgements: What they say, going by the size of the mismatch alone.
        spread: Ratio up to which a mismatch is taken for one that lies all over other blocks too.
        gradients: The analytic gradients.
        values: Returns a block at this point.
        tolerance: The constants of judging.
        seed: Seed of fresh directions.

    Returns:
        The judgements by shape.
    """
    judged: dict[str, Judgement] = {}
    dense: list[str] = []
    ratios = sorted(judgement.finding.ratio for judgement in judgements.values())
    usual = ratios[len(ratios) // 2] if 2 * len(ratios) > max(2, len(evidence)) else 0.0
    for index, (name, judgement) in enumerate(judgements.items()):
        if judgement.finding.ratio <= spread:
            judged[name] = _by_rule(judgement, "", tolerance)
            continue
        block, size = evidence[name], judgement.comparison.residual_norm
        alike = judgement.finding.ratio <= tolerance.unlike * usual and block.size < LARGE
        worth = (
            0 if alike else _search_worth(prober, block, size, tolerance, seeded(seed, 10, index))
        )
        if not worth:
            dense.append(name)
            continue
        found = locate(
            prober,
            block,
            gradients[name],
            resolved=tolerance.resolved,
            rounding=tolerance.rounding,
            budget=Budget(lambda: prober.evaluations, worth),
            seed=seed,
        )
        if is_apart(found, block, tolerance.few) and found.ratio > tolerance.warn:
            verdict = Verdict.FAIL if found.ratio > tolerance.fail else Verdict.WARN
            note = f"{describe(found)} wrong: ratio {found.ratio:.1e} there"
            note += ", and nothing else stands out" if found.complete else ""
            judged[name] = _revised(judgement, verdict, note, found)
        else:
            dense.append(name)
    rules = find_rules(
        prober,
        [evidence[name] for name in dense],
        {name: judgements[name].comparison.residual_norm for name in dense},
        values=values,
        tolerance=tolerance,
        seed=seed,
    )
    for name in dense:
        judged[name] = _by_rule(judgements[name], rules.get(name, ""), tolerance)
    return judged


def _search_worth(
    prober: Prober, evidence: BlockEvidence, size: float, tolerance: Tolerance, seed: int
) -> int:
    """Evaluations that a search may take; 0 where random subsets are all wrong.

    The mismatch's ``size`` is the norm of the residual.
    """
    if evidence.exact:
        return 0 if _mostly_wrong(evidence, tolerance) else SEARCH
    if SHARE * evidence.size < 1:
        return UNSURE
    random = np.random.default_rng(seed)
    expected = math.sqrt(SHARE) * size
    for k in range(SUBSETS):
        kept = random.random(evidence.size) < SHARE
        direction = masked(spread(evidence.size, seeded(seed, k)), kept)
        parts = [(evidence.name, direction, 1.0)]
        probe = prober.along(parts, share=SHARE, wanted=expected / TELLING)
        allowed = tolerance.resolved * probe.slope.error
        if abs(probe.residual) <= allowed:
            return SEARCH if allowed < expected / 2 else UNSURE
    return 0


def _mostly_wrong(evidence: BlockEvidence, tolerance: Tolerance) -> bool:
    wrong = [abs(p.residual) > tolerance.resolved * p.slope.error for p in evidence.probes]
    return 2 * sum(wrong) > len(wrong)


def _by_rule(judgement: Judgement, rule: str, tolerance: Tolerance) -> Judgement:
    if rule:
        verdict = max(judgement.finding.verdict, Verdict.WARN, key=lambda v: v.severity)
        return _revised(judgement, verdict, rule)
    ratio = judgement.finding.ratio
    if judgement.comparison.low < tolerance.unexplained:  # as far as so few directions tell
        note = (
            f"agrees to {ratio:.0e} everywhere; a fixed difference of this size is typical of "
            "log(y + eps) in the loss"
        )
        return _revised(judgement, Verdict.PASS, note)
    return judgement


def _revised(
    judgement: Judgement, verdict: Verdict, note: str, location: Location | None = None
) -> Judgement:
    finding = replace(judgement.finding, verdict=verdict, note=note)
    where = describe(location) if location else None
    return replace(judgement, finding=finding, doubtful=False, where=where, location=location)
