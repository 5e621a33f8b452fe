"""What would explain a mismatch, and what it takes before a report may name it.

Every kind of mistake is a ``Hypothesis`` with four steps:

- ``propose`` looks at what was measured and yields what would fit it;
- ``predict`` says which numerical gradient it expects, to be held against fresh directions;
- ``refute`` makes a measurement whose outcome would rule it out, after its fit succeeded;
- ``sentence`` says it in words that a user can act on.

A cause can be made of a hypothesis only together with a ``Refutation`` that was made and that it
survived (``name_cause`` takes nothing else), so that what was not put to the test cannot be named.

What was fitted on a few probes must hold along fresh ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gradhook._types import Array
from gradhook.diagnosis.fit import Fitted
from gradhook.diagnosis.mismatch import FRESH, Mismatch
from gradhook.diagnosis.sentences import REFUTED_BY, listed, say
from gradhook.report import Cause
from gradhook.report.causes import Confidence

__all__ = [
    "NOT_MADE",
    "FittedHypothesis",
    "Hypothesis",
    "Refutation",
    "Trial",
    "confirm",
    "name_cause",
]


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement that could have ruled a hypothesis out, and whether it does; in words."""

    tried: str
    came_out: str
    refuted: bool = False

    def __str__(self) -> str:
        return f"{self.tried}: {self.came_out}"


@dataclass(frozen=True, slots=True)
class Refutation:
    """What was tried to rule a hypothesis out: nothing where nothing could be measured.

    ``sharper`` is the same hypothesis with what the trials taught, where they taught something.
    """

    trials: tuple[Trial, ...] = ()
    sharper: Hypothesis | None = None

    @property
    def made(self) -> bool:
        """Whether anything was measured."""
        return bool(self.trials)

    @property
    def survived(self) -> bool:
        """Whether something was measured, and nothing of it rules the hypothesis out."""
        return self.made and not any(trial.refuted for trial in self.trials)

    @classmethod
    def of(cls, *trials: Trial | None) -> Refutation:
        """These trials; not made where one of them could not be."""
        made = tuple(trial for trial in trials if trial is not None)
        return cls(made) if len(made) == len(trials) else NOT_MADE

    def then(self, other: Refutation) -> Refutation:
        """Both together."""
        return Refutation(self.trials + other.trials, other.sharper or self.sharper)


NOT_MADE = Refutation()
"""Nothing could be measured: the budget is spent, or the loss does not take what was tried."""


class Hypothesis(ABC):
    """One mistake that would explain some wrong blocks."""

    family: str  # a letter of ``CAUSE_FAMILIES``
    kind: str  # one of ``CAUSE_KINDS``
    said: str  # name of its sentence
    blocks: tuple[str, ...]  # those that it explains
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

    def predict(self) -> Mapping[str, Array]:
        """The numerical gradient by block, which fresh directions must meet; empty for nothing."""
        return {}

    def inside(self) -> Mapping[str, Array]:
        """By block, the elements that the prediction says nothing about."""
        return {}

    @abstractmethod
    def refute(self, mismatch: Mismatch) -> Refutation:
        """Measure what would rule it out; ``NOT_MADE`` where that cannot be measured."""

    def sentence(self) -> str:
        """What to tell the user, in the words of ``sentences``."""
        return say(self.said, d=listed(self.blocks))


class FittedHypothesis(Hypothesis):
    """A number fitted to each block, which fresh directions must confirm before anything else."""

    def __init__(self, mismatch: Mismatch, numbers: Mapping[str, Fitted]) -> None:
        self.blocks, self.numbers = tuple(numbers), numbers
        first = numbers[self.blocks[0]]
        self.coefficient, self.error = first.value, first.error

    def predict(self) -> Mapping[str, Array]:
        """What the fits predict."""
        return {name: number.predicted for name, number in self.numbers.items()}

    def refute(self, mismatch: Mismatch) -> Refutation:
        """Fresh directions first, then what the number is said to mean."""
        done = confirm(mismatch, self)
        return self.refute_meaning(mismatch, done) if done.survived else done

    @abstractmethod
    def refute_meaning(self, mismatch: Mismatch, done: Refutation) -> Refutation:
        """Measure what would rule out that a number that fresh directions met means this."""


def confirm(mismatch: Mismatch, hypothesis: Hypothesis) -> Refutation:
    """Hold a prediction against what it was not fitted on."""
    predicted = hypothesis.predict()
    if not predicted:
        return NOT_MADE
    holds = mismatch.confirms(predicted, hypothesis.inside())
    if holds is None:
        return NOT_MADE
    out = "it holds" if holds else "it does not hold"
    return Refutation((Trial(f"{FRESH} new random directions", out, refuted=not holds),))


def name_cause(hypothesis: Hypothesis, refutation: Refutation) -> Cause:
    """The cause that a hypothesis becomes when it survives: the one way to make one here.

    Raises:
        ValueError: Nothing was tried, or it was ruled out.
    """
    if not refutation.survived:
        state = "was ruled out" if refutation.made else "was not put to the test"
        raise ValueError(f"{hypothesis.kind} cannot be named: it {state}")
    told = refutation.sharper or hypothesis
    # Of what was tried twice the second trial says more.
    trials = {trial.tried: str(trial) for trial in refutation.trials}
    return Cause(
        told.family,
        told.kind,
        told.blocks,
        told.sentence(),
        where=told.where,
        evidence="; ".join(filter(None, [told.support, *trials.values()])),
        refuted_by=REFUTED_BY[told.said],
        confidence=told.confidence,
    )
