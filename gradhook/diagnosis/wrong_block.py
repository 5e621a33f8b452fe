"""A wrong block as diagnosis sees it, and which known arrays its numerical gradient may be made of.

Nobody knows the numerical gradient ``n`` of a large block, only its products ``⟨n, v⟩`` with a few
directions.  That is enough to try whether it is some known array, or a combination of a few,
because ``⟨T, v⟩`` of any known ``T`` costs no evaluation.

A *prediction* says ``n = base + c_1 T_1 + … + c_q T_q`` with known arrays; blocks may share the
coefficients.  It is fitted by least squares, weighted by the errors of the slopes, on at least
``q + 2`` numbers, and holds if it misses none of them by more than three times its error and leaves
at most a hundredth of the residual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import Array, Tolerance
from gradhook.evaluation.directions import Direction
from gradhook.verdict.evidence import Probe, beside

SAME_GRADIENT = 1e-9
"""Relative difference below which two analytic gradients are the same."""


SAME_FIT = 1e-6
"""Relative difference below which two fitted coefficients are one."""

ZERO = 1e-9
"""A coefficient below which the numerical gradient is zero, and no multiple of the analytic one."""

HIDDEN = 10.0
"""How much more of what lies beside a mismatch may be hidden in the coefficients than shows."""

PRODUCT_ROUNDING = 1e-12
"""Rounding of the products, relative to the numbers summed."""


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
    def residuals(self) -> Array:
        """``⟨a - n, v⟩``; shape (K,)."""
        return self.seen - self.slopes

    @property
    def residual_norm(self) -> float:
        """``‖a - n‖``, known exactly or from a few directions."""
        size = float(np.linalg.norm(self.residuals))
        return size if self.exact else size / max(1, len(self.slopes)) ** 0.5

    def beside(self, tolerance: Tolerance) -> float:
        """Norm of what may differ besides, without being part of the mismatch to be explained."""
        size = float(np.linalg.norm(self.gradient)) + self.residual_norm
        return beside(self.residual_norm, size, tolerance)

    def along(self, array: Array) -> Array:
        """``⟨T, v⟩`` of a known array ``T`` of the block's shape; shape (K,)."""
        if not self.directions:
            return np.asarray(array, dtype=np.float64).ravel()
        return np.array([direction.dot(array) for direction in self.directions])


def is_vector(shape: tuple[int, ...]) -> bool:
    """Whether at most one axis is longer than one, as a bias's is."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the numerical gradient of one block may be."""

    block: WrongBlock
    base: Array | None  # which has no coefficient; ``None`` for zero
    terms: tuple[Array, ...] = ()  # each with a coefficient; of the block's shape

    def at(self, coefficients: Sequence[float]) -> Array:
        """The numerical gradient that these coefficients predict; the block's shape."""
        total = np.zeros(self.block.shape) if self.base is None else self.base.astype(np.float64)
        for coefficient, term in zip(coefficients, self.terms, strict=True):
            total = total + coefficient * term
        return total

    def products(self) -> Array:
        """Of the base and each term with the block's directions; shape (K, 1 + q)."""
        block = self.block
        base = np.zeros_like(block.slopes) if self.base is None else block.along(self.base)
        return np.stack([base, *map(block.along, self.terms)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A prediction that holds: a coefficient for each term, and their error estimates."""

    prediction: Prediction
    coefficients: tuple[float, ...]
    errors: tuple[float, ...]
    misfit: float  # root mean square of what it leaves, errors included, in residuals

    @property
    def predicted(self) -> Array:
        """The numerical gradient of the block; its shape."""
        return self.prediction.at(self.coefficients)


def fit(
    predictions: Sequence[Prediction], tolerance: Tolerance, *, spare: int = 2
) -> dict[str, Fitted]:
    """Fit the coefficients that several blocks share; by block.

    Empty where the fit does not hold, or too little was measured: there must be ``spare`` numbers
    beyond the coefficients.
    """
    blocks = [prediction.block for prediction in predictions]
    slopes = np.concatenate([block.slopes for block in blocks])
    terms = len(predictions[0].terms)
    if len(slopes) < terms + spare or not len(slopes):
        return {}
    products = np.concatenate([prediction.products() for prediction in predictions])
    base, columns = products[:, 0], products[:, 1:]
    errors = np.concatenate([block.errors for block in blocks])
    aside = np.concatenate([np.full_like(b.slopes, b.beside(tolerance)) for b in blocks])
    # Every block counts alike, whatever the size of its gradient.
    typical = np.concatenate(
        [
            np.full_like(b.slopes, np.linalg.norm(b.residuals) / max(1, len(b.slopes)) ** 0.5)
            for b in blocks
        ]
    )
    with np.errstate(all="ignore"):
        allowed = errors + PRODUCT_ROUNDING * (np.abs(slopes) + np.abs(base))
        weights = 1 / np.maximum(allowed, PRODUCT_ROUNDING * typical)
    if not (np.all(np.isfinite(weights)) and np.all(np.isfinite(columns)) and np.all(typical > 0)):
        return {}
    weighted = columns * weights[:, None]
    lengths = np.linalg.norm(weighted, axis=0)
    if not np.all(lengths > 0):
        return {}
    wanted = slopes - base
    solved, _, rank, _ = np.linalg.lstsq(weighted / lengths, wanted * weights, rcond=1e-10)
    if rank < terms:
        return {}
    coefficients = solved / lengths
    left = np.abs(wanted - columns @ coefficients)
    rounding = PRODUCT_ROUNDING * np.abs(columns) @ np.abs(coefficients)
    misfit = np.sqrt(np.mean(((left + allowed) / typical) ** 2))
    clean = np.all(left <= tolerance.resolved * allowed + rounding)
    most = tolerance.resolved * (allowed + aside) + rounding
    if np.any(left > most) or misfit > tolerance.explained:
        return {}
    # Of what lies beside the mismatch, the part along the terms does not show in the fit.
    shown = HIDDEN * np.sqrt(np.mean((left / typical) ** 2)) * typical
    off = allowed if clean else allowed + np.minimum(aside, shown)
    inverse = np.linalg.pinv(weighted / lengths)
    spread = np.sqrt(np.sum((inverse * (off * weights)) ** 2, axis=1)) / lengths
    found = tuple(map(float, coefficients)), tuple(map(float, spread))
    return {each.block.name: Fitted(each, *found, float(misfit)) for each in predictions}


def known(fits: Mapping[str, Fitted]) -> dict[str, Fitted]:
    """Those of which each coefficient is known to a hundredth, and the first is not zero."""
    return {
        name: each
        for name, each in fits.items()
        if abs(each.coefficients[0]) >= ZERO
        and all(abs(c) >= 100 * e for c, e in zip(each.coefficients, each.errors, strict=True))
    }


def fitted(
    predictions: Mapping[str, Prediction], tolerance: Tolerance, *, spare: int = 2
) -> dict[str, Fitted]:
    """What all blocks share, else what each block has that has something, as far as it is known.

    A block by itself must have ``spare`` numbers beyond the coefficients.
    """
    found = fit(list(predictions.values()), tolerance)
    if not found:
        for made in predictions.values():
            found |= fit([made], tolerance, spare=spare)
    return known(found)


def alike(numbers: Mapping[str, Fitted]) -> list[list[str]]:
    """Names of the blocks, those whose first coefficients are one within their errors together."""
    groups: list[list[str]] = []
    for name, number in numbers.items():
        for group in groups:
            (one, *_), (other, *_) = number.coefficients, numbers[group[0]].coefficients
            errors = number.errors[0] + numbers[group[0]].errors[0]
            if abs(one - other) <= max(SAME_FIT * abs(one), 3 * errors):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups
