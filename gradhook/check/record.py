"""One check: what it is made with, and what it has found so far.

The record goes from one part of a check to the next, and each adds what it finds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gradhook._types import Array, Batch, Blocks, Verdict
from gradhook.diagnosis import Explanation
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import generic
from gradhook.objective.batch import Rows
from gradhook.objective.switches import BoundSwitch
from gradhook.options import POINTS, Options
from gradhook.probe.budget import Budget
from gradhook.probe.measure import enter
from gradhook.probe.result import SettingResult
from gradhook.probe.setting import EnteredSetting, Setting, Switchboard, outside_domain
from gradhook.report import Finding
from gradhook.report.blocks import Branch
from gradhook.verdict.judge import combine

__all__ = ["CheckRecord", "Randomness", "UnusableRowsError"]


class UnusableRowsError(Exception):
    """Nothing can be seen on the rows drawn; handled by the check, never seen by users."""


Randomness = Literal["", "kept", "drawn", "unreachable"]
"""Why two calls in a row gave different losses: by what the loss keeps, and by generators that can
be put back, or that cannot; empty where they did not."""


@dataclass(slots=True)
class CheckRecord:
    """What a check is made with, and what it has found."""

    evaluator: Evaluator
    options: Options
    rows: Rows  # those that are checked
    whole: Batch  # the batch that they were drawn from
    board: Switchboard
    free: Sequence[BoundSwitch]  # those that the user did not name, for experiments
    is_part: bool  # whether other rows may do where these show nothing
    # What settings may cost together as long as nothing stands out, from now on.
    budget: Budget = field(init=False)
    loss: float = math.nan  # at the current point
    gradients: Blocks = field(default_factory=dict)  # there; empty if too large to be kept
    norms: dict[str, float] = field(default_factory=dict)  # ``‖a‖`` there, maybe not finite
    randomness: Randomness = ""
    # Loss alone minus loss returned with the gradients, 0 if they agree to rounding.
    disagreement: float = 0.0
    # Blocks whose gradient depends on what was called before, whether the second was twice the
    # first, and the ratio of the change.
    changed: dict[str, tuple[bool, float]] = field(default_factory=dict)
    measured: list[SettingResult] = field(default_factory=list)  # the main one first
    coverage: list[str] = field(default_factory=list)  # what was not exercised
    unjudged: str = ""  # why no setting could be measured
    # Per doubted block, operations that decide differently on the two sides of a probe.
    branches: dict[str, tuple[Branch, ...]] = field(default_factory=dict)
    explanation: Explanation = field(default_factory=Explanation)
    # What other rows said of blocks that could not be judged on these.
    kept: dict[str, list[Finding]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what a reader must know before the verdict
    whole_batch: bool = False  # whether the whole batch was asked, and could tell

    def __post_init__(self) -> None:
        blocks = len(self.evaluator.workspace.names)
        self.budget = Budget.of_check(lambda: self.evaluator.evaluations, blocks)

    @property
    def is_quick(self) -> bool:
        """Whether one joint direction must do."""
        return self.options.effort == "quick"

    def wants(self, point: str) -> bool:
        """Whether a point was asked for, by its name in ``points=``."""
        return point in (self.options.points or POINTS)

    def generic_moves(self) -> dict[str, Move]:
        """Where the generic point lies."""
        arrays, options = self.evaluator.workspace.arrays, self.options
        return generic(arrays, fixed=options.fixed, seed=options.seed)

    def setting(self, name: str, moves: Mapping[str, Move]) -> Setting:
        """A point on the evaluator's rows, with dropout off and penalties on."""
        return Setting(name, moves, self.evaluator.batch, self.board.states())

    def enter_finite(self, setting: Setting, *, seed: int) -> EnteredSetting | None:
        """Enter a setting; ``None`` where loss or gradients raise there, or are not finite."""
        entered = enter(self.evaluator, setting, seed=seed)
        if entered is None or outside_domain(entered.loss, entered.gradients):
            return None
        return entered

    def findings_of(self, name: str) -> list[Finding]:
        """What every setting said of a block."""
        if name in self.kept:
            return self.kept[name]
        findings = [m.findings[name] for m in self.measured if name in m.findings]
        findings += self.findings_of_calls(name)
        return findings or [Finding("current point", Verdict.INCONCLUSIVE, note=self.unjudged)]

    def findings_of_calls(self, name: str) -> list[Finding]:
        """What is to be said of a block whose gradient changed from call to call."""
        if name not in self.changed:
            return []
        twice, ratio = self.changed[name]
        note = "called at the same point after another call, it returns another gradient"
        if twice:
            note = "called again at the same point it returns twice the gradient"
        return [Finding("called twice", Verdict.FAIL, ratio=ratio, ratio_error=0.0, note=note)]

    def verdict_of(self, name: str) -> Verdict:
        """What all settings together say of a block."""
        return combine(self.findings_of(name)).verdict

    def gradients_of(self, name: str) -> list[Array]:
        """The gradients of a block in the settings that judged it; empty if one is gone."""
        judged = [m.gradients for m in self.measured if name in m.judgements]
        kept = all(name in gradients for gradients in judged)
        return [gradients[name] for gradients in judged] if kept else []
