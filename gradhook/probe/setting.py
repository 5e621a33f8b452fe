"""Settings: points with their rows and switches, what each said, and what they know together.

The main setting is the generic point with dropout off and the penalty as given.  Further ones each
look at something that the main one cannot see: the point where the user stands, dropout's own
backward pass (its mask frozen by common random numbers), the data term that a large penalty would
mask, the penalty that hides behind a small coefficient.  What a setting said is kept with its
prober, because later settings, a search inside a block and diagnosis all go on from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from gradhook._types import MISMATCH, Array, Batch, Blocks, Verdict
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.gradients import is_large
from gradhook.objective.parameters import all_finite
from gradhook.objective.switches import BoundSwitch, SwitchState
from gradhook.report import Finding
from gradhook.verdict.evidence import BlockEvidence, Comparison
from gradhook.verdict.judge import Further, Judgement

if TYPE_CHECKING:
    from gradhook.probe.prober import Prober

SwitchStates: TypeAlias = tuple[tuple[BoundSwitch, SwitchState], ...]
"""Every switch of a check, and how it is turned."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A point with its rows and switches."""

    name: str  # as the report calls it
    moves: Mapping[str, Move]  # from the current point; empty for the current point
    batch: Batch
    switches: SwitchStates = ()

    def enter(self, evaluator: Evaluator) -> None:
        """Let the evaluator call the objective in this setting."""
        evaluator.workspace.move(self.moves)
        evaluator.batch = self.batch
        evaluator.switches = list(self.switches)


@dataclass(frozen=True, slots=True)
class EnteredSetting:
    """A setting that the evaluator is in, with what the functions gave there."""

    evaluator: Evaluator
    setting: Setting
    seed: int  # of the directions
    loss: float
    gradients: Blocks


def outside_domain(loss: float, gradients: Blocks | None = None) -> bool:
    """Whether a loss, or any gradient, is NaN or infinite."""
    return not math.isfinite(loss) or any(
        not all_finite(gradient) for gradient in (gradients or {}).values()
    )


def switch_states(
    switches: Iterable[BoundSwitch],
    *,
    dropout: SwitchState = "off",
    penalty: Mapping[str, SwitchState] | None = None,
) -> SwitchStates:
    """Dropout off and penalties on, unless another state is given, of a penalty by its name."""
    chosen = penalty or {}
    return tuple(
        (s, dropout if s.role == "dropout" else chosen.get(s.name, "on")) for s in switches
    )


@dataclass(frozen=True, slots=True)
class SettingResult:
    """What one setting said."""

    setting: Setting
    prober: Prober  # for later probes, and as a first guess elsewhere
    gradients: Blocks  # none where nothing was wrong and they are too large to be kept
    evidence: dict[str, BlockEvidence]
    judgements: dict[str, Judgement]
    textbook: dict[str, Array] = field(default_factory=dict)  # plain differences, if asked for
    joint: Comparison | None = None  # along one direction, of blocks without probes of their own
    retried: tuple[SettingResult, ...] = ()  # blocks a step away on either side, where that judged

    @property
    def findings(self) -> dict[str, Finding]:
        """The records for the report, per block."""
        return {name: judgement.finding for name, judgement in self.judgements.items()}

    def comparisons(self) -> list[Comparison]:
        """The comparisons of the blocks that could be judged, or the joint one."""
        together = [] if self.joint is None else [self.joint]
        return together + [
            j.comparison
            for name, j in self.judgements.items()
            if j.finding.verdict in ("PASS", "WARN", "FAIL")
            and not self.evidence[name].spoiled
            and not (together and not self.evidence[name].probes)
        ]

    def shows_wrong(self, name: str) -> bool:
        """Whether a block is wrong here, as far as it was not measured again beside this point."""
        judgement = self.judgements.get(name)
        return (
            judgement is not None
            and judgement.finding.verdict in MISMATCH
            and bool(self.evidence[name].probes)
            and name in self.gradients
            and not self.evidence[name].spoiled
            and not any(
                away.judgements[name].finding.verdict is not Verdict.PASS
                for away in self.retried
                if name in away.judgements
            )
        )

    def shows_unmoved(self, name: str) -> bool:
        """Whether a block is wrong here because the loss did not move with it by a bit."""
        judgement = self.judgements.get(name)
        return (
            judgement is not None
            and judgement.finding.verdict in MISMATCH
            and (self.evidence[name].unmoved or not self.evidence[name].probes)
        )

    def undecided(self, name: str, why: str) -> SettingResult:
        """The same with a block that nothing can be said of."""
        if name not in self.judgements:
            return self
        finding = Finding(self.setting.name, Verdict.INCONCLUSIVE, note=why)
        return self.judged_anew({name: Judgement(finding, self.judgements[name].comparison)})

    def lightened(self) -> SettingResult:
        """The same without its gradients, if they are large and no block needs another look."""
        if any(j.suspect for j in self.judgements.values()) or not is_large(self.gradients):
            return self
        self.prober.gradients = {}  # what was learned of noise and steps stays
        return replace(self, gradients={})

    def judged_only(self) -> SettingResult | None:
        """The same with the blocks alone that are right or wrong here; ``None`` if none is."""
        judged = {
            name: judgement
            for name, judgement in self.judgements.items()
            if judgement.finding.verdict in (*MISMATCH, Verdict.PASS)
        }
        return replace(self, judgements=judged) if judged else None

    def judged_anew(self, judgements: Mapping[str, Judgement]) -> SettingResult:
        """The same with some judgements replaced."""
        return replace(self, judgements={**self.judgements, **judgements})


@dataclass(frozen=True, slots=True)
class EarlierResults:
    """What earlier settings of a check have found, so that no block is looked into twice."""

    like: Prober | None = None  # of the main setting: its noise and steps serve as first guesses
    elsewhere: float = math.nan  # the loss at another point, a first guess of what it varies by
    failed: frozenset[str] = frozenset()
    known_wrong: frozenset[str] = frozenset()  # or where: nothing more is worth while
    dense: Mapping[str, float] = field(default_factory=dict)  # ratios of small mismatches all over

    @classmethod
    def of(cls, measured: Sequence[SettingResult]) -> EarlierResults:
        """What these settings have found, the main one first."""
        judged = [(name, j) for each in measured for name, j in each.judgements.items()]
        failed = frozenset(name for name, j in judged if j.finding.verdict is Verdict.FAIL)
        return cls(
            measured[0].prober if measured else None,
            failed=failed,
            known_wrong=failed | {name for name, j in judged if j.location},
            # The first setting that saw one counts.
            dense={
                name: j.finding.ratio
                for name, j in reversed(judged)
                if Further.PART in j.further
                and j.location is None
                and j.finding.verdict is Verdict.PASS
            },
        )
