"""The wrong parts of a block: whether they are a part at all, and how a user would index them."""

from __future__ import annotations

import math

from gradhook.probe.evidence import BlockEvidence, Location
from gradhook.report.format import LONGEST, block_name

__all__ = ["describe", "is_apart"]

NAMED = 3
"""Parts of a block that are named one by one."""


def is_apart(found: Location, evidence: BlockEvidence, few: float) -> bool:
    """Whether the wrong parts are a small part of the block, and of its gradient.

    Parts that hold most of the gradient are where it lives, not where it is wrong.

    Args:
        found: What a search found.
        evidence: The block's probes.
        few: Share of the elements, and half of that of the gradient, that is a small part.
    """
    size = sum(math.prod(s.stop - s.start for s in box) for box in found.boxes)
    small = len(found.boxes) == 1 or size <= few * evidence.size
    return (
        found.concentrated and small and (found.numerical_norm < 2 * few * evidence.analytic_norm)
    )


def describe(location: Location) -> str:
    """The wrong parts as a user would index them: ``"W2[:, 7]"``."""
    parts = [
        block_name(location.name, LONGEST)
        + ("[" + ", ".join(map(_index, box, location.shape)) + "]" if box else "")
        for box in location.boxes[:NAMED]
    ]
    more = len(location.boxes) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")


def _index(part: slice, length: int) -> str:
    if part.stop - part.start == 1:
        return str(part.start)
    return ":" if part.stop - part.start == length else f"{part.start}:{part.stop}"
