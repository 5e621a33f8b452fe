"""How a setting is measured and judged: every block probed, more where its verdict is doubtful.

What comes of it is kept with its prober, because later settings, a search inside a block and
diagnosis all go on from there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradhook._evaluate import Evaluator
from gradhook._measured import Measured, Past
from gradhook._options import Options
from gradhook._parameters import all_finite
from gradhook._small import judge_small
from gradhook._switchboard import Setting
from gradhook._types import Array, Blocks, Verdict
from gradhook._workers import distributor
from gradhook.probe.blocks import Prober
from gradhook.probe.elements import measure_elements
from gradhook.probe.evidence import BlockEvidence
from gradhook.verdict.judge import Judgement, doubt, judge

__all__ = ["call_in", "measure", "outside_domain"]

MOST_PROBES = 12
"""Directions drawn at most where a ratio is near a threshold."""

TEXTBOOK_EPS = 1e-7
"""The epsilon of the plain textbook check."""

CLOSER = 3
"""Blocks of the main setting that may stay open when they have been probed further, because a small
mismatch lies close to the bound above which it warns; then no more are probed for that."""

PROBES = {"main": 3, "further": 2}
"""Directions per block at the main setting and at each further one."""


def measure(
    evaluator: Evaluator,
    setting: Setting,
    options: Options,
    *,
    seed: int,
    loss: float,
    gradients: Blocks,
    names: list[str] | None = None,
    probes: int | None = None,
    textbook: bool = False,
    elsewhere: float = math.nan,
    past: Past | None = None,
) -> Measured:
    """Probe and judge every block, or those named, in one setting.

    Args:
        evaluator: Already at the setting's point, with its switches turned.
        setting: The setting.
        options: The check's options.
        seed: Seed of the directions.
        loss: The loss there.
        gradients: The analytic gradients there.
        names: Blocks to probe; all by default.
        probes: Directions per block; by default 3 at the main setting and 2 at further ones.
        textbook: Whether to add the plain textbook derivative.
        elsewhere: The loss at another point.
        past: What earlier settings found; ``None`` if this is the main one.
    """
    past = past or Past()
    exhaustive = options.effort == "exhaustive"
    prober = Prober(
        evaluator,
        loss=loss,
        gradients=gradients,
        seed=seed,
        method=options.method,
        like=past.like,
        elsewhere=elsewhere,
    )
    names = evaluator.workspace.names if names is None else names
    probes = PROBES["further" if past.like else "main"] if probes is None else probes
    # Mismatches below this ratio are looked into once, at the main setting.
    least = options.tolerance.warn if past.like else 0.0
    known = past.failed | past.located
    matters = {name: math.inf if name in known else least for name in names}
    closer = 0 if past.like else CLOSER
    evidence: dict[str, BlockEvidence] = {}
    judgements: dict[str, Judgement] = {}
    plain: dict[str, Array] = {}
    if exhaustive:
        plain = measure_elements(
            prober,
            names,
            eps=TEXTBOOK_EPS if textbook else None,
            distribute=distributor(options.workers, evaluator),
        )
    for name in names:
        found = prober.block(name, probes=probes, exhaustive=exhaustive)
        evidence[name], judgement = _settled(
            found, prober, setting, options, evaluator, matters[name], closer=closer > 0
        )
        closer -= judgement.borderline
        judgements[name] = judgement
    if setting.moves:  # ties look like noise; mismatches at them are measured again a step away
        judgements |= _doubted(prober, evidence, judgements, past)
    small = {
        name: judgement
        for name, judgement in judgements.items()
        if judgement.small and judgement.finding.ratio >= matters[name]
    }
    judgements |= judge_small(
        prober,
        evidence,
        small,
        spread={name: options.tolerance.unlike * ratio for name, ratio in past.spread.items()},
        gradients=gradients,
        values=lambda name: evaluator.workspace.arrays[name],
        tolerance=options.tolerance,
        seed=seed + 11,
    )
    measured = Measured(setting, prober, gradients, evidence, judgements, plain)
    return measured if exhaustive else measured.lightened()


def _settled(
    evidence: BlockEvidence,
    prober: Prober,
    setting: Setting,
    options: Options,
    evaluator: Evaluator,
    matters: float,
    *,
    closer: bool,
) -> tuple[BlockEvidence, Judgement]:
    """Judge a block, and probe it further while that may change the verdict."""

    def judged() -> Judgement:
        return judge(
            evidence,
            setting.name,
            options.tolerance,
            ordinary=prober.ordinary / prober.scales[evidence.name],
            coarse=prober.coarse or evaluator.workspace.arrays[evidence.name].dtype.itemsize < 8,
        )

    verdict = judged()
    flagged = verdict.comparison.standing_out
    if evidence.exact and 0 < len(flagged) <= MOST_PROBES:
        evidence = prober.again(evidence, flagged)
        verdict = judged()
    while len(evidence.probes) < MOST_PROBES and (
        (verdict.doubtful and verdict.finding.ratio >= matters) or (verdict.borderline and closer)
    ):
        # One probe that stands out beside coarser ones that do not: sharp ones tell.
        alone = len(verdict.comparison.standing_out) == 1
        evidence = prober.more(evidence, min(3, MOST_PROBES - len(evidence.probes)), sharp=alone)
        verdict = judged()
    return evidence, verdict


def _doubted(
    prober: Prober,
    evidence: Mapping[str, BlockEvidence],
    judgements: Mapping[str, Judgement],
    past: Past,
) -> dict[str, Judgement]:
    """FAILs that noise has made which the check had not reckoned with, taken back."""
    failed = [
        name
        for name, judgement in judgements.items()
        if judgement.finding.verdict is Verdict.FAIL
        and evidence[name].probes
        and name not in past.failed
    ]
    found = {name: prober.hidden_noise(evidence[name]) for name in failed}
    noises = {name: noise.level for name, noise in found.items() if noise is not None}
    largest = max(noises.values(), default=0.0)
    for name in failed if noises else ():
        # What one block has shown to be noise explains the others too, unless they outstand it.
        if name not in noises and not prober.outstands(evidence[name], largest):
            noises[name] = largest
    return {name: doubt(judgements[name], noise) for name, noise in noises.items()}


def call_in(evaluator: Evaluator, setting: Setting) -> tuple[float, Blocks] | None:
    """Loss and gradients in another setting, which is entered; ``None`` outside the domain."""
    setting.enter(evaluator)
    try:
        loss, gradients = evaluator.loss_and_gradients()
    except Exception:  # outside the domain, or rows that the loss does not take
        return None
    return None if outside_domain(loss) else (loss, gradients)


def outside_domain(loss: float, gradients: Blocks | None = None) -> bool:
    """Whether a loss, or any gradient, is NaN or infinite."""
    return not math.isfinite(loss) or any(
        not all_finite(gradient) for gradient in (gradients or {}).values()
    )
