"""One check from the first evaluation to the last judgement, with everything already guarded.

The order is that of cost and of trust: is the loss a function at all (twice the same number), what do the gradients do
when called again, does the loss read its parameters, then the generic point, further settings, and the point where the
user stands.  A mismatch at the current point is measured again a step away, off every tie, before it counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gradhook._evaluate import Evaluator
from gradhook._line import Move
from gradhook._options import Options
from gradhook._quick import measure_quickly
from gradhook._settings import Measured, Setting, measure, outside_domain
from gradhook._switches import BoundSwitch, SwitchState
from gradhook._types import Batch, Blocks, Verdict
from gradhook.probe.blocks import Prober
from gradhook.probe.points import generic, nearby, shrunk
from gradhook.probe.sanity import Facts, call_gradients_again, call_loss_twice, call_with_gradients
from gradhook.report import Finding
from gradhook.verdict.judge import judge_kink

__all__ = ["Outcome", "Session", "UnreadError"]

ATTEMPTS = 9
"""Generic points tried: the first and eight with the displacement divided by 4 each time."""

NEGLIGIBLE_SHARE, DOMINANT_SHARE = 0.1, 10.0
"""Penalty over data term below which the penalty is scaled up, and above which the data term is looked at alone."""


class UnreadError(Exception):
    """The loss did not change by a bit when every parameter moved; handled by the check, never seen by users."""


@dataclass(slots=True)
class Outcome:
    """What a session found.

    Args:
        facts: How the functions behaved when called again.
        measured: The settings measured, main one first.
        findings: Further findings per block, from calling again.
        coverage: What was not exercised.
        unjudged: Why no setting could be measured; empty if one was.
    """

    facts: Facts
    measured: list[Measured] = field(default_factory=list)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    coverage: list[str] = field(default_factory=list)
    unjudged: str = ""


class Session:
    """Runs the settings of one check.

    Args:
        evaluator: Calls the objective on the rows drawn.
        options: The check's options.
        switches: Every switch, tied to what it turns.
        other: Another batch, for a call in between; ``None`` if there is none.
        seed: Seed of points and directions.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        options: Options,
        switches: list[BoundSwitch],
        *,
        other: Batch | None,
        seed: int,
    ) -> None:
        self._evaluator = evaluator
        self._options = options
        self._other = other
        self._seed = seed
        self._dropouts = [s for s in switches if s.role == "dropout"]
        self._penalties = [s for s in switches if s.role == "penalty"]
        self._points = tuple(options.points or ("generic", "current"))

    def run(self) -> Outcome:
        """Make the check.

        Raises:
            UnreadError: The loss does not read the parameters.
            Exception: Whatever the user's code raises at the current point.
        """
        facts = self._loss_twice()
        outcome = Outcome(facts)
        if not math.isfinite(facts.loss):
            outcome.unjudged = f"the loss is {facts.loss} at the current point: has training diverged?"
        elif not facts.replayable:
            outcome.unjudged = (
                "random loss, generator not reachable: two calls in a row differ and putting generators back does not "
                "help; pass state= the generator that the loss draws from, or dropout= the switch that turns it off"
            )
        if outcome.unjudged:
            return outcome
        outcome.facts = facts = call_with_gradients(self._evaluator, facts)
        quick = self._options.effort == "quick"
        if not quick:
            outcome.facts = facts = call_gradients_again(self._evaluator, facts, self._other)
        self._evaluator.guard.learn_volatile()
        self._evaluator.undo_writes = bool(facts.writes_parameters)
        self._record_calling_again(outcome)
        moves, loss, gradients = self._generic_point(facts)
        if moves:
            self._measure_main(outcome, moves, loss, gradients)
        elif "generic" in self._points:
            outcome.coverage.append(
                "no generic point: the loss is not finite, raises or explodes at every displacement tried, "
                "so only the current point was checked"
            )
        if not quick or not outcome.measured:
            if "current" in self._points or not outcome.measured:
                self._measure_current(outcome)
        return outcome

    def _loss_twice(self) -> Facts:
        """Choose the off-value of each dropout switch by trying, and see whether the loss repeats."""
        self._turn()
        open_choices = [s for s in self._dropouts if len(s.off_values) > 1]
        for switch in open_choices:
            for value in switch.off_values:
                switch.off = value
                try:
                    facts = call_loss_twice(self._evaluator)
                except Exception:  # a rate of 0 or 1 may divide by zero
                    continue
                if math.isfinite(facts.loss) and not facts.random:
                    break
            else:
                switch.off = switch.off_values[0]
        return facts if len(open_choices) == 1 and math.isfinite(facts.loss) else call_loss_twice(self._evaluator)

    def _turn(
        self, *, dropout: SwitchState = "off", penalty: Mapping[str, SwitchState] | None = None
    ) -> tuple[tuple[BoundSwitch, SwitchState], ...]:
        chosen = penalty or {}
        states = [(s, dropout) for s in self._dropouts]
        states += [(s, chosen.get(s.name, "on")) for s in self._penalties]
        self._evaluator.switches = states
        return tuple(states)

    def _generic_point(self, facts: Facts) -> tuple[dict[str, Move], float, Blocks]:
        """Find a generic point inside the domain, and make the connection test on the way."""
        workspace = self._evaluator.workspace
        first = generic(workspace.arrays, fixed=self._options.fixed, seed=self._seed)
        if not first:
            return {}, math.nan, {}
        limit = 10 * abs(facts.loss) + self._first_order_change(facts)
        found: tuple[dict[str, Move], float, Blocks] = ({}, math.nan, {})
        moved = False
        for attempt in range(ATTEMPTS):
            moves = first if attempt == 0 else shrunk(first, 4.0**-attempt)
            workspace.move(moves)
            try:
                loss = self._evaluator.loss()
                moved = moved or loss != facts.loss
                if outside_domain(loss) or abs(loss) > limit:
                    continue
                if not moved:
                    break
                if "generic" in self._points:
                    loss, gradients = self._evaluator.loss_and_gradients()
                    if outside_domain(loss, gradients) and not outside_domain(0.0, facts.gradients):
                        continue
                    found = moves, loss, gradients
                break
            except Exception:  # outside the domain; the current point is where exceptions count
                moved = True
        if not moved and not self._moves_far_away(facts):
            workspace.move({})
            raise UnreadError
        return found

    def _moves_far_away(self, facts: Facts) -> bool:
        """Whether a loss that a moderate step leaves alone, being flat or saturated, reacts to a large one."""
        workspace = self._evaluator.workspace
        for distance in (1.0, 100.0):
            workspace.move(
                nearby(workspace.arrays, distance=distance, fixed=self._options.fixed, seed=self._seed)
            )
            try:
                if self._evaluator.loss() != facts.loss:
                    return True
            except Exception:  # whatever it reads, it reads the parameters
                return True
        return False

    def _first_order_change(self, facts: Facts) -> float:
        """``Σ_b s_b·‖a_b‖``: how far the loss may go if every block moves by its scale."""
        prober = self._evaluator.workspace
        return math.fsum(
            prober.scale(name) * math.sqrt(float((g * g).sum()))
            for name, g in facts.gradients.items()
            if not outside_domain(0.0, {name: g})
        )

    def _measure_main(
        self, outcome: Outcome, moves: dict[str, Move], loss: float, gradients: Blocks
    ) -> None:
        setting = Setting("generic point", moves, self._turn())
        if self._options.effort == "quick":
            outcome.measured.append(
                measure_quickly(
                    self._evaluator, setting, self._options, seed=self._seed, loss=loss, gradients=gradients
                )
            )
            return
        main = measure(
            self._evaluator, setting, self._options, seed=self._seed, loss=loss, gradients=gradients
        )
        outcome.measured.append(main)
        self._dropout_replayed(outcome, main)
        for switch in self._penalties:
            self._penalty_alone(outcome, main, switch)

    def _dropout_replayed(self, outcome: Outcome, main: Measured) -> None:
        if not self._dropouts:
            return
        if all(s.always_off for s in self._dropouts):
            outcome.coverage.append("dropout was not exercised: its value in training is the one that turns it off")
            return
        setting = Setting("generic point, dropout replayed", main.setting.moves, self._turn(dropout="on"))
        again = "its mask cannot be replayed: pass state= the generator that draws it"
        self._measure_further(outcome, main.prober, setting, f"dropout's own backward pass was not exercised: {again}")
        self._turn()

    def _penalty_alone(self, outcome: Outcome, main: Measured, switch: BoundSwitch) -> None:
        """The data term alone where the penalty would mask it; the penalty scaled up where it hides."""
        if switch.always_off:
            outcome.coverage.append(f"the penalty was not exercised: {switch.name} is off in training")
            return
        self._turn(penalty={switch.name: "off"})
        data = self._evaluator.loss()
        penalty = main.prober.loss - data
        share = abs(penalty) / abs(data) if data else math.inf
        moves, why = main.setting.moves, f"{switch.name} could not be looked at alone: the loss is not finite then"
        if share > DOMINANT_SHARE:
            setting = Setting(
                f"generic point, {switch.name} off", moves, self._turn(penalty={switch.name: "off"})
            )
            self._measure_further(outcome, main.prober, setting, why)
        elif share < NEGLIGIBLE_SHARE and switch.scalable:
            # A penalty lost in the rounding of the loss is known to be small only: a thousandfold is a fair guess.
            factor = 1 / share if abs(penalty) > 10 * main.prober.noise else 1e3
            setting = Setting(
                f"generic point, {switch.name} × {factor:.2g}", moves, self._turn(penalty={switch.name: factor})
            )
            self._measure_further(outcome, main.prober, setting, why)
        self._turn()

    def _measure_further(self, outcome: Outcome, like: Prober, setting: Setting, why_not: str) -> None:
        try:
            loss, gradients = self._evaluator.loss_and_gradients()
            repeats = self._evaluator.loss() == loss or not self._dropouts
        except Exception as error:
            outcome.coverage.append(f"{why_not} ({type(error).__name__}: {error})")
            return
        if outside_domain(loss) or not repeats:
            outcome.coverage.append(why_not)
            return
        outcome.measured.append(
            measure(
                self._evaluator,
                setting,
                self._options,
                seed=self._seed + 1 + len(outcome.measured),
                loss=loss,
                gradients=gradients,
                like=like,
            )
        )

    def _measure_current(self, outcome: Outcome) -> None:
        facts, workspace = outcome.facts, self._evaluator.workspace
        workspace.move({})
        like = outcome.measured[0].prober if outcome.measured else None
        current = measure(
            self._evaluator,
            Setting("current point", {}, self._turn()),
            self._options,
            seed=self._seed + 101,
            loss=facts.loss - facts.disagreement,
            gradients=facts.gradients,
            like=like,
            textbook=self._options.effort == "exhaustive",
        )
        doubted = [name for name, judgement in current.judgements.items() if judgement.mismatch]
        spoiled = [name for name in doubted if current.evidence[name].spoiled]
        doubted = [name for name in doubted if name not in spoiled]
        outcome.measured.append(self._off_the_tie(current, doubted, outcome) if doubted else current)

    def _off_the_tie(self, current: Measured, names: list[str], outcome: Outcome) -> Measured:
        """Measure mismatches of the current point again a step away; what that says counts."""
        workspace, tolerance = self._evaluator.workspace, self._options.tolerance
        moves = nearby(
            workspace.arrays,
            distance=tolerance.kink_displacement,
            fixed=self._options.fixed,
            seed=self._seed,
        )
        if not moves:
            return current
        workspace.move(moves)
        try:
            loss, gradients = self._evaluator.loss_and_gradients()
        except Exception:  # outside the domain
            loss, gradients = math.nan, {}
        if outside_domain(loss):
            outcome.coverage.append("a mismatch at the current point could not be measured again off a possible tie")
            doubtful = {
                n: replace(
                    current.judgements[n],
                    finding=replace(current.judgements[n].finding, verdict=Verdict.INCONCLUSIVE),
                )
                for n in names
            }
            return current.judged_anew(doubtful)
        away = measure(
            self._evaluator,
            Setting("a step off the current point", moves, current.setting.switches),
            self._options,
            seed=self._seed + 202,
            loss=loss,
            gradients=gradients,
            names=names,
        )
        return current.judged_anew(
            {n: judge_kink(current.judgements[n], away.judgements[n]) for n in names}
        )

    def _record_calling_again(self, outcome: Outcome) -> None:
        facts = outcome.facts
        for kind, note in (
            (facts.accumulated, "called again at the same point it returns twice the gradient"),
            (facts.stale, "called again at the same point, after another batch, it returns another gradient"),
        ):
            for name, ratio in kind.items():
                finding = Finding("called twice", Verdict.FAIL, ratio=ratio, ratio_error=0.0, note=note)
                outcome.findings.setdefault(name, []).append(finding)
