"""What a constant factor between two gradients may mean.

Rows are few and their number unlike other sizes, so that a factor that counts rows is recognised.
``READINGS`` lists them: what each counts, its value, its kind and its words.  Where a constant has
several readings all are named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.mismatch import Mismatch, rows_of
from gradhook.diagnosis.sentences import rounded

SNAP = 1e-6
"""Relative distance at which a factor counts as the constant, where its own error is smaller."""

LAYERS = 4
"""Layers with dropout whose scales may be missing together."""

LARGEST_DENOMINATOR = 12
"""Of fractions that a factor without a meaning is shown as."""

BY_CHANCE = 0.5
"""Three errors times the denominator's square, above which some fraction is met by chance."""

ATTENTION = "attention_scale_missing"

FAMILY = {"sign_one": "G", "ce_sign": "G", "bias_mean": "B", "dropout_scale_missing": "W"}
"""Families of what a factor may mean; all others are S."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers that a factor may come from."""

    rows: int = 0  # rows of the batch; 0 where there are none
    outputs: int = 0  # width of the last layer; 0 where unknown
    counted: tuple[int, ...] = ()  # rows that a mask lets count, for each mask of the batch
    widths: frozenset[int] = frozenset()  # lengths of the blocks' axes
    kept: float = 0.0  # probability that dropout keeps a unit, where it is on; else 0
    regression: bool = False  # whether the batch holds a real number for every output

    def counts(self, what: str) -> Iterator[tuple[float, str]]:
        """What a row of the table counts, with how it is written."""
        n, kept = self.rows, self.kept
        if what == "nothing":
            yield 1.0, ""
        elif what == "rows" and n > 1:
            yield n, f"{n}"
        elif what == "outputs" and self.regression and self.outputs > 1:
            yield self.outputs, f"{self.outputs}"
        elif what == "counted":
            yield from ((m, f"{m}") for m in self.counted if 0 < m < n)
        elif what == "widths":
            yield from ((width, f"{width}") for width in sorted(self.widths) if width > 1)
        elif what == "kept" and 0 < kept < 1:
            names = ["keep_prob", *(f"keep_prob**{k}" for k in range(2, LAYERS + 1))]
            yield from ((kept**k, name) for k, name in enumerate(names, start=1))


def sizes_seen(mismatch: Mismatch, batch: Batch | None = None) -> Sizes:
    """The sizes of the mismatch's batch, or of another one."""
    batch = mismatch.evaluator.batch if batch is None else batch
    rows = rows_of(batch, mismatch.options.sample_axis)
    shapes = [mismatch.gradients[name].shape for name in mismatch.order]
    outputs = next((shape[-1] for shape in reversed(shapes) if shape), 0)
    counting = [_counting(item, rows) for item in batch]
    reals = [x for x in batch[1:] if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    return Sizes(
        rows,
        outputs,
        counted=tuple(int(np.count_nonzero(mask)) for mask in counting if mask is not None),
        widths=frozenset(length for shape in shapes for length in shape),
        kept=_kept(mismatch),
        regression=any(item.ndim > 1 and item.shape[-1] == outputs for item in reals),
    )


def fewer_rows(mismatch: Mismatch, readings: Sequence[Reading]) -> list[int]:
    """Rows to see whether a factor follows their number: without one that a mask lets count."""
    rows = list(range(mismatch.rows))
    if any(reading.counts == "counted" for reading in readings):
        masks = (_counting(item, mismatch.rows) for item in mismatch.evaluator.batch)
        first = next((m for m in masks if m is not None and m.shape == (mismatch.rows,)), None)
        if first is not None and np.count_nonzero(first) > 1:
            return [row for row in rows if row != np.flatnonzero(first)[-1]]
    return rows[: max(2, len(rows) - 3)] if len(rows) > 2 else rows[:1]


def _counting(item: object, rows: int) -> Array | None:
    """What a mask lets count, or labels of which those below zero do not; ``None`` for neither."""
    if not isinstance(item, np.ndarray):
        return None
    if item.dtype.kind == "i":
        return item >= 0 if np.any(item < 0) else None
    if item.shape != (rows,) or item.dtype.kind not in "bf":
        return None
    return item != 0 if set(np.unique(item)) <= {0, 1} else None


def _kept(mismatch: Mismatch) -> float:
    """Probability that dropout keeps a unit, where a switch says so and it is on."""
    for switch, state in mismatch.measured.setting.switches:
        value: Any = switch.on[0]
        is_on = switch.role == "dropout" and state == "on"
        if is_on and isinstance(value, (int, float)) and 0 < value < 1:
            return float(value if switch.off_values[:1] == (1.0,) else 1 - value)
    return 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of the table, and what it says of a factor where its circumstance was seen."""

    counts: str  # what ``Sizes`` must hold for it
    value: Callable[[float, int], float]  # the factor, of what is counted and of the rows
    kind: str  # one of ``CAUSE_KINDS``
    shown: str  # the constant as a user would write it
    words: str  # what happened
    alone: bool = False  # whether it can befall one block; otherwise all are concerned

    def expected(self, seen: Sizes) -> float:
        """The factor that it predicts with other sizes; ``nan`` where these have none."""
        counted = next(seen.counts(self.counts), None)
        return self.value(counted[0], seen.rows) if counted else math.nan


READINGS: tuple[Reading, ...] = (
    Reading("nothing", lambda c, n: -1.0, "sign_one", "-1", "the sign is wrong", True),
    Reading("rows", lambda c, n: c, "no_1_over_N", "{c}",
            "the loss is a mean over the {c} rows, the gradient a sum", True),
    Reading("rows", lambda c, n: 1 / c, "extra_1_over_N", "1/{c}",
            "divided by the number of rows ({c}) once too often", True),
    Reading("outputs", lambda c, n: 1 / c, "mse_mean_outputs", "1/{c}",
            "the loss sums over the {c} outputs, the gradient averages"),
    Reading("outputs", lambda c, n: c, "mse_mean_outputs", "{c}",
            "the loss averages over the {c} outputs, the gradient sums"),
    Reading("counted", lambda c, n: c, "no_1_over_N", "{c}",
            "the loss is a mean over the {c} rows that count, the gradient a sum"),
    Reading("counted", lambda c, n: 1 / c, "extra_1_over_N", "1/{c}",
            "divided by the {c} rows that count once too often"),
    Reading("counted", lambda c, n: c / n, "mask_denominator", "{c}/{n}",
            "divided by all {n} rows, where the loss divides by the {c} that the mask lets count"),
    Reading("counted", lambda c, n: n / c, "mask_denominator", "{n}/{c}",
            "divided by the {c} rows that the mask lets count, where the loss divides by all {n}"),
    Reading("nothing", lambda c, n: 0.5, "mse_no_two", "1/2",
            "the 2 of the derivative of a square is missing"),
    Reading("nothing", lambda c, n: 2.0, "factor_two", "2",
            "counted twice, or the loss has a 1/2 that the gradient lacks", True),
    Reading("kept", lambda c, n: c, "dropout_scale_missing", "{c}",
            "dropout scales forward and not backward", True),
    Reading("kept", lambda c, n: 1 / c, "dropout_scale_missing", "1/{c}",
            "dropout scales forward and not backward", True),
    Reading("widths", lambda c, n: math.sqrt(c), "attention_scale_missing", "sqrt({c})",
            "1/sqrt({c}) stands in one of both passes only", True),
    Reading("widths", lambda c, n: 1 / math.sqrt(c), "attention_scale_missing", "1/sqrt({c})",
            "1/sqrt({c}) stands in one of both passes only", True),
)  # fmt: skip
"""Every reading of a factor, the likeliest first."""

MEAN = Reading("mean", lambda c, n: math.nan, "bias_mean", "1/{c}",
               "averaged over the batch instead of summed", True)  # fmt: skip
"""Of biases: averaged over rows, or over rows and positions."""

EVERYWHERE = "the sign is wrong everywhere (or the loss is a score to be maximised)"

SUM = Reading("rows", lambda c, n: c, "no_1_over_N", "{c}",
              "a sum over the {c} rows, where the loss is a mean over them", True)  # fmt: skip
"""Of biases: what a factor of the number of rows is."""


def meanings(
    factor: float, error: float, seen: Sizes, among: Sequence[Reading] = READINGS
) -> list[Reading]:
    """Every meaning of ``a = factor · n``, likeliest first."""
    allowed = max(3 * error, SNAP * abs(factor))
    found = []
    for row in among:
        for counted, written in seen.counts(row.counts):
            if abs(factor - row.value(counted, seen.rows)) <= allowed:
                fill = {"c": written, "n": seen.rows}
                shown, words = row.shown.format(**fill), row.words.format(**fill)
                found.append(replace(row, shown=shown, words=words))
    return found


def nice(factor: float, error: float) -> str:
    """A factor as the fraction that it may be, if few may, else as a decimal number."""
    fraction = Fraction(factor).limit_denominator(LARGEST_DENOMINATOR)
    met = abs(factor - float(fraction)) <= max(3 * error, SNAP * abs(factor))
    known = 3 * error * fraction.denominator**2 < BY_CHANCE
    return str(fraction) if met and known else rounded(factor, error)


def readings_of(
    factor: float, error: float, seen: Sizes, *, vectors: bool, several: bool, everything: bool
) -> list[Reading]:
    """The meanings of ``a = factor · n`` for blocks that share it, likeliest first.

    They may all be vectors, several, and everything if no other block was judged right.
    """
    if vectors and not everything:
        inverse = 1 / factor if factor else 0.0
        whole = round(inverse) if abs(inverse) < 1e9 else 0
        allowed = max(1e-6, 3 * error / factor**2) if factor else 0.0
        if whole >= 2 and abs(inverse - whole) <= allowed:
            known = allowed < BY_CHANCE
            return [replace(MEAN, shown=f"1/{whole}" if known else rounded(factor, error))]
        if summed := meanings(factor, error, seen, [SUM]):
            return summed
    fitting = [m for m in meanings(factor, error, seen) if m.alone or everything]
    if several and everything and fitting and fitting[0].kind == "sign_one":
        return [replace(fitting[0], kind="ce_sign", words=EVERYWHERE)]
    # A factor of the loss reaches every block; queries and keys are two and not all there is.
    pair = several and not everything
    fitting = [m for m in fitting if pair or m.kind != ATTENTION]
    return sorted(fitting, key=lambda meaning: meaning.kind != ATTENTION)


def told(readings: Sequence[Reading], factor: float, error: float) -> tuple[str, str, str, str]:
    """Family and kind, the constant as a user would write it, and what it means."""
    if not readings:
        return "S", "scale", nice(factor, error), "a constant factor"
    kind, shown = readings[0].kind, readings[0].shown
    words = " or ".join(dict.fromkeys(meaning.words for meaning in readings))
    return FAMILY.get(kind, "S"), kind, shown, words
