"""What a constant factor between two gradients may mean.

Rows are few and their number unlike other sizes, so that a factor that counts rows is recognised.
``READINGS`` lists them: what each counts, its value, its kind and its words.  Where a constant has
several readings all are named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["READINGS", "Meaning", "Reading", "Sizes", "meanings", "nice"]

SNAP = 1e-6
"""Relative distance at which a factor counts as the constant, where its own error is smaller."""

LAYERS = 4
"""Layers with dropout whose scales may be missing together."""

LARGEST_DENOMINATOR = 12
"""Of fractions that a factor without a meaning is shown as."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers that a factor may come from.

    Args:
        rows: Rows of the batch; 0 where there are none.
        outputs: Width of the last layer; 0 where unknown.
        counted: Rows that a mask lets count, for each mask of the batch.
        widths: Lengths of the blocks' axes.
        kept: Probability that dropout keeps a unit, where it is on; else 0.
        whole: Rows of the whole batch, of which some were drawn; 0 where all were.
        regression: Whether the batch holds a real number for every output.
    """

    rows: int = 0
    outputs: int = 0
    counted: tuple[int, ...] = ()
    widths: frozenset[int] = frozenset()
    kept: float = 0.0
    whole: int = 0
    regression: bool = False

    def counts(self, what: str) -> Iterator[tuple[float, str]]:
        """What a row of the table counts, with how it is written."""
        n, kept = self.rows, self.kept
        if what == "nothing":
            yield 1.0, ""
        elif what == "rows" and n > 1:
            yield n, f"{n}"
        elif what == "whole" and self.whole > n > 1:
            yield self.whole, f"{self.whole}"
        elif what == "outputs" and self.regression and self.outputs > 1:
            yield self.outputs, f"{self.outputs}"
        elif what == "counted":
            yield from ((m, f"{m}") for m in self.counted if 0 < m < n)
        elif what == "widths":
            yield from ((width, f"{width}") for width in sorted(self.widths) if width > 1)
        elif what == "kept" and 0 < kept < 1:
            names = ["keep_prob", *(f"keep_prob**{k}" for k in range(2, LAYERS + 1))]
            yield from ((kept**k, name) for k, name in enumerate(names, start=1))


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of the table.

    Args:
        counts: What ``Sizes`` must hold for it.
        value: The factor, of what is counted and of the rows.
        kind: One of ``CAUSE_KINDS``.
        shown: The constant as a user would write it.
        words: What happened.
        alone: Whether it can befall one block; otherwise all are concerned.
    """

    counts: str
    value: Callable[[float, int], float]
    kind: str
    shown: str
    words: str
    alone: bool = False


READINGS: tuple[Reading, ...] = (
    Reading("nothing", lambda c, n: -1.0, "sign_one", "-1", "the sign is wrong", True),
    Reading(
        "rows", lambda c, n: c, "no_1_over_N", "{c}",
        "the loss is a mean over the {c} rows, the gradient a sum", True,
    ),
    Reading(
        "rows", lambda c, n: 1 / c, "extra_1_over_N", "1/{c}",
        "divided by the number of rows ({c}) once too often", True,
    ),
    Reading(
        "outputs", lambda c, n: 1 / c, "mse_mean_outputs", "1/{c}",
        "the loss sums over the {c} outputs, the gradient averages",
    ),
    Reading(
        "outputs", lambda c, n: c, "mse_mean_outputs", "{c}",
        "the loss averages over the {c} outputs, the gradient sums",
    ),
    Reading(
        "counted", lambda c, n: c, "no_1_over_N", "{c}",
        "the loss is a mean over the {c} rows that count, the gradient a sum",
    ),
    Reading(
        "counted", lambda c, n: 1 / c, "extra_1_over_N", "1/{c}",
        "divided by the {c} rows that count once too often",
    ),
    Reading(
        "counted", lambda c, n: c / n, "mask_denominator", "{c}/{n}",
        "divided by all {n} rows, where the loss divides by the {c} that the mask lets count",
    ),
    Reading(
        "counted", lambda c, n: n / c, "mask_denominator", "{n}/{c}",
        "divided by the {c} rows that the mask lets count, where the loss divides by all {n}",
    ),
    Reading(
        "whole", lambda c, n: n / c, "scale", "{n}/{c}",
        "divided by {c}, the rows of the whole batch, where {n} were drawn: pass samples=None",
    ),
    Reading(
        "whole", lambda c, n: c / n, "scale", "{c}/{n}",
        "the loss divides by {c}, the rows of the whole batch, where {n} were drawn: pass "
        "samples=None",
    ),
    Reading(
        "nothing", lambda c, n: 0.5, "mse_no_two", "1/2",
        "the 2 of the derivative of a square is missing",
    ),
    Reading(
        "nothing", lambda c, n: 2.0, "factor_two", "2",
        "counted twice, or the loss has a 1/2 that the gradient lacks", True,
    ),
    Reading(
        "kept", lambda c, n: c, "dropout_scale_missing", "{c}",
        "dropout scales forward and not backward", True,
    ),
    Reading(
        "kept", lambda c, n: 1 / c, "dropout_scale_missing", "1/{c}",
        "dropout scales forward and not backward", True,
    ),
    Reading(
        "widths", lambda c, n: math.sqrt(c), "attention_scale_missing", "sqrt({c})",
        "1/sqrt({c}) stands in one of both passes only", True,
    ),
    Reading(
        "widths", lambda c, n: 1 / math.sqrt(c), "attention_scale_missing", "1/sqrt({c})",
        "1/sqrt({c}) stands in one of both passes only", True,
    ),
)  # fmt: skip
"""Every reading of a factor, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One reading of a factor where its circumstance was seen.

    Args:
        kind: One of ``CAUSE_KINDS``.
        shown: The constant as a user would write it.
        words: What happened.
        alone: Whether it can befall one block; otherwise all are concerned.
        counts: What it counts.
        reading: The row of the table.
        place: Which of the numbers of that kind it is.
    """

    kind: str
    shown: str
    words: str
    alone: bool = False
    counts: str = "nothing"
    reading: Reading | None = None
    place: int = 0

    def expected(self, seen: Sizes) -> float:
        """The factor that it predicts with other sizes; ``nan`` where these have none."""
        counted = list(seen.counts(self.counts))
        if self.reading is None or self.place >= len(counted):
            return math.nan
        return self.reading.value(counted[self.place][0], seen.rows)


def meanings(factor: float, error: float, seen: Sizes) -> list[Meaning]:
    """Every meaning of ``a = factor · n``, likeliest first."""
    allowed = max(3 * error, SNAP * abs(factor))
    found = []
    for row in READINGS:
        for place, (counted, written) in enumerate(seen.counts(row.counts)):
            if abs(factor - row.value(counted, seen.rows)) <= allowed:
                fill = {"c": written, "n": seen.rows}
                shown, words = row.shown.format(**fill), row.words.format(**fill)
                found.append(Meaning(row.kind, shown, words, row.alone, row.counts, row, place))
    return found


def nice(factor: float, error: float) -> str:
    """A factor as a fraction where it is one, else as a decimal number."""
    fraction = Fraction(factor).limit_denominator(LARGEST_DENOMINATOR)
    if abs(factor - float(fraction)) <= max(3 * error, SNAP * abs(factor)):
        return str(fraction)
    return f"{factor:.6g}"
