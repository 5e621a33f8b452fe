"""How a setting is measured and judged: every block probed, more where its verdict is doubtful.

What comes of it is kept with its prober, because later settings, a search inside a block and
diagnosis all go on from there.  A check that passes keeps to the evaluations that it is granted:
where noise, curvature or kinks have made probes dear, fewer of them do as long as nothing stands
out.  Mismatches are looked into whatever that costs.
"""

from __future__ import annotations

import math

from gradhook._types import Array, Blocks
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.parameters import all_finite
from gradhook.options import Options
from gradhook.probe.adaptive import Settler, doubted
from gradhook.probe.budget import GRANTED
from gradhook.probe.elements import measure_elements
from gradhook.probe.prober import Prober
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import Setting
from gradhook.probe.small_mismatch import judge_small
from gradhook.probe.workers import distributor
from gradhook.verdict.evidence import BlockEvidence
from gradhook.verdict.judge import Judgement

__all__ = ["call_in", "measure", "outside_domain"]

TEXTBOOK_EPS = 1e-7
"""The epsilon of the plain textbook check."""

CLOSER = 3
"""Blocks of the main setting that may stay open when they have been probed further, because a small
mismatch lies close to the bound above which it warns; then no more are probed for that."""

PROBES, LEAST = {"main": 3, "further": 2}, {"main": 2, "further": 1}
"""Directions per block at the main setting and at each further one, and how few of them do where
noise or curvature has made the others dear."""


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
    past: EarlierResults | None = None,
) -> SettingResult:
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
    past = past or EarlierResults()
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
    role = "further" if past.like else "main"
    probes = PROBES[role] if probes is None else probes
    # What lies all over some blocks may lie over the others as much.
    spread = options.tolerance.unlike * max(past.spread.values(), default=0.0)
    # Mismatches below this ratio are looked into once, at the main setting.
    least = options.tolerance.warn if past.like else 0.0
    known = past.failed | past.located
    closer = 0 if past.like else CLOSER
    # A second look at some blocks decides about mismatches, and takes what it takes.
    limited = names is None and not exhaustive and options.method is None
    for_each, besides = GRANTED[role]
    if limited:
        evaluator.granted = besides + (evaluator.granted if past.like else 0)
    names = evaluator.workspace.names if names is None else names
    matters = {name: math.inf if name in known else least for name in names}
    settler = Settler(evaluator, prober, setting, options.tolerance, past)
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
        evaluator.granted += for_each if limited else 0
        granted = evaluator.granted if limited else math.inf
        evidence[name], judgements[name] = settler.settled(
            prober.block(
                name, probes=probes, least=LEAST[role], granted=granted, exhaustive=exhaustive
            ),
            matters=max(matters[name], spread),
            closer=closer > 0,
            granted=granted,
        )
        closer -= judgements[name].borderline
    if setting.moves:  # ties look like noise; mismatches at them are measured again a step away
        judgements |= doubted(prober, evidence, judgements, past)
    small = {
        name: judgement
        for name, judgement in judgements.items()
        if judgement.small and judgement.finding.ratio >= matters[name]
    }
    judgements |= judge_small(
        prober,
        evidence,
        small,
        spread=spread,
        gradients=gradients,
        values=lambda name: evaluator.workspace.arrays[name],
        tolerance=options.tolerance,
        seed=seed + 11,
    )
    measured = SettingResult(setting, prober, gradients, evidence, judgements, plain)
    return measured if exhaustive else measured.lightened()


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
