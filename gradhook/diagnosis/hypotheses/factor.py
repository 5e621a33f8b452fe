"""Factors: gradients that are a multiple of the numerical one, with what the multiple means.

The numerical gradient is then the analytic one over the factor.  A penalty that is added rightly is
no part of the multiple and hides it, unless its coefficient is fitted along: once for all blocks
together, and with a few more probes for single ones.

A reading of the factor is put to the test by changing what it is said to count: with fewer rows a
factor that counts rows follows, one that counts anything else stays.
"""

# ruff: noqa: D102  # the four steps are described once, in Hypothesis

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.confirm import confirm
from gradhook.diagnosis.fit import (
    Fitted,
    Prediction,
    alike,
    fit,
    fitted,
    is_vague,
    scaled,
    with_penalty,
)
from gradhook.diagnosis.hypotheses.readings import Reader
from gradhook.diagnosis.hypothesis import Hypothesis, Refutation
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import OUT, listed, say, times, verb
from gradhook.diagnosis.sizes import sizes_seen

__all__ = ["FactorBesidePenalty", "MeaningfulFactor", "PlainFactor", "SharedFactor"]

MOST, WITH_PENALTY = 6, 4
"""Blocks for which more probes are drawn, to take a penalty out, and how many these need."""

ONE = 1e-6
"""Relative difference from one below which a factor is none."""


class _Factor(Hypothesis):
    """Some blocks' gradients are one multiple of the numerical ones."""

    said = "factor"

    def __init__(
        self, mismatch: Mismatch, numbers: Mapping[str, Fitted], besides: str = ""
    ) -> None:
        self.blocks = tuple(numbers)
        self.numbers, self.besides = numbers, besides
        first = numbers[self.blocks[0]]
        self.coefficient, self.error = first.value, first.error
        self.support = f"factor {first.value:.9g} ± {first.error:.1g}, the same in every direction"
        everything = not mismatch.right and len(self.blocks) == len(mismatch.blocks)
        reader = Reader(self.blocks, everything, [mismatch.blocks[n].shape for n in self.blocks])
        self.reader = reader
        self.readings = reader.readings(first.value, first.error, sizes_seen(mismatch))
        self.family, self.kind = reader.kind(self.readings)

    def predict(self) -> Mapping[str, Array]:
        return {name: number.predicted for name, number in self.numbers.items()}

    def refute(self, mismatch: Mismatch) -> Refutation:
        done = confirm(mismatch, self)
        if not done.survived:
            return done
        return done

    def sentence(self) -> str:
        shown, words = self.reader.words(self.readings, self.coefficient, self.error)
        return say(
            self.said,
            d=listed(self.blocks),
            is_=verb(self.blocks, "is", "are"),
            times=times(self.coefficient, shown),
            besides=self.besides,
            meaning=words,
        )

    @classmethod
    def named(
        cls, mismatch: Mismatch, numbers: Mapping[str, Fitted], besides: str = ""
    ) -> Iterator[_Factor]:
        """Factors with what they mean, those that are equal together."""
        for names in alike(numbers):
            found = cls(mismatch, {name: numbers[name] for name in names}, besides)
            # Anything that scales what a layer passes down scales all blocks below it alike.
            several = len(names) > 1 or len(mismatch.blocks) > 1
            if found.kind == "scale" and several and mismatch.right:
                continue
            yield found


class SharedFactor(_Factor):
    """One factor on all data terms, with a penalty added rightly to those of the weights."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        tolerance = mismatch.options.tolerance
        blocks = list(mismatch.blocks.values())
        if len(blocks) < 2 or fit([scaled(block) for block in blocks], tolerance) is not None:
            return
        for sign in (False, True):
            for all_penalised in (False, True):
                predictions: dict[str, Prediction] = {}
                for block in blocks:
                    prediction = with_penalty(scaled(block), sign=sign)
                    if block.is_vector and not all_penalised:
                        terms = (block.gradient, np.zeros(block.shape))
                        prediction = replace(prediction, terms=terms)
                    predictions[block.name] = prediction
                found = fit(list(predictions.values()), tolerance)
                if found is None or is_vague(found):
                    continue
                numbers = {n: Fitted.of(p, found).inverted() for n, p in predictions.items()}
                if abs(numbers[blocks[0].name].value - 1) < ONE:
                    continue  # the penalty alone
                yield from cls.named(mismatch, numbers, OUT)
                return


class MeaningfulFactor(_Factor):
    """A factor that means something, which supports it, so that fewer numbers need to."""

    meaningful, spare = True, 0

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        numbers = fitted(mismatch, scaled, spare=cls.spare)
        inverse = {name: number.inverted() for name, number in numbers.items()}
        for found in cls.named(mismatch, inverse):
            if cls.meaningful != (found.kind == "scale"):
                yield found


class PlainFactor(MeaningfulFactor):
    """A factor without a meaning."""

    meaningful, spare = False, 2


class FactorBesidePenalty(_Factor):
    """A factor on the data term of single blocks, with a penalty added rightly to it."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        tolerance = mismatch.options.tolerance
        numbers: dict[str, Fitted] = {}
        weights = [name for name, block in mismatch.blocks.items() if not block.is_vector]
        for name in weights[-3:]:
            block = mismatch.extended(name, WITH_PENALTY)
            for sign in (False, True):
                prediction = with_penalty(scaled(block), sign=sign)
                found = fit([prediction], tolerance)
                if found is None or is_vague(found):
                    continue
                factor = Fitted.of(prediction, found).inverted()
                if abs(factor.value - 1) >= ONE:
                    numbers[name] = factor
                break
        yield from cls.named(mismatch, numbers, OUT)
