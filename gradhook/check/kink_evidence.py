"""A mismatch at the current point alone: a kink that was seen, or a mistake made exactly here.

Right a step away and wrong here is what a tie does, where the loss has two slopes and the gradient
is one of them.  It is also what a formula does that divides by a parameter which happens to be
zero.  So it is excused probe by probe, and only with evidence: one-sided slopes that differ by the
order of the mismatch, or operands that are equal to the bit.  Elements among kinks are looked for
one by one as far as the budget reaches, lest a smooth mistake hide behind a neighbour's kink.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import MISMATCH, Array
from gradhook.diagnosis.branches.ties import look_for_ties
from gradhook.evaluation.directions import Coordinate, Direction
from gradhook.evaluation.evaluator import Evaluator
from gradhook.options import Options
from gradhook.probe.again import bends
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.budget import SHORT_SEARCH, Budget
from gradhook.probe.localise import locate
from gradhook.probe.measure import measure
from gradhook.probe.result import EarlierResults, SettingResult
from gradhook.probe.setting import EnteredSetting
from gradhook.verdict.evidence import Location, Norms, Probe, describe
from gradhook.verdict.judge import Judgement, judge_kink

__all__ = ["KinkSearch"]

ORDER = 0.1
"""Half the difference of the one-sided slopes, as a share of the mismatch, from which on it is of
the mismatch's order.  At one kink it is at least the mismatch; several may cancel in part."""

TRACED = 5
"""Elements that are traced at most where a smooth mistake is looked for among the kinks of a block,
the most wrong ones first."""


@dataclass(frozen=True, slots=True)
class KinkSearch:
    """Looks for evidence of kinks where blocks differ at the current point alone.

    Args:
        evaluator: Calls the objective.
        current: What was measured at the current point.
        options: The check's options.
        earlier: What other settings have found.
        budget: What the check may still cost.
    """

    evaluator: Evaluator
    current: SettingResult
    options: Options
    earlier: EarlierResults
    budget: Budget

    def judged(self, nearby: Mapping[str, Judgement]) -> dict[str, Judgement]:
        """Judge blocks by their evidence.

        Args:
            nearby: What was said of each of them a step away, where it is right.
        """
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
        here = result.judgements[name]
        unexcused = self._unexcused(result, name)
        if not unexcused:
            return self._among_kinks(name, there)
        evidence = result.evidence[name]
        worst = max(unexcused, key=lambda k: abs(evidence.probes[k].residual))
        direction = directions_of(result.prober, evidence)[worst]
        said = judge_kink(here, there, self.options.tolerance, kink=self._kink(name, direction))
        return self._located(result, name, said) if said.finding.verdict in MISMATCH else said

    def _kink(self, name: str, direction: Direction) -> bool | None:
        scale = self.current.prober.scales[name]
        ties = look_for_ties(self.evaluator, self.current.setting, name, direction, scale)
        return True if ties.seen else False if ties.traceable else None

    def _located(self, result: SettingResult, name: str, said: Judgement) -> Judgement:
        """The same with the wrong part, as far as it can be found."""
        location = self._search(
            result, name, Budget(lambda: self.evaluator.evaluations, SHORT_SEARCH)
        )
        if not location.concentrated:
            return said
        note = f"{describe(location)} {said.finding.note}"
        finding = replace(said.finding, note=note)
        return replace(said, finding=finding, where=describe(location), location=location)

    def _among_kinks(self, name: str, there: Judgement) -> Judgement:
        """Judge a block that is excused as a whole: an element that is smooth and wrong is not."""
        here, result = self.current.judgements[name], self.current
        if name not in result.gradients or result.evidence[name].exact:
            return judge_kink(here, there, self.options.tolerance)
        budget = Budget(lambda: self.evaluator.evaluations, min(SHORT_SEARCH, self.budget.left / 2))
        location = self._search(result, name, budget)
        shape = result.prober.shape(name)
        smooth = [item for item in location.elements.items() if _is_smooth(item[1])]
        smooth.sort(key=lambda item: -abs(item[1].residual))
        for where, probe in smooth[:TRACED]:
            kink = self._kink(name, Coordinate(_flat(where, shape)))
            if kink is False:
                alone = Location(
                    name,
                    shape,
                    (tuple(slice(i, i + 1) for i in where),),
                    Norms(abs(probe.residual), abs(probe.analytic), abs(probe.slope.value)),
                    elements={where: probe},
                )
                said = judge_kink(here, there, self.options.tolerance, kink=False)
                if said.finding.verdict not in MISMATCH:
                    return said
                finding = replace(said.finding, note=f"{describe(alone)} {said.finding.note}")
                return replace(said, finding=finding, where=describe(alone), location=alone)
        return judge_kink(here, there, self.options.tolerance)

    def _search(self, result: SettingResult, name: str, budget: Budget) -> Location:
        tolerance, evidence = self.options.tolerance, result.evidence[name]
        result.setting.enter(self.evaluator)
        alike = _alike(self.evaluator.workspace.arrays[name])
        if alike.size <= budget.pairs:
            return self._one_by_one(result, name, alike)
        if any(probe.z > tolerance.resolved for probe in evidence.probes):
            return locate(
                result.prober,
                evidence,
                result.gradients[name],
                resolved=tolerance.resolved,
                rounding=tolerance.rounding,
                budget=budget,
                seed=self.options.seed + 505,
            )
        return Location(name, result.prober.shape(name), complete=False)

    def _one_by_one(self, result: SettingResult, name: str, which: Array) -> Location:
        """Elements that differ, of those given by their position in the block."""
        prober, resolved, found = result.prober, self.options.tolerance.resolved, {}
        shape, wanted = prober.shape(name), self.options.tolerance.fail * prober.norms[name]
        for index in map(int, which):
            parts = [(name, Coordinate(index), 1.0)]
            probe = prober.along(parts, share=1 / math.prod(shape), wanted=wanted)
            if probe.z > resolved:
                found[tuple(int(i) for i in np.unravel_index(index, shape))] = probe
        return Location(name, shape, elements=found, complete=False)


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


def _flat(where: tuple[int, ...], shape: tuple[int, ...]) -> int:
    index = 0
    for position, length in zip(where, shape, strict=True):
        index = index * length + position
    return index
