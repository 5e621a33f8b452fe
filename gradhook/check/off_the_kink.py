"""Mismatches at the point where the user stands, measured again a step away.

There a unit may sit exactly on a tie, where nothing that right code could do would agree.  A step
away it must, on both sides, because a wrong branch is taken on one of them only.

Right a step away and wrong here is what a tie does, and also a formula that divides by a parameter
which happens to be zero.  So it is excused probe by probe, and only with evidence: one-sided slopes
that differ by the order of the mismatch, or operands that are equal to the bit.  Elements among
kinks are looked for one by one as far as the budget reaches, lest a smooth mistake hide there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import MISMATCH, Array, Verdict
from gradhook.diagnosis.branches.trace import look_for_ties
from gradhook.evaluation.directions import Coordinate, Direction
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import nearby, shrunk
from gradhook.options import Options
from gradhook.probe.block_evidence import bends, directions_of
from gradhook.probe.localise import locate
from gradhook.probe.measure import enter, measure
from gradhook.probe.prober import SHORT_SEARCH, Budget
from gradhook.probe.setting import EarlierResults, EnteredSetting, SettingResult
from gradhook.verdict.evidence import Location, Norms, Probe, describe
from gradhook.verdict.judge import Judgement, is_worse_here, judge_kink

__all__ = ["measure_off_the_tie"]

ORDER = 0.1
"""Half the difference of the one-sided slopes, as a share of the mismatch, from which on it is of
the mismatch's order.  At one kink it is at least the mismatch; several may cancel in part."""

TRACED = 5
"""Elements that are traced at most where a smooth mistake is looked for among the kinks of a block,
the most wrong ones first."""


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

    It is held against what ``earlier`` settings have found, because steps learned at a tie would
    mislead.  The budget is for looking for a smooth mistake among kinks.
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
    # What was said of each at the point a step away that decided.
    nearby_of: dict[str, Judgement] = {}
    retried: list[SettingResult] = []
    for side in (moves, shrunk(moves, -1.0)):
        left = [n for n in names if n not in judged or judged[n].finding.verdict not in MISMATCH]
        setting = replace(current.setting, name="a step off the current point", moves=side)
        entered = enter(evaluator, setting, seed=options.seed + 202) if left else None
        if entered is None:
            continue
        away = measure(entered, options, names=left, earlier=earlier)
        retried.append(away)
        for name in left:
            here = current.judgements[name]
            said = judge_kink(here, away.judgements[name], options.tolerance)
            untested = here.finding.verdict is Verdict.UNTESTED
            if untested and said.finding.verdict not in MISMATCH:
                said = here  # a kink is no reason to say less, or more
            if name not in judged or said.finding.verdict is not Verdict.INCONCLUSIVE:
                judged[name], nearby_of[name] = said, away.judgements[name]
    alone = {
        name: there
        for name, there in nearby_of.items()
        if judged[name].finding.verdict is Verdict.KINK
        or (there.comparison.resolved and is_worse_here(current.judgements[name], there))
    }
    if alone:
        judged |= _KinkSearch(evaluator, current, options, earlier, budget).judged(alone)
    if not retried:
        coverage.append(
            "a mismatch at these weights could not be measured again off a possible tie"
        )
        for name in names:
            here = current.judgements[name]
            doubtful = replace(here.finding, verdict=Verdict.INCONCLUSIVE)
            judged[name] = replace(here, finding=doubtful)
    return replace(current.judged_anew(judged), retried=tuple(retried))


@dataclass(frozen=True, slots=True)
class _KinkSearch:
    """Looks for evidence of kinks where blocks differ at the current point alone."""

    evaluator: Evaluator
    current: SettingResult
    options: Options
    earlier: EarlierResults
    budget: Budget

    def judged(self, nearby: Mapping[str, Judgement]) -> dict[str, Judgement]:
        """Judge blocks by their evidence, given what was said of each a step away."""
        gradients = self.current.gradients
        doubtful = [n for n in nearby if n in gradients and self._unexcused(self.current, n)]
        confirmed = self._confirmed(doubtful) if doubtful else None
        found: dict[str, Judgement] = {}
        for name, there in nearby.items():
            here = self.current.judgements[name]
            if confirmed is not None and name in confirmed.judgements:
                here = confirmed.judgements[name]
                if here.finding.verdict in MISMATCH:
                    found[name] = self._traced(confirmed, name, there)
                    continue
            found[name] = here if self._bends(name) else self._among_kinks(name, there)
        return found

    def _bends(self, name: str) -> bool:
        """Whether a block that is not judged here bends where it was said to have kinks."""
        result = self.current
        if result.judgements[name].finding.verdict in MISMATCH:
            return False
        result.setting.enter(self.evaluator)
        return bends(result.prober, result.evidence[name])

    def _unexcused(self, result: SettingResult, name: str) -> list[int]:
        """Positions of the probes whose one-sided slopes do not explain their mismatch."""
        evidence = result.evidence[name]
        flagged = result.judgements[name].comparison.standing_out
        return [k for k in flagged if _is_smooth(evidence.probes[k])]

    def _confirmed(self, names: Sequence[str]) -> SettingResult:
        """The same blocks measured along other directions, as thoroughly as elsewhere."""
        current = self.current
        current.setting.enter(self.evaluator)
        entered = EnteredSetting(
            self.evaluator,
            current.setting,
            self.options.seed + 404,
            current.prober.loss,
            current.gradients,
        )
        earlier = EarlierResults(self.earlier.like)
        return measure(entered, self.options, names=names, earlier=earlier, confirm=True)

    def _traced(self, result: SettingResult, name: str, there: Judgement) -> Judgement:
        """Judge a block of which some probes are not excused by their one-sided slopes."""
        here, evidence = result.judgements[name], result.evidence[name]
        unexcused = self._unexcused(result, name)
        if not unexcused:
            return self._among_kinks(name, there)
        worst = max(unexcused, key=lambda k: abs(evidence.probes[k].residual))
        kink = self._kink(name, directions_of(result.prober, evidence)[worst])
        if kink:
            return self._among_kinks(name, there)
        said = judge_kink(here, there, self.options.tolerance, kink=kink)
        if said.finding.verdict not in MISMATCH:
            return said
        budget = Budget(lambda: self.evaluator.evaluations, SHORT_SEARCH)
        location = self._search(result, name, budget)
        return _located(said, location) if location.boxes else said

    def _kink(self, name: str, direction: Direction) -> bool | None:
        scale = self.current.prober.scales[name]
        return look_for_ties(self.evaluator, self.current.setting, name, direction, scale)

    def _among_kinks(self, name: str, there: Judgement) -> Judgement:
        """Judge a block among kinks, which excuse all but an element that is smooth and wrong."""
        here, result = self.current.judgements[name], self.current
        if name not in result.gradients or result.evidence[name].exact:
            return judge_kink(here, there, self.options.tolerance)
        budget = Budget(lambda: self.evaluator.evaluations, min(SHORT_SEARCH, self.budget.left / 2))
        location = self._search(result, name, budget)
        shape = result.gradients[name].shape
        smooth = [item for item in location.elements.items() if _is_smooth(item[1])]
        smooth.sort(key=lambda item: -abs(item[1].residual))
        for where, probe in smooth[:TRACED]:
            coordinate = Coordinate(int(np.ravel_multi_index(where, shape)))
            if self._kink(name, coordinate) is False:
                alone = Location(
                    name,
                    shape,
                    (tuple(slice(i, i + 1) for i in where),),
                    Norms(abs(probe.residual), abs(probe.analytic), abs(probe.slope.value)),
                    elements={where: probe},
                )
                said = judge_kink(here, there, self.options.tolerance, kink=False)
                return _located(said, alone) if said.finding.verdict in MISMATCH else said
        return judge_kink(here, there, self.options.tolerance)

    def _search(self, result: SettingResult, name: str, budget: Budget) -> Location:
        tolerance, evidence = self.options.tolerance, result.evidence[name]
        result.setting.enter(self.evaluator)
        alike = _alike(self.evaluator.workspace.arrays[name])
        if 2 * alike.size <= budget.left:  # a pair for each
            return self._one_by_one(result, name, alike)
        if any(probe.z > tolerance.resolved for probe in evidence.probes):
            return locate(
                result.prober,
                evidence,
                result.gradients[name],
                tolerance=tolerance,
                budget=budget,
                seed=self.options.seed + 505,
            )
        return Location(name, result.gradients[name].shape, complete=False)

    def _one_by_one(self, result: SettingResult, name: str, which: Array) -> Location:
        """Elements that differ, of those given by their position in the block."""
        prober, resolved, found = result.prober, self.options.tolerance.resolved, {}
        shape = result.gradients[name].shape
        size = prober.norms[name] or prober.ordinary / prober.scales[name]
        wanted = self.options.tolerance.fail * size
        for index in map(int, which):
            parts = [(name, Coordinate(index), 1.0)]
            probe = prober.along(parts, share=1 / math.prod(shape), wanted=wanted)
            if probe.z > resolved:
                found[tuple(int(i) for i in np.unravel_index(index, shape))] = probe
        return Location(name, shape, elements=found, complete=False)


def _located(said: Judgement, location: Location) -> Judgement:
    """The same, with the part that is wrong."""
    finding = replace(said.finding, note=f"{describe(location)} {said.finding.note}")
    return replace(said, finding=finding, location=location)


def _alike(values: Array) -> Array:
    """Positions of the elements that hold the block's commonest value; all where none is alike.

    What is special about a point is that several elements are zero there, or all of them equal.
    """
    numbers, counts = np.unique(values, return_counts=True)
    alike = values == numbers[counts.argmax()] if counts.max() > 1 else np.ones(values.shape)
    return np.flatnonzero(alike)


def _is_smooth(probe: Probe) -> bool:
    """Whether the one-sided slopes differ by less than the order of the mismatch."""
    return abs(probe.slope.gap) < ORDER * abs(probe.residual)
