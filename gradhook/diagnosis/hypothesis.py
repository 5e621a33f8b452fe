"""What would explain a mismatch, and what it takes before a report may name it.

Every kind of mistake is a ``Hypothesis`` with four steps:

- ``propose`` looks at what was measured and yields what would fit it;
- ``predict`` says which numerical gradient it expects, to be held against fresh directions;
- ``refute`` makes a measurement whose outcome would rule it out, after its fit succeeded;
- ``sentence`` says it in words that a user can act on.

A cause can be made of a hypothesis only together with a ``Refutation`` that was made and that it
survived (``name_cause`` takes nothing else), so that what was not put to the test cannot be named.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from gradhook._types import Array
from gradhook.diagnosis.sentences import SENTENCES
from gradhook.report import Cause
from gradhook.report.causes import Confidence

if TYPE_CHECKING:
    from gradhook.diagnosis.mismatch import Mismatch

__all__ = ["NOT_MADE", "Hypothesis", "Refutation", "Trial", "name_cause"]

NO_ARRAYS: Mapping[str, Array] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement that could have ruled a hypothesis out.

    Args:
        tried: What was measured, in words.
        came_out: What came out, in words.
        refuted: Whether that rules the hypothesis out.
    """

    tried: str
    came_out: str
    refuted: bool = False

    def __str__(self) -> str:
        return f"{self.tried}: {self.came_out}"


@dataclass(frozen=True, slots=True)
class Refutation:
    """What was tried to rule a hypothesis out.

    Args:
        trials: The measurements made; empty where none could be.
        sharper: The same hypothesis with what the trials taught, where they taught something.
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

    def then(self, other: Refutation) -> Refutation:
        """Both together."""
        return Refutation(self.trials + other.trials, other.sharper or self.sharper)


NOT_MADE = Refutation()
"""Nothing could be measured: the budget is spent, or the loss does not take what was tried."""


class Hypothesis(ABC):
    """One mistake that would explain some wrong blocks.

    Attributes:
        family: A letter of ``CAUSE_FAMILIES``.
        kind: One of ``CAUSE_KINDS``.
        said: Name of its sentence.
        blocks: The blocks that it explains.
        where: Part of a block, or a place between blocks, if it is less than the blocks.
        support: The numbers that it was proposed for, in words.
        confidence: How far its evidence reaches.
        coefficient: The number that was fitted; ``nan`` where none was.
        by_elimination: Whether it is proposed for what nothing else fits, so that blocks for which
            something fitted and could not be confirmed are none of its business.
    """

    family: str
    kind: str
    said: str
    blocks: tuple[str, ...]
    where: str | None = None
    support: str = ""
    confidence: Confidence = "exact"
    coefficient: float = math.nan
    by_elimination: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        """What fits the probes that there are, the surest first.

        Args:
            mismatch: The wrong blocks and what was measured of them.
            names: Those that nothing explains yet.
        """

    def predict(self) -> Mapping[str, Array]:
        """The numerical gradient by block, which fresh directions must meet; empty for nothing."""
        return NO_ARRAYS

    def inside(self) -> Mapping[str, Array]:
        """By block, the elements that the prediction says nothing about."""
        return NO_ARRAYS

    def alike(self, mismatch: Mismatch) -> Iterator[Hypothesis]:
        """What the same kind of hypothesis proposes for the same blocks elsewhere."""
        return type(self).propose(mismatch, self.blocks)

    @abstractmethod
    def refute(self, mismatch: Mismatch) -> Refutation:
        """Measure what would rule it out; ``NOT_MADE`` where that cannot be measured."""

    @abstractmethod
    def sentence(self) -> str:
        """What to tell the user, in the words of ``sentences``."""

    def would_refute(self) -> str:
        """What would show that it is something else, in words."""
        return SENTENCES[self.said].refuted_by


def name_cause(hypothesis: Hypothesis, refutation: Refutation) -> Cause:
    """The cause that a hypothesis becomes when it survives: the one way to make one here.

    Args:
        hypothesis: What was proposed.
        refutation: What was tried against it.

    Raises:
        ValueError: Nothing was tried, or it was ruled out.
    """
    if not refutation.survived:
        state = "was ruled out" if refutation.made else "was not put to the test"
        raise ValueError(f"{hypothesis.kind} cannot be named: it {state}")
    told = refutation.sharper or hypothesis
    said = [told.support] if told.support else []
    return Cause(
        told.family,
        told.kind,
        told.blocks,
        told.sentence(),
        where=told.where,
        evidence="; ".join([*said, *map(str, refutation.trials)]),
        refuted_by=told.would_refute(),
        confidence=told.confidence,
    )
