"""What would explain a mismatch, and what it takes before a report may name it.

Every kind of mistake is a ``Hypothesis`` with four steps:

- ``propose`` looks at what was measured and yields what would fit it;
- ``predicted`` is the numerical gradient that it expects, to be held against fresh directions;
- ``refute`` makes a measurement whose outcome would rule it out, after its fit succeeded;
- ``said`` names its sentence, in words that a user can act on, and ``found`` fills it.

A cause is made of a hypothesis only together with trials that it survived (``name_cause`` takes
nothing else), so that what was not put to the test cannot be named.  What was fitted on a few
probes must hold along fresh ones.

Most trials are experiments: the mismatch seen again with something changed, a switch off, other
rows, one block replaced.  Both derivatives are measured anew along directions that would show the
fault.  Where they agree the fault lies in what was changed; where they do not, or where the change
leaves the loss's domain, nothing is learned.
"""

from __future__ import annotations

import contextlib
import math
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias, TypedDict, Unpack

import numpy as np

from gradhook._types import Array, Batch, Blocks
from gradhook.diagnosis.mismatch import FRESH, Mismatch, Parts, is_met
from gradhook.diagnosis.sentences import REFUTED_BY, say_of
from gradhook.diagnosis.wrong_block import Fitted
from gradhook.evaluation.directions import Move, seeded
from gradhook.evaluation.points import nearby
from gradhook.objective.batch import cut
from gradhook.objective.switches import BoundSwitch, Role, SwitchState
from gradhook.probe.prober import Prober
from gradhook.probe.setting import EnteredSetting, Setting, outside_domain
from gradhook.report import Cause
from gradhook.report.causes import Confidence
from gradhook.verdict.evidence import Probe

__all__ = [
    "Changed",
    "FittedHypothesis",
    "Hypothesis",
    "Trial",
    "Trials",
    "Turned",
    "Variation",
    "at_other_weights",
    "changed",
    "confirm",
    "in_turn",
    "losses",
    "name_cause",
    "revisit",
    "survives",
    "vanishes",
    "vanishing",
    "with_rows",
    "without",
]

Turned: TypeAlias = Sequence[tuple[BoundSwitch, SwitchState]]

SHRUNK = 0.7
"""How much smaller blocks are at another point, by which what depends on their norms differs."""

ANOTHER_POINT = 0.05
"""How far another point lies, in units of each block's scale, where none was drawn."""

TELLING_DERIVATIVE = 30.0
"""How far a derivative must stand out of its error for a vanished fault to mean anything."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement that could have ruled a hypothesis out, and whether it does; in words."""

    tried: str
    came_out: str
    refuted: bool = False

    def __str__(self) -> str:
        return f"{self.tried}: {self.came_out}"


Trials: TypeAlias = tuple[Trial | None, ...]
"""What was tried to rule a hypothesis out, ``None`` for what could not be: the budget is spent, or
the loss does not take what would have to be tried."""


def survives(trials: Trials) -> bool:
    """Whether all was measured that was to be, and nothing of it rules the hypothesis out."""
    return bool(trials) and all(trial is not None and not trial.refuted for trial in trials)


def in_turn(*tests: Callable[[], Trial | None]) -> Trials:
    """One trial after the other, until one rules out or cannot be made."""
    made: Trials = ()
    for test in tests:
        made = (*made, test())
        if not survives(made):
            break
    return made


class Hypothesis(ABC):
    """One mistake that would explain some wrong blocks."""

    family: str  # a letter of ``CAUSE_FAMILIES``
    kind: str  # one of ``CAUSE_KINDS``
    said: str  # name of its sentence
    found: Mapping[str, object] = types.MappingProxyType({})  # what its sentence says of the case
    blocks: tuple[str, ...]  # those that it explains
    # The numerical gradient by block, which fresh directions must meet; empty for nothing.
    predicted: Mapping[str, Array] = types.MappingProxyType({})
    # By block, the elements that the prediction says nothing about.
    inside: Mapping[str, Array] = types.MappingProxyType({})
    where: str | None = None  # part of a block, or a place between blocks, if it is less than these
    support: str = ""  # the numbers that it was proposed for, in words
    confidence: Confidence = "exact"  # how far its evidence reaches
    # Whether it is proposed for what nothing else fits, so that blocks for which something fitted
    # and could not be confirmed are none of its business.
    by_elimination: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        """What fits the probes of blocks that nothing explains yet, the surest first."""

    @abstractmethod
    def refute(self, mismatch: Mismatch) -> Trials:
        """Measure what would rule it out, and keep what that taught of its kind and sentence."""


class FittedHypothesis(Hypothesis):
    """A number fitted to each block, which fresh directions must confirm before anything else."""

    def __init__(self, numbers: Mapping[str, Fitted]) -> None:
        self.blocks, self.numbers = tuple(numbers), numbers
        first = numbers[self.blocks[0]]
        self.coefficient, self.error = first.coefficients[0], first.errors[0]
        self.predicted = {name: number.predicted for name, number in numbers.items()}

    def refute(self, mismatch: Mismatch) -> Trials:
        """Fresh directions first, then what the number is said to mean."""
        done: Trials = (confirm(mismatch, self),)
        return self.refute_meaning(mismatch, done) if survives(done) else done

    @abstractmethod
    def refute_meaning(self, mismatch: Mismatch, done: Trials) -> Trials:
        """Measure what would rule out that a number that fresh directions met means this."""


def confirm(mismatch: Mismatch, hypothesis: Hypothesis) -> Trial | None:
    """Hold a prediction against fresh probes; ``None`` without one, or without budget for them."""
    predicted = hypothesis.predicted
    if not predicted or mismatch.budget.left < 4 * FRESH:
        return None
    outside = {name: ~mask for name, mask in hypothesis.inside.items()}
    fresh = (mismatch.fresh(list(predicted), k, outside) for k in range(FRESH))
    tolerance, prober = mismatch.options.tolerance, mismatch.measured.prober
    holds = all(is_met(mismatch.joint(prober, p), p, predicted, tolerance) for p in fresh)
    out = "it holds" if holds else "it does not hold"
    return Trial(f"{FRESH} new random directions", out, refuted=not holds)


def name_cause(hypothesis: Hypothesis, trials: Trials) -> Cause:
    """The cause that a hypothesis becomes when it survives: the one way to make one here.

    Raises:
        ValueError: Nothing was tried, or it was ruled out.
    """
    if not survives(trials):
        refuted = any(trial is not None and trial.refuted for trial in trials)
        state = "was ruled out" if refuted else "was not put to the test"
        raise ValueError(f"{hypothesis.kind} cannot be named: it {state}")
    # Of what was tried twice the second trial says more.
    tried = {trial.tried: str(trial) for trial in trials if trial is not None}
    return Cause(
        hypothesis.family,
        hypothesis.kind,
        hypothesis.blocks,
        say_of(hypothesis.blocks, hypothesis.said, **hypothesis.found),
        where=hypothesis.where,
        evidence="; ".join(filter(None, [hypothesis.support, *tried.values()])),
        refuted_by=REFUTED_BY[hypothesis.said],
        confidence=hypothesis.confidence,
    )


class Variation(TypedDict, total=False):
    """What is changed of a setting; what is left out, or ``None``, stays."""

    switches: Turned | None
    batch: Batch | None
    values: Mapping[str, Array] | None  # blocks that are replaced
    moves: Mapping[str, Move] | None  # displacements from the current point


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """What a changed setting gave."""

    gradients: Blocks  # the analytic gradients there
    probes: tuple[Probe, ...]  # joint probes over the wrong blocks, along fresh directions
    parts: tuple[Parts, ...] = ()  # what each probe moved: block, direction, weight
    values: Blocks = field(default_factory=dict)  # the blocks there
    loss: float = math.nan  # the loss there

    def meets(self, mismatch: Mismatch, predicted: Mapping[str, Array]) -> bool:
        """Whether the numerical gradients are these, by block, along every probe."""
        for probe, parts in zip(self.probes, self.parts, strict=True):
            unit = max(1.0, abs(probe.residual) / math.sqrt(len(parts)))
            if not is_met(probe, parts, predicted, mismatch.options.tolerance, unit):
                return False
        return bool(self.probes)


def revisit(
    mismatch: Mismatch,
    names: Sequence[str],
    *,
    probes: int = FRESH,
    within: Mapping[str, Array] | None = None,
    **change: Unpack[Variation],
) -> Changed | None:
    """Measure blocks with something changed, and come back; ``None`` outside the domain.

    None of the blocks that the joint probes move may be one that is replaced.  ``within`` holds, by
    block, the elements that they move, where these are not all.
    """
    evaluator = mismatch.evaluator
    if mismatch.budget.left < 1 + 4 * probes:
        return None
    with changed(mismatch, **change) as setting, contextlib.suppress(Exception):
        loss, gradients = evaluator.loss_and_gradients()
        if outside_domain(loss, {name: gradients[name] for name in names}):
            return None
        entered = EnteredSetting(evaluator, setting, mismatch.options.seed, loss, gradients)
        prober = Prober(entered, like=mismatch.measured.prober)
        parts = [mismatch.fresh(names, FRESH + k, within) for k in range(probes)]
        seen = [mismatch.joint(prober, each) for each in parts]
        there = {name: evaluator.workspace.values(name) for name in names}
        return Changed(gradients, tuple(seen), tuple(parts), there, loss)
    return None


@contextlib.contextmanager
def changed(mismatch: Mismatch, **change: Unpack[Variation]) -> Iterator[Setting]:
    """Stand in the setting with something changed, and come back to it."""
    evaluator = mismatch.evaluator
    given: dict[str, Any] = {key: value for key, value in change.items() if value is not None}
    values = given.pop("values", {})
    setting = replace(mismatch.measured.setting, **given)
    try:
        setting.enter(evaluator)
        if values:
            evaluator.workspace.overwrite(values)
        yield setting
    finally:
        for name in values:
            evaluator.workspace.write(name)
        mismatch.enter()


def losses(mismatch: Mismatch, changes: Sequence[Variation]) -> list[float] | None:
    """The loss with one change after the other; ``None`` where not all can be evaluated."""
    if mismatch.budget.left < len(changes):
        return None
    found: list[float] = []
    for change in changes:
        with changed(mismatch, **change), contextlib.suppress(Exception):
            found.append(mismatch.evaluator.loss())
    finite = len(found) == len(changes) and all(map(math.isfinite, found))
    return found if finite else None


def vanishes(
    mismatch: Mismatch, seen: Changed | None, names: Sequence[str], *, additive: bool = False
) -> bool:
    """Whether both derivatives agree there, along directions that would show the fault.

    Where the change takes a term away and leaves the others as they were, the fault would show with
    its own size, and else in proportion to the derivative.
    """
    if seen is None:
        return False
    tolerance = mismatch.options.tolerance
    ratios = [mismatch.measured.judgements[name].comparison.ratio or 1.0 for name in names]
    share = max(1e-12, min(1.0, *ratios))
    telling = max(TELLING_DERIVATIVE, 1 / (10 * tolerance.explained * share))
    for probe in seen.probes:
        value, error = abs(probe.slope.value), probe.slope.error
        # By the weights of a joint probe each block's residual is one.
        shows = (
            error <= 3 * tolerance.explained * math.sqrt(len(names))
            if additive
            else value > telling * error
        )
        if not shows or abs(probe.residual) > tolerance.resolved * error + 1e-12 * value:
            return False
    return bool(seen.probes)


def vanishing(
    mismatch: Mismatch,
    names: Sequence[str],
    tried: str,
    *,
    stays: bool = False,
    **change: Unpack[Variation],
) -> Trial | None:
    """Whether the difference vanishes with something changed, or stays, where it should.

    ``None`` where it cannot be seen.  ``tried`` is the change in words.
    """
    seen = revisit(mismatch, names, **change)
    if seen is None:
        return None
    gone = vanishes(mismatch, seen, names)
    out = f"the difference vanishes{' too' if stays else ''}" if gone else "the difference stays"
    return Trial(tried, out, refuted=gone is stays)


def without(mismatch: Mismatch, role: Role) -> Iterator[Turned]:
    """The mismatch's switches with those of a role turned off, one after the other."""
    turned = list(mismatch.measured.setting.switches)
    for k, (switch, state) in enumerate(turned):
        if switch.role == role and state != "off" and not switch.always_off:
            yield [*turned[:k], (switch, "off"), *turned[k + 1 :]]
    for switch in mismatch.free:
        if switch.role == role and not switch.always_off:
            yield [*turned, (switch, "off")]


def at_other_weights(
    mismatch: Mismatch, names: Sequence[str], *, probes: int = FRESH
) -> Changed | None:
    """Measure blocks at another point, drawn anew; they are smaller there, their norms too."""
    moves, seed = mismatch.measured.setting.moves, mismatch.options.seed
    if moves:
        there: Mapping[str, Move] = {
            name: replace(move, seed=seeded(move.seed, 14), factor=SHRUNK * move.factor)
            for name, move in moves.items()
        }
    else:
        arrays, fixed = mismatch.evaluator.workspace.arrays, mismatch.options.fixed
        there = nearby(arrays, distance=ANOTHER_POINT, fixed=fixed, seed=seeded(seed, 14))
    return revisit(mismatch, names, probes=probes, moves=there)


def with_rows(mismatch: Mismatch, rows: Sequence[int] | Array) -> Batch | None:
    """The batch cut to some of its rows, or with rows repeated; ``None`` where it cannot be cut."""
    if mismatch.rows < 2 or mismatch.options.subset is not None:
        return None
    batch, axis = mismatch.evaluator.batch, mismatch.options.sample_axis
    return cut(batch, np.asarray(rows), mismatch.rows, axis)
