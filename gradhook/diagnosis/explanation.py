"""What an explanation says: a record alone, for a check that explains nothing loads no more."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradhook._types import Array
from gradhook.report import Cause
from gradhook.verdict.evidence import Location

__all__ = ["Explanation"]


@dataclass(slots=True)
class Explanation:
    """Where and why blocks are wrong.

    Args:
        causes: Confirmed, that of the largest mismatch first.
        boundary: Where the fault enters, in words, as far as no cause explains it.
        locations: What the search inside blocks found; of every wrong block at least one element.
        where: Per block, its wrong part in words.
        masks: Per block, its wrong elements where a cause or a natural split tells them, and their
            relative error, ``‖a - n‖ / max(‖a‖, ‖a - n‖)`` over them.
    """

    causes: list[Cause] = field(default_factory=list)
    boundary: str = ""
    locations: dict[str, Location] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    masks: dict[str, tuple[Array, float]] = field(default_factory=dict)
