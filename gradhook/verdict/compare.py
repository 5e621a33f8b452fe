"""The textbook's ratio with an error estimate.

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
from collections.abc import Iterable
from dataclasses import dataclass

from gradhook._types import Tolerance
from gradhook.difference.base import EPS
from gradhook.verdict.evidence import BlockEvidence, Norms, Probe, ratio_of

__all__ = ["Comparison", "chi_squared", "compare", "compare_all"]

SMALL_RESIDUAL = 0.1
"""Residual, in units of the analytic norm or of what the probes saw of it, up to which it is small.
Of a larger one, mostly a multiple of the gradient, all three norms fluctuate together."""


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
    ratio_error = math.hypot(ratio_of(error, analytic, numerical), spread)
    interval = (ratio * low, ratio * high)
    return Comparison(norms, error, ratio_error, interval, resolved, standing_out, len(probes))


def compare_all(parts: list[Comparison]) -> tuple[float, float]:
    """The ratio over several blocks together, and its error estimate; ``nan`` for none."""
    if not parts:
        return math.nan, math.nan
    residual, analytic, numerical = (
        math.hypot(*(getattr(part.norms, name) for part in parts))
        for name in ("residual", "analytic", "numerical")
    )
    error = math.hypot(*(part.error_norm for part in parts))
    ratio = ratio_of(residual, analytic, numerical)
    largest = max(parts, key=lambda part: part.norms.residual)
    spread = largest.ratio_error / largest.ratio if largest.resolved and largest.ratio else 0.0
    return ratio, max(ratio_of(error, analytic, numerical), ratio * spread)


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
