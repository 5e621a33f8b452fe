"""Factors: gradients that are a multiple of the numerical one, with what the multiple means.

The numerical gradient is then the analytic one over the factor.  A penalty that is added rightly is
no part of the multiple and hides it, unless its coefficient is fitted along: once for all blocks
together, and with a few more probes for single ones.

A reading of the factor is put to the test by changing what it is said to count: with fewer rows a
factor that counts rows follows, one that counts anything else stays.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.acts_as_bias import bias_of
from gradhook.diagnosis.constants import (
    ATTENTION,
    Reader,
    Reading,
    Sizes,
    rows_that_count,
    sizes_seen,
)
from gradhook.diagnosis.experiment import Changed, another_point, revisit, with_rows, without
from gradhook.diagnosis.fit import (
    Fitted,
    Prediction,
    alike,
    fit,
    fitted,
    scaled,
    with_penalty,
)
from gradhook.diagnosis.hypotheses.circumstances import (
    adds_up_over_outputs,
    is_a_product,
    is_a_square,
)
from gradhook.diagnosis.hypothesis import FittedHypothesis, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, OUT, listed, say, times, verb, with_error
from gradhook.diagnosis.wrong_block import WrongBlock

__all__ = ["FactorBesidePenalty", "MeaningfulFactor", "PlainFactor", "SharedFactor"]

MOST_EXTENDED, WITH_PENALTY = 6, 4
"""Blocks for which more probes are drawn, to take a penalty out, and how many these need."""

COUNT_ROWS = frozenset({"rows", "counted", "whole", "mean"})
"""What readings count that is another number for other rows."""

ONE = 1e-6
"""Relative difference from one below which a factor is none."""


class _Factor(FittedHypothesis):
    """Some blocks' gradients are one multiple of the numerical ones."""

    said = "factor"

    def __init__(
        self, mismatch: Mismatch, numbers: Mapping[str, Fitted], besides: str = ""
    ) -> None:
        self.blocks = tuple(numbers)
        self.numbers, self.besides = numbers, besides
        first = numbers[self.blocks[0]]
        self.shown = mismatch.blocks[self.blocks[0]].shown
        self.coefficient, self.error = first.value, first.error
        self.support = f"factor {with_error(first.value, first.error)} in every direction"
        everything = not mismatch.right and len(self.blocks) == len(mismatch.blocks)
        reader = Reader(self.blocks, everything, [mismatch.blocks[n].shape for n in self.blocks])
        self.reader = reader
        self.readings = reader.readings(first.value, first.error, sizes_seen(mismatch))
        self.family, self.kind = reader.kind(self.readings)

    def refute_meaning(self, mismatch: Mismatch, done: Refutation) -> Refutation:
        kept, trials = self.readings, list(done.trials)
        for test in (self._by_rows, self._by_circumstance, self._at_another_point):
            kept, more = test(mismatch, kept)
            trials += more
            if any(trial.refuted for trial in more):
                return Refutation(tuple(trials))
        sharper = copy.copy(self)
        sharper.readings = kept
        sharper.family, sharper.kind = self.reader.kind(kept)
        if is_of_no_account(sharper, mismatch):
            tried = "what it may count, one by one"
            return Refutation((*trials, Trial(tried, "none of it was there", refuted=True)))
        return Refutation(tuple(trials), sharper)

    def _by_rows(
        self, mismatch: Mismatch, readings: list[Reading]
    ) -> tuple[list[Reading], list[Trial]]:
        """Take fewer rows: a factor that counts rows follows, and no other does."""
        if not any(reading.counts in COUNT_ROWS for reading in readings):
            return readings, []
        rows = _fewer_rows(mismatch, readings)
        batch = with_rows(mismatch, rows)
        seen = None if batch is None else revisit(mismatch, self.blocks, batch=batch)
        if batch is None or seen is None:
            return [r for r in readings if r.counts not in COUNT_ROWS], []
        sizes = sizes_seen(mismatch, batch)
        expected = [self._expected(reading, mismatch.rows, sizes) for reading in readings]
        met = {
            factor: seen.meets(mismatch, self._predicted(seen, factor))
            for factor in dict.fromkeys(expected)
            if factor == factor and factor
        }
        kept = [r for r, factor in zip(readings, expected, strict=True) if met.get(factor)]
        stays = seen.meets(mismatch, self._predicted(seen, self.coefficient))
        tried = f"{len(rows)} rows in place of {mismatch.rows}"
        if not kept and not stays:
            return [], [Trial(tried, "the factor is another, and not by what it counts", True)]
        then = next((factor for factor, is_met in met.items() if is_met), math.nan)
        out = f"the factor is {then:.4g}" if kept and not stays else "the factor stays"
        return kept, [Trial(tried, out)]

    def _expected(self, reading: Reading, rows: int, sizes: Sizes) -> float:
        if reading.counts == "mean":
            return self.coefficient * rows / sizes.rows
        return reading.expected(sizes) if reading.counts in COUNT_ROWS else self.coefficient

    def _by_circumstance(
        self, mismatch: Mismatch, readings: list[Reading]
    ) -> tuple[list[Reading], list[Trial]]:
        """Keep the readings whose circumstance is there, those that need none included."""
        kept, trials = [], []
        for reading in readings:
            if reading.kind == "mse_mean_outputs":
                trial = adds_up_over_outputs(mismatch, sizes_seen(mismatch).outputs)
            elif reading.kind == "mse_no_two":
                trial = is_a_square(mismatch)
            elif reading.kind == ATTENTION:
                trial = is_a_product(mismatch, self.blocks)
            elif reading.kind == "bias_mean":
                trial = self._of_biases(mismatch)
                if trial is not None and trial.refuted:
                    reading = replace(reading, kind="scale")
                kept.append(reading)
                trials += [] if trial is None or trial.refuted else [trial]
                continue
            elif reading.kind == "dropout_scale_missing":
                trial = self._without_dropout(mismatch)
            else:
                kept.append(reading)
                continue
            if trial is not None and not trial.refuted:
                kept.append(reading)
                trials.append(trial)
        return kept, list(dict.fromkeys(trials))

    def _of_biases(self, mismatch: Mismatch) -> Trial | None:
        """Whether the first of the blocks is the bias of some weight."""
        found = bias_of(mismatch, self.blocks[0])
        if found.refuted:
            return Trial(f"{self.blocks[0]} as a bias", "it is that of no weight", refuted=True)
        return found.trial

    def _without_dropout(self, mismatch: Mismatch) -> Trial | None:
        for switches in without(mismatch, "dropout"):
            seen = revisit(mismatch, self.blocks, switches=switches)
            if seen is not None:
                gone = seen.meets(mismatch, self._predicted(seen, 1.0))
                out = "the factor is gone" if gone else "the factor stays"
                return Trial("dropout turned off", out, refuted=not gone)
        return None

    def _at_another_point(
        self, mismatch: Mismatch, readings: list[Reading]
    ) -> tuple[list[Reading], list[Trial]]:
        """Where nothing else was changed: is the factor the same at another point?"""
        if any(reading.counts in COUNT_ROWS for reading in self.readings) and readings:
            return readings, []
        seen = revisit(mismatch, self.blocks, moves=another_point(mismatch))
        if seen is None:
            return readings, []
        same = seen.meets(mismatch, self._predicted(seen, self.coefficient))
        out = "the same factor" if same else "another factor"
        return readings, [Trial(AT_OTHER_WEIGHTS, out, refuted=not same)]

    def _predicted(self, seen: Changed, factor: float) -> dict[str, Array]:
        """The numerical gradient where something was changed, if the factor is this there.

        A penalty with ``n = a / c + p W`` has the coefficient ``p / (1 - 1 / c)``.
        """
        predicted = {}
        for name, number in self.numbers.items():
            block, a = number.prediction.block, seen.gradients[name]
            n = block.inside(a) / factor + block.outside(a)
            terms, found = number.prediction.terms, number.found.coefficients
            if len(terms) > 1 and np.any(terms[1]):
                values = seen.values.get(name, number.prediction.block.values)
                is_sign = np.array_equal(terms[1], np.sign(number.prediction.block.values))
                basis = np.sign(values) if is_sign else values
                n = n + found[1] * (1 - 1 / factor) / (1 - 1 / self.coefficient) * basis
            predicted[name] = n
        return predicted

    def sentence(self) -> str:
        shown, words = self.reader.words(self.readings, self.coefficient, self.error)
        return say(
            self.said,
            d=self.shown or listed(self.blocks),
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
            if not is_of_no_account(found, mismatch):
                yield found


def is_of_no_account(found: _Factor, mismatch: Mismatch) -> bool:
    """Whether a factor is one that any layer may pass down: it scales all blocks below alike."""
    if mismatch.blocks[found.blocks[0]].part is not None:
        return False  # a part of a block is scaled by nothing that lies above
    several = len(found.blocks) > 1 or len(mismatch.blocks) > 1
    return found.kind == "scale" and not found.readings and several and bool(mismatch.right)


def _fewer_rows(mismatch: Mismatch, readings: Sequence[Reading]) -> list[int]:
    """Rows to see whether a factor follows their number: without one that a mask lets count."""
    rows = list(range(mismatch.rows))
    if any(reading.counts == "counted" for reading in readings):
        counting = rows_that_count(mismatch)
        if len(counting) > 1:
            return [row for row in rows if row != counting[-1]]
    return rows[: max(2, len(rows) - 3)] if len(rows) > 2 else rows[:1]


class SharedFactor(_Factor):
    """One factor on all data terms, with a penalty added rightly to those of the weights."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        tolerance = mismatch.options.tolerance
        blocks = list(mismatch.blocks.values())
        if len(blocks) < 2 or fit([scaled(block) for block in blocks], tolerance) is not None:
            return
        some = _some_penalised(mismatch, blocks)
        if some is not None:
            yield from cls.named(mismatch, some, OUT)
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
                numbers = {
                    name: number.inverted()
                    for name, prediction in predictions.items()
                    if (number := Fitted.of(prediction, found)) is not None
                }
                if (
                    numbers and abs(numbers[blocks[0].name].value - 1) >= ONE
                ):  # or the penalty alone
                    yield from cls.named(mismatch, numbers, OUT)
                    return


def _some_penalised(mismatch: Mismatch, blocks: Sequence[WrongBlock]) -> dict[str, Fitted] | None:
    """One factor for all, alone in some blocks and beside a penalty in the others."""
    tolerance = mismatch.options.tolerance
    numbers: dict[str, Fitted] = {}
    for block in blocks:
        found = fit([scaled(block)], tolerance, spare=1)
        if (number := Fitted.of(scaled(block), found)) is not None:
            numbers[block.name] = number.inverted()
    if not numbers or len(numbers) == len(blocks):
        return None
    first = next(iter(numbers.values()))
    if abs(first.value - 1) < ONE or not all(n.equals(first) for n in numbers.values()):
        return None
    for block in blocks:
        if block.name not in numbers:
            number = _beside_penalty(mismatch, block.name)
            if number is None or not number.equals(first):
                return None
            numbers[block.name] = number
    return {block.name: numbers[block.name] for block in blocks}


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
    """A factor on the data term of several blocks, with a penalty added rightly to some of them."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        numbers: dict[str, Fitted] = {}
        for name in list(names)[-MOST_EXTENDED:]:
            if mismatch.blocks[name].gradient.size > 1:
                number = _beside_penalty(mismatch, name)
                if number is not None:
                    numbers[name] = number
        yield from cls.named(mismatch, numbers, OUT)


def _beside_penalty(mismatch: Mismatch, name: str) -> Fitted | None:
    block = mismatch.extended(name, WITH_PENALTY)
    for sign in (False, True):
        prediction = with_penalty(scaled(block), sign=sign)
        found = Fitted.of(prediction, fit([prediction], mismatch.options.tolerance))
        if found is not None:
            factor = found.inverted()
            return factor if abs(factor.value - 1) >= ONE else None
    return None
