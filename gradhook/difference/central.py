"""Central differences of a loss along one line.

A line restricts the loss to a function of one number, ``phi(t) = f(x + t * v)``, so that
``phi'(0)`` is the directional derivative of ``f`` at ``x`` along ``v``.  The two-point formula is

    slope(h) = (phi(h) - phi(-h)) / (2 * h)  =  phi'(0) + (h**2 / 6) * phi'''(xi).

Truncation shrinks like ``h**2``, round-off grows like ``noise / h``.

A symmetric kink looks smooth: the central slopes of ``abs`` at 0 are 0 at every step, and so is
their change.  The gap between the one-sided slopes tells,

    gap(h) = (phi(h) - 2 * phi(0) + phi(-h)) / h  =  jump + h * phi''(0) + O(h**3),

because for a smooth line it halves with ``h``, and at a kink it stays.  So
``jump = 2 * gap(h) - gap(2 * h)``, and all of it is added to the error (``formulas.Sharp``).
"""

from __future__ import annotations

from dataclasses import dataclass

from gradhook.difference.base import Estimate, Line, check_step
from gradhook.difference.formulas import Sharp
from gradhook.difference.search import differentiate

__all__ = ["Central"]


@dataclass(frozen=True, slots=True)
class Central:
    """Second-order central difference with an error estimate.

    The estimate covers smooth lines, and one kink anywhere within the step: at a kink it is at
    least half the jump of the slope, so that both one-sided derivatives lie within it.  With a step
    longer than the line's own scale it may be too small by accident, as any estimate may.

    Args:
        step: Step size ``h``, in units of ``t``; the line is read at 0, ``h`` and ``2 * h``, both
            ways: 5 evaluations.  ``None`` balances truncation against round-off, about
            ``(3 * noise / |phi'''|)**(1/3)`` and at most 1/16, in 5 to 17 evaluations; a line
            whose slopes at two steps contradict each other takes up to 12 more.

    Raises:
        OptionError: ``step`` is not a positive finite number.

    Example:
        The textbook's theta**3 at 1, whose derivative is 3:

        >>> from gradhook.difference import Central
        >>> estimate = Central(step=0.01)(lambda t: (1 + t) ** 3, noise=1e-16)
        >>> round(estimate.value, 6), estimate.evaluations
        (3.0001, 5)
        >>> abs(estimate.value - 3) <= estimate.error <= 1e-3
        True
    """

    step: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None:
            check_step(self.step)

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate ``line'(0)``.

        Args:
            line: The loss along one direction, as a function of ``t``.
            noise: Absolute noise (root mean square) in one evaluation of ``line``, in units of
                loss.

        Raises:
            NonFiniteLossError: The line was NaN or infinite at a point that was needed.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        return differentiate(line, Sharp(), step=self.step, noise=noise)
