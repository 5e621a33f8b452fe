"""Losses that move in stairs, and how high these are.

A loss that is rounded, or computes a part of itself in coarse numbers, is constant, or as fine as
float64, between points that lie close; the slope across many stairs, and the edges between them,
tell.
"""

from __future__ import annotations

import math

from gradhook.difference import NoiseEstimate, noise_level
from gradhook.difference.base import Samples
from gradhook.difference.formulas import Sharp
from gradhook.difference.search import DISAGREE

__all__ = ["DIVISORS", "SUSPICIOUS", "WIDE", "jump", "stair", "wide_level"]

WIDE = (1e-2, 1e-1)
"""Distances over which a slope is that of many stairs, in units of the blocks' scales, the second
for numbers as coarse as float16's."""

DEPARTURE, BENDS_AT_ONCE, SECOND = 0.1, 100.0, 1.37
"""Share of the difference of both slopes at which a line has left the first; by how much more than
at any shorter distance, if it bends at once; and where else its slope beyond is looked at, over a
window that is as much shorter, lest as many stairs lie in both."""

LONGER = 4.0
"""By how much longer each way is along which a line is seen to leave its slope."""

NARROWER = (8.0, 32.0)
"""Parts of that window in which a line that waves is straight, and stairs are either still or
wilder."""

DIVISORS, AGREE = (3.0, 4.7, 6.1), 3.0
"""Parts of that distance that tables are spaced by, and the factor within which two agree."""

SUSPICIOUS = 100.0
"""Noise, in units of half the grain, beyond what rounding alone usually makes."""


def wide_level(line: Samples, far: float, at_zero: float, likely: float) -> float:
    """The noise of stairs, between points that many of them part.

    Steps of a whole number of stairs hide them; of several lengths, two that agree are enough.
    """
    levels = [likely]
    for k in DIVISORS:
        level = noise_level(line, spacing=far / k, at_zero=at_zero).level
        agree = any(AGREE * min(level, other) >= max(level, other) for other in levels)
        levels.append(level)
        if agree:
            break
    return max(levels)


def stair(line: Samples, first: float, found: NoiseEstimate) -> float:
    """The noise of a line that stood still over the first table and rises further on; 0 of others.

    Steps of a whole number of stairs make it a straight line to the bit.
    """
    reach, far = 6 * first, 6 * found.spacing
    if line(reach) != line(0.0) or reach == far:
        return 0.0
    if abs(line(far) - line(0.0)) * reach / far <= SUSPICIOUS * found.floor:
        return 0.0
    while line(reach) == line(0.0) and reach < far:
        reach = min(4 * reach, far)
    return abs(line(reach) - line(0.0)) / math.sqrt(12)


def jump(
    line: Samples, spacing: float, level: float, wide: float, *, waves: bool, most: float
) -> float:
    """What the line rises by more between distant points than close ones foretell; 0 if nothing.

    A term that is computed in coarse numbers, or a loss that is rounded, is constant between close
    points and hides its noise there; the slope across many stairs is right all the same, and its
    error covers what kinks do to it.

    Raises:
        NonFiniteLossError: The line was NaN or infinite at a point visited.
    """
    reach, h = 6 * spacing, wide
    if reach > h / 10:
        return 0.0
    near = (line(reach) - line(0.0)) / reach
    across = Sharp()(line, line(0.0), h, level)
    near_error = 2 * level / reach + abs(across.gap) * reach / h
    apart = abs(near - across.value)
    if apart <= DISAGREE * (near_error + across.error):
        return 0.0
    # A line that bends leaves its slope by and by, one with a kink or with stairs all at once; past
    # a kink the slope is another and the same everywhere, on stairs it is the first again, or wild.
    window, rungs = reach, math.ceil(math.log(h / reach, LONGER))

    def change(rung: int) -> float:
        """How far the slope has changed after so many times the window as ``LONGER**rung``."""
        at = window * LONGER**rung
        return abs((line(at) - line(0.0)) / at - near) / apart

    within, beyond, before, after = 0, rungs, 0.0, math.inf
    while beyond - within > 1 or after == math.inf:
        if line.evaluations + 6 >= most:  # what telling stairs takes
            return 0.0
        # With few evaluations left the short ways come first, where edges usually are.
        inside = (within + beyond) // 2 if most == math.inf else within + 1
        middle = inside if beyond - within > 1 else beyond
        changed = change(middle)
        if changed > DEPARTURE:
            beyond, after = middle, changed
        elif middle == rungs:
            return 2 * h * apart
        else:
            within, before = middle, changed
    if within > 1 and after <= BENDS_AT_ONCE * before:
        # Past an edge, or a wave, the slope may come near the first for once.
        nearer = change(within - 1)
        while nearer > DEPARTURE:
            within, after, before = within - 1, nearer, 0.0
            beyond = within
            nearer = before = change(within - 1) if within > 1 else 0.0
    at_once = after > BENDS_AT_ONCE * before
    reach = window * LONGER**beyond
    stairs = at_once and _has_edges(line, reach, window, near, apart, waves=waves)
    return 2 * h * apart if stairs else 0.0


def _has_edges(
    line: Samples, reach: float, window: float, near: float, apart: float, *, waves: bool
) -> bool:
    """Whether a line has the slope ``near`` again at some distance, or wild ones.

    A window over an edge has a slope that its width decides; on a line that waves it does not.
    """

    def slope(at: float, width: float) -> float:
        return (line(at + width) - line(at)) / width

    first, second = slope(reach, window), slope(SECOND * reach, window / SECOND)
    if min(abs(first - near), abs(second - near)) < DEPARTURE * apart:
        return True
    if abs(first - second) <= DEPARTURE * max(abs(first - near), abs(second - near)):
        return False
    if not waves:
        return True
    narrow, narrower = (slope(reach, window / k) for k in NARROWER)
    still = abs(narrower - near) < DEPARTURE * apart
    return still or abs(narrower - narrow) > DEPARTURE * max(abs(narrower), abs(narrow))
