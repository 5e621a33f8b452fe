"""Ridders' method: central differences at shrinking steps, extrapolated to step zero.

Central slopes have an error in even powers of the step, ``slope(h) = phi'(0) + a * h**2 +
b * h**4 + ...``.  Steps ``h, h / c, h / c**2, ...`` allow one power after the other to be removed,

    T[i][0] = slope(h / c**i)
    T[i][j] = (c**(2 * j) * T[i][j-1] - T[i-1][j-1]) / (c**(2 * j) - 1)

so that long steps, which noise hardly touches, still give many digits.  The entry that agrees best
with all its neighbours is the result; each also carries the noise that the recursion has amplified,
and the table stops growing once noise limits it or higher orders have turned worse.  The gap
between the one-sided slopes (see ``finite``) is extrapolated likewise, in odd powers: its limit is
the jump of the slope at 0, and half of it belongs to the error, since a symmetric kink is invisible
to central slopes of any order.

Source: C. J. F. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering
Software 4 (1982) 75-76.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gradhook.difference.base import Estimate, Line, Samples, check_noise, check_step, floored
from gradhook.difference.search import LONGEST_CHOSEN
from gradhook.errors import OptionError

__all__ = ["Ridders"]


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
        slopes = _Table(self.shrink, first_power=2)
        gaps = _Table(self.shrink, first_power=1)
        step = LONGEST_CHOSEN if self.step is None else self.step
        centre = samples(0.0)
        for _ in range(self.levels):
            ahead, behind = samples(step), samples(-step)
            level = floored(noise, centre, ahead, behind)
            slopes.extend((ahead - behind) / (2 * step), step, noise=2 * level / step)
            gaps.extend(((ahead - centre) - (centre - behind)) / step, step, noise=4 * level / step)
            if slopes.finished():
                break
            step /= self.shrink
        best = slopes.best
        error = best.error + abs(gaps.best.value) / 2 + slopes.excess()
        return replace(best, error=error, evaluations=samples.evaluations)


class _Table:
    """An extrapolation table, row by row, and its best entry so far."""

    def __init__(self, shrink: float, *, first_power: int) -> None:
        self.best = Estimate(math.nan, math.inf, math.nan, round_off=math.inf)
        self._shrink = shrink
        self._first_power = first_power
        self._values: list[float] = []
        self._noises: list[float] = []
        self._change = math.nan
        self._stale = 0

    def extend(self, value: float, step: float, *, noise: float) -> None:
        """Add the row that begins with a value and its noise, and look for a better entry in it."""
        old, old_noises = self._values, self._noises
        values, noises = [value], [noise]
        for j in range(len(old)):
            factor = self._shrink ** (2 * j + self._first_power)
            values.append((factor * values[j] - old[j]) / (factor - 1))
            # The two share evaluations, so their noises may add up in full.
            noises.append((factor * noises[j] + old_noises[j]) / (factor - 1))
        self._values, self._noises = values, noises
        if len(values) < 3:
            return  # Two slopes that agree may do so by accident.
        self._change = abs(values[0] - old[0])
        self._stale += 1
        for j in range(1, len(values)):
            # All neighbours, the one above included: any two may agree by accident.
            above = [old[j - 1]] + ([old[j]] if j < len(old) else [])
            change = max(abs(values[j] - neighbour) for neighbour in [values[j - 1], *above])
            if change + noises[j] < self.best.error:
                error = change + noises[j]
                self.best = Estimate(values[j], error, step, round_off=noises[j])
                self._stale = 0

    def finished(self) -> bool:
        """Whether noise limits the best entry, or two rows in turn have brought none better."""
        if len(self._values) < 3:
            return False
        # Only after convergence: at steps too long for the line a row without gain tells nothing.
        converged = self.best.error < 1e-3 * abs(self.best.value)
        return self.best.error <= 2 * self.best.round_off or (converged and self._stale >= 2)

    def excess(self) -> float:
        """How far the best entry is from the last slope, beyond what the last two allow."""
        # Changes that fall by c**2 from row to row leave the last one over c**2 - 1 to come.  More
        # than twice that is a kink between the steps, or a line that bends faster than they show.
        allowed = 2 * self._change / (self._shrink**2 - 1) + self._noises[0]
        return max(0.0, abs(self.best.value - self._values[0]) - allowed)
