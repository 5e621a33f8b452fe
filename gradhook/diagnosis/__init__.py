"""Where a gradient is wrong, and why: each hypothesis tried on fresh lines.

Only what an explanation says stands here: a check that explains nothing loads no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gradhook._types import Array
from gradhook.report import Cause
from gradhook.verdict.evidence import Location

__all__ = ["Explanation"]


@dataclass(slots=True)
class Explanation:
    """Where and why blocks are wrong."""

    causes: list[Cause] = field(default_factory=list)  # confirmed, of the largest mismatch first
    boundary: str = ""  # where the fault enters, in words, as far as no cause explains it
    # What the search inside blocks found; of every wrong block at least one element.
    locations: dict[str, Location] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)  # per block, its wrong part in words
    # Per block, its wrong elements where a cause or a natural split tells them, and their relative
    # error, ``‖a - n‖ / max(‖a‖, ‖a - n‖)`` over them.
    masks: dict[str, tuple[Array, float]] = field(default_factory=dict)
