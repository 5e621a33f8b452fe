"""Finite differences of a loss along one line, central and one-sided.

A line restricts the loss to a function of one number, ``phi(t) = f(x + t * v)``, so that
``phi'(0)`` is the directional derivative of ``f`` at ``x`` along ``v``.  The two-point formula is

    slope(h) = (phi(h) - phi(-h)) / (2 * h)  =  phi'(0) + (h**2 / 6) * phi'''(xi).

Truncation shrinks like ``h**2``, round-off grows like ``noise / h``.

A symmetric kink looks smooth: the central slopes of ``abs`` at 0 are 0 at every step, and so is
their change.  The gap between the one-sided slopes tells,

    gap(h) = (phi(h) - 2 * phi(0) + phi(-h)) / h  =  jump + h * phi''(0) + O(h**3),

because for a smooth line it halves with ``h``, and at a kink it stays.  So
``jump = 2 * gap(h) - gap(2 * h)``, and all of it is added to the error (``formulas.Sharp``).

One-sided differences are for the edge of a domain, and show what a second side buys:

    slope(h) = (phi(h) - phi(0)) / h  =  phi'(0) + (h / 2) * phi''(0) + (h**2 / 6) * phi'''(xi)

Truncation shrinks like ``h`` only, so that at its best step a one-sided difference has half the
digits of the line's values, a central one two thirds.  At a kink the two sides give the two
one-sided derivatives.  A kink just beyond 0 on the side looked at is not seen: nearer than the step
it is the slope beyond the kink that is measured.

Of a line nothing is known here but its noise.  The first step of the search, and when a longer one
is worth trying, follow from the units of ``t``, in which a displacement of order one is natural and
the derivatives that matter are about as large as the slope.  A line that bends on a scale far below
one, and whose bending drowns in noise at the shorter steps, cannot be told from a straight one;
pass a step where that may be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from gradhook.difference.base import EPS, Estimate, Line, Samples, check_noise, check_step, floored
from gradhook.difference.formulas import Formula, OneSided, Sharp
from gradhook.difference.search import LONGEST_CHOSEN, SHRINK, SearchOptions, search

__all__ = ["Backward", "Central", "Forward"]


@dataclass(frozen=True, slots=True)
class _FiniteDifference:
    """A formula at the step given, or at the best of the steps tried."""

    formula: ClassVar[Formula]
    step: float | None = None

    def __post_init__(self) -> None:
        if self.step is not None:
            check_step(self.step)

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate ``line'(0)``: of the one-sided methods the derivative on their side.

        Args:
            line: The loss along one direction, as a function of ``t``; called with ``t >= 0`` alone
                by ``Forward`` and with ``t <= 0`` by ``Backward``.
            noise: Absolute noise (root mean square) in one evaluation of ``line``, in units of
                loss.

        Raises:
            NonFiniteLossError: The line was NaN or infinite at a point that was needed.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        check_noise(noise)
        samples, formula = Samples(line), self.formula
        at_zero = samples(0.0)
        if self.step is not None:
            found = formula(samples, at_zero, self.step, noise)
            return replace(found, evaluations=samples.evaluations)
        level = floored(noise, at_zero)

        def enough(slope: Estimate) -> bool:
            # The balance for derivatives as large as the slope; within a factor of 4 nothing is
            # gained.
            size = abs(slope.value)
            best = _balance(level / size, formula.order) if size and level else LONGEST_CHOSEN
            return slope.step >= best / 4

        # The balance for derivatives as large as the value, if the value says anything of the
        # line's scale: noise above float16's 1e-3 of it means that it is zero by accident.
        share = noise / abs(at_zero) if at_zero else math.inf
        first = _balance(share if EPS / 2 <= share <= 1e-3 else EPS / 2, formula.order)
        # From the shortest first step to the longest in three.
        options = SearchOptions(first, LONGEST_CHOSEN, enough=enough, grow=1 / SHRINK)
        found = search(samples.value, at_zero, formula, options, noise=noise)
        if math.isnan(found.value):
            for t in reversed(samples.values):
                samples(t)  # is refused at the last that is not finite
        return replace(found, evaluations=samples.evaluations)


class Central(_FiniteDifference):
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

    __slots__ = ()
    formula = Sharp()


class Forward(_FiniteDifference):
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

    __slots__ = ()
    formula = OneSided(1)


class Backward(_FiniteDifference):
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

    __slots__ = ()
    formula = OneSided(-1)


def _balance(share: float, order: int) -> float:
    # Minimises h**order / (order + 1)! + share / h up to a factor near one, for derivatives of size
    # one; a power of two, because x + h is then exact for most x.
    return 2.0 ** round(math.log2(min((3.0 * share) ** (1 / (order + 1)), LONGEST_CHOSEN)))
