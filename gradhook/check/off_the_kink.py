"""Mismatches at the point where the user stands, measured again a step away.

There a unit may sit exactly on a tie, where the loss has two slopes and the gradient is one of
them, or lies between: nothing that right code could do would agree.  A step away, off every tie,
it must.  Both sides are looked at, because a wrong branch that a tie sits on is taken on one of
them only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradhook._types import MISMATCH, Verdict
from gradhook.check.kink_evidence import KinkSearch
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import mirrored, nearby, shrunk
from gradhook.options import Options
from gradhook.probe.budget import Budget
from gradhook.probe.measure import enter, measure
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import Setting
from gradhook.verdict.judge import Judgement, is_worse_here, judge_kink

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
    earlier: EarlierResults,
    budget: Budget,
    coverage: list[str],
) -> SettingResult:
    """Measure mismatches of the current point again a step away; what that says counts.

    Args:
        evaluator: Calls the objective.
        current: What was measured at the current point.
        names: The blocks in doubt.
        options: The check's options.
        earlier: What other settings have found; steps learned at a tie would mislead.
        budget: What looking for a smooth mistake among kinks may cost.
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
    units = current.prober.units
    moves = {name: shrunk({name: m}, units.get(name, 1.0))[name] for name, m in moves.items()}
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
            away = _measured(evaluator, setting, options, left, earlier)
            if away is None:
                continue
            retried.append(away)
            for name in left:
                here = current.judgements[name]
                said = judge_kink(here, away.judgements[name], options.tolerance)
                untested = here.finding.verdict is Verdict.UNTESTED
                if untested and said.finding.verdict not in MISMATCH:
                    said = here  # a kink is no reason to say less, or more
                if name not in judged or said.finding.verdict is not Verdict.INCONCLUSIVE:
                    judged[name] = said
            left = [n for n in left if judged[n].finding.verdict not in MISMATCH]
    off = {name: _nearby(retried, name) for name in judged}
    alone = {
        name: there
        for name, there in off.items()
        if judged[name].finding.verdict is Verdict.KINK
        or (there.comparison.resolved and is_worse_here(current.judgements[name], there))
    }
    if alone:
        judged |= KinkSearch(evaluator, current, options, earlier, budget).judged(alone)
    if not retried:
        coverage.append(
            "a mismatch at these weights could not be measured again off a possible tie"
        )
        for name in names:
            here = current.judgements[name]
            doubtful = replace(here.finding, verdict=Verdict.INCONCLUSIVE)
            judged[name] = replace(here, finding=doubtful)
    return replace(current.judged_anew(judged), retried=tuple(retried))


def _nearby(retried: Sequence[SettingResult], name: str) -> Judgement:
    """What the last point a step away said of a block."""
    return next(each.judgements[name] for each in reversed(retried) if name in each.judgements)


def _measured(
    evaluator: Evaluator,
    setting: Setting,
    options: Options,
    names: list[str],
    earlier: EarlierResults,
) -> SettingResult | None:
    """Some blocks measured in a setting; ``None`` outside the loss's domain."""
    entered = enter(evaluator, setting, seed=options.seed + 202)
    if entered is None:
        return None
    return measure(entered, options, names=names, earlier=earlier)
