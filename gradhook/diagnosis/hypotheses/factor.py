"""Factors: gradients that are a multiple of the numerical one, with what the multiple means.

The numerical gradient is then the analytic one over the factor.  A penalty that is added rightly is
no part of the multiple and hides it, unless its coefficient is fitted along: once for all blocks
together, and with a few more probes for single ones.

A reading of the factor is put to the test by changing what it is said to count: with fewer rows a
factor that counts rows follows, one that counts anything else stays.

A factor that equals a size means nothing by itself, so that the circumstance of a reading is looked
for, by the loss alone: a loss that averages over outputs adds up over the columns of its targets,
the 2 of a square needs a loss that is quadratic in its targets, and the scale of attention a
product of queries and keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.constants import (
    ATTENTION,
    Reading,
    Sizes,
    fewer_rows,
    readings_of,
    sizes_seen,
    told,
)
from gradhook.diagnosis.hypotheses.row_sums import bias_of
from gradhook.diagnosis.hypothesis import FittedHypothesis, Hypothesis, Trial, Trials
from gradhook.diagnosis.mismatch import Changed, Mismatch, Variation
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, OUT, times, with_error
from gradhook.diagnosis.wrong_block import Fitted, Prediction, alike, fit, fitted, is_vector, known

Kept: TypeAlias = tuple[list[Reading], list[Trial]]
"""The readings that a test leaves, and what it tried."""

MOST_EXTENDED, WITH_PENALTY = 6, 4
"""Blocks for which more probes are drawn, to take a penalty out, and how many these need."""

COUNT_ROWS = frozenset({"rows", "counted", "mean"})
"""What readings count that is another number for other rows."""

PENALTIES: tuple[Callable[[Array], Array], ...] = (np.array, np.sign)
"""Of which a penalty that is added rightly is a multiple: L2, L1."""

ONE = 1e-6
"""Relative difference from one below which a factor is none."""

EQUAL_CHANGES = 1e-7
"""Relative difference of two changes of the loss that are one."""

TELLING_BEND = 1e-4
"""Share of the loss's changes that a bend must have to be seen."""


class _Factor(FittedHypothesis):
    """Some blocks' gradients are one multiple of the numerical ones."""

    said = "factor"
    _depends_on_rows = False

    def __init__(
        self, mismatch: Mismatch, numbers: Mapping[str, Fitted], besides: str = ""
    ) -> None:
        super().__init__(numbers)
        # Of ``a = factor · n``, where ``n = coefficient · a`` was fitted.
        factor = 1 / self.coefficient
        self.coefficient, self.error = factor, self.error * factor * factor
        self.support = f"factor {with_error(self.coefficient, self.error)} in every direction"
        self._besides = besides
        self.read(
            readings_of(
                *(self.coefficient, self.error, sizes_seen(mismatch)),
                vectors=all(is_vector(mismatch.blocks[name].shape) for name in self.blocks),
                several=len(self.blocks) > 1,
                everything=not mismatch.right and len(self.blocks) == len(mismatch.blocks),
            )
        )

    def read(self, readings: list[Reading]) -> None:
        """Take these for what the factor means."""
        self.readings = readings
        self.family, self.kind, shown, words = told(readings, self.coefficient, self.error)
        if self._depends_on_rows:
            words = "a factor that changes with the rows, as a sum of their weights does"
        constant = times(self.coefficient, self.error, shown)
        self.found = {"times": constant, "besides": self._besides, "meaning": words}

    def refute_meaning(self, mismatch: Mismatch, done: Trials) -> Trials:
        counts_rows = any(reading.counts in COUNT_ROWS for reading in self.readings)
        trials = list(done)
        for test in (self._by_rows, self._by_circumstance):
            kept, more = test(mismatch, self.readings)
            self.read(kept)
            trials += more
            if any(trial.refuted for trial in more):
                return tuple(trials)
        elsewhere = None
        if not (counts_rows and self.readings):  # nothing else was changed
            elsewhere = mismatch.at_other_weights(self.blocks)
        if elsewhere is not None:
            same = self._is_met(mismatch, elsewhere, self.coefficient)
            out = "the same factor" if same else "another factor"
            trials.append(Trial(AT_OTHER_WEIGHTS, out, refuted=not same))
        if self.is_of_no_account(mismatch):
            tried = "what it may count, one by one"
            trials.append(Trial(tried, "none of it was there", refuted=True))
        return tuple(trials)

    def _by_rows(self, mismatch: Mismatch, readings: list[Reading]) -> Kept:
        """Take fewer rows: a factor that counts rows follows, and a constant stays."""
        rows = fewer_rows(mismatch, readings)
        batch = mismatch.with_rows(rows)
        seen = None if batch is None else mismatch.revisit(self.blocks, batch=batch)
        others = [r for r in readings if r.counts not in COUNT_ROWS]
        if batch is None or seen is None:
            return others, []
        sizes = sizes_seen(mismatch, batch)
        expected = [self._expected(reading, mismatch.rows, sizes) for reading in readings]
        met = [
            factor
            for factor in dict.fromkeys(expected)
            if factor == factor and factor and self._is_met(mismatch, seen, factor)
        ]
        kept = [r for r, factor in zip(readings, expected, strict=True) if factor in met]
        stays = self._is_met(mismatch, seen, self.coefficient)
        if stays and any(abs(factor / self.coefficient - 1) > ONE for factor in met):
            return others, []  # where any factor fits, nothing is learned
        tried = f"{len(rows)} rows in place of {mismatch.rows}"
        if not kept and not stays:
            self._depends_on_rows = self._is_another(mismatch, seen)
            out = "the factor is another, and not by what it counts"
            return [], [Trial(tried, out, refuted=not self._depends_on_rows)]
        out = f"the factor is {met[0]:.4g}" if kept and not stays else "the factor stays"
        return kept, [Trial(tried, out)]

    def _expected(self, reading: Reading, rows: int, sizes: Sizes) -> float:
        if reading.counts == "mean":
            return self.coefficient * rows / sizes.rows
        return reading.expected(sizes) if reading.counts in COUNT_ROWS else self.coefficient

    def _by_circumstance(self, mismatch: Mismatch, readings: list[Reading]) -> Kept:
        """Keep the readings whose circumstance is there, those that need none included."""
        kept, trials = [], []
        for reading in readings:
            if reading.kind not in CIRCUMSTANCES:
                kept.append(reading)
                continue
            trial = CIRCUMSTANCES[reading.kind](self, mismatch)
            if trial is not None and not trial.refuted:
                kept.append(reading)
                trials.append(trial)
            elif reading.kind == "bias_mean":  # a mean of something else, where it is no bias
                kept.append(reading if trial is None else replace(reading, kind="scale"))
        return kept, list(dict.fromkeys(trials))

    def goes_with_dropout(self, mismatch: Mismatch) -> Trial | None:
        """Whether the gradients are right with dropout off."""
        for switches in mismatch.without("dropout"):
            seen = mismatch.revisit(self.blocks, switches=switches)
            if seen is not None:
                gone = self._is_met(mismatch, seen, 1.0)
                out = "the factor is gone" if gone else "the factor stays"
                return Trial("dropout turned off", out, refuted=not gone)
        return None

    def _is_another(self, mismatch: Mismatch, seen: Changed) -> bool:
        """Whether there is one factor where something was changed, whichever; none of a penalty."""
        pairs = [(probe.analytic, probe.slope.value) for probe in seen.probes]
        size = sum(n * n for _, n in pairs)
        factor = sum(a * n for a, n in pairs) / size if size else 0.0
        alone = all(len(number.prediction.terms) == 1 for number in self.numbers.values())
        return bool(alone and factor and self._is_met(mismatch, seen, factor))

    def _is_met(self, mismatch: Mismatch, seen: Changed, factor: float) -> bool:
        """Whether the factor is this one where something was changed.

        A penalty with ``n = a / c + p W`` has the coefficient ``p / (1 - 1 / c)``.
        """
        predicted = {}
        for name, number in self.numbers.items():
            n = seen.gradients[name] / factor
            terms, found = number.prediction.terms, number.coefficients
            if len(terms) > 1 and np.any(terms[1]):
                block = number.prediction.block
                is_sign = np.array_equal(terms[1], np.sign(block.values))
                basis = PENALTIES[is_sign](seen.values.get(name, block.values))
                n = n + found[1] * (1 - 1 / factor) / (1 - 1 / self.coefficient) * basis
            predicted[name] = n
        return seen.meets(mismatch, predicted)

    @classmethod
    def named(
        cls, mismatch: Mismatch, numbers: Mapping[str, Fitted], besides: str = ""
    ) -> Iterator[_Factor]:
        """Factors with what they mean, those that are equal together."""
        for names in alike(numbers):
            found = cls(mismatch, {name: numbers[name] for name in names}, besides)
            if not found.is_of_no_account(mismatch):
                yield found

    def is_of_no_account(self, mismatch: Mismatch) -> bool:
        """Whether it is one that any layer may pass down: it scales all blocks below alike."""
        if self.kind != "scale" or self.readings or not mismatch.right:
            return False
        order = list(mismatch.order)
        below = order[: min(order.index(name) for name in self.blocks)]
        # What a layer passes down would scale these too.
        spared = any(name in mismatch.right for name in below)
        return len(mismatch.blocks) > 1 and not spared


CIRCUMSTANCES: Mapping[str, Callable[[_Factor, Mismatch], Trial | None]] = {
    "mse_mean_outputs": lambda _, m: _adds_up_over_outputs(m, sizes_seen(m).outputs),
    "mse_no_two": lambda _, m: _is_a_square(m),
    ATTENTION: lambda factor, m: _is_a_product(m, factor.blocks),
    "bias_mean": lambda factor, m: bias_of(m, factor.blocks[0])[1],
    "dropout_scale_missing": _Factor.goes_with_dropout,
}
"""What must have been there, by kind."""


class SharedFactor(_Factor):
    """One factor on all data terms, with a penalty added rightly to those of the weights."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        tolerance = mismatch.options.tolerance
        blocks = list(mismatch.blocks.values())
        scaled = [Prediction(block, None, (block.gradient,)) for block in blocks]
        if len(blocks) < 2 or fit(scaled, tolerance):
            return
        for basis, all_penalised in itertools.product(PENALTIES, (False, True)):
            predictions = []
            for b in blocks:
                penalised = all_penalised or not is_vector(b.shape)
                predictions.append(Prediction(b, None, (b.gradient, basis(b.values) * penalised)))
            numbers = _not_one(mismatch, fit(predictions, tolerance))
            if numbers:
                yield from cls.named(mismatch, numbers, OUT)
                return


def _not_one(mismatch: Mismatch, fits: Mapping[str, Fitted]) -> dict[str, Fitted]:
    """What is known, without factors that may be one: the penalty alone."""
    found, tolerance = {}, mismatch.options.tolerance
    for name, each in known(fits).items():
        block, apart = mismatch.blocks[name], abs(1 - each.coefficients[0])
        aside = block.beside(tolerance) / (float(np.linalg.norm(block.gradient)) or 1.0)
        if apart >= max(ONE, tolerance.resolved * max(each.errors[0], aside)):
            found[name] = each
    return found


class MeaningfulFactor(_Factor):
    """A factor that means something, which supports it, so that fewer numbers need to."""

    meaningful, spare = True, 0

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        scaled = {n: Prediction(b, None, (b.gradient,)) for n, b in mismatch.blocks.items()}
        numbers = fitted(scaled, mismatch.options.tolerance, spare=cls.spare)
        for found in cls.named(mismatch, numbers):
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
        for name in [n for n in names if mismatch.blocks[n].gradient.size > 1][-MOST_EXTENDED:]:
            block = mismatch.extended(name, WITH_PENALTY)
            for basis in PENALTIES:
                prediction = Prediction(block, None, (block.gradient, basis(block.values)))
                if name not in numbers:
                    numbers |= known(fit([prediction], mismatch.options.tolerance))
        yield from cls.named(mismatch, _not_one(mismatch, numbers), OUT)


def _adds_up_over_outputs(mismatch: Mismatch, outputs: int) -> Trial | None:
    """Whether a change in two columns of the targets changes the loss as both changes do."""
    for position, item, far in _real_items(mismatch):
        if not (position and item.ndim > 1 and item.shape[-1] == outputs > 1):
            continue
        first, second = item.copy(), item.copy()
        first[..., 0] += far
        second[..., 1] += far
        items = (item, first, second, first + second - item)
        seen = mismatch.losses([{"batch": mismatch.with_item(position, x)} for x in items])
        if seen is None:
            return None
        base, one, other, together = seen
        off = abs((together - base) - (one - base) - (other - base))
        adds = off <= _allowed(mismatch, seen) and base not in (one, other)
        tried = f"two columns of item {position} of the batch changed, one and both"
        out = "the loss adds up over them" if adds else "the loss does not add up over them"
        return Trial(tried, out, refuted=not adds)
    return None


def _is_a_square(mismatch: Mismatch) -> Trial | None:
    """Whether the loss is quadratic in an item of the batch, as squares are in their targets."""
    found = None
    for position, item, far in _real_items(mismatch):
        items = (item + k * far for k in range(-1, 3))
        seen = mismatch.losses([{"batch": mismatch.with_item(position, x)} for x in items])
        if seen is None:
            continue
        below, base, above, beyond = seen
        third = abs(beyond - 3 * above + 3 * base - below)
        second = abs(above - 2 * base + below)
        bends = second > TELLING_BEND * max(abs(above - base), abs(base - below))
        quadratic = third <= _allowed(mismatch, seen) and bends
        tried = f"item {position} of the batch moved in three steps"
        out = f"the loss is {'' if quadratic else 'not '}quadratic in it"
        found = Trial(tried, out, refuted=not quadratic)
        if quadratic:
            break
    return found


def _is_a_product(mismatch: Mismatch, names: Sequence[str]) -> Trial | None:
    """Whether two weights of one shape act by their product, as queries and keys do.

    Each unit of one is multiplied by a number and the same unit of the other divided by it.
    """
    values = {name: mismatch.evaluator.workspace.values(name) for name in names}
    weights = [name for name in names if not is_vector(values[name].shape)]
    if len(weights) != 2 or values[weights[0]].shape != values[weights[1]].shape:
        return None
    first, second = weights
    random = np.random.default_rng(mismatch.options.seed)
    plain = next(mismatch.without("penalty"), None)  # which is no part of the product
    # Biases that share the factor go with either weight: at zero they have no part.
    zero = {name: np.zeros_like(values[name]) for name in names if name not in weights}
    trial = None
    for axis in dict.fromkeys((values[first].ndim - 1, 0)):
        size = np.where(np.arange(values[first].ndim) == axis, values[first].shape, 1)
        scale = random.choice([-1.0, 1.0], size) * random.uniform(0.5, 2.0, size)
        moved = {first: values[first] * scale, second: values[second] / scale}
        changes: list[Variation] = [
            {"switches": plain, "values": {**zero, **more}} for more in ({}, moved)
        ]
        seen = mismatch.losses(changes)
        if seen is None:
            continue
        same = abs(seen[1] - seen[0]) <= _allowed(mismatch, seen)
        tried = f"units of {first} multiplied and those of {second} divided"
        trial = Trial(tried, "the loss stays" if same else "the loss changes", not same)
        if same:
            return trial
    return trial


def _real_items(mismatch: Mismatch) -> Iterator[tuple[int, Array, float]]:
    """Items of real numbers, the last first, with their place in the batch and their spread."""
    for position, item in reversed(list(enumerate(mismatch.evaluator.batch))):
        if isinstance(item, np.ndarray) and item.dtype.kind == "f" and item.size:
            yield position, item, float(np.std(item)) or 1.0


def _allowed(mismatch: Mismatch, seen: Sequence[float]) -> float:
    """By how much losses may differ that are one."""
    noise = 20 * mismatch.measured.prober.noise
    return noise + EQUAL_CHANGES * (max(seen) - min(seen)) + 1e-12 * max(map(abs, seen))
