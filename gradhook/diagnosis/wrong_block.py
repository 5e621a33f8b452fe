"""A wrong block as diagnosis sees it: known arrays, and what was measured along known directions.

Nobody knows the numerical gradient ``n`` of a large block, only its products ``⟨n, v⟩`` with a few
directions.  That is enough to try whether it is some known array, or a multiple of one, because
``⟨T, v⟩`` of any known ``T`` costs no evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import Array
from gradhook.evaluation.directions import Direction
from gradhook.verdict.evidence import Probe

__all__ = ["SAME_GRADIENT", "WrongBlock", "is_uniform", "is_vector", "multiple_of", "same_gradient"]

SAME_GRADIENT = 1e-9
"""Relative difference below which two analytic gradients are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class WrongBlock:
    """One wrong block at one point."""

    name: str
    gradient: Array  # the analytic gradient ``a``; the block's shape
    values: Array  # the block itself, ``W``, at this point; same shape
    directions: tuple[Direction, ...]  # ``v``; empty where every element was measured, in C order
    slopes: Array  # ``⟨n, v⟩`` for each direction, or ``n`` element by element; shape (K,)
    errors: Array  # their error estimates; shape (K,)
    seen: Array  # ``⟨a, v⟩`` as the probes have it; shape (K,)

    @classmethod
    def of(
        cls,
        name: str,
        gradient: Array,
        values: Array,
        directions: Sequence[Direction],
        probes: Sequence[Probe],
        *,
        exact: bool,
    ) -> WrongBlock:
        """Collect finite probes."""
        kept = [k for k, probe in enumerate(probes) if np.isfinite(probe.slope.value)]
        block = cls(
            name,
            gradient,
            values,
            () if exact else tuple(directions[k] for k in kept),
            np.array([probes[k].slope.value for k in kept]),
            np.array([probes[k].slope.error for k in kept]),
            np.array([probes[k].analytic for k in kept]),
        )
        # Steps really taken in a coarse dtype differ from the directions asked for.
        rounding = np.abs(block.along(gradient) - block.seen)
        np.add(block.errors, rounding, out=block.errors)
        return block

    def joined(self, more: WrongBlock) -> WrongBlock:
        """The same block with what was measured along further directions."""
        return replace(
            self,
            directions=self.directions + more.directions,
            slopes=np.concatenate([self.slopes, more.slopes]),
            errors=np.concatenate([self.errors, more.errors]),
            seen=np.concatenate([self.seen, more.seen]),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The block's shape."""
        return self.gradient.shape

    @property
    def exact(self) -> bool:
        """Whether every element was measured."""
        return not self.directions

    @property
    def count(self) -> int:
        """How many numbers were measured."""
        return len(self.slopes)

    @property
    def residuals(self) -> Array:
        """``⟨a - n, v⟩``; shape (K,)."""
        return self.seen - self.slopes

    @property
    def residual_norm(self) -> float:
        """``‖a - n‖``, known exactly or from a few directions."""
        size = float(np.linalg.norm(self.residuals))
        return size if self.exact else size / max(1, self.count) ** 0.5

    @property
    def is_vector(self) -> bool:
        """Whether at most one axis is longer than one, as a bias's is."""
        return is_vector(self.shape)

    def along(self, array: Array) -> Array:
        """``⟨T, v⟩`` of a known array ``T`` of the block's shape; shape (K,)."""
        if not self.directions:
            return np.asarray(array, dtype=np.float64).ravel()
        return np.array([direction.dot(array) for direction in self.directions])


def is_vector(shape: tuple[int, ...]) -> bool:
    """Whether at most one axis is longer than one."""
    return sum(length > 1 for length in shape) <= 1 and len(shape) <= 2


def same_gradient(one: Array, other: Array) -> bool:
    """Whether two analytic gradients of a block are the same but for rounding."""
    return bool(np.linalg.norm(one - other) <= SAME_GRADIENT * np.linalg.norm(one))


def is_uniform(gradient: Array) -> bool:
    """Whether all of several elements are one number but for rounding."""
    return gradient.size > 1 and bool(np.ptp(gradient) <= SAME_GRADIENT * np.max(np.abs(gradient)))


def multiple_of(array: Array, basis: Array, within: float) -> float | None:
    """The number ``c`` of ``array = c · basis``, but for a relative difference; else ``None``."""
    size = float(np.vdot(basis, basis))
    factor = float(np.vdot(basis, array)) / size if size else 0.0
    off = np.linalg.norm(array - factor * basis)
    return factor if size and off <= within * np.linalg.norm(array) else None
