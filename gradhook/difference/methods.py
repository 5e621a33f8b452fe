"""The methods: how a loss along one line is differentiated at 0, each a value that is called.

A line restricts the loss to a function of one number, ``phi(t) = f(x + t * v)``, so that
``phi'(0)`` is the directional derivative of ``f`` at ``x`` along ``v``.

*Central* is the two-point formula

    slope(h) = (phi(h) - phi(-h)) / (2 * h)  =  phi'(0) + (h**2 / 6) * phi'''(xi).

Truncation shrinks like ``h**2``, round-off grows like ``noise / h``.  A symmetric kink looks
smooth: the central slopes of ``abs`` at 0 are 0 at every step, and so is their change.  The gap
between the one-sided slopes tells,

    gap(h) = (phi(h) - 2 * phi(0) + phi(-h)) / h  =  jump + h * phi''(0) + O(h**3),

because for a smooth line it halves with ``h``, and at a kink it stays.  So
``jump = 2 * gap(h) - gap(2 * h)``, and all of it is added to the error (``search.sharp``).

*Forward* and *Backward* are for the edge of a domain, and show what a second side buys:

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

*Ridders* extrapolates central slopes to step zero.  They have an error in even powers of the step,
``slope(h) = phi'(0) + a * h**2 + b * h**4 + ...``.  Steps ``h, h / c, h / c**2, ...`` allow one
power after the other to be removed,

    T[i][0] = slope(h / c**i)
    T[i][j] = (c**(2 * j) * T[i][j-1] - T[i-1][j-1]) / (c**(2 * j) - 1)

so that long steps, which noise hardly touches, still give many digits.  The entry that agrees best
with all its neighbours is the result; each also carries the noise that the recursion has amplified,
and the table stops growing once noise limits it or higher orders have turned worse.  The gap is
extrapolated likewise, in odd powers: its limit is the jump of the slope at 0, and half of it
belongs to the error, since a symmetric kink is invisible to central slopes of any order.

*ComplexStep* is a derivative without a difference.  For an analytic function that is real on the
real axis,

    Im phi(i * h) / h  =  phi'(0) - (h**2 / 6) * phi'''(0) + ...

Nothing is subtracted, so ``h`` may be so small that the truncation vanishes altogether, and what
remains is the round-off of the imaginary part itself.

Sources: C. J. F. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering
Software 4 (1982) 75-76.  W. Squire and G. Trapp, "Using complex variables to estimate derivatives
of real functions", SIAM Review 40 (1998) 110-112.
"""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np

from gradhook.difference.base import (
    EPS,
    Estimate,
    Line,
    Samples,
    check_noise,
    check_step,
    floored,
    refuse_non_finite,
)
from gradhook.difference.search import SHARP, SHRINK, Formula, SearchOptions, one_sided, search
from gradhook.errors import LossTypeError, OptionError

__all__ = ["Backward", "Central", "ComplexStep", "Forward", "Ridders"]

LONGEST_CHOSEN = 2.0**-4
"""No step is chosen beyond this: the formulas reach up to three times as far, a fifth of a natural
displacement."""


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
            found = formula.read(samples, at_zero, self.step, noise)
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
    formula = SHARP


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
    formula = Formula(functools.partial(one_sided, 1), 1, points=3, rounds=4)


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
    formula = Formula(functools.partial(one_sided, -1), 1, points=3, rounds=4)


def _balance(share: float, order: int) -> float:
    # Minimises h**order / (order + 1)! + share / h up to a factor near one, for derivatives of size
    # one; a power of two, because x + h is then exact for most x.
    return 2.0 ** round(math.log2(min((3.0 * share) ** (1 / (order + 1)), LONGEST_CHOSEN)))


@dataclass(frozen=True, slots=True)
class Ridders:
    """Extrapolated central differences with an error estimate.

    Use it where a sharper estimate than ``Central``'s is wanted and the line is smooth out to
    ``step``.

    Args:
        step: First and longest step, in units of ``t``; ``None`` is 1/16.  Shorten it where the
            line bends, kinks or leaves its domain sooner.
        shrink: Ratio ``c`` of a step to the next, above 1.
        levels: Most steps taken, at least 3; each costs two evaluations, and one at 0.

    Raises:
        OptionError: An argument is outside the range named.

    Example:
        >>> import math
        >>> from gradhook.difference import Ridders
        >>> estimate = Ridders()(math.exp, noise=1e-16)
        >>> abs(estimate.value - 1.0) <= estimate.error <= 1e-11
        True
    """

    step: float | None = None
    shrink: float = 1.6
    levels: int = 12

    def __post_init__(self) -> None:
        if self.step is not None:
            check_step(self.step)
        if not 1 < self.shrink < math.inf:
            raise OptionError(f"shrink must be a finite number above 1, got {self.shrink!r}")
        if isinstance(self.levels, bool) or not isinstance(self.levels, int) or self.levels < 3:
            raise OptionError(f"levels must be a whole number of at least 3, got {self.levels!r}")

    def __call__(self, line: Line, *, noise: float) -> Estimate:
        """Estimate ``line'(0)``.

        Args:
            line: The loss along one direction, as a function of ``t``.
            noise: Absolute noise (root mean square) in one evaluation of ``line``, in units of
                loss.

        Raises:
            NonFiniteLossError: The line was NaN or infinite at a point visited.
            OptionError: ``noise`` is not a finite number of at least 0.
        """
        check_noise(noise)
        samples = Samples(line)
        slopes, gaps = _Table(self.shrink, first_power=2), _Table(self.shrink, first_power=1)
        step = LONGEST_CHOSEN if self.step is None else self.step
        centre = samples(0.0)
        for _ in range(self.levels):
            ahead, behind = samples(step), samples(-step)
            level = floored(noise, centre, ahead, behind)
            slopes.extend((ahead - behind) / (2 * step), step, noise=2 * level / step)
            gaps.extend(((ahead - centre) - (centre - behind)) / step, step, noise=4 * level / step)
            best = slopes.best
            # Only after convergence: at steps too long for the line a row without gain tells
            # nothing.
            converged = best.error < 1e-3 * abs(best.value)
            if best.error <= 2 * best.round_off or (converged and slopes.stale >= 2):
                break
            step /= self.shrink
        # Changes that fall by c**2 from row to row leave the last one over c**2 - 1 to come.  More
        # than twice that is a kink between the steps, or a line that bends faster than they show.
        allowed = 2 * slopes.change / (self.shrink**2 - 1) + slopes.noises[0]
        excess = max(0.0, abs(best.value - slopes.values[0]) - allowed)
        error = best.error + abs(gaps.best.value) / 2 + excess
        return replace(best, error=error, evaluations=samples.evaluations)


@dataclass(slots=True)
class _Table:
    """An extrapolation table: its last row, and its best entry so far."""

    shrink: float
    first_power: int
    values: list[float] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)
    best: Estimate = field(default=Estimate(math.nan, math.inf, math.nan))
    change: float = math.nan  # of the first entry, from the row before to the last
    stale: int = 0  # rows in turn that have brought no better entry

    def extend(self, value: float, step: float, *, noise: float) -> None:
        """Add the row that begins with a value and its noise, and look for a better entry in it."""
        old, old_noises = self.values, self.noises
        self.values, self.noises = values, noises = [value], [noise]
        for j in range(len(old)):
            factor = self.shrink ** (2 * j + self.first_power)
            values.append((factor * values[j] - old[j]) / (factor - 1))
            # The two share evaluations, so their noises may add up in full.
            noises.append((factor * noises[j] + old_noises[j]) / (factor - 1))
        if len(values) < 3:
            return  # Two slopes that agree may do so by accident.
        self.change = abs(values[0] - old[0])
        self.stale += 1
        for j in range(1, len(values)):
            # All neighbours, the one above included: any two may agree by accident.
            neighbours = [values[j - 1], *old[j - 1 : j + 1]]
            error = max(abs(values[j] - each) for each in neighbours) + noises[j]
            if error < self.best.error:
                self.best = Estimate(values[j], error, step, round_off=noises[j])
                self.stale = 0


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
        slopes = []
        # Not a power of two: the two then round differently, so that their disagreement shows
        # round-off as well.
        for step in (self.step, 3 * self.step):
            t = complex(0.0, step)
            value = cast(Callable[[complex], complex], line)(t)
            if not np.iscomplexobj(value):
                raise LossTypeError(
                    f"ComplexStep called the line with t = {t:g} and got the real number "
                    f"{value!r}: the loss drops the imaginary part (abs, np.linalg.norm, a "
                    "conversion to a real dtype); use Central() or Ridders()"
                )
            if not cmath.isfinite(value):
                refuse_non_finite(t, complex(value))
            slopes.append(complex(value).imag / step)
        slope, other = slopes
        error = abs(slope - other) + 4 * EPS * abs(slope) if slope or other else math.nan
        return Estimate(slope, error, step=self.step, evaluations=2)
