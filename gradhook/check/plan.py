"""One check from the first evaluation to the last judgement, with everything already guarded.

The order is that of cost and of trust: is the loss a function at all (twice the same number), what
do the gradients do when called again, does the loss read its parameters, then the generic point,
further settings, and the point where the user stands.  A mismatch at the current point is measured
again a step away, off every tie, before it counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from gradhook._types import MISMATCH, Batch
from gradhook.check.further_settings import measure_further, measure_untested_again
from gradhook.check.generic_point import (
    FlatError,
    UnreadError,
    UnusableRowsError,
    at_ordinary_loss,
    find_generic,
    no_longer_read,
    unread_blocks,
)
from gradhook.check.record import CheckRecord
from gradhook.check.sanity import (
    SanityResult,
    call_gradients_again,
    call_loss_twice,
    call_with_gradients,
    findings_of_calls,
)
from gradhook.check.whole_batch import WholeBatch, merged
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic
from gradhook.objective.batch import Rows, upcast
from gradhook.objective.switches import BoundSwitch
from gradhook.options import POINTS, Options
from gradhook.probe.measure import measure, measure_quickly
from gradhook.probe.prober import Budget
from gradhook.probe.setting import EarlierResults, EnteredSetting, Setting, switch_states

__all__ = ["Plan"]


class Plan:
    """Runs the settings of one check.

    Besides every switch it is given those that the user did not name (``free``), for experiments
    after a mismatch, and whether other rows may do where these show nothing (``part``).
    """

    def __init__(
        self,
        evaluator: Evaluator,
        options: Options,
        switches: list[BoundSwitch],
        *,
        rows: Rows,
        whole: Batch,
        free: Sequence[BoundSwitch] = (),
        part: bool = False,
    ) -> None:
        self._evaluator = evaluator
        self._free = free
        self._options = options
        self._other = None if rows.other is None else upcast(rows.other)
        self._whole: WholeBatch | None = None
        if rows.rows is not None:
            count, total = len(rows.rows), rows.total or 0
            self._whole = WholeBatch(evaluator, options, whole, count, total)
        self._part = part
        self._switches = switches
        self._points = options.points or POINTS
        self._budget = self._whole_budget()

    def _whole_budget(self) -> Budget:
        evaluator = self._evaluator
        return Budget.of_check(lambda: evaluator.evaluations, len(evaluator.workspace.names))

    def _generic_moves(self) -> dict[str, Move]:
        arrays, options = self._evaluator.workspace.arrays, self._options
        return generic(arrays, fixed=options.fixed, seed=options.seed)

    def run(self) -> CheckRecord:
        """Make the check; an exception of the user's at the current point leaves it."""
        tolerance = self._options.tolerance
        facts = self._called_twice()
        outcome = CheckRecord(facts)
        if not math.isfinite(facts.loss):
            if self._part:
                raise UnusableRowsError(f"the loss is {facts.loss}")
            outcome.unjudged = f"the loss is {facts.loss} at these weights: has training diverged?"
        elif not facts.replayable:
            hidden = ", ".join(self._evaluator.guard.hidden)
            perhaps = (
                f"; if it draws from {hidden}, which cannot be put back and has moved on, do that "
                "in the loop and pass what it gives as the batch"
            )
            outcome.unjudged = (
                "random loss, generator not reachable: two calls in a row differ and putting "
                "generators back does not help; pass state= the generator that the loss draws "
                f"from, or dropout= the switch that turns it off{perhaps if hidden else ''}"
            )
        if outcome.unjudged:
            return outcome
        outcome.facts = facts = call_with_gradients(self._evaluator, facts, tolerance)
        if self._part and not all(map(math.isfinite, facts.norms.values())):
            raise UnusableRowsError("a gradient is not finite")
        quick = self._options.effort == "quick"
        if not quick:
            outcome.facts = facts = call_gradients_again(
                self._evaluator, facts, self._other, tolerance, self._generic_moves()
            )
        self._evaluator.guard.learn_volatile()
        outcome.findings = findings_of_calls(facts)
        self._measure_settings(outcome)
        if self._whole is not None and not quick:
            outcome = self._held_against_the_batch(outcome, self._whole)
        self._set_unread_apart(outcome)
        self._explain(outcome)
        return outcome

    def _explain(self, outcome: CheckRecord) -> None:
        """Where and why; a check in which nothing is doubted loads none of what it takes."""
        judged = (j for each in outcome.measured for j in each.judgements.values())
        if any(judgement.doubted for judgement in judged):
            from gradhook.diagnosis.branches.trace import trace_branches

            outcome.branches = trace_branches(self._evaluator, outcome.measured, outcome.coverage)
        verdicts = {name: outcome.verdict_of(name) for name in self._evaluator.workspace.names}
        if any(verdict in MISMATCH for verdict in verdicts.values()):
            from gradhook.diagnosis.explain import explain

            outcome.explanation = explain(
                self._evaluator,
                outcome.measured,
                verdicts,
                self._options,
                self._free,
                outcome.coverage,
            )

    def _set_unread_apart(self, outcome: CheckRecord) -> None:
        """Take the verdicts off blocks in place that the loss has stopped reading.

        Of an array that training left behind nothing can be said, right or wrong.
        """
        if not self._evaluator.workspace.in_place:
            return
        names = [
            name
            for name in self._evaluator.workspace.names
            if any(m.shows_unmoved(name) for m in outcome.measured)
        ]
        seed = self._options.seed
        for name in unread_blocks(self._evaluator, names, outcome.facts, seed=seed):
            why = no_longer_read([name])
            outcome.measured = [m.undecided(name, why) for m in outcome.measured]
            outcome.findings.pop(name, None)

    def _called_twice(self) -> SanityResult:
        """See whether the loss repeats, and on the way find the off-value of dropout switches.

        Of the values that a switch's name leaves open, the first that gives a finite, repeatable
        loss turns it off.
        """
        self._evaluator.switches = list(switch_states(self._switches))
        facts = None
        dropouts = [switch for switch in self._switches if switch.role == "dropout"]
        for switch in (s for s in dropouts if len(s.off_values) > 1):
            for value in switch.off_values:
                switch.off = value
                try:
                    facts = call_loss_twice(self._evaluator, self._options.tolerance)
                except Exception:  # a rate of 0 or 1 may divide by zero
                    facts = None
                    continue
                if math.isfinite(facts.loss) and not facts.random:
                    break
            else:
                switch.off, facts = switch.off_values[0], None
        return facts or call_loss_twice(self._evaluator, self._options.tolerance)

    def _measure_settings(self, outcome: CheckRecord) -> None:
        """The generic point with its further settings, then the current point."""
        self._measure_generic(outcome)
        quick = self._options.effort == "quick"
        if "current" in self._points and not (quick and outcome.measured):
            self._measure_current(outcome)

    def _held_against_the_batch(self, outcome: CheckRecord, whole: WholeBatch) -> CheckRecord:
        """What the rows said held against the whole batch, which has the last word."""
        if not (outcome.measured and outcome.measured[0].setting.moves):
            return outcome
        main, evaluator = outcome.measured[0], self._evaluator
        with evaluator.aside():
            told = whole.untested(outcome.measured)
            agrees = whole.agrees(main, outcome.coverage)
        outcome.whole_batch = agrees is not None
        if told is not None:
            outcome.measured.append(told)
        if agrees is not False:
            return outcome
        evaluator.batch = whole.every_row()
        evaluator.workspace.move({})
        evaluator.switches = list(switch_states(self._switches))
        try:
            every = self._made_again(outcome)
        except UnreadError:  # of the batch that the loop trains on nothing has been seen
            raise
        except Exception as error:  # the user's functions, or what cannot be checked on all rows
            outcome.coverage.append(
                f"the check could not be made again on the whole batch ({error})"
            )
            return outcome
        return merged(outcome, every, whole)

    def _made_again(self, outcome: CheckRecord) -> CheckRecord:
        """The settings measured once more, on the evaluator's present rows."""
        evaluator, tolerance = self._evaluator, self._options.tolerance
        facts = replace(outcome.facts, loss=evaluator.loss(), gradients={}, disagreement=0.0)
        facts = call_with_gradients(evaluator, facts, tolerance)
        every = CheckRecord(facts, coverage=outcome.coverage, notes=outcome.notes)
        self._budget = self._whole_budget()
        self._measure_settings(every)
        return every

    def _measure_generic(self, outcome: CheckRecord) -> None:
        """The main setting and the further ones at its point, if there is such a point."""
        evaluator, options, moves = self._evaluator, self._options, self._generic_moves()
        wanted, flat = "generic" in self._points, False
        try:
            point = find_generic(evaluator, outcome.facts, moves, options, wanted=wanted)
        except FlatError:
            point, flat = None, True
        if wanted and options.effort != "quick":
            moves = point.moves if point else moves
            point = at_ordinary_loss(evaluator, point, moves, outcome.facts.loss)
        if flat and point is None:
            if self._part:
                raise UnusableRowsError("the loss is flat and the gradients are zero")
            outcome.coverage.append("the loss is flat around these weights")
            return
        if point is None:
            if wanted:
                outcome.coverage.append(
                    "checked at these weights alone: every block is fixed, or the loss stands "
                    "still, is not finite, raises or explodes wherever it was displaced"
                )
            return
        setting = Setting(
            "generic point", point.moves, evaluator.batch, switch_states(self._switches)
        )
        entered = EnteredSetting(evaluator, setting, options.seed, point.loss, point.gradients)
        elsewhere = outcome.facts.loss
        if options.effort == "quick":
            main = measure_quickly(entered, options, elsewhere=elsewhere)
        else:
            share = self._budget.share(2)
            main = measure(
                entered, options, budget=share, earlier=EarlierResults(elsewhere=elsewhere)
            )
        del point, entered  # large gradients are let go as soon as they may be
        outcome.measured.append(main)
        if options.effort != "quick":
            again = measure_untested_again(evaluator, main, options)
            outcome.measured += [again] if again else []
            outcome.measured += measure_further(
                evaluator, main, options, outcome.coverage, self._budget
            )

    def _measure_current(self, outcome: CheckRecord) -> None:
        facts = outcome.facts
        self._evaluator.workspace.move({})
        gradients = facts.gradients or self._evaluator.loss_and_gradients()[1]
        earlier = EarlierResults.of(outcome.measured)
        setting = Setting("current point", {}, self._evaluator.batch, switch_states(self._switches))
        loss, seed = facts.loss - facts.disagreement, self._options.seed + 101
        entered = EnteredSetting(self._evaluator, setting, seed, loss, gradients)
        current = measure(entered, self._options, budget=self._budget, earlier=earlier)
        doubted = [
            name
            for name, judgement in current.judgements.items()
            if judgement.suspect
            and not current.evidence[name].spoiled
            and not (name in earlier.failed and not judgement.finding.kinks)
        ]
        if doubted:
            from gradhook.check.off_the_kink import measure_off_the_tie  # seldom needed

            current = measure_off_the_tie(
                self._evaluator,
                current,
                doubted,
                self._options,
                earlier=earlier,
                budget=self._budget,
                coverage=outcome.coverage,
            )
        outcome.measured.append(current)
