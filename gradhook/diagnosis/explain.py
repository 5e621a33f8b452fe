"""Where and why: after a mismatch, the wrong part located and the cause named.

Hypotheses come first, each put to the test before it is named; then a search inside the blocks that
are still unexplained; then the place at which the fault enters, where layers were found; last, one
element of every wrong block with both its numbers.  A fault that nothing explains has its blocks
named and no cause: a wrong name costs more than none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradhook._types import MISMATCH, Array, Batch, Verdict
from gradhook.diagnosis import Explanation
from gradhook.diagnosis.hypotheses import HYPOTHESES
from gradhook.diagnosis.hypotheses.written import ZeroSlices
from gradhook.diagnosis.hypothesis import Hypothesis, Trials, name_cause, survives
from gradhook.diagnosis.layers import forward_order, place_of_fault
from gradhook.diagnosis.mismatch import TWO_NUMBERS, Context, Mismatch
from gradhook.diagnosis.parts import LARGEST_MASK, WrongPart, find_part, joined, worst_element
from gradhook.diagnosis.sentences import say
from gradhook.evaluation.directions import size_of
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.prober import Budget
from gradhook.probe.setting import SettingResult
from gradhook.verdict.evidence import Location, beside, describe

EXPLAINING = 400
"""Loss evaluations that where and why may take in one check, at least half of them for all else
than the two numbers of each wrong block."""

FOR_PLACES = 120
"""Of these, what hypotheses leave for places and parts."""

SPREAD_BLOCKS = 2
"""Blocks in which a fault was found to be spread, after which no further one is searched."""

RESOLVED_SHARE = 0.03
"""Share of the smallest ratio that is wrong, to which a right block must be resolved to be
evidence."""


def explain(
    evaluator: Evaluator,
    measured: Sequence[SettingResult],
    verdicts: Mapping[str, Verdict],
    options: Options,
    free: Sequence[BoundSwitch],
    coverage: list[str],
    whole: Batch | None = None,
) -> Explanation:
    """Explain what is wrong; ``coverage`` gets a sentence where that breaks off.

    ``whole`` is the batch that the rows were drawn from, if they are not all of it.
    """
    found = Explanation()
    measured = [each for m in measured for each in (m, *m.retried)]
    wrong = [name for name, verdict in verdicts.items() if verdict in MISMATCH]
    shown = {
        name: max(m.judgements[name].comparison.ratio for m in measured if m.shows_wrong(name))
        for name in wrong
        if any(m.shows_wrong(name) for m in measured)
    }
    # What lies beside a larger mismatch everywhere is no part of it.
    least = beside(max(shown.values(), default=0.0), 1.0, options.tolerance)
    wrong = [name for name, ratio in shown.items() if ratio > least]
    verdicts = {n: v if n in wrong or n not in shown else Verdict.PASS for n, v in verdicts.items()}
    if not wrong:
        return found
    kept = min(TWO_NUMBERS * len(wrong), EXPLAINING // 2)
    try:
        with evaluator.aside():
            context = Context(
                evaluator,
                options,
                measured,
                _resolved_right(measured, verdicts),
                forward_order(evaluator.workspace.names, options.layers),
                Budget(lambda: evaluator.evaluations, EXPLAINING - kept),
                free,
            )
            context.whole = whole
            _Explainer(context, wrong, found).run()
    except Exception as error:  # an explanation that fails must not cost the verdict
        coverage.append(f"the mismatch could not be explained ({type(error).__name__}: {error})")
    return found


def _resolved_right(
    measured: Sequence[SettingResult], verdicts: Mapping[str, Verdict]
) -> frozenset[str]:
    """Blocks that are right, those left out whose error could hide what the wrong ones show."""
    shown = 1.0
    resolution: dict[str, float] = {}
    for each in measured:
        for name, judgement in each.judgements.items():
            seen = judgement.comparison
            both = seen.norms.analytic + seen.norms.numerical
            if verdicts[name] in MISMATCH and each.shows_wrong(name):
                shown = min(shown, seen.ratio)
            elif each.evidence[name].probes:
                error = seen.error_norm / both if both > 0 else math.inf
                resolution[name] = min(error, resolution.get(name, math.inf))
    return frozenset(
        name
        for name, verdict in verdicts.items()
        if verdict is Verdict.KINK
        or (verdict is Verdict.PASS and resolution.get(name, 0.0) <= RESOLVED_SHARE * shown)
    )


class _Explainer:
    def __init__(self, context: Context, wrong: Sequence[str], found: Explanation) -> None:
        self.context, self.wrong, self.found = context, wrong, found
        self.mismatches: dict[str, Mismatch] = {}
        self.parts: dict[str, WrongPart] = {}

    def run(self) -> None:
        """Causes, parts, places, and two numbers of each block."""
        found = self.found
        # Of blocks whose wrong elements are known nothing else is asked.
        for measured in reversed(self.context.measured):
            for name, judgement in measured.judgements.items():
                location = judgement.location if name in self.wrong else None
                if location is not None and location.elements:
                    found.locations[name] = replace(location, setting=measured.setting.name)
                    found.where[name] = describe(location)
        left = [name for name in self.wrong if name not in found.locations]
        unexplained = [name for name in self.wrong if name in found.locations]
        while left:
            setting = max(self.context.measured, key=lambda m: _weight(m, left))
            names = [name for name in left if setting.shows_wrong(name)]
            mismatch = Mismatch(self.context, setting, names)
            self.mismatches |= dict.fromkeys(names, mismatch)
            survivors = diagnose(mismatch, keep=FOR_PLACES)
            for hypothesis, _ in survivors:
                for name, mask in hypothesis.inside.items():
                    self._mark(mismatch, name, mask)
            named = [name_cause(*each) for each in survivors]
            found.causes += named
            unexplained += [n for n in names if not any(n in cause.blocks for cause in named)]
            left = [name for name in left if name not in names]
        for cause in found.causes:
            if cause.where and len(cause.blocks) == 1 and cause.where.startswith(cause.blocks[0]):
                found.where[cause.blocks[0]] = cause.where
        unexplained = self._no_consequences(unexplained)
        several = [self.mismatches[name] for name in unexplained if name in self.mismatches]
        if len(several) > 1:  # before searches have spent what it takes
            self.context.layers_of(several[0])
        self._search([n for n in reversed(self.context.order) if n in unexplained])
        self._place(unexplained)
        for name in self.wrong:
            self._measure_worst(name)
        ratios = {
            name: mismatch.measured.judgements[name].comparison.ratio
            for name, mismatch in self.mismatches.items()
        }
        found.causes.sort(key=lambda cause: -max(ratios[name] for name in cause.blocks))

    def _search(self, names: Sequence[str]) -> None:
        """Look inside the blocks, those next to the loss first."""
        spread_out = 0
        for name in names:
            mismatch = self.mismatches.get(name)
            if mismatch is None:  # it was located
                continue
            if spread_out >= SPREAD_BLOCKS and not mismatch.measured.evidence[name].exact:
                continue
            location = mismatch.located(name)
            covered = sum(map(size_of, location.boxes)) >= mismatch.blocks[name].gradient.size
            if location.boxes and not covered:
                setting = mismatch.measured.setting.name
                self.found.locations[name] = replace(location, setting=setting)
                together = replace(location, boxes=joined(location.boxes))
                self.found.where[name] = describe(together)
                for empty in ZeroSlices.propose(mismatch, [name]):
                    if survives(trials := empty.refute(mismatch)):
                        self.found.causes.append(name_cause(empty, trials))
            elif location.complete:
                spread_out += 1
                part = find_part(mismatch, name)
                if part is not None:
                    self.parts[name] = part
                    self.found.where[name] = part.words
                    self._mark(mismatch, name, part.mask)

    def _mark(self, mismatch: Mismatch, name: str, mask: Array) -> None:
        """Keep which elements of a block are wrong, and how far they are off."""
        block = mismatch.blocks[name]
        if mask.size <= LARGEST_MASK and not np.all(mask):
            size = max(float(np.linalg.norm(block.gradient[mask])), block.residual_norm)
            self.found.masks[name] = mask, block.residual_norm / size if size else 0.0

    def _place(self, unexplained: Sequence[str]) -> None:
        found, context = self.found, self.context
        shapes = {name: array.shape for name, array in context.evaluator.workspace.arrays.items()}
        # Wrong elements and parts say by themselves where the fault is; causes explain theirs.
        single = {name for name in unexplained if self._stands_apart(name)}
        explained = {name for cause in found.causes for name in cause.blocks}
        open_ = [name for name in unexplained if name not in single | explained]
        said: list[str] = []
        if open_ and open_[0] in self.mismatches:
            layers = context.layers_of(self.mismatches[open_[0]])
            said.append(place_of_fault(layers, open_, context.right, shapes, context.order))
        if found.causes:
            parts = [name for name in context.order if name in single - explained]
            said = [*(say("part_wrong", part=found.where[name]) for name in parts), *said]
        what = "; ".join(said)
        found.boundary = say("remains", what=what) if said and found.causes else what

    def _stands_apart(self, name: str) -> bool:
        """Whether less than half of a block is wrong, so that its fault is its own."""
        where, part = self.found.locations.get(name), self.parts.get(name)
        if part is not None and not part.everything:
            return 2 * int(np.count_nonzero(part.mask)) < part.mask.size
        if where is None or not where.boxes or not where.complete:
            return False
        return 2 * sum(map(size_of, where.boxes)) < math.prod(where.shape)

    def _no_consequences(self, names: list[str]) -> list[str]:
        """Those blocks that are not wrong by what the blocks of a cause pass down.

        Nothing is passed down through weights of zero: what is right then is no second fault.
        """
        for cause in self.found.causes:
            mismatch = self.mismatches.get(names[0]) if names else None
            if mismatch is None or not set(cause.blocks) <= set(mismatch.blocks):
                continue
            below = [name for name in names if name in mismatch.blocks]
            zero = {n: np.zeros(mismatch.blocks[n].shape) for n in cause.blocks}
            if mismatch.vanishes(mismatch.revisit(below, values=zero), below):
                names = [name for name in names if name not in below]
        return names

    def _measure_worst(self, name: str) -> None:
        """One element with both its numbers, where nothing else has measured one."""
        mismatch, where = self.mismatches.get(name), self.found.locations.get(name)
        if mismatch is None or (where is not None and where.elements):
            return
        part, exact = self.parts.get(name), mismatch.measured.evidence[name].exact
        mask = None if part is None else part.mask
        if not exact and (measured := worst_element(mismatch, name, where, mask)):
            where = where or Location(name, mismatch.blocks[name].shape)
            setting = mismatch.measured.setting.name
            self.found.locations[name] = replace(where, elements=measured, setting=setting)


def _weight(measured: SettingResult, names: Sequence[str]) -> tuple[int, int]:
    """How many blocks a setting shows to be wrong, those that fail first."""
    wrong = [name for name in names if measured.shows_wrong(name)]
    failing = [n for n in wrong if measured.judgements[n].finding.verdict is Verdict.FAIL]
    return len(failing), len(wrong)


def diagnose(
    mismatch: Mismatch, *, keep: int = 0, among: Sequence[type[Hypothesis]] = HYPOTHESES
) -> list[tuple[Hypothesis, Trials]]:
    """What survived, each of which explains blocks that no other does.

    ``keep`` evaluations of the budget are left for what comes after.
    """
    survivors: list[tuple[Hypothesis, Trials]] = []
    open_ = list(mismatch.blocks)
    doubted: set[str] = set()
    for family in among:
        if mismatch.budget.left < keep:
            break
        names = [n for n in open_ if not (family.by_elimination and n in doubted)]
        for hypothesis in family.propose(mismatch, names) if names else ():
            if not set(hypothesis.blocks) <= set(open_):
                continue
            trials = hypothesis.refute(mismatch)
            if not survives(trials):
                doubted |= set(hypothesis.blocks) if hypothesis.predicted else set()
                continue
            survivors.append((hypothesis, trials))
            open_ = [name for name in open_ if name not in hypothesis.blocks]
    return survivors
