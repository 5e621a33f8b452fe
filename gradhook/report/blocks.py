"""What a check found in one block of parameters: the records below a ``Report``."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np

from gradhook._types import Array, Box, Verdict
from gradhook.report.format import count, shorten

__all__ = ["BlockReport", "Branch", "Element", "Finding", "Record", "branch_sentences", "freeze"]


class Record:
    """Base of a frozen, slotted dataclass made with ``eq=False``."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _key(self) == _key(other)

    def __hash__(self) -> int:
        return hash(_key(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: a read-only mapping does not pickle, an array loses its flag.
        values = (getattr(self, field.name) for field in fields(cast(Any, self)))
        return type(self), tuple(dict(v) if isinstance(v, Mapping) else v for v in values)


def freeze(record: Record, *names: str) -> None:
    """Replace the named sequences of a record under construction by tuples."""
    for name in names:
        object.__setattr__(record, name, tuple(getattr(record, name)))


def _key(record: Record) -> tuple[Any, ...]:
    """What a record is compared by: its fields with ``None`` for ``nan``."""
    values = (getattr(record, field.name) for field in fields(cast(Any, record)) if field.compare)
    hashable = (frozenset(v.items()) if isinstance(v, Mapping) else v for v in values)
    return tuple(v if v == v else None for v in hashable)  # Only nan differs from itself.


TOLD_BRANCHES = 3
"""Branches of a block that are told."""

LONGEST_SOURCE = 60
"""Columns that a source line may take."""


@dataclass(frozen=True, slots=True, eq=False)
class Branch(Record):
    """An operation that decides differently for some elements on the two sides of a step.

    Args:
        operation: Its NumPy name, such as ``"maximum"``.
        path: The source file, as Python knows it.
        line: Line in that file, from 1.
        source: Text of that line, stripped; empty where it cannot be read.
        flips: Elements that take another branch at ``x + h·v`` than at ``x - h·v``, summed over all
            executions of that line.
        size: Elements that took a branch there in all.

    Example:
        >>> from gradhook.report import Branch
        >>> branch = Branch("maximum", "/home/me/model.py", 23, "h = np.maximum(0, z)", 3, 480)
        >>> branch.file
        'model.py'
    """

    operation: str
    path: str
    line: int
    source: str = ""
    flips: int = 0
    size: int = 0

    @property
    def file(self) -> str:
        """The file's name without its folders."""
        return os.path.basename(self.path)


def branch_sentences(branches: tuple[Branch, ...]) -> list[str]:
    """``["3 of 480 elements of np.maximum flip at m.py:23  `h = np.maximum(0, z)`"]``."""
    said = []
    for branch in branches[:TOLD_BRANCHES]:
        flip = "flips" if branch.flips == 1 else "flip"
        source = f"  `{shorten(branch.source, LONGEST_SOURCE)}`" if branch.source else ""
        said.append(
            f"{branch.flips} of {count(branch.size, 'element')} of "
            f"np.{branch.operation} {flip} at {branch.file}:{branch.line}{source}"
        )
    more = len(branches) - TOLD_BRANCHES
    return [*said, f"and {count(more, 'operation')} more"] if more > 0 else said


@dataclass(frozen=True, slots=True, eq=False)
class Element(Record):
    """One element of a block, with both derivatives.

    Args:
        index: Position in the block, one integer per axis; ``()`` for a 0-d block.
        analytic: The gradient that the user's code gave there.
        numerical: The numerical derivative there.
        error: Error estimate of ``numerical``, same units.
        setting: Name of the setting in which it was measured; empty where that is not known.

    Example:
        >>> from gradhook.report import Element
        >>> Element((3, 5), analytic=0.25, numerical=0.5).relative_error
        0.5
    """

    index: tuple[int, ...]
    analytic: float
    numerical: float
    error: float = math.nan
    setting: str = ""

    def __post_init__(self) -> None:
        freeze(self, "index")

    @property
    def relative_error(self) -> float:
        """``|a - n| / max(|a|, |n|)``; 0 where both are 0."""
        scale = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) / scale if scale else 0.0

    @property
    def ratio(self) -> float:
        """``|a - n| / (|a| + |n|)``; 0 where both are 0."""
        size = abs(self.analytic) + abs(self.numerical)
        return abs(self.analytic - self.numerical) / size if size else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Finding(Record):
    """What one setting said of one block.

    Args:
        setting: Its name, such as ``"generic point"`` or ``"current point, dropout replayed"``.
        verdict: The verdict in this setting alone.
        ratio: ``‖a - n‖ / (‖a‖ + ‖n‖)``, norms over the block; ``nan`` where it was not measured.
        ratio_error: Error estimate of ``ratio``: numerical errors and the sampling spread of the
            probes.
        analytic_norm: ``‖a‖``, exact.
        numerical_norm: ``‖n‖``, estimated from the probes.
        step: Median step size ``h`` of the probes, in the parameter's units.
        probes: Number of directions measured.
        kinks: Number of probes whose one-sided slopes stayed apart.
        note: What there is to say beyond the verdict, in one sentence; mostly empty.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report import Finding
        >>> Finding("generic point", Verdict.PASS, ratio=3e-9, probes=3).kinks
        0
    """

    setting: str
    verdict: Verdict
    ratio: float = math.nan
    ratio_error: float = math.nan
    analytic_norm: float = math.nan
    numerical_norm: float = math.nan
    step: float = math.nan
    probes: int = 0
    kinks: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class BlockReport(Record):
    """What a check said of one block of parameters.

    Args:
        name: The block's name, as the user gave it (nested names joined by ``/``).
        shape: Its shape.
        dtype: Name of the dtype of the user's array.
        verdict: Combined over the settings.
        ratio: Ratio in the setting that decided the verdict; ``nan`` where none was measured.
        ratio_error: Error estimate of ``ratio``.
        sentence: What there is to say beyond the verdict, in one sentence; mostly empty.
        worst: The element with the largest ``|a - n|``; ``None`` unless elements were measured.
        where: What part of the block is wrong (``"W2[:, 7]"``), ``None`` if nothing was located.
        findings: One per setting that measured this block.
        textbook_ratio: The plain textbook ratio at ε = 1e-7 (exhaustive effort), else ``nan``.
        branches: Operations some of whose elements take another branch on the two sides of a probe
            that was in doubt, in call order.
        setting: Name of the setting that decided the verdict; empty where none did.
        relative_errors: Relative error of every element, same shape (exhaustive effort), else
            ``None``.  Read-only, and neither compared nor written to JSON.
        wrong_parts: Parts of the block that were found wrong, slices or a mask, each with its
            relative error; neither compared nor written to JSON.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report import BlockReport
        >>> BlockReport("W1", (20, 10), "float64", Verdict.PASS, ratio=3e-9).where is None
        True
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: Verdict
    ratio: float = math.nan
    ratio_error: float = math.nan
    sentence: str = ""
    worst: Element | None = None
    where: str | None = None
    findings: tuple[Finding, ...] = ()
    textbook_ratio: float = math.nan
    branches: tuple[Branch, ...] = ()
    setting: str = ""
    relative_errors: Array | None = field(default=None, compare=False, repr=False)
    wrong_parts: Sequence[tuple[Box | Array, float]] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        freeze(self, "shape", "findings", "branches", "wrong_parts")
        if self.relative_errors is not None:
            errors = np.array(self.relative_errors)
            errors.flags.writeable = False
            object.__setattr__(self, "relative_errors", errors)
