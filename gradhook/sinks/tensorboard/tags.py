"""Names of blocks as TensorBoard tags, and text made fit to be shown.

A tag is the block's name wherever that can be: it is changed only where it would be invisible,
ambiguous or enormous, or would take the place of another curve.  Tags are never used as file names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

__all__ = ["EMPTY", "LONGEST_TAG", "BlockTags", "printable", "shorten"]

EMPTY = "(empty)"
"""What stands for an empty name."""

LONGEST_TAG = 100
"""Characters of a name that are shown; longer ones end with a hash instead."""

RESERVED = frozenset({"ratio", "0 wrong blocks"})
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
