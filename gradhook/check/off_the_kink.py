"""Mismatches at the point where the user stands, measured again a step away.

There a unit may sit exactly on a tie, where the loss has two slopes and the gradient is one of
them, or lies between: nothing that right code could do would agree.  A step away, off every tie,
it must.  Both sides are looked at, because a wrong branch that a tie sits on is taken on one of
them only.
"""

from __future__ import annotations

from dataclasses import replace

from gradhook._types import MISMATCH, Verdict
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import mirrored, nearby, shrunk
from gradhook.options import Options
from gradhook.probe.measure import call_in, measure
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import Setting
from gradhook.verdict.judge import Judgement, judge_kink

__all__ = ["measure_off_the_tie"]

NEARER = 1e-3
"""How much nearer is looked where a step away nothing could be told: of parameters far from zero, a
share of their size may lie beyond everything that the loss reacts to."""


def measure_off_the_tie(
    evaluator: Evaluator,
    current: SettingResult,
    names: list[str],
    options: Options,
    *,
    past: EarlierResults,
    coverage: list[str],
) -> SettingResult:
    """Measure mismatches of the current point again a step away; what that says counts.

    Args:
        evaluator: Calls the objective.
        current: What was measured at the current point.
        names: The blocks in doubt.
        options: The check's options.
        past: What other settings have found; steps and curvatures learned at a tie would mislead.
        coverage: Takes up what could not be exercised.

    Returns:
        The current point's record, with these blocks judged anew.
    """
    moves = nearby(
        evaluator.workspace.arrays,
        distance=options.tolerance.kink_displacement,
        fixed=options.fixed,
        seed=options.seed,
    )
    if not moves:
        return current
    judged: dict[str, Judgement] = {}
    retried: list[SettingResult] = []
    for beside in (moves, shrunk(moves, NEARER)):
        left = [
            name
            for name in names
            if name not in judged or judged[name].finding.verdict is Verdict.INCONCLUSIVE
        ]
        for side in (beside, mirrored(beside)):
            if not left:
                break
            setting = replace(current.setting, name="a step off the current point", moves=side)
            away = _measured(evaluator, setting, options, left, past)
            if away is None:
                continue
            retried.append(away)
            for name in left:
                here = current.judgements[name]
                said = judge_kink(here, away.judgements[name])
                untested = here.finding.verdict is Verdict.UNTESTED
                if untested and said.finding.verdict not in MISMATCH:
                    said = here  # a kink is no reason to say less, or more
                if name not in judged or said.finding.verdict is not Verdict.INCONCLUSIVE:
                    judged[name] = said
            left = [n for n in left if judged[n].finding.verdict not in MISMATCH]
    if not retried:
        coverage.append(
            "a mismatch at the current point could not be measured again off a possible tie"
        )
        for name in names:
            here = current.judgements[name]
            doubtful = replace(here.finding, verdict=Verdict.INCONCLUSIVE)
            judged[name] = replace(here, finding=doubtful)
    return replace(current.judged_anew(judged), retried=tuple(retried))


def _measured(
    evaluator: Evaluator,
    setting: Setting,
    options: Options,
    names: list[str],
    past: EarlierResults,
) -> SettingResult | None:
    """Some blocks measured in a setting; ``None`` outside the loss's domain."""
    called = call_in(evaluator, setting)
    if called is None:
        return None
    loss, gradients = called
    return measure(
        evaluator,
        setting,
        options,
        seed=options.seed + 202,
        loss=loss,
        gradients=gradients,
        names=names,
        probes=1,
        past=past,
    )
