"""One direction over all blocks at once.

Every block moves by its own scale, so none drowns because its gradient is small in other units.
Quick effort asks no more: a block whose share of the analytic slope is below the probe's error
could be wrong unseen and is UNTESTED; the others pass *jointly*, and their own ratio is unknown.
Where the joint probe disagrees, blocks are probed one by one.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from gradhook._types import Verdict
from gradhook.difference.formulas import Pair
from gradhook.options import Options
from gradhook.probe.block_evidence import direction_of, hidden_noise
from gradhook.probe.budget import Budget
from gradhook.probe.measure import judge_measured, measure
from gradhook.probe.prober import LineParts, Prober
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import EnteredSetting
from gradhook.probe.steps import JOINT
from gradhook.report import Finding
from gradhook.verdict.compare import compare
from gradhook.verdict.evidence import BlockEvidence, Probe
from gradhook.verdict.judge import Judgement

__all__ = ["is_noise", "measure_quickly", "probe_jointly"]

QUICK = 24
"""Evaluations that a passing check of quick effort may make."""


def probe_jointly(
    prober: Prober, budget: Budget, names: Collection[str] | None = None
) -> tuple[BlockEvidence, dict[str, float]]:
    """Probe along one direction over all blocks, or those named, each at its own scale.

    Takes at least a pair of evaluations, whatever the budget.  Returns the one probe, in units of
    loss per unit of all scales, as evidence of one block that is ``s_b·a_b`` of all of them, and
    the analytic share ``⟨a_b, v_b⟩·s_b`` of each.
    """
    gradients, parts = prober.gradients, _parts(prober, names)
    scales = {name: scale for name, _, scale in parts}
    shares = {n: s * v.dot(gradients[n]) for n, v, s in parts}
    with prober.line(*parts) as line:
        if budget.left < 4:  # the noise was dear to measure
            step = prober.steps.step(JOINT, sharp=True)
            slope = Pair()(line, prober.loss, step, prober.noise)
        else:
            slope = prober.sharp(line, JOINT, budget, least=1)
    probe = Probe(math.fsum(shares.values()), slope)
    # Along a joint direction the norms are those of the blocks in units of their scales.
    size = math.hypot(*(scale * prober.norms[name] for name, scale in scales.items()))
    count = sum(gradients[name].size for name in scales)
    rounding = prober.evaluator.rounding
    error = math.hypot(*(scale * rounding.get(name, 0.0) for name, scale in scales.items()))
    evidence = BlockEvidence("all blocks", count, size, 1.0, (probe,), analytic_error=error)
    return evidence, shares


def is_noise(prober: Prober, probe: Probe, names: Collection[str] | None = None) -> bool:
    """Whether a joint mismatch is noise that was not reckoned with: a longer step takes it back."""
    return hidden_noise(prober, _parts(prober, names), probe) > 0


def _parts(prober: Prober, names: Collection[str] | None) -> LineParts:
    return [
        (name, direction_of(prober, name, 0), scale)
        for name, scale in prober.scales.items()
        if prober.gradients[name].size and (names is None or name in names)
    ]


def measure_quickly(
    entered: EnteredSetting, options: Options, *, elsewhere: float
) -> SettingResult:
    """Judge all blocks by one joint probe; one by one where it shows a mismatch, or too little.

    ``elsewhere`` is the loss at another point.
    """
    evaluator, setting, tolerance = entered.evaluator, entered.setting, options.tolerance
    most = QUICK - evaluator.evaluations - 2  # a pair must be left
    prober = Prober(entered, method=options.method, elsewhere=elsewhere, most=most)
    one_by_one = EarlierResults(prober)
    if not all(map(math.isfinite, prober.norms.values())):
        return measure(entered, options, earlier=one_by_one)
    budget = Budget(lambda: evaluator.evaluations, QUICK - evaluator.evaluations)
    joint, shares = probe_jointly(prober, budget)
    slope = joint.probes[0].slope
    together = judge_measured(prober, joint, setting.name, tolerance)
    if together.finding.verdict is not Verdict.PASS:
        return measure(entered, options, earlier=one_by_one)
    judgements, evidence = {}, {}
    for name, gradient in entered.gradients.items():
        seen = abs(shares.get(name, 0.0)) > slope.error
        norm = prober.norms[name]
        evidence[name] = BlockEvidence(name, gradient.size, norm, prober.scales[name])
        note = "right jointly with the other blocks"
        finding = Finding(
            setting.name,
            Verdict.PASS if seen else Verdict.UNTESTED,
            analytic_norm=norm,
            probes=1,
            kinks=int(slope.kink),
            note=note if seen else "its share of the joint slope is below the probe's error",
        )
        judgements[name] = Judgement(finding, compare(evidence[name], tolerance))
    whole = together.comparison
    return SettingResult(setting, prober, entered.gradients, evidence, judgements, joint=whole)
