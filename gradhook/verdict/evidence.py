"""What probing leaves behind, block by block, and the textbook's ratio of it with its error.

``ratio = ‖a - n‖ / (‖a‖ + ‖n‖)``.  ``‖a‖`` is known exactly.  For random directions with ``E v vᵀ =
I`` the mean square of ``⟨v, r⟩`` estimates ``‖r‖²`` and that of ``⟨v, n⟩`` estimates ``‖n‖²``;
where the residual is small, ``‖n‖² = ‖a‖² + mean(⟨v, n⟩² - ⟨v, a⟩²)`` does so with hardly any
spread.  Where it is not small, all three are root mean squares over the same probes, so that the
ratio lies in [0, 1].  With K probes a root mean square spreads by about ``1/√(2K)``, and
``K·estimate²/truth²`` follows a chi-squared distribution with K degrees of freedom.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gradhook._types import Array, Box, Tolerance
from gradhook.difference.base import EPS, Estimate
from gradhook.report.format import LONGEST_NAME, block_name

DIRECTIONS = 3
"""Directions along which a residual is looked for; a block of no more elements is measured element
by element.

From one direction a residual of a hundred times the error hides with probability 2 %, from two with
6e-4, from three with 1e-5: that of a normal number below 3/100, and its powers.
"""

NAMED_PARTS = 3
"""Parts of a block that are named one by one."""

SMALL_RESIDUAL = 0.1
"""Residual, in units of the analytic norm or of what the probes saw of it, up to which it is small.
Of a larger one, mostly a multiple of the gradient, all three norms fluctuate together."""


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


@dataclass(frozen=True, slots=True)
class Norms:
    """How large two gradients are and how far they are apart."""

    residual: float = math.nan  # ‖a - n‖
    analytic: float = math.nan  # ‖a‖
    numerical: float = math.nan  # ‖n‖

    @property
    def ratio(self) -> float:
        """``residual / (analytic + numerical)``; 0/0 is 0."""
        total = self.analytic + self.numerical
        return self.residual / total if total else 0.0


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


def is_apart(found: Location, evidence: BlockEvidence, few: float) -> bool:
    """Whether the wrong parts are a small part of the block, and of its gradient.

    Parts that hold most of the gradient are where it lives, not where it is wrong.  A small part
    is a share ``few`` of the elements, and twice as much of the gradient.
    """
    size = sum(math.prod(s.stop - s.start for s in box) for box in found.boxes)
    # Of the smallest blocks each element stands for itself.
    small = len(found.boxes) == 1 or size <= few * evidence.size or evidence.size <= DIRECTIONS
    share = found.norms.numerical < 2 * few * evidence.analytic_norm
    return bool(found.boxes) and small and share


def beside(residual: float, size: float, tolerance: Tolerance) -> float:
    """Norm up to which a mismatch beside a larger one counts for nothing where that is explained.

    ``residual`` is the larger one's, and ``size`` that of the gradient.  A loss that alone has a
    ``log(p + eps)`` differs by a little everywhere, whatever else is wrong.
    """
    return min(tolerance.unexplained * size, tolerance.explained / 100 * residual)


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two gradients of a block are apart."""

    norms: Norms  # of both; along the probes where the residual is not small
    error_norm: float  # what ‖a - n‖ would be from errors of measurement alone
    ratio_error: float
    interval: tuple[float, float]  # of the ratio
    resolved: bool  # whether a mismatch stands out of its own error, along enough directions
    standing_out: tuple[int, ...]  # positions of the probes that do, among all of the evidence
    probes: int  # how many could be used

    @property
    def ratio(self) -> float:
        """The textbook ratio; ``nan`` where no probe could be used."""
        return self.norms.ratio if self.probes else math.nan


def compare(evidence: BlockEvidence, tolerance: Tolerance) -> Comparison:
    """Compare both derivatives of one block."""
    positions = _usable(evidence, tolerance)
    probes = [evidence.probes[k] for k in positions]
    exact, count = evidence.exact, max(1, len(probes))

    def norm(values: Iterable[float]) -> float:
        return math.hypot(*values) * (1.0 if exact else math.sqrt(1.0 / count))

    rounding = tolerance.rounding * evidence.analytic_norm + evidence.analytic_error
    residual = norm(p.residual for p in probes)
    errors = [error + rounding for error in _errors(evidence, probes, tolerance)]
    error = norm(errors) if probes else math.inf
    analytic, along = evidence.analytic_norm, norm(p.analytic for p in probes)
    numerical = measured = norm(p.slope.value for p in probes)
    if not exact and residual > SMALL_RESIDUAL * min(analytic, along):
        analytic = along
    elif not exact:
        numerical = _numerical_norm(evidence, probes, measured)
    norms = Norms(residual, analytic, numerical)
    ratio = norms.ratio if probes else math.nan
    standing_out = tuple(
        k
        for k, p, e in zip(positions, probes, errors, strict=True)
        if abs(p.residual) > tolerance.resolved * e
    )
    # A wrong gradient shows along nearly every direction, an underestimated error along one.
    enough = 1 if exact else math.ceil(tolerance.standing_out * count)
    resolved = len(standing_out) >= enough
    spread = ratio * math.sqrt(0.5 / count) if resolved and not exact else 0.0
    # Factors on a root mean square of ``count`` normal values that enclose the truth.
    tail = (1 - tolerance.coverage) / 2
    low, high = (
        1.0 if exact else math.sqrt(count / chi_squared(count, p)) for p in (1 - tail, tail)
    )
    ratio_error = math.hypot(Norms(error, analytic, numerical).ratio, spread)
    interval = (ratio * low, ratio * high)
    return Comparison(norms, error, ratio_error, interval, resolved, standing_out, len(probes))


def compare_all(parts: list[Comparison]) -> tuple[float, float]:
    """The ratio over several blocks together, and its error estimate; ``nan`` for none."""
    if not parts:
        return math.nan, math.nan
    numbers = [(p.norms.residual, p.norms.analytic, p.norms.numerical, p.error_norm) for p in parts]
    residual, analytic, numerical, error = (
        math.hypot(*each) for each in zip(*numbers, strict=True)
    )
    ratio = Norms(residual, analytic, numerical).ratio
    largest = max(parts, key=lambda part: part.norms.residual)
    spread = largest.ratio_error / largest.ratio if largest.resolved and largest.ratio else 0.0
    return ratio, max(Norms(error, analytic, numerical).ratio, ratio * spread)


def _usable(evidence: BlockEvidence, tolerance: Tolerance) -> list[int]:
    """Positions of the finite probes; random directions that a kink spoiled may be left out."""
    slopes = [probe.slope for probe in evidence.probes]
    finite = [k for k, slope in enumerate(slopes) if math.isfinite(slope.value)]
    if evidence.exact:
        return finite if len(finite) == len(slopes) else []
    size = evidence.analytic_norm + max((abs(slopes[k].value) for k in finite), default=0.0)
    clean = [k for k in finite if slopes[k].error <= tolerance.fail * size]
    return clean if 2 * len(clean) > len(slopes) else finite


def _errors(evidence: BlockEvidence, probes: list[Probe], tolerance: Tolerance) -> list[float]:
    """The probes' errors, none below their root mean square where kinks may make them.

    The error that many kinks inside a step leave is a random quantity, and so is its estimate: it
    may be small along one direction by accident, where noise forbids a step short enough to tell.
    Where none was met, directions that are seen to ``fail`` keep their own, and elements, which are
    unlike; where some were, an element does that was measured well enough to be judged alone.
    """
    errors = [p.slope.error for p in probes]
    kinked = evidence.meets_kinks
    if evidence.elements is not None or not errors or (evidence.exact and not kinked):
        return errors
    pooled = math.hypot(*errors) / math.sqrt(len(errors))
    clean = 0.0 if kinked and not evidence.exact else tolerance.fail * evidence.analytic_norm
    return [max(error, pooled) if error > clean else error for error in errors]


def _numerical_norm(evidence: BlockEvidence, probes: list[Probe], measured: float) -> float:
    unit = evidence.analytic_norm
    if not unit:
        return measured
    # In units of the analytic norm, because squares of very large or small numbers do not exist.
    pairs = [(p.slope.value / unit, p.analytic / unit) for p in probes]
    shift = sum((n - a) * (n + a) for n, a in pairs) / max(1, len(pairs))
    return unit * math.sqrt(1 + shift) if abs(shift) < 1 / 2 else measured


@functools.lru_cache(maxsize=256)
def chi_squared(degrees: int, probability: float) -> float:
    """Quantile of the chi-squared distribution, to rounding.

    The distribution function is ``P(k/2, x/2)``, the regularised incomplete gamma function, by its
    series (Abramowitz and Stegun 6.5.29), whose terms are all positive; it is bisected.  ``k`` is
    at least 1, and the probability neither 0 nor 1.
    """
    low, high = 0.0, float(degrees)
    while _lower_gamma(degrees / 2, high / 2) < probability:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        if _lower_gamma(degrees / 2, middle / 2) < probability:
            low = middle
        else:
            high = middle
    return high


def _lower_gamma(a: float, x: float) -> float:
    """``P(a, x) = x**a·e**-x·Σ x**n / Γ(a + n + 1)``."""
    term = math.exp(a * math.log(x) - x - math.lgamma(a + 1)) if x else 0.0
    total, n = term, 0
    while term > EPS / 4 * total:
        n += 1
        term *= x / (a + n)
        total += term
    return total
