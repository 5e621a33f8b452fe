"""The complex step: a derivative without a difference.

For an analytic function that is real on the real axis,

    Im phi(i * h) / h  =  phi'(0) - (h**2 / 6) * phi'''(0) + ...

Nothing is subtracted, so ``h`` may be so small that the truncation vanishes altogether, and what
remains is the round-off of the imaginary part itself.

Source: W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 40 (1998) 110-112.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from gradhook.difference.base import EPS, Estimate, Line, check_noise, check_step, refuse_non_finite
from gradhook.errors import LossTypeError

__all__ = ["ComplexStep"]


@dataclass(frozen=True, slots=True)
class ComplexStep:
    """Derivative of an analytic line from its imaginary part.

    It is never chosen automatically.  The line must accept a complex number and be analytic from
    end to end: ``abs``, ``np.linalg.norm``, ``conj``, comparisons such as ``maximum``, and
    conversions to a real dtype are not.  A line that drops the imaginary part altogether is
    refused.  One that drops it in *some* of its terms gives a wrong derivative with a small error
    estimate, and nothing within this method can tell: compare once with ``Central``.

    Args:
        step: Step size ``h``, in units of ``t``.  The default, 1e-20, leaves a truncation far below
            round-off.

    Raises:
        OptionError: ``step`` is not a positive finite number.

    Example:
        >>> import cmath
        >>> from gradhook.difference import ComplexStep
        >>> ComplexStep()(lambda t: cmath.exp(2 * t) + 1e6, noise=0.0).value
        2.0
    """

    step: float = 1e-20

    def __post_init__(self) -> None:
        check_step(self.step)

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate ``line'(0)``.

        Args:
            line: The loss along one direction, as a function of a complex ``t``.
            noise: Taken for the sake of the common interface; the real part and its noise are not
                used.

        Returns:
            The estimate, from two evaluations.  Its error is their disagreement, which holds the
            truncation, and the rounding of the result; ``nan`` where the imaginary part is exactly
            zero, which says that the derivative is zero or that the imaginary part was lost on the
            way.

        Raises:
            LossTypeError: The line returned a real number for a complex argument.
            NonFiniteLossError: The line was NaN or infinite at a point visited.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        check_noise(noise)
        slope = _slope(line, self.step)
        # Not a power of two: the two then round differently, so that their disagreement shows
        # round-off as well.
        other = _slope(line, 3 * self.step)
        error = abs(slope - other) + 4 * EPS * abs(slope)
        if slope == 0.0 and other == 0.0:
            error = math.nan
        return Estimate(slope, error, step=self.step, evaluations=2)


def _slope(line: Line, step: float) -> float:
    t = complex(0.0, step)
    value = cast(Callable[[complex], complex], line)(t)
    if not np.iscomplexobj(value):
        raise LossTypeError(
            f"ComplexStep called the line with t = {t:g} and got the real number {value!r}: the "
            "loss drops the imaginary part (abs, np.linalg.norm, a conversion to a real dtype); "
            "use Central() or Ridders()"
        )
    value = complex(value)
    if not (math.isfinite(value.real) and math.isfinite(value.imag)):
        refuse_non_finite(t, value)
    return value.imag / step
