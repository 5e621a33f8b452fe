"""Names of blocks as TensorBoard tags, the headings of their charts, text made fit to be shown.

A tag is the block's name wherever that can be: it is changed only where it would be invisible,
ambiguous or enormous, or would take the place of another curve.  Tags are never used as file names.

Under which headings TensorBoard shows the custom charts: a few blocks share one heading.  Of many,
those that were ever found wrong stand under the first heading, open, and all of them under further
ones that open with a click.  The charts are lines and no margin charts: each run would draw
its own band, and five bands of five colours on top of each other hide the grid and look like an
alarm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

__all__ = [
    "EMPTY",
    "LONGEST_TAG",
    "OVERALL",
    "BlockTags",
    "Heading",
    "headings",
    "printable",
    "shorten",
]

EMPTY = "(empty)"
"""What stands for an empty name."""

LONGEST_TAG = 100
"""Characters of a name that are shown; longer ones end with a hash instead."""

TITLE = "gradient check, log10 of the ratio; blocks that were wrong first; ▲ not judged"

CHARTS_TOGETHER = 12
"""Charts that one heading holds without being hard to read."""

OVERALL = "ratio"
"""Tag of the ratio over all blocks."""

RESERVED = frozenset({OVERALL, "0 wrong blocks"})
"""Tags that belong to the report as a whole."""


class BlockTags:
    """The tag of each block, the same for the whole run.

    Example:
        >>> tags = BlockTags()
        >>> list(tags.of(["layer1/W", "ratio", "ratio_", ""]).values())
        ['layer1/W', 'ratio__', 'ratio_', '(empty)']
    """

    def __init__(self) -> None:
        self._tags: dict[str, str] = {}

    @property
    def all(self) -> list[str]:
        """Every tag given so far, in the order in which the names came."""
        return list(self._tags.values())

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """Return tags by block name, in the order of ``names``; no two names ever share one."""
        names = list(names)
        new = [name for name in names if name not in self._tags]
        taken = {*RESERVED, *self._tags.values()}
        given = {}
        # Names that are their own tag come first: a changed one gives way, whatever the order.
        for name in sorted(new, key=lambda name: name in RESERVED or name != shorten(name)):
            tag = shorten(name)
            while tag in taken:
                tag += "_"
            taken.add(tag)
            given[name] = tag
        self._tags |= {name: given[name] for name in new}
        return {name: self._tags[name] for name in names}


def shorten(name: str) -> str:
    """Return a name that can be shown: printable, not empty, at most ``LONGEST_TAG`` characters.

    A name that is cut ends with eight digits of its SHA-256, so that two long names stay different.
    """
    shown = printable(name) or EMPTY
    if len(shown) <= LONGEST_TAG:
        return shown
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{shown[: LONGEST_TAG - 9]}-{digest}"


def printable(text: str) -> str:
    """Return text on one line: white space as single spaces, other unprintables as U+FFFD.

    Unprintable are control characters, marks that reverse the direction of writing, and halves of
    surrogate pairs, which no file can hold.
    """
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in line)


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
    runs = [tags[i : i + CHARTS_TOGETHER] for i in range(0, len(tags), CHARTS_TOGETHER)]
    return [
        Heading(TITLE, (OVERALL, *first[:CHARTS_TOGETHER])),
        *(Heading(f"{run[0]} to {run[-1]}", tuple(run), closed=True) for run in runs),
    ]
