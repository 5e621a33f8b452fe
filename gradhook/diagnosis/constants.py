"""What a constant factor between two gradients may mean.

Rows are few and their number unlike other sizes, so that a factor that counts rows is recognised.
Where a constant has several meanings all are named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.case import Scene

__all__ = ["Circumstance", "Meaning", "circumstance", "meanings", "nice"]

SNAP = 1e-6
"""Relative distance at which a factor counts as the constant, where its own error is smaller."""

LAYERS = 4
"""Layers with dropout whose scales may be missing together."""

LARGEST_DENOMINATOR = 12
"""Of fractions that a factor without a meaning is shown as."""


@dataclass(frozen=True, slots=True)
class Circumstance:
    """The numbers that a factor may come from.

    Args:
        rows: Rows of the batch; 0 where there are none.
        outputs: Width of the last layer; 0 where unknown.
        counted: Rows that a mask lets count, for each mask of the batch.
        widths: Lengths of the blocks' axes.
        kept: Probability that dropout keeps a unit, where it is on; else 0.
        regression: Whether the batch holds a real number for every output.
    """

    rows: int = 0
    outputs: int = 0
    counted: tuple[int, ...] = ()
    widths: frozenset[int] = frozenset()
    kept: float = 0.0
    regression: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """One reading of a factor.

    Args:
        kind: One of ``CAUSE_KINDS``.
        shown: The constant as a user would write it.
        words: What happened.
        alone: Whether it can befall one block; otherwise all are concerned.
    """

    kind: str
    shown: str
    words: str
    alone: bool = False


def meanings(factor: float, error: float, seen: Circumstance) -> list[Meaning]:
    """Every meaning of ``a = factor · n``, likeliest first."""
    allowed = max(3 * error, SNAP * abs(factor))
    return [m for value, m in _known(seen) if abs(factor - value) <= allowed]


def nice(factor: float, error: float) -> str:
    """A factor as a fraction where it is one, else as a decimal number."""
    fraction = Fraction(factor).limit_denominator(LARGEST_DENOMINATOR)
    if abs(factor - float(fraction)) <= max(3 * error, SNAP * abs(factor)):
        return str(fraction)
    return f"{factor:.6g}"


def _outputs(c: int) -> Iterator[tuple[float, Meaning]]:
    if c > 1:
        yield (
            1 / c,
            Meaning(
                "mse_mean_outputs",
                f"1/{c}",
                f"the loss sums over the {c} outputs, the gradient averages",
            ),
        )
        yield (
            float(c),
            Meaning(
                "mse_mean_outputs",
                f"{c}",
                f"the loss averages over the {c} outputs, the gradient sums",
            ),
        )


def _known(seen: Circumstance) -> Iterator[tuple[float, Meaning]]:
    yield -1.0, Meaning("sign_one", "-1", "the sign is wrong", alone=True)
    n, c = seen.rows, seen.outputs
    if n > 1:
        yield (
            float(n),
            Meaning(
                "no_1_over_N", f"{n}", f"the loss is a mean over the {n} rows, the gradient a sum"
            ),
        )
        yield (
            1 / n,
            Meaning(
                "extra_1_over_N", f"1/{n}", f"divided by the number of rows ({n}) once too often"
            ),
        )
    if seen.regression:
        yield from _outputs(c)
    for m in seen.counted:
        if 0 < m < n:
            yield (
                float(m),
                Meaning(
                    "no_1_over_N",
                    f"{m}",
                    f"the loss is a mean over the {m} rows that count, the gradient a sum",
                ),
            )
            yield (
                1 / m,
                Meaning(
                    "extra_1_over_N", f"1/{m}", f"divided by the {m} rows that count once too often"
                ),
            )
            yield (
                m / n,
                Meaning(
                    "mask_denominator",
                    f"{m}/{n}",
                    f"divided by all {n} rows, where the loss divides by the {m} that the mask "
                    "lets count",
                ),
            )
            yield (
                n / m,
                Meaning(
                    "mask_denominator",
                    f"{n}/{m}",
                    f"divided by the {m} rows that the mask lets count, where the loss divides by "
                    f"all {n}",
                ),
            )
    if not seen.regression:
        yield from _outputs(c)
    yield 0.5, Meaning("mse_no_two", "1/2", "the 2 of the derivative of a square is missing")
    yield (
        2.0,
        Meaning("factor_two", "2", "it is counted twice, or a 1/2 of the loss is missing", True),
    )
    if 0 < seen.kept < 1:
        for times in range(1, LAYERS + 1):
            shown = "keep_prob" + (f"**{times}" if times > 1 else "")
            for value, words in (
                (seen.kept**times, shown),
                (seen.kept**-times, f"1/{shown}"),
            ):
                yield (
                    value,
                    Meaning(
                        "dropout_scale_missing",
                        words,
                        "dropout scales forward and not backward",
                        alone=True,
                    ),
                )
    for width in sorted(seen.widths):
        if width > 1:
            for value, shown in (
                (math.sqrt(width), f"sqrt({width})"),
                (1 / math.sqrt(width), f"1/sqrt({width})"),
            ):
                yield (
                    value,
                    Meaning(
                        "attention_scale_missing",
                        shown,
                        f"1/sqrt({width}) stands in one of both passes only",
                        alone=True,
                    ),
                )


def circumstance(scene: Scene) -> Circumstance:
    """Where a constant factor may come from in a scene."""
    rows, batch = scene.rows, scene.evaluator.batch
    shapes = [scene.gradients[name].shape for name in scene.order]
    outputs = next((shape[-1] for shape in reversed(shapes) if shape), 0)
    arrays = [item for item in batch if isinstance(item, np.ndarray)]
    masks = [item for item in arrays if item.shape == (rows,) and _is_mask(item)]
    labels = [item for item in arrays if item.dtype.kind == "i" and np.any(item < 0)]
    return Circumstance(
        rows,
        outputs,
        counted=(
            *(int(np.count_nonzero(item)) for item in masks),
            *(int(np.count_nonzero(item >= 0)) for item in labels),
        ),
        widths=frozenset(length for shape in shapes for length in shape),
        kept=_kept(scene),
        regression=any(
            isinstance(item, np.ndarray)
            and item.dtype.kind == "f"
            and item.shape == (rows, outputs)
            for item in batch[1:]
        ),
    )


def _is_mask(item: Array) -> bool:
    return item.dtype.kind == "b" or (item.dtype.kind == "f" and set(np.unique(item)) <= {0, 1})


def _kept(scene: Scene) -> float:
    """Probability that dropout keeps a unit, where a switch says so and it is on."""
    for switch, state in scene.measured.setting.switches:
        value: Any = switch.on
        is_on = switch.role == "dropout" and state == "on"
        if is_on and isinstance(value, (int, float)) and 0 < value < 1:
            return float(value if switch.off_values[:1] == (1.0,) else 1 - value)
    return 0.0
