"""One-sided differences, for the edge of a domain and to show what a second side buys.

    slope(h) = (phi(h) - phi(0)) / h  =  phi'(0) + (h / 2) * phi''(0) + (h**2 / 6) * phi'''(xi)

Truncation shrinks like ``h`` only, so that at its best step a one-sided difference has half the
digits of the line's values, a central one two thirds.  At a kink the two sides give the two
one-sided derivatives.  A kink just beyond 0 on the side looked at is not seen: nearer than the step
it is the slope beyond the kink that is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradhook.difference.base import Estimate, Line, check_step
from gradhook.difference.formulas import OneSided
from gradhook.difference.search import differentiate

__all__ = ["Backward", "Forward"]


@dataclass(frozen=True, slots=True)
class Forward:
    """First-order difference that never looks at ``t < 0``.

    Args:
        step: Step size ``h``, in units of ``t``; the line is read at 0, ``h``, ``2 * h`` and
            ``3 * h``: 4 evaluations.  ``None`` balances truncation against round-off, about
            ``sqrt(3 * noise / |phi''|)`` and at most 1/16, in 4 to 13 evaluations; a line
            whose slopes at two steps contradict each other takes up to 9 more.

    Raises:
        OptionError: ``step`` is not a positive finite number.

    Example:
        The textbook's theta**3 at 1, whose derivative is 3:

        >>> from gradhook.difference import Forward
        >>> round(Forward(step=0.01)(lambda t: (1 + t) ** 3, noise=1e-16).value, 6)
        3.0301
    """

    step: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None:
            check_step(self.step)

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate the right-hand derivative of ``line`` at 0.

        Args:
            line: The loss along one direction, as a function of ``t``; called with ``t >= 0``.
            noise: Absolute noise (root mean square) in one evaluation of ``line``, in units of
                loss.

        Raises:
            NonFiniteLossError: The line was NaN or infinite at a point that was needed.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        return differentiate(line, OneSided(1), step=self.step, noise=noise)


@dataclass(frozen=True, slots=True)
class Backward:
    """First-order difference that never looks at ``t > 0``.

    Args:
        step: Step size ``h > 0``, in units of ``t``, as in ``Forward``; the line is read at 0,
            ``-h``, ``-2 * h`` and ``-3 * h``.

    Raises:
        OptionError: ``step`` is not a positive finite number.

    Example:
        The two sides of a kink:

        >>> from gradhook.difference import Backward, Forward
        >>> Backward()(abs, noise=1e-16).value, Forward()(abs, noise=1e-16).value
        (-1.0, 1.0)
    """

    step: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None:
            check_step(self.step)

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate the left-hand derivative of ``line`` at 0.

        Args:
            line: The loss along one direction, as a function of ``t``; called with ``t <= 0``.
            noise: Absolute noise (root mean square) in one evaluation of ``line``, in units of
                loss.

        Raises:
            NonFiniteLossError: The line was NaN or infinite at a point that was needed.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        return differentiate(line, OneSided(-1), step=self.step, noise=noise)
