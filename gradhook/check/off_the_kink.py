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
from gradhook.check.record import CheckRecord
from gradhook.diagnosis.branches.trace import look_for_ties
from gradhook.evaluation.directions import Coordinate, Direction
from gradhook.evaluation.points import nearby, shrunk
from gradhook.probe.block_evidence import bends, directions_of
from gradhook.probe.localise import locate
from gradhook.probe.measure import enter, measure
from gradhook.probe.prober import SHORT_SEARCH, Budget
from gradhook.probe.setting import EarlierResults, EnteredSetting, SettingResult
from gradhook.verdict.evidence import Location, Norms, Probe, describe
from gradhook.verdict.judge import Judgement, is_worse_here, judge_kink

ORDER = 0.1
"""Half the difference of the one-sided slopes, as a share of the mismatch, from which on it is of
the mismatch's order.  At one kink it is at least the mismatch; several may cancel in part."""

TRACED = 5
"""Elements that are traced at most where a smooth mistake is looked for among the kinks of a block,
the most wrong ones first."""


def measure_off_the_tie(
    record: CheckRecord, current: SettingResult, names: list[str]
) -> SettingResult:
    """Measure mismatches of the current point again a step away; what that says counts.

    It is held against what earlier settings have found, because steps learned at a tie would
    mislead.
    """
    evaluator, options = record.evaluator, record.options
    moves = nearby(
        evaluator.workspace.arrays,
        distance=options.tolerance.kink_displacement,
        fixed=options.fixed,
        seed=options.seed,
    )
    if not moves:
        return current
    units, earlier = current.prober.units, EarlierResults.of(record.measured)
    moves = {name: shrunk({name: m}, units.get(name, 1.0))[name] for name, m in moves.items()}
    # What is said of each block, and what was said at the point a step away that decided.
    judged: dict[str, tuple[Judgement, Judgement]] = {}
    retried: list[SettingResult] = []
    for side in (moves, shrunk(moves, -1.0)):
        left = [n for n in names if n not in judged or judged[n][0].finding.verdict not in MISMATCH]
        setting = replace(current.setting, name="a step off the current point", moves=side)
        entered = enter(evaluator, setting, seed=options.seed + 202) if left else None
        if entered is None:
            continue
        away = measure(entered, options, names=left, earlier=earlier)
        retried.append(away)
        for name in left:
            here, there = current.judgements[name], away.judgements[name]
            said = judge_kink(here, there, options.tolerance)
            untested = here.finding.verdict is Verdict.UNTESTED
            if untested and said.finding.verdict not in MISMATCH:
                said = here  # a kink is no reason to say less, or more
            if name not in judged or said.finding.verdict is not Verdict.INCONCLUSIVE:
                judged[name] = said, there
    if not retried:
        record.coverage.append(
            "a mismatch at these weights could not be measured again off a possible tie"
        )
        doubted = [(name, current.judgements[name]) for name in names]
        unsaid = {n: replace(j.finding, verdict=Verdict.INCONCLUSIVE) for n, j in doubted}
        return current.judged_anew({n: replace(j, finding=unsaid[n]) for n, j in doubted})
    found = {name: said for name, (said, _) in judged.items()}
    alone = {
        name: there
        for name, (said, there) in judged.items()
        if said.finding.verdict is Verdict.KINK
        or (there.comparison.resolved and is_worse_here(current.judgements[name], there))
    }
    if alone:
        found |= _KinkSearch(record, current).judged(alone)
    return replace(current.judged_anew(found), retried=tuple(retried))


@dataclass(frozen=True, slots=True)
class _KinkSearch:
    """Looks for evidence of kinks where blocks differ at the current point alone."""

    record: CheckRecord
    current: SettingResult

    def judged(self, nearby: Mapping[str, Judgement]) -> dict[str, Judgement]:
        """Judge blocks by their evidence, given what was said of each a step away."""
        current = self.current
        current.setting.enter(self.record.evaluator)
        doubtful = [n for n in nearby if n in current.gradients and self._unexcused(current, n)]
        confirmed = self._confirmed(doubtful) if doubtful else current
        found: dict[str, Judgement] = {}
        for name, there in nearby.items():
            here = current.judgements[name]
            again = confirmed.judgements.get(name, here)
            if name in doubtful and again.finding.verdict in MISMATCH:
                found[name] = self._traced(confirmed, name, there)
            # A line that bends where it was said to have kinks is not judged here.
            elif here.finding.verdict not in MISMATCH and bends(
                current.prober, current.evidence[name]
            ):
                found[name] = again
            else:
                found[name] = self._among_kinks(name, there)
        return found

    def _unexcused(self, result: SettingResult, name: str) -> list[int]:
        """Positions of the probes whose one-sided slopes do not explain their mismatch."""
        evidence = result.evidence[name]
        flagged = result.judgements[name].comparison.standing_out
        return [k for k in flagged if _is_smooth(evidence.probes[k])]

    def _confirmed(self, names: Sequence[str]) -> SettingResult:
        """The same blocks measured along other directions, as thoroughly as elsewhere."""
        current, evaluator, options = self.current, self.record.evaluator, self.record.options
        seed, loss = options.seed + 404, current.prober.loss
        entered = EnteredSetting(evaluator, current.setting, seed, loss, current.gradients)
        earlier = EarlierResults(EarlierResults.of(self.record.measured).like)
        return measure(entered, options, names=names, earlier=earlier, confirm=True)

    def _traced(self, result: SettingResult, name: str, there: Judgement) -> Judgement:
        """Judge a block of which some probes are not excused by their one-sided slopes."""
        evidence, unexcused = result.evidence[name], self._unexcused(result, name)
        kink: bool | None = True
        if unexcused:
            worst = max(unexcused, key=lambda k: abs(evidence.probes[k].residual))
            kink = self._kink(name, directions_of(result.prober, evidence)[worst])
        if kink:
            return self._among_kinks(name, there)
        said = judge_kink(result.judgements[name], there, self.record.options.tolerance, kink=kink)
        if said.finding.verdict not in MISMATCH:
            return said
        location = self._search(result, name, SHORT_SEARCH)
        return _located(said, location) if location.boxes else said

    def _kink(self, name: str, direction: Direction) -> bool | None:
        current, scale = self.current, self.current.prober.scales[name]
        return look_for_ties(self.record.evaluator, current.setting, name, direction, scale)

    def _among_kinks(self, name: str, there: Judgement) -> Judgement:
        """Judge a block among kinks, which excuse all but an element that is smooth and wrong."""
        result, tolerance = self.current, self.record.options.tolerance
        here = result.judgements[name]
        if name in result.gradients and not result.evidence[name].exact:
            location = self._search(result, name, min(SHORT_SEARCH, self.record.budget.left / 2))
            smooth = [item for item in location.elements.items() if _is_smooth(item[1])]
            smooth.sort(key=lambda item: -abs(item[1].residual))
            for where, probe in smooth[:TRACED]:
                index = int(np.ravel_multi_index(where, location.shape))
                if self._kink(name, Coordinate(index)) is False:
                    said = judge_kink(here, there, tolerance, kink=False)
                    box = tuple(slice(i, i + 1) for i in where)
                    sizes = probe.residual, probe.analytic, probe.slope.value
                    norms, alone = Norms(*map(abs, sizes)), {where: probe}
                    location = Location(name, location.shape, (box,), norms, elements=alone)
                    return _located(said, location) if said.finding.verdict in MISMATCH else said
        return judge_kink(here, there, tolerance)

    def _search(self, result: SettingResult, name: str, most: float) -> Location:
        """Elements that differ, looked for by so many evaluations at most."""
        evaluator, options = self.record.evaluator, self.record.options
        evidence, gradient = result.evidence[name], result.gradients[name]
        budget = Budget(lambda: evaluator.evaluations, most)
        alike = _alike(evaluator.workspace.arrays[name])
        if 2 * alike.size <= budget.left:  # a pair for each
            return self._one_by_one(result, name, alike)
        if any(probe.z > options.tolerance.resolved for probe in evidence.probes):
            return locate(
                result.prober,
                evidence,
                gradient,
                tolerance=options.tolerance,
                budget=budget,
                seed=options.seed + 505,
            )
        return Location(name, gradient.shape, complete=False)

    def _one_by_one(self, result: SettingResult, name: str, which: Array) -> Location:
        """Elements that differ, of those given by their position in the block."""
        prober, tolerance, found = result.prober, self.record.options.tolerance, {}
        shape = result.gradients[name].shape
        size = prober.norms[name] or prober.ordinary / prober.scales[name]
        for index in map(int, which):
            parts, share = [(name, Coordinate(index), 1.0)], 1 / math.prod(shape)
            probe = prober.along(parts, share=share, wanted=tolerance.fail * size)
            if probe.z > tolerance.resolved:
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
