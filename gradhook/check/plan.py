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
from typing import Any

from gradhook._types import MISMATCH, Batch, Verdict
from gradhook.check.further_settings import cost_of_other_rows, measure_further, measure_other_rows
from gradhook.check.generic_point import find_generic
from gradhook.check.off_the_kink import measure_off_the_tie
from gradhook.check.record import CheckRecord
from gradhook.check.sanity import (
    Returned,
    SanityResult,
    call_gradients_again,
    call_loss_twice,
    call_together_twice,
    call_with_gradients,
    findings_of_calls,
)
from gradhook.diagnosis.branches.trace import trace_branches
from gradhook.diagnosis.explain import explain
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.joint import measure_quickly, measure_sparingly
from gradhook.probe.measure import measure
from gradhook.probe.result import EarlierResults
from gradhook.probe.setting import Setting, Switchboard
from gradhook.verdict.judge import combine

__all__ = ["Plan"]


class Plan:
    """Runs the settings of one check.

    Args:
        evaluator: Calls the objective on the rows drawn.
        options: The check's options.
        switches: Every switch, tied to what it turns.
        other: Another batch, for a call in between; ``None`` if there is none.
        undrawn: Rows of the batch that were not drawn; ``None`` if all were, or they cannot be cut.
        free: Switches that the user did not name, for experiments after a mismatch.
        batch_rows: Rows of the whole batch, of which some were drawn; 0 where all were.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        options: Options,
        switches: list[BoundSwitch],
        *,
        other: Batch | None,
        undrawn: Batch | None = None,
        free: Sequence[BoundSwitch] = (),
        batch_rows: int = 0,
    ) -> None:
        self._evaluator = evaluator
        self._batch_rows = batch_rows
        self._free = free
        self._options = options
        self._other = other
        self._undrawn = undrawn
        self._board = Switchboard.of(switches)
        self._points = tuple(options.points or ("generic", "current"))

    def run(self) -> CheckRecord:
        """Make the check.

        Raises:
            UnreadError: The loss does not read the parameters.
            Exception: Whatever the user's code raises at the current point.
        """
        tolerance = self._options.tolerance
        facts, again = self._called_twice()
        outcome = CheckRecord(facts)
        if not math.isfinite(facts.loss):
            outcome.unjudged = (
                f"the loss is {facts.loss} at the current point: has training diverged?"
            )
        elif not facts.replayable:
            outcome.unjudged = (
                "random loss, generator not reachable: two calls in a row differ and putting "
                "generators back does not help; pass state= the generator that the loss draws "
                "from, or dropout= the switch that turns it off"
            )
        if outcome.unjudged:
            return outcome
        if not facts.norms:
            outcome.facts = facts = call_with_gradients(self._evaluator, facts, tolerance)
        if facts.writes_parameters:
            self._evaluator.writes.undo = True
            for name in facts.writes_parameters:
                self._evaluator.workspace.write(name)
        quick = self._options.effort == "quick"
        if not quick:
            outcome.facts = facts = call_gradients_again(
                self._evaluator, facts, self._other, tolerance, again=again
            )
        del again  # small blocks are held as they are
        self._evaluator.guard.learn_volatile()
        outcome.findings = findings_of_calls(facts)
        self._measure_generic(outcome)
        if "current" in self._points and not (quick and outcome.measured):
            self._measure_current(outcome)
        if self._undrawn is not None and not quick:
            self._measure_other_rows(outcome, self._undrawn)
        outcome.branches = trace_branches(self._evaluator, outcome.measured, outcome.coverage)
        names = self._evaluator.workspace.names
        outcome.explanation = explain(
            self._evaluator,
            outcome.measured,
            {name: combine(outcome.findings_of(name)).verdict for name in names},
            self._options,
            self._free,
            outcome.coverage,
            self._batch_rows,
        )
        return outcome

    def _called_twice(self) -> tuple[SanityResult, Returned | None]:
        """See whether the loss repeats, and on the way find the off-value of dropout switches.

        Of the values that a switch's name leaves open, the first that gives a finite, repeatable
        loss turns it off.
        """
        self._evaluator.switches = list(self._board.states())
        facts = None
        for switch in (s for s in self._board.dropouts if len(s.off_values) > 1):
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
        evaluator, tolerance = self._evaluator, self._options.tolerance
        together = evaluator.calls.separate is None and self._options.effort != "quick"
        if facts is None and together:
            return call_together_twice(evaluator, tolerance)
        return facts or call_loss_twice(evaluator, tolerance), None

    def _measure_generic(self, outcome: CheckRecord) -> None:
        """The main setting and the further ones at its point, if there is such a point."""
        evaluator, options = self._evaluator, self._options
        wanted = "generic" in self._points
        point = find_generic(
            evaluator, outcome.facts, fixed=options.fixed, seed=options.seed, wanted=wanted
        )
        if point is None:
            if wanted:
                outcome.coverage.append(f"no generic point: {self._why_no_generic_point()}")
            return
        setting = Setting("generic point", point.moves, evaluator.batch, self._board.states())
        make = measure_quickly if options.effort == "quick" else measure
        main = make(
            evaluator,
            setting,
            options,
            seed=options.seed,
            loss=point.loss,
            gradients=point.gradients,
            elsewhere=outcome.facts.loss,
        )
        point = replace(point, gradients={})  # large ones are let go as soon as they may be
        outcome.measured.append(main)
        if self._undrawn is not None:
            evaluator.granted -= cost_of_other_rows(main)  # put by for what comes last
        if options.effort != "quick":
            outcome.measured += measure_further(
                evaluator, self._board, main, options, outcome.coverage, seed=options.seed + 1
            )

    def _why_no_generic_point(self) -> str:
        arrays = self._evaluator.workspace.arrays
        if not any(array.size for array in arrays.values()):
            return "the blocks have no elements"
        if all(name in self._options.fixed for name, array in arrays.items() if array.size):
            return "every block is fixed"
        return "the loss is not finite, raises or explodes at every displacement tried"

    def _measure_current(self, outcome: CheckRecord) -> None:
        facts = outcome.facts
        self._evaluator.workspace.move({})
        gradients = facts.gradients or self._evaluator.loss_and_gradients()[1]
        past = EarlierResults.of(outcome.measured)
        there: dict[str, Any] = {
            "seed": self._options.seed + 101,
            "loss": facts.loss - facts.disagreement,
            "gradients": gradients,
            "past": past,
        }
        setting = Setting("current point", {}, self._evaluator.batch, self._board.states())
        so_far = {name: combine(outcome.findings_of(name)).verdict for name in gradients}
        unsettled = [name for name, verdict in so_far.items() if verdict is not Verdict.PASS]
        current = measure_sparingly(
            self._evaluator, setting, self._options, alone=unsettled, **there
        ) or measure(
            self._evaluator,
            setting,
            self._options,
            textbook=self._options.effort == "exhaustive",
            **there,
        )
        doubted = [
            name
            for name, judgement in current.judgements.items()
            if judgement.suspect
            and not current.evidence[name].spoiled
            and not (name in past.failed and not judgement.finding.kinks)
            # What is right elsewhere, and not wrong here, is not worth more than is granted.
            and not (
                so_far[name] is Verdict.PASS
                and judgement.finding.verdict not in MISMATCH
                and self._evaluator.evaluations >= self._evaluator.granted
            )
        ]
        if doubted:
            current = measure_off_the_tie(
                self._evaluator,
                current,
                doubted,
                self._options,
                past=past,
                coverage=outcome.coverage,
            )
        outcome.measured.append(current)

    def _measure_other_rows(self, outcome: CheckRecord, rows: Batch) -> None:
        if not (outcome.measured and outcome.measured[0].setting.moves):
            return
        told = measure_other_rows(self._evaluator, outcome.measured, self._options, rows)
        if told is not None:
            outcome.measured.append(told)
