"""One direction over all blocks at once, and blocks one by one only if it disagrees.

This is quick effort, and how standard effort sees the current point where noise or kinks have used
up what it may cost.

Every block moves by its own scale, so none drowns because its gradient is small in other units.  A
block whose share of the analytic slope is below the probe's error could be wrong unseen and is
UNTESTED; the others pass *jointly*, and their own ratio is unknown.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gradhook._types import Blocks, Verdict
from gradhook.evaluation.evaluator import Evaluator
from gradhook.options import Options
from gradhook.probe.budget import GRANTED, QUICK
from gradhook.probe.measure import measure
from gradhook.probe.prober import Prober
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import Setting
from gradhook.report import Finding
from gradhook.verdict.compare import compare
from gradhook.verdict.evidence import BlockEvidence
from gradhook.verdict.judge import Judgement, judge

__all__ = ["measure_quickly", "measure_sparingly"]


ROUND, JOINTLY = 4, 8
"""Evaluations of one round of a sharp probe, and those that a joint probe may take whatever is
left."""


def measure_quickly(
    evaluator: Evaluator,
    setting: Setting,
    options: Options,
    *,
    seed: int,
    loss: float,
    gradients: Blocks,
    elsewhere: float,
) -> SettingResult:
    """Judge all blocks by one joint probe, at whose point loss and gradients are known."""
    prober = Prober(
        evaluator,
        loss=loss,
        gradients=gradients,
        seed=seed,
        method=options.method,
        elsewhere=elsewhere,
        most=QUICK - evaluator.evaluations - 2,  # a pair must be left
    )
    left = QUICK - evaluator.evaluations
    jointly = _judged_jointly(prober, setting, options, gradients=gradients, left=left)
    return jointly or measure(
        evaluator,
        setting,
        options,
        seed=seed,
        loss=loss,
        gradients=gradients,
        past=EarlierResults(prober),
    )


def measure_sparingly(
    evaluator: Evaluator,
    setting: Setting,
    options: Options,
    *,
    seed: int,
    loss: float,
    gradients: Blocks,
    past: EarlierResults,
    alone: list[str],
) -> SettingResult | None:
    """Judge blocks by one joint probe where what is granted does not pay for one of each.

    Args:
        evaluator: At the setting's point.
        setting: The setting.
        options: The check's options.
        seed: Seed of the directions.
        loss: The loss there.
        gradients: The analytic gradients there.
        past: What earlier settings found.
        alone: Blocks that these have not settled, which are measured one by one all the same.

    Returns:
        ``None`` where it does, or where that probe does not pass: then blocks are to be measured
        one by one.
    """
    if past.like is None or options.effort != "standard" or options.method is not None:
        return None
    if past.spread:  # these mismatches would show in the joint probe too
        return None
    for_each, besides = GRANTED["further"]
    granted = besides + for_each * len(gradients)
    left = evaluator.granted + granted - evaluator.evaluations
    one_by_one = past.like.least_cost()
    if one_by_one <= JOINTLY or left >= one_by_one + ROUND or 2 * len(alone) >= len(gradients):
        return None
    prober = Prober(evaluator, loss=loss, gradients=gradients, seed=seed, like=past.like)
    coarse = prober.coarse or not evaluator.workspace.is_float64
    tolerance = options.tolerance
    jointly = _judged_jointly(
        prober,
        setting,
        options,
        gradients=gradients,
        left=max(left, JOINTLY),
        coarse=coarse,
        settled=True,
        margin=tolerance.coarse_margin if coarse else tolerance.resolved,
    )
    if jointly is None:
        return None
    alone = alone + [
        name
        for name, judgement in jointly.judgements.items()
        if judgement.finding.verdict is Verdict.UNTESTED and name not in alone
    ]
    if 2 * len(alone) >= len(gradients):
        return None
    evaluator.granted += granted
    if not alone:
        return jointly.lightened()
    each = measure(
        evaluator,
        setting,
        options,
        seed=seed,
        loss=loss,
        gradients=gradients,
        names=alone,
        past=past,
    )
    return replace(
        jointly,
        evidence=jointly.evidence | each.evidence,
        judgements=jointly.judgements | each.judgements,
    ).lightened()


def _judged_jointly(
    prober: Prober,
    setting: Setting,
    options: Options,
    *,
    gradients: Blocks,
    left: float,
    coarse: bool = False,
    settled: bool = False,
    margin: float = 1.0,
) -> SettingResult | None:
    """Judge all blocks by one joint probe; ``None`` where it shows a mismatch, or too little.

    Args:
        prober: At the setting's point.
        setting: The setting.
        options: The check's options.
        gradients: The analytic gradients there.
        left: Evaluations that may be made.
        coarse: Whether PASS may state the resolution of a coarse loss.
        settled: Whether a probe that is too coarse to tell is left at that.
        margin: Multiple of the probe's error that a block's share has to exceed, or it is UNTESTED.
    """
    if not all(map(math.isfinite, prober.norms.values())):
        return None
    probe, shares = prober.joint(left)
    if not math.isfinite(probe.slope.value):
        return None
    # Along a joint direction the norms are those of the blocks in units of their scales.
    size = math.hypot(*(prober.scales[name] * norm for name, norm in prober.norms.items()))
    together = BlockEvidence(
        "all blocks", sum(g.size for g in gradients.values()), size, 1.0, (probe,)
    )
    verdict = judge(
        together, setting.name, options.tolerance, ordinary=prober.ordinary, coarse=coarse
    )
    said = verdict.finding.verdict
    if said is not Verdict.PASS and not (settled and said is Verdict.INCONCLUSIVE):
        return None
    passed = said is Verdict.PASS
    if passed:
        note = "right jointly with the other blocks"
        if coarse:
            note = f"{verdict.finding.note}, jointly with the other blocks"
    else:
        note = "one probe over all blocks was too coarse to tell"
    judgements, evidence = {}, {}
    for name, gradient in gradients.items():
        seen = not passed or abs(shares.get(name, 0.0)) > margin * probe.slope.error
        norm = prober.norms[name]
        evidence[name] = BlockEvidence(name, gradient.size, norm, prober.scales[name])
        finding = Finding(
            setting.name,
            said if seen else Verdict.UNTESTED,
            analytic_norm=norm,
            probes=1,
            kinks=int(passed and probe.slope.kink),
            note=note if seen else "its share of the joint slope is below the probe's error",
        )
        judgements[name] = Judgement(finding, compare(evidence[name], options.tolerance))
    joint = verdict.comparison if passed else None
    return SettingResult(setting, prober, gradients, evidence, judgements, joint=joint)
