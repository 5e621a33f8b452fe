"""A fitted hypothesis held where it was not fitted: fresh directions, or another point.

What was fitted on a few probes must hold along fresh ones.  Blocks of few elements have no fresh
ones to offer, so they are looked at where another setting measured them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from gradhook._types import Array
from gradhook.diagnosis.fit import Fitted
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import FRESH, Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS

__all__ = ["FittedHypothesis", "confirm"]

TINY_BLOCK = 4
"""Blocks of up to so many elements have too few of them to confirm a fit at one point."""

SAME_COEFFICIENT = 1e-4
"""Relative difference below which a coefficient is the same at two points."""

ANYTHING = frozenset({"scale", "reg_ones_on_bias", "reg_coefficient"})
"""Kinds that mean nothing by themselves, so that a tiny block must show them at two points."""


class FittedHypothesis(Hypothesis):
    """A number fitted to each block, which fresh directions must confirm before anything else.

    Attributes:
        numbers: By block.
    """

    numbers: Mapping[str, Fitted]

    def predict(self) -> Mapping[str, Array]:
        """What the fits predict."""
        return {name: number.predicted for name, number in self.numbers.items()}

    def refute(self, mismatch: Mismatch) -> Refutation:
        """Fresh directions first, then what the number is said to mean."""
        done = confirm(mismatch, self)
        return self.refute_meaning(mismatch, done) if done.survived else done

    @abstractmethod
    def refute_meaning(self, mismatch: Mismatch, done: Refutation) -> Refutation:
        """Measure what would rule out that the number means this.

        Args:
            mismatch: The setting.
            done: The fresh directions that the fit has met; part of what is returned.
        """


def confirm(mismatch: Mismatch, hypothesis: Hypothesis) -> Refutation:
    """Hold a prediction against what it was not fitted on.

    Args:
        mismatch: The setting.
        hypothesis: With a prediction.
    """
    predicted = hypothesis.predict()
    if not predicted:
        return NOT_MADE
    if all(mismatch.blocks[name].gradient.size <= TINY_BLOCK for name in predicted):
        return _seen_again(mismatch, hypothesis)
    holds = mismatch.confirms(predicted, hypothesis.inside())
    if holds is None:
        return NOT_MADE
    out = "it holds" if holds else "it does not hold"
    return Refutation((Trial(f"{FRESH} new random directions", out, refuted=not holds),))


def _seen_again(mismatch: Mismatch, hypothesis: Hypothesis) -> Refutation:
    """Whether a fit on few elements, of which fresh directions say nothing new, holds elsewhere."""
    there = mismatch.seen_at_another_point(hypothesis.blocks)
    if there is None:
        # Where no other point was measured a number must mean something.
        if hypothesis.kind in ANYTHING:
            return NOT_MADE
        return Refutation((Trial("every element", "it holds"),))
    for name in hypothesis.blocks:  # a short block's directions are too few to tell
        there.blocks[name] = there.by_element(name)
    same = any(_is_same(each, hypothesis) for each in hypothesis.alike(there))
    mismatch.enter()
    return Refutation((Trial(AT_OTHER_WEIGHTS, "the same" if same else "not so", not same),))


def _is_same(one: Hypothesis, other: Hypothesis) -> bool:
    if one.kind != other.kind:
        return False
    if one.family == "R" or one.coefficient != one.coefficient:
        return True
    return abs(one.coefficient - other.coefficient) <= SAME_COEFFICIENT * abs(other.coefficient)
