"""What would explain a mismatch, and what it takes before a report may name it.

Every kind of mistake is a ``Hypothesis`` with four steps:

- ``propose`` looks at what was measured and yields what would fit it;
- ``predicted`` is the numerical gradient that it expects, to be held against fresh directions;
- ``refute`` makes a measurement whose outcome would rule it out, after its fit succeeded;
- ``said`` names its sentence, in words that a user can act on, and ``found`` fills it.

A cause is made of a hypothesis only together with trials that it survived (``name_cause`` takes
nothing else), so that what was not put to the test cannot be named.  What was fitted on a few
probes must hold along fresh ones.
"""

from __future__ import annotations

import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, Unpack

from gradhook._types import Array
from gradhook.diagnosis.mismatch import FRESH, Mismatch, Turned, Variation, is_met
from gradhook.diagnosis.sentences import REFUTED_BY, say_of
from gradhook.diagnosis.wrong_block import Fitted
from gradhook.report import Cause
from gradhook.report.causes import Confidence


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

    def __init__(self, names: Sequence[str], switches: Turned = ()) -> None:
        self.blocks, self.switches = tuple(names), switches  # turned so to try it

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
    seen = mismatch.revisit(names, **change)
    if seen is None:
        return None
    gone = mismatch.vanishes(seen, names)
    out = f"the difference vanishes{' too' if stays else ''}" if gone else "the difference stays"
    return Trial(tried, out, refuted=gone is stays)
