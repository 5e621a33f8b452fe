"""What probing leaves behind: numbers with their errors, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gradhook._types import Array, Box
from gradhook.difference.base import Slope

__all__ = [
    "BlockEvidence",
    "Location",
    "Probe",
]


@dataclass(frozen=True, slots=True)
class Probe:
    """Both derivatives along one direction.

    Args:
        analytic: ``⟨a, v⟩``.
        slope: The numerical one.
    """

    analytic: float
    slope: Slope

    @property
    def residual(self) -> float:
        """Analytic minus numerical."""
        return self.analytic - self.slope.value

    @property
    def standing(self) -> float:
        """How far the residual stands out, in units of its error; ``inf`` out of an error of 0."""
        if self.slope.error > 0:
            return abs(self.residual) / self.slope.error
        return math.inf if self.residual else 0.0


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    """All probes of one block in one setting.

    Args:
        name: The block.
        size: Its number of elements.
        analytic_norm: ``‖a‖``, exact.
        scale: The block's scale ``s``, in the parameter's units.
        probes: What was measured, in order.
        exact: Whether the probes are the block's elements, one by one, and complete.
        spoiled: Number of elements whose analytic gradient is NaN or infinite.
        unmoved: Whether the loss did not change by a bit in any probe.
        elements: Numerical derivative of every element (exhaustive effort), the block's shape.
        kinked: Whether kinks are known to spoil probes of the block, here or from the main setting.
    """

    name: str
    size: int
    analytic_norm: float
    scale: float
    probes: tuple[Probe, ...] = ()
    exact: bool = False
    spoiled: int = 0
    unmoved: bool = False
    elements: Array | None = field(default=None, compare=False, repr=False)
    kinked: bool = False

    @property
    def meets_kinks(self) -> bool:
        """Whether kinks spoil probes of the block, here or at the main setting."""
        return self.kinked or any(probe.slope.kink for probe in self.probes)

    def with_probes(self, *more: Probe) -> BlockEvidence:
        """The same evidence with further probes."""
        return replace(self, probes=self.probes + more)


@dataclass(frozen=True, slots=True)
class Location:
    """Where in a block both derivatives differ.

    Args:
        name: The block.
        shape: Its shape.
        boxes: The parts that are wrong; empty where the fault is spread over the block.
        residual_norm: ``‖a - n‖`` over these parts; ``nan`` where it is spread.
        analytic_norm: ``‖a‖`` over them.
        numerical_norm: ``‖n‖`` over them.
        elements: Single elements among the parts, by position, with what was measured.
        complete: Whether everything outside of them was found right.
    """

    name: str
    shape: tuple[int, ...]
    boxes: tuple[Box, ...] = ()
    residual_norm: float = math.nan
    analytic_norm: float = math.nan
    numerical_norm: float = math.nan
    elements: Mapping[tuple[int, ...], Probe] = field(default_factory=dict)
    complete: bool = True

    @property
    def concentrated(self) -> bool:
        """Whether the fault sits in parts of the block."""
        return bool(self.boxes)

    @property
    def ratio(self) -> float:
        """``‖a - n‖ / (‖a‖ + ‖n‖)`` over the wrong parts."""
        total = self.analytic_norm + self.numerical_norm
        return self.residual_norm / total if total else 0.0
