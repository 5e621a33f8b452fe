"""How noisy one evaluation of the loss is, measured at the point where it matters.

One difference table (ECnoise: J. J. Moré and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33 (2011) 1292-1314) along one direction that moves every block by its own scale, never
below half the grain of the values seen: a loss that survives a round trip through float32 knows no
more than float32.  Where a coarse term is added to a fine one no value shows its grain, and points
that lie close see the fine one alone; a slope across a longer way tells.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradhook.difference import grain, noise_level, stairs
from gradhook.difference.base import Samples
from gradhook.difference.stairs import DIVISORS, SUSPICIOUS, WIDE
from gradhook.errors import NonFiniteLossError

__all__ = ["Noise", "measure_noise"]

SPACING = 1e-8
"""Shortest distance of neighbouring points, in units of the blocks' scales."""

LONGEST_SPACING, LONGEST_GUESSED = 0.03, 1e-3
"""Longest distance at first, and where only another point tells of the noise."""

HOPELESS = 0.03
"""Noise elsewhere over what the loss varies by here, beyond which no better one is looked for."""

COARSE = 1e-9
"""Noise, relative to the loss, between those of float64's and float32's rounding."""

SWALLOWING, SWALLOWED = 1e-6, 30.0
"""Noise over the loss, between those of float32 and float16, from which on sums swallow what is
added to them; errors are then larger along some directions than the noise along one tells."""

CLOSER = 1e4
"""How much closer the points of a second table lie, which tells noise from kinks."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy one evaluation is.

    Args:
        level: Absolute noise, in units of loss.
        coarse: Whether it is that of a loss computed in float32 or coarser, whatever it is given.
        contrast: What the loss varies by over one unit, in units of loss; 0 if unknown.
        along_line: The noise along the line that was measured, without the allowance for other
            directions that ``level`` has where sums swallow what is added to them; ``nan`` if the
            same.
    """

    level: float
    coarse: bool
    contrast: float = 0.0
    along_line: float = math.nan


def measure_noise(
    line: Callable[[float], float],
    *,
    at_zero: float,
    elsewhere: float = math.nan,
    known: float | None = None,
    wide: Sequence[float] | None = None,
    waves: bool = True,
    most: float = math.inf,
) -> Noise:
    """The noise of one evaluation along a line.

    The points lie ``√(grain/contrast)`` apart, where ``contrast`` is what the loss varies by over
    one unit: second differences of a smooth loss are then about as large as its rounding, whether
    that is float64's, float32's or that of a large constant in the loss.

    Args:
        line: The loss along a direction in which one unit moves every block by its scale.
        at_zero: ``line(0)``.
        elsewhere: The loss at some other point, about one unit away; ``nan`` if none is known.
        known: What may be the noise, going by another point where stairs and kinks were looked for,
            so that a table will do here, whose points lie as far apart as stairs of that height ask
            for; ``None`` if nothing is known.
        wide: Distances over which stairs are looked for, the later only where noise is coarse; by
            default ``WIDE``, and none where the noise is known.
        waves: Whether a line may wave over such a distance; where a mismatch is in doubt already,
            stairs are likelier.
        most: Evaluations beyond which no further table is made and no stairs are looked for.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
    """
    if not math.isfinite(at_zero):  # for a loss that was finite before
        raise NonFiniteLossError(f"the line is {at_zero:g} at t = 0, where it starts")
    seen = Samples(line, at_zero=at_zero)
    if not math.isfinite(elsewhere) or elsewhere == at_zero:
        elsewhere = seen(0.1)  # a lone value would tell neither grain nor contrast
    values = [value for value in (at_zero, elsewhere) if math.isfinite(value)]
    contrast = (max(values) - min(values)) or abs(at_zero)
    if known is not None and known > HOPELESS * contrast:
        return Noise(known, known > COARSE * max(abs(at_zero), contrast), contrast)
    spacing = math.sqrt(grain(values) / contrast) if contrast else SPACING
    spacing = min(max(spacing, SPACING), LONGEST_SPACING)
    if known and contrast:
        spacing = max(spacing, min(math.sqrt(known / contrast), LONGEST_GUESSED))
    first = spacing
    tables = 3 if most == math.inf else 2  # six evaluations each
    found = noise_level(seen, spacing=spacing, at_zero=at_zero, tables=tables)
    spacing, level, single = found.spacing, found.level, stairs.stair(seen, first, found)
    loudest = level
    if known is None and level > SUSPICIOUS * found.floor and seen.evaluations + 6 <= most:
        # Kinks between the points look like noise but shrink with the spacing; noise does not.
        # The less close they are, the fewer ways there are to look along for the first stair.
        by = CLOSER if most == math.inf else math.sqrt(CLOSER)
        table = noise_level(seen, spacing=spacing / by, at_zero=at_zero)
        if table.reached and table.level < level / 3:
            spacing, level = table.spacing, table.level
        if level > max(SUSPICIOUS * found.floor, loudest / by):
            # Kinks fall by more: it is noise, of which the first table saw most.
            spacing, level = found.spacing, loudest
    if wide is None:
        wide = WIDE if known is None else ()
    for far in wide:
        if seen.evaluations + 4 > most:
            break
        # No difference of slopes tells anything that the noise over so short a way may make.
        blurred = 2 * max(level, found.floor) / (6 * spacing) > contrast
        jump, fine = 0.0, max(level, found.floor)
        with contextlib.suppress(NonFiniteLossError):
            if not blurred:
                jump = stairs.jump(seen, spacing, fine, far, waves=waves, most=most)
        if jump:
            spacing = far / DIVISORS[0]
            before, level = level, max(level, stairs.wide_level(seen, far, at_zero, loudest))
            if level <= SUSPICIOUS * max(before, found.floor):
                level = max(level, jump / math.sqrt(12))  # a single stair, a value anywhere on it
        if level <= COARSE * max(contrast, abs(at_zero)):
            break  # as fine as float64: stairs that are wider still would be very low
    level = max(level, single, found.floor)
    size = max(abs(at_zero), contrast)  # the loss may be zero just here
    coarse = level > COARSE * size
    allowance = SWALLOWED if level > SWALLOWING * size else 1.0
    return Noise(allowance * level, coarse, contrast, along_line=level)
