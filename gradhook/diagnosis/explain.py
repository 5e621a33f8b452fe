"""Where and why: after a mismatch, the wrong part located and the cause named.

Guesses that the probes already support come first, since they cost nothing until they are
confirmed along fresh directions; then experiments that each change one thing; then a search inside
the blocks that are still unexplained.  A fault that nothing explains is said to enter between two
layers, and no cause is named: a wrong name costs more than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gradhook._types import MISMATCH, Verdict
from gradhook.diagnosis.boundary import boundary, forward_order
from gradhook.diagnosis.hypotheses.zero_slices import ZeroSlices
from gradhook.diagnosis.hypothesis import name_cause
from gradhook.diagnosis.mismatch import Context, Mismatch
from gradhook.diagnosis.search import diagnose
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.budget import Budget
from gradhook.probe.result import SettingResult
from gradhook.report import Cause
from gradhook.verdict.evidence import Location, describe

__all__ = ["Explanation", "explain"]

CAUSES, MOST = 160, 400
"""Loss evaluations that hypotheses may take in one check, and where and why together."""

SPREAD_OUT = 3
"""Blocks in which a fault was found to be spread, after which no further one is searched."""


@dataclass(slots=True)
class Explanation:
    """Where and why blocks are wrong.

    Args:
        causes: Confirmed, that of the largest mismatch first.
        boundary: Where the fault enters, in words, as far as no cause explains it.
        locations: What the search inside blocks found.
        where: Per block, its wrong part in words.
    """

    causes: list[Cause] = field(default_factory=list)
    boundary: str = ""
    locations: dict[str, Location] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)


def explain(
    evaluator: Evaluator,
    measured: Sequence[SettingResult],
    verdicts: Mapping[str, Verdict],
    options: Options,
    free: Sequence[BoundSwitch],
    coverage: list[str],
) -> Explanation:
    """Explain what is wrong.

    Args:
        evaluator: Anywhere, and left there.
        measured: What every setting said.
        verdicts: Each block's, over all settings.
        options: The check's options.
        free: Switches that the user did not name but the functions have.
        coverage: Gets a sentence where an explanation broke off.
    """
    found = Explanation()
    measured = [each for m in measured for each in (m, *m.retried)]
    wrong = [name for name, verdict in verdicts.items() if verdict in MISMATCH]
    wrong = [name for name in wrong if any(m.shows_wrong(name) for m in measured)]
    if not wrong:
        return found
    try:
        with evaluator.aside():
            _explain(evaluator, measured, verdicts, wrong, options, free, found)
    except Exception as error:  # an explanation that fails must not cost the verdict
        coverage.append(f"the mismatch could not be explained ({type(error).__name__}: {error})")
    return found


def _explain(
    evaluator: Evaluator,
    measured: Sequence[SettingResult],
    verdicts: Mapping[str, Verdict],
    wrong: Sequence[str],
    options: Options,
    free: Sequence[BoundSwitch],
    found: Explanation,
) -> None:
    order = forward_order(evaluator.workspace.names, options.layers)
    right = frozenset(n for n, v in verdicts.items() if v in (Verdict.PASS, Verdict.KINK))
    budget = Budget(lambda: evaluator.evaluations, CAUSES)
    context = Context(evaluator, options, measured, right, order, budget, free)
    unexplained: list[str] = []
    mismatches: list[Mismatch] = []
    left = [name for name in wrong if not _take_location(name, measured, found)]
    unexplained += [name for name in wrong if name not in left]
    while left:
        setting = max(measured, key=lambda m: _weight(m, left))
        names = [name for name in left if setting.shows_wrong(name)]
        mismatch = Mismatch(context, setting, names)
        mismatches.append(mismatch)
        named = diagnose(mismatch)
        found.causes += named
        unexplained += [n for n in names if not any(n in cause.blocks for cause in named)]
        left = [name for name in left if name not in names]
    for cause in found.causes:
        if cause.where and len(cause.blocks) == 1 and cause.where.startswith(cause.blocks[0]):
            found.where[cause.blocks[0]] = cause.where
    open_ = [n for n in reversed(order) if n in unexplained and n not in found.locations]
    _search(mismatches, open_, found)
    shapes = {name: array.shape for name, array in evaluator.workspace.arrays.items()}
    # Wrong elements say by themselves where the fault is, and causes explain what they explain.
    single = {n for n, where in found.locations.items() if where.elements and where.complete}
    explained = {name for cause in found.causes for name in cause.blocks}
    right |= single | explained
    open_ = [name for name in unexplained if name not in right]
    entering = boundary(order, open_, right, shapes)
    if found.causes:
        also = [f"{found.where[name]} wrong" for name in order if name in single]
        said = "; ".join([*also, *([entering] if entering else [])])
        entering = f"something else remains: {said}" if said else ""
    found.boundary = entering
    ratios = {n: _ratio(n, mismatches) for n in wrong}
    found.causes.sort(key=lambda cause: -max((ratios[n] for n in cause.blocks), default=0.0))


def _take_location(name: str, measured: Sequence[SettingResult], found: Explanation) -> bool:
    """Whether the wrong elements of a block are known, which is no matter of factors or layers."""
    for setting in measured:
        judgement = setting.judgements.get(name)
        if judgement is not None and judgement.location and judgement.location.elements:
            found.locations[name] = judgement.location
            found.where[name] = describe(judgement.location)
            return True
    return False


def _search(mismatches: Sequence[Mismatch], names: Sequence[str], found: Explanation) -> None:
    """Look inside the blocks, those next to the loss first."""
    spread_out = 0
    for name in names:
        mismatch = next(mismatch for mismatch in mismatches if name in mismatch.blocks)
        if spread_out >= SPREAD_OUT and not mismatch.measured.evidence[name].exact:
            continue
        location = mismatch.located(name)
        found.locations[name] = location
        if location.concentrated:
            found.where[name] = describe(location)
            empty = ZeroSlices.located(mismatch.blocks[name], location)
            if empty is not None:
                found.causes.append(name_cause(empty, empty.refute(mismatch)))
        elif location.complete:
            spread_out += 1
            found.where[name] = f"all of {name}"


def _weight(measured: SettingResult, names: Sequence[str]) -> tuple[int, int]:
    """How many blocks a setting shows to be wrong, those that fail first."""
    wrong = [name for name in names if measured.shows_wrong(name)]
    failing = [n for n in wrong if measured.judgements[n].finding.verdict is Verdict.FAIL]
    return len(failing), len(wrong)


def _ratio(name: str, mismatches: Sequence[Mismatch]) -> float:
    for mismatch in mismatches:
        if name in mismatch.blocks:
            return mismatch.measured.judgements[name].comparison.ratio
    return 0.0
