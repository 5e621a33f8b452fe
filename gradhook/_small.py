"""Small mismatches, judged by their shape and not by their size.

Right code has none, so this costs nothing when all is well.  A mismatch that sits in a few elements
is judged by the ratio of those elements alone: one wrong element of a million is a bug, whatever it
adds to the norm.  One that is the same multiple of the gradient, or of the weights, everywhere has
a cause and is worth a warning.  One that is spread over the block, follows no such rule and does
not change with the step is typical of ``log(y + 1e-7)`` in the loss alone, and passes with a note
while it is below 1e-5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from gradhook._types import Array, Tolerance, Verdict
from gradhook.probe.blocks import Prober
from gradhook.probe.directions import seeded, spread
from gradhook.probe.evidence import BlockEvidence, Location, Probe
from gradhook.probe.localise import Budget, locate
from gradhook.verdict.judge import Judgement

__all__ = ["describe", "judge_small"]

BUDGET = 60
"""Evaluations that the search of one block may take."""

FEW = 0.25
"""Share of a block's elements up to which several wrong parts count as few."""

FITTED, CONFIRMED = 3, 2
"""Probes that a rule is fitted on, and fresh ones that it must explain."""

NAMED = 3
"""Parts of a block that are named one by one."""


def judge_small(
    prober: Prober,
    evidence: BlockEvidence,
    judgement: Judgement,
    *,
    gradient: Array,
    values: Array,
    tolerance: Tolerance,
    seed: int,
) -> Judgement:
    """Judge a resolved mismatch that is too small to be a FAIL by itself.

    Args:
        prober: At the point and with the switches of the evidence.
        evidence: The block's probes.
        judgement: What they say, going by the size of the mismatch alone.
        gradient: The analytic gradient; the block's shape.
        values: The block itself at this point.
        tolerance: The constants of judging.
        seed: Seed of fresh directions.

    Returns:
        The judgement by shape.
    """
    found = locate(
        prober,
        evidence,
        gradient,
        resolved=tolerance.resolved,
        rounding=tolerance.rounding,
        budget=Budget(lambda: prober.evaluations, BUDGET),
        seed=seed,
    )
    if _apart(found, evidence) and found.ratio > tolerance.warn:
        verdict = Verdict.FAIL if found.ratio > tolerance.fail else Verdict.WARN
        note = f"{describe(found)} wrong: ratio {found.ratio:.1e} there"
        note += ", and nothing else stands out" if found.complete else ""
        return _revised(judgement, verdict, note, where=describe(found))
    rule = _rule(prober, evidence, judgement.comparison.residual_norm, values, tolerance, seed)
    if rule:
        verdict = max(judgement.finding.verdict, Verdict.WARN, key=lambda v: v.severity)
        return _revised(judgement, verdict, rule)
    ratio = judgement.finding.ratio
    if ratio < tolerance.unexplained:
        note = (
            f"agrees to {ratio:.0e} everywhere; a fixed difference of this size is typical of "
            "log(y + eps) in the loss"
        )
        return _revised(judgement, Verdict.PASS, note)
    return judgement


def _apart(found: Location, evidence: BlockEvidence) -> bool:
    """Whether the wrong parts are a small part of the block, and of its gradient.

    Parts that hold most of the gradient are where it lives, not where it is wrong.
    """
    size = sum(math.prod(s.stop - s.start for s in box) for box in found.boxes)
    small = len(found.boxes) == 1 or size <= FEW * evidence.size
    return found.concentrated and small and found.numerical_norm < evidence.analytic_norm / 2


def describe(location: Location) -> str:
    """The wrong parts as a user would index them: ``"W2[:, 7]"``."""
    parts = [
        location.name + ("[" + ", ".join(map(_index, box, location.shape)) + "]" if box else "")
        for box in location.boxes[:NAMED]
    ]
    more = len(location.boxes) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")


def _index(part: slice, length: int) -> str:
    if part.stop - part.start == 1:
        return str(part.start)
    return ":" if part.stop - part.start == length else f"{part.start}:{part.stop}"


def _revised(
    judgement: Judgement, verdict: Verdict, note: str, where: str | None = None
) -> Judgement:
    finding = replace(judgement.finding, verdict=verdict, note=note)
    return replace(judgement, finding=finding, doubtful=False, where=where)


def _rule(
    prober: Prober,
    evidence: BlockEvidence,
    residual: float,
    values: Array,
    tolerance: Tolerance,
    seed: int,
) -> str:
    """The rule that the residual follows, as a sentence; empty if none does."""
    probes, directions = evidence.probes, prober.directions(evidence)
    if not evidence.exact:
        # Sharp enough to tell a rule from an accident: a few probes agree with many rules to 10 %.
        directions = [spread(evidence.size, seeded(seed, 9, k)) for k in range(FITTED + CONFIRMED)]
        wanted = tolerance.explained * residual / 3
        probes = tuple(
            prober.along([(evidence.name, direction, 1.0)], wanted=wanted)
            for direction in directions
        )
    if len(probes) < FITTED:
        return ""
    factor = _fit(probes, [probe.slope.value for probe in probes], tolerance)
    if factor is not None:
        return f"the gradient is {1 + factor:.8g} times the numerical one, everywhere"
    weight = _fit(probes, [direction.dot(values) for direction in directions], tolerance)
    if weight is not None:
        return f"the gradient differs by {weight:.3e} times the block itself, everywhere"
    return ""


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
