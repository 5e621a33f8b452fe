"""What a line, a method and an estimate are.

A *line* is a function of one number.  A *method* takes a line and the noise of one evaluation, and
gives an *estimate*: the derivative at 0, how far it may be off, and what it cost.  A method holds
its settings and nothing that it works out, so one value serves any number of lines.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from gradhook._types import is_finite
from gradhook.errors import NonFiniteLossError, OptionError

__all__ = ["Estimate", "Line", "Method"]


EPS = float(np.finfo(np.float64).eps)

Line: TypeAlias = Callable[[float], float]
"""A loss along one direction, as a function of ``t``.

``t`` is in units in which a displacement of order one is natural: the step sizes that the methods
choose by themselves rely on it.  ``ComplexStep`` calls the line with a complex number.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A derivative, and how far it may be off.

    Args:
        value: The derivative of the line at 0, in units of loss per unit of ``t``.
        error: Absolute error estimate of ``value``, same units.  ``nan`` where the accuracy is
            unknown, ``inf`` where nothing can be said of the derivative.
        step: Step size ``h`` of the result, in units of ``t``.
        evaluations: Number of evaluations of the line, the one at 0 included; 0 where the caller
            counts them.
        gap: Half the difference of the one-sided slopes at that step, forward minus backward.
        kink: Whether the one-sided slopes stayed apart until the step was too short to tell.
        curvature: ``|phi''|`` seen on the way, ``nan`` if unknown; chooses the next probe's step.
        truncation: The part of the error that shrinks with the step, ``nan`` if unknown.
        round_off: The part that noise makes, ``nan`` if unknown.

    Example:
        >>> from gradhook.difference import Central
        >>> Central(step=0.5)(lambda t: 2.0 * t, noise=0.0).value
        2.0
    """

    value: float
    error: float
    step: float
    evaluations: int = 0
    gap: float = 0.0
    kink: bool = False
    curvature: float = math.nan
    truncation: float = math.nan
    round_off: float = math.nan


class Method(Protocol):
    """How to differentiate a line at 0.

    Example:
        >>> from gradhook.difference import Central, Method, Ridders
        >>> methods: list[Method] = [Central(), Ridders()]
    """

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate ``line'(0)``.

        The step and the estimate depend on nothing but the line and its noise.

        Args:
            line: The loss along one direction, as a function of ``t``.
            noise: Absolute noise (root mean square) in one evaluation of ``line``, in units of
                loss.

        Raises:
            NonFiniteLossError: The line was NaN or infinite at a point that was needed.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        ...


class Samples:
    """A line that evaluates each ``t`` once, refuses values that are not finite, and counts."""

    def __init__(self, line: Line, *, at_zero: float | None = None) -> None:
        self._line = line
        self.values: dict[float, float] = {} if at_zero is None else {0.0: at_zero}
        self._known = len(self.values)

    def value(self, t: float) -> float:
        """Return ``line(t)``, whatever it is."""
        if t not in self.values:
            self.values[t] = float(self._line(t))
        return self.values[t]

    def __call__(self, t: float) -> float:
        """Return ``line(t)``; raise ``NonFiniteLossError`` where it is NaN or infinite."""
        value = self.value(t)
        if not math.isfinite(value):
            refuse_non_finite(t, value)
        return value

    @property
    def evaluations(self) -> int:
        """How often the line was called."""
        return len(self.values) - self._known


def refuse_non_finite(t: complex, value: complex) -> None:
    """Raise the error that names the point visited and the value found there."""
    raise NonFiniteLossError(
        f"the line is {value:g} at t = {t:g}, and a derivative needs finite values there: "
        "pass a smaller step, or Forward() or Backward() at the edge of a domain"
    )


def check_step(step: Any) -> None:
    """Refuse a step size that is not a positive finite number."""
    real = isinstance(step, numbers.Real) and not isinstance(step, bool)
    if not (real and 0 < step < math.inf):
        raise OptionError(f"step must be a positive finite number, in units of t, got {step!r}")


def check_noise(noise: float) -> None:
    """Refuse a noise level that is not a finite number of at least 0."""
    if not (is_finite(noise) and noise >= 0):
        raise OptionError(
            f"noise must be a finite number of at least 0, in units of loss, got {noise!r}; "
            "difference.noise_level measures it"
        )


def floored(noise: float, *values: float) -> float:
    """Return the noise, or the rounding of the largest value where that is more."""
    # A float64 is right to half a unit in the last place at best, whatever the caller measured.
    return max(noise, 0.5 * EPS * max(abs(value) for value in values))
