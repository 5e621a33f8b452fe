"""A small drawing of ratios over steps, as SVG: one line per block, and the limits across it.

Text and axes take the page's own colour, so that it reads on light and dark.  What has no ratio
leaves a gap.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from gradhook._types import MISMATCH, Verdict
from gradhook.report import BlockReport, Report
from gradhook.report.format import block_names, number, printable

__all__ = ["plot"]

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 10, 28
LOWEST = -13.0
"""log10 of the smallest ratio drawn; smaller ones lie on the axis."""

DRAWN_BLOCKS = 8
"""Blocks drawn, those with the largest ratios."""

NAME_SPACING = 13
"""Pixels between two names at the end of their lines."""

RIGHT_COLOUR, WRONG_COLOUR = "#1a7f37", "#cf222e"


def plot(reports: Sequence[Report]) -> str:
    """Return the ratio of each block over the checks of a run; nothing where fewer than two.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report import BlockReport, Report
        >>> from gradhook.report.plot import plot
        >>> w = BlockReport("w", (2,), "float64", Verdict.PASS, ratio=3.2e-9)
        >>> plot([Report(Verdict.PASS, True, {"w": w}, step=step) for step in (0, 100)])[:4]
        '<svg'
    """
    steps = [i if report.step is None else report.step for i, report in enumerate(reports)]
    names, ends_at = _drawn(reports), (min(steps, default=0), max(steps, default=0))
    if not names or ends_at[0] == ends_at[1]:
        return ""
    tolerance = reports[-1].tolerance
    parts = [_axes(ends_at, tolerance.fail, tolerance.warn)]
    ends = []
    for name in names:
        points = [
            (_x(step, ends_at), _y(block.ratio), block)
            for step, report in zip(steps, reports, strict=True)
            if (block := report.blocks.get(name)) is not None and _has_ratio(block)
        ]
        wrong = any(block.verdict in MISMATCH for _, _, block in points)
        colour = WRONG_COLOUR if wrong else RIGHT_COLOUR
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-opacity=".6"/>'
        )
        for x, y, block in points:
            dot = WRONG_COLOUR if block.verdict in MISMATCH else RIGHT_COLOUR
            title = html.escape(f"{printable(name)}: {block.verdict}, ratio {number(block.ratio)}")
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{dot}"><title>{title}</title>'
                "</circle>"
            )
        ends.append((points[-1][1], name, colour))
    parts += _labels(ends)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="ratio of each block over the steps" font-size="11" '
        f'font-family="system-ui,sans-serif" fill="currentColor">{"".join(parts)}</svg>'
    )


def _drawn(reports: Sequence[Report]) -> list[str]:
    """Return the blocks to draw: those with the largest ratios anywhere."""
    largest: dict[str, float] = {}
    for report in reports:
        for name, block in report.blocks.items():
            if _has_ratio(block):
                largest[name] = max(block.ratio, largest.get(name, 0.0))
    return sorted(largest, key=lambda name: -largest[name])[:DRAWN_BLOCKS]


def _has_ratio(block: BlockReport) -> bool:
    judged = block.verdict not in (Verdict.UNTESTED, Verdict.INCONCLUSIVE)
    return judged and not math.isnan(block.ratio)


def _x(step: int, ends_at: tuple[int, int]) -> float:
    share = (step - ends_at[0]) / (ends_at[1] - ends_at[0])
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(ratio: float) -> float:
    level = min(0.0, max(LOWEST, math.log10(ratio) if ratio > 0 else LOWEST))
    return TOP + (HEIGHT - TOP - BOTTOM) * level / LOWEST


def _axes(ends_at: tuple[int, int], fail: float, warn: float) -> str:
    """Return the frame: ticks, and the limits with what lies beyond them in words."""
    left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
    frame = f"M{left} {TOP}V{bottom}H{right}"
    parts = [f'<path d="{frame}" fill="none" stroke="currentColor" stroke-opacity=".5"/>']
    for exponent in (0, -4, -8, -12):
        y = _y(10.0**exponent)
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>')
    for limit, said, down in ((fail, "wrong above", -4), (warn, "right below", 12)):
        y = _y(limit)
        parts.append(
            f'<path d="M{left} {y:.1f}H{right}" stroke="currentColor" stroke-opacity=".5" '
            'stroke-dasharray="4 3"/>'
            f'<text x="{left + 6}" y="{y + down:.1f}" opacity=".7">{said}</text>'
        )
    for step, anchor in zip(ends_at, ("start", "end"), strict=True):
        x = _x(step, ends_at)
        parts.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="{anchor}">step {step}</text>')
    return "".join(parts)


def _labels(ends: Sequence[tuple[float, str, str]]) -> list[str]:
    """Return the names at the ends of their lines, moved apart where they would overlap."""
    shown = block_names([name for _, name, _ in ends], 20)
    parts, free = [], float(TOP)
    for y, name, colour in sorted(ends):
        free = max(free, y)
        parts.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{free + 4:.1f}" fill="{colour}">'
            f"{html.escape(shown[name])}</text>"
        )
        free += NAME_SPACING
    return parts
