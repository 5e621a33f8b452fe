"""What probing leaves behind: numbers with their errors, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gradhook._types import Array, Box
from gradhook.difference.base import Estimate
from gradhook.report.format import LONGEST_NAME, block_name

__all__ = [
    "DIRECTIONS",
    "BlockEvidence",
    "Location",
    "Norms",
    "Probe",
    "describe",
    "is_apart",
    "ratio_of",
]

DIRECTIONS = 3
"""Directions along which a residual is looked for; a block of no more elements is measured element
by element.

From one direction a residual of a hundred times the error hides with probability 2 %, from two with
6e-4, from three with 1e-5: that of a normal number below 3/100, and its powers.
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """Both derivatives along one direction, the analytic one being ``⟨a, v⟩``."""

    analytic: float
    slope: Estimate

    @property
    def residual(self) -> float:
        """Analytic minus numerical."""
        return self.analytic - self.slope.value

    @property
    def z(self) -> float:
        """How far the residual stands out, in units of its error; ``inf`` out of an error of 0."""
        if self.slope.error > 0:
            return abs(self.residual) / self.slope.error
        return math.inf if self.residual else 0.0


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    """All probes of one block in one setting."""

    name: str
    size: int  # number of elements
    analytic_norm: float  # ‖a‖, exact
    scale: float  # s, in the parameter's units
    probes: tuple[Probe, ...] = ()
    exact: bool = False  # whether the probes are the block's elements, one by one, and complete
    spoiled: str = ""  # where the analytic gradient is NaN or infinite, in words
    unmoved: bool = False  # whether the loss did not change by a bit in any probe
    # The numerical derivative of every element (exhaustive effort), the block's shape.
    elements: Array | None = field(default=None, compare=False, repr=False)
    kinked: bool = False  # whether kinks are known to spoil its probes, from the main setting too
    analytic_error: float = 0.0  # of the analytic gradient by its own rounding, a norm

    @property
    def meets_kinks(self) -> bool:
        """Whether kinks spoil probes of the block, here or at the main setting."""
        return self.kinked or any(probe.slope.kink for probe in self.probes)


def ratio_of(residual: float, analytic: float, numerical: float) -> float:
    """``residual / (analytic + numerical)``; 0/0 is 0."""
    total = analytic + numerical
    return residual / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Norms:
    """How large two gradients are and how far they are apart."""

    residual: float = math.nan  # ‖a - n‖
    analytic: float = math.nan  # ‖a‖
    numerical: float = math.nan  # ‖n‖

    @property
    def ratio(self) -> float:
        """The textbook ratio."""
        return ratio_of(self.residual, self.analytic, self.numerical)


@dataclass(frozen=True, slots=True)
class Location:
    """Where in a block both derivatives differ."""

    name: str
    shape: tuple[int, ...]
    boxes: tuple[Box, ...] = ()  # the wrong parts; none where the fault is spread over the block
    norms: Norms = Norms()  # over these parts; nan where it is spread
    # Single elements among the parts, by position, with what was measured.
    elements: Mapping[tuple[int, ...], Probe] = field(default_factory=dict)
    complete: bool = True  # whether everything outside of the parts was found right
    setting: str = ""  # in which it was searched; empty where nobody asks

    @property
    def concentrated(self) -> bool:
        """Whether the fault sits in parts of the block."""
        return bool(self.boxes)


NAMED_PARTS = 3
"""Parts of a block that are named one by one."""


def is_apart(found: Location, evidence: BlockEvidence, few: float) -> bool:
    """Whether the wrong parts are a small part of the block, and of its gradient.

    Parts that hold most of the gradient are where it lives, not where it is wrong.  A small part
    is a share ``few`` of the elements, and twice as much of the gradient.
    """
    size = sum(math.prod(s.stop - s.start for s in box) for box in found.boxes)
    # Of the smallest blocks each element stands for itself.
    small = len(found.boxes) == 1 or size <= few * evidence.size or evidence.size <= DIRECTIONS
    return (
        found.concentrated and small and (found.norms.numerical < 2 * few * evidence.analytic_norm)
    )


def describe(location: Location) -> str:
    """The wrong parts as a user would index them: ``"W2[:, 7]"``."""
    parts = [
        block_name(location.name, LONGEST_NAME)
        + ("[" + ", ".join(map(_index, box, location.shape)) + "]" if box else "")
        for box in location.boxes[:NAMED_PARTS]
    ]
    more = len(location.boxes) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")


def _index(part: slice, length: int) -> str:
    if part.stop - part.start == 1:
        return str(part.start)
    return ":" if part.stop - part.start == length else f"{part.start}:{part.stop}"
