"""Which custom charts TensorBoard shows, and under which headings.

A few blocks share one heading.  Of many, those that were ever found wrong stand under the first
heading, open, and each layer has a heading of its own that opens with a click.

The charts are lines and no margin charts: each run would draw its own band, and five bands of five
colours on top of each other hide the grid and look like an alarm.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

__all__ = ["OVERALL", "Heading", "headings"]

TITLE = "gradient check, log10 of the ratio; blocks that were wrong first; ▲ not judged"

CHARTS_TOGETHER = 12
"""Charts that one heading holds without being hard to read."""

OVERALL = "ratio"
"""Tag of the ratio over all blocks."""


class Heading(NamedTuple):
    """One heading and the tags of the charts below it, in the order in which they are seen."""

    title: str
    tags: tuple[str, ...]
    closed: bool = False


def headings(tags: Sequence[str], wrong: Collection[str]) -> list[Heading]:
    """Return the headings of a run.

    Args:
        tags: The tags of the blocks, in forward order.
        wrong: Those of the blocks that were ever found wrong.

    Example:
        >>> [heading] = headings(["W1", "b1"], wrong=["b1"])
        >>> heading.tags
        ('ratio', 'b1', 'W1')
    """
    first = [tag for tag in tags if tag in wrong]
    if len(tags) <= CHARTS_TOGETHER:
        return [Heading(TITLE, (OVERALL, *first, *(tag for tag in tags if tag not in wrong)))]
    groups = _by_layer(tags)
    return [
        Heading(TITLE, (OVERALL, *first[:CHARTS_TOGETHER])),
        *(Heading(title, tuple(group), closed=True) for title, group in groups.items()),
    ]


def _by_layer(tags: Sequence[str]) -> dict[str, list[str]]:
    """Group tags by what stands before the last ``/``, or by the number at their end.

    Where that hardly brings two blocks together, they are grouped as they come.
    """
    groups: dict[str, list[str]] = {}
    for tag in tags:
        groups.setdefault(_layer(tag), []).append(tag)
    if 1 < len(groups) <= len(tags) / 2:
        return groups
    runs = [list(tags[i : i + CHARTS_TOGETHER]) for i in range(0, len(tags), CHARTS_TOGETHER)]
    return {f"{run[0]} to {run[-1]}": run for run in runs}


def _layer(tag: str) -> str:
    folder = tag.rpartition("/")[0]
    number = re.search(r"\d+$", tag)
    return folder or (f"layer {number[0]}" if number else "other blocks")
