"""From a comparison to a verdict, and from many verdicts to one.

A mismatch counts only if it stands out of its own error; a check too coarse to tell says
INCONCLUSIVE, never PASS; what was not exercised is UNTESTED.  A mismatch at the current point alone
is a KINK when it vanishes at a point nearby.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradhook._types import MISMATCH, Tolerance, Verdict
from gradhook.report import Finding
from gradhook.verdict.evidence import BlockEvidence, Comparison, Location, compare

PRECEDENCE = ("FAIL", "WARN", "PASS", "KINK", "INCONCLUSIVE", "UNTESTED")
"""Over the settings of one block: what judged outranks what could not."""


class Further(enum.Flag):
    """What further measurement could change a verdict."""

    NOTHING = 0
    # More of them: the ratio's interval holds a threshold, or one probe stands out beside others.
    DIRECTIONS = enum.auto()
    AGAIN = enum.auto()  # those that stand out, with another step: kinks may have spoiled them
    PART = enum.auto()  # the part of the block that a small mismatch sits in
    NEARBY = enum.auto()  # a point close by: a kink may have made the verdict
    AFAR = enum.auto()  # longer steps: short ones do not see as far as ``fail``


@dataclass(frozen=True, slots=True)
class Judgement:
    """One block in one setting, judged."""

    finding: Finding  # for the report
    comparison: Comparison  # the numbers behind it
    further: Further = Further.NOTHING
    location: Location | None = None  # the part that is wrong, where a search found it

    @property
    def suspect(self) -> bool:
        """Whether a kink may have made the verdict: a mismatch, or a probe that crossed one."""
        return Further.NEARBY in self.further

    @property
    def is_doubtful(self) -> bool:
        """Whether noise may have made the verdict: a mismatch, or too coarse to tell."""
        return self.comparison.resolved or self.finding.verdict is Verdict.INCONCLUSIVE

    @property
    def doubted(self) -> bool:
        """Whether a kink may have made the verdict, or has."""
        return self.suspect or self.finding.verdict is Verdict.KINK


def judge(
    evidence: BlockEvidence,
    setting: str,
    tolerance: Tolerance,
    *,
    ordinary: float,
    arithmetic: str = "",
) -> Judgement:
    """Judge one block in one setting, which is given by its name.

    ``ordinary`` is the slope of an ordinary block in this block's units, ``max over blocks c of
    s_c·‖a_c‖ / s_b``, and ``arithmetic`` what makes the check coarser than float64, in words
    (``"float32"``, ``"noise 1e-6 of the loss"``), so that PASS states its resolution.
    """
    comparison = compare(evidence, tolerance)
    verdict, note = _verdict(evidence, comparison, tolerance, ordinary, arithmetic)
    steps = sorted(p.slope.step for p in evidence.probes)
    # What the ratio tends to as the gradient grows without bound.
    ratio, error = (1.0, 0.0) if evidence.spoiled else (comparison.ratio, comparison.ratio_error)
    if verdict is Verdict.UNTESTED:
        ratio, error = math.nan, math.nan
    finding = Finding(
        setting,
        verdict,
        ratio=ratio,
        ratio_error=error,
        analytic_norm=evidence.analytic_norm,
        numerical_norm=comparison.norms.numerical,
        step=steps[len(steps) // 2] if steps else math.nan,
        probes=len(evidence.probes),
        kinks=sum(p.slope.kink for p in evidence.probes),
        note=note,
    )
    return Judgement(finding, comparison, _further(evidence, comparison, finding, tolerance))


def _further(
    evidence: BlockEvidence,
    seen: Comparison,
    finding: Finding,
    tolerance: Tolerance,
) -> Further:
    """What further measurement could change the verdict."""
    verdict, further = finding.verdict, Further.NOTHING
    if not evidence.exact:
        edge = seen.resolved and seen.interval[0] <= tolerance.fail <= seen.interval[1]
        if edge or len(seen.standing_out) == 1:
            further |= Further.DIRECTIONS
    among_kinks = verdict is Verdict.FAIL and evidence.meets_kinks
    if seen.standing_out and (evidence.exact or among_kinks):
        further |= Further.AGAIN
    if seen.resolved and verdict in (Verdict.PASS, Verdict.WARN):
        further |= Further.PART
    unresolved = verdict in (Verdict.INCONCLUSIVE, Verdict.PASS) and not seen.resolved
    if unresolved and seen.ratio_error > tolerance.fail:
        further |= Further.AFAR
    unsettled = verdict in (Verdict.INCONCLUSIVE, Verdict.UNTESTED)
    if verdict in MISMATCH or (unsettled and finding.kinks > 0):
        further |= Further.NEARBY
    return further


def doubt(judgement: Judgement, noise: float) -> Judgement:
    """Take back a mismatch where noise was found that the check had not reckoned with."""
    note = (
        "over a longer step the slope is another one, and on the way the loss moves in stairs "
        f"(noise {noise:.0e}); is it rounded, or partly computed in coarse numbers?"
    )
    return _final(judgement, verdict=Verdict.INCONCLUSIVE, note=note)


def is_worse_here(here: Judgement, nearby: Judgement) -> bool:
    """Whether a mismatch at the current point is another than the one a step away, if any."""
    worse = here.finding.verdict.severity > nearby.finding.verdict.severity
    apart = here.comparison.interval[0] > nearby.comparison.interval[1]
    return here.finding.verdict in MISMATCH and worse and apart


def judge_kink(
    here: Judgement, nearby: Judgement, tolerance: Tolerance, *, kink: bool | None = True
) -> Judgement:
    """Judge a mismatch at the current point by what a point nearby, off every tie, says of it.

    ``kink`` tells whether there is evidence of one at the current point: one-sided slopes that
    differ by the order of the mismatch, or operands that are equal to the bit.  It is ``None``
    where the loss cannot be traced and its one-sided slopes agree.
    """
    verdict = nearby.finding.verdict
    ratios = f"ratio {here.finding.ratio:.1e} here, {nearby.finding.ratio:.1e} a step away"
    small = verdict is Verdict.PASS and nearby.comparison.resolved
    # Where a block is no better a step away, what is wrong in a part of it is not wrong here alone.
    better = verdict is not Verdict.PASS or not nearby.comparison.ratio >= here.comparison.ratio
    if kink is False and verdict is not Verdict.FAIL and better:
        note = f"wrong exactly here, where the loss is smooth: {ratios}"
        said = here.finding.verdict if here.finding.verdict in MISMATCH else Verdict.FAIL
        return _final(here, verdict=said, note=note)
    if verdict in MISMATCH or small:
        # Still there off the tie: the number measured there counts, since no kink can have spoiled
        # it.
        finding = replace(nearby.finding, setting=here.finding.setting, kinks=here.finding.kinks)
        return replace(nearby, finding=finding)
    # What is seen too coarsely there does not tell that it is here alone.
    seen = here.comparison.norms.residual > tolerance.resolved * nearby.comparison.error_norm
    if verdict is Verdict.UNTESTED and not seen:
        note = nearby.finding.note
        return _final(here, verdict=verdict, note=note, ratio=math.nan, ratio_error=math.nan)
    if verdict is Verdict.PASS and kink is None:
        note = (
            f"differs at this very point alone: {ratios}; one-sided slopes agree, and the code "
            "cannot be traced: either ties cancel here, which is no mistake, or the gradient "
            "treats this point as a special case, which is one"
        )
        return _final(here, verdict=Verdict.WARN, note=note)
    said = Verdict.KINK if verdict is Verdict.PASS and kink and seen else Verdict.INCONCLUSIVE
    if verdict is not Verdict.PASS:
        note = (
            f"differs here (ratio {here.finding.ratio:.1e}) and a step away nothing could be told: "
            f"{nearby.finding.note}"
        )
    elif said is Verdict.KINK:
        note = f"at a tie the loss has no derivative: {ratios}"
    else:
        note = f"differs here by no more than a step away could be seen: {ratios}"
    # The ratio at a tie measures nothing; the one a step away does.
    ratio, error = nearby.finding.ratio, nearby.finding.ratio_error
    judged = _final(here, verdict=said, note=note, ratio=ratio, ratio_error=error)
    return replace(judged, comparison=nearby.comparison)


def _final(judgement: Judgement, **changes: Any) -> Judgement:
    """The judgement with another finding, which no further measurement can change."""
    finding = replace(judgement.finding, **changes)
    return replace(judgement, finding=finding, further=Further.NOTHING)


def combine(findings: Sequence[Finding]) -> Finding:
    """The finding that decides for a block: by precedence, the largest ratio first among equals."""

    def rank(finding: Finding) -> tuple[int, float]:
        size = finding.ratio if math.isfinite(finding.ratio) else -1.0
        return PRECEDENCE.index(finding.verdict), -size

    return min(findings, key=rank)


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict, in the order FAIL, INCONCLUSIVE, WARN, KINK, UNTESTED, PASS."""
    return max(verdicts, key=lambda verdict: verdict.severity)


def passes(verdict: Verdict, blocks: Iterable[Verdict]) -> bool:
    """Whether a check has passed: nothing wrong or doubtful, and a block judged right."""
    if verdict is Verdict.PASS:
        return True
    return verdict in (Verdict.KINK, Verdict.UNTESTED) and Verdict.PASS in set(blocks)


def _verdict(
    evidence: BlockEvidence,
    seen: Comparison,
    tolerance: Tolerance,
    ordinary: float,
    arithmetic: str,
) -> tuple[Verdict, str]:
    if evidence.size == 0:
        return Verdict.UNTESTED, "the block has no elements"
    if evidence.spoiled:
        return Verdict.FAIL, (
            f"the gradient is NaN or infinite at {evidence.spoiled}, where the loss is finite"
        )
    if not seen.probes:
        return (
            Verdict.INCONCLUSIVE,
            "the loss was NaN or infinite, or raised, a small step away in either direction",
        )
    still = evidence.analytic_norm == 0.0 and evidence.unmoved
    nothing = (
        "gradient is zero here and the loss does not react to this block"
        if still
        else "gradient is zero here within the error: nothing exercises this block"
    )
    largest_error = max(p.slope.error for p in evidence.probes)
    fine = ordinary == 0.0 or largest_error <= tolerance.untested_share * ordinary
    if fine and all(
        max(abs(p.analytic), abs(p.slope.value)) <= tolerance.untested * p.slope.error
        for p in evidence.probes
    ):
        return Verdict.UNTESTED, nothing
    if evidence.analytic_error > tolerance.rounded_away * evidence.analytic_norm and (
        seen.norms.numerical <= evidence.analytic_error
    ):
        return Verdict.UNTESTED, (
            "gradient is rounding: a few roundings away it is another one of this size, and the "
            "numerical one is no larger (zero by an invariance, as of a bias before a "
            "normalisation)"
        )
    # What cancels to zero in a gradient, as before a normalisation, leaves rounding behind.
    if evidence.unmoved and evidence.analytic_norm <= 1e3 * tolerance.rounding * ordinary:
        return Verdict.UNTESTED, nothing
    if seen.resolved and evidence.unmoved:
        return Verdict.FAIL, (
            "the loss does not change by a bit when this block moves, yet its gradient is not "
            "zero: the loss does not read the block, reads a copy of it, or is flat here"
        )
    if seen.resolved and seen.ratio > tolerance.warn:
        return (Verdict.FAIL if seen.ratio > tolerance.fail else Verdict.WARN), ""
    if seen.resolved:
        return Verdict.PASS, f"agrees to {seen.ratio:.0e}; a fixed difference of this size is there"
    if seen.ratio_error < tolerance.fail:
        return Verdict.PASS, ""
    resolution = max(seen.ratio, seen.ratio_error)
    if arithmetic and resolution < tolerance.coarsest:
        return Verdict.PASS, f"right to {resolution:.0e}, as far as {arithmetic} lets see"
    if fine and evidence.analytic_norm <= tolerance.untested_share * ordinary:
        return Verdict.UNTESTED, (
            f"gradient too small here to be judged: norm {evidence.analytic_norm:.1e}, "
            f"error {seen.error_norm:.1e}"
        )
    kinked = sum(p.slope.kink for p in evidence.probes)
    why = (
        f"{kinked} of {len(evidence.probes)} probes crossed a kink at every step"
        if kinked
        else "the loss is too noisy, or too curved, at every step"
    )
    numbers = f"ratio {seen.ratio:.0e} ± {seen.ratio_error:.0e}"
    return Verdict.INCONCLUSIVE, f"too coarse to tell: {numbers} ({why})"
