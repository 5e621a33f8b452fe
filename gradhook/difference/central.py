"""Central differences of a loss along one line.

A line restricts the loss to a function of one number, ``phi(t) = f(x + t * v)``, so that
``phi'(0)`` is the directional derivative of ``f`` at ``x`` along ``v``.  The two-point formula is

    slope(h) = (phi(h) - phi(-h)) / (2 * h)  =  phi'(0) + (h**2 / 6) * phi'''(xi).

Truncation shrinks like ``h**2``, round-off grows like ``noise / h``.

A symmetric kink looks smooth: the central slopes of ``abs`` at 0 are 0 at every step, and so is
their change.  The gap between the one-sided slopes tells,

    gap(h) = (phi(h) - 2 * phi(0) + phi(-h)) / h  =  jump + h * phi''(0) + O(h**3),

because for a smooth line it halves with ``h``, and at a kink it stays.  So
``jump = 2 * gap(h) - gap(2 * h)``, and half of it belongs to the error.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradhook.difference.base import Estimate, Line, Samples, check_step, floored
from gradhook.difference.search import Reading, estimate

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
            ``(3 * noise / |phi'''|)**(1/3)`` and at most 1/16, in 5 to 17 evaluations.

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
        return estimate(line, _read, step=self.step, noise=noise, order=2)


def _read(samples: Samples, step: float, noise: float) -> Reading:
    centre = samples(0.0)
    near = samples(step), samples(-step)
    far = samples(2 * step), samples(-2 * step)
    slope = (near[0] - near[1]) / (2 * step)
    gap = ((near[0] - centre) - (centre - near[1])) / step
    change = (far[0] - far[1]) / (4 * step) - slope
    jump = 2 * gap - ((far[0] - centre) - (centre - far[1])) / (2 * step)
    # A third of the change is the leading error of a smooth line.  The whole of it covers a kink at
    # 0 < c < h too: with J the jump there, the error is J (h - c) / 2h, the change J c / 4h, half
    # the jump seen J |2h - 3c| / 4h.
    truncation = abs(change) + abs(jump) / 2
    noise = floored(noise, centre, *near, *far)
    # The noise of the slope is noise / (sqrt(2) * h); 2 * noise / h is 2.8 times that.
    return Reading(slope, step, truncation, round_off=2 * noise / step, noise=noise)
