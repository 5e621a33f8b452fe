"""The record of a branch that an array operation takes differently on the two sides of a step.

``np.maximum(0, z)`` picks one of two branches for each element.  Where an element changes its
branch inside the step of a difference, the loss has a kink there, and two-sided differences
measure something that no backward pass computes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from gradhook._format import count, shorten
from gradhook._record import Record

__all__ = ["Branch", "branch_sentences"]

TOLD = 3
"""Branches of a block that are told."""

LONGEST_SOURCE = 60
"""Columns that a source line may take."""


@dataclass(frozen=True, slots=True, eq=False)
class Branch(Record):
    """An operation that decides differently for some elements on the two sides of a step.

    Args:
        operation: Its NumPy name, such as ``"maximum"``.
        path: The source file, as Python knows it.
        line: Line in that file, from 1.
        source: Text of that line, stripped; empty where it cannot be read.
        flips: Elements that take another branch at ``x + h·v`` than at ``x - h·v``, summed over all
            executions of that line.
        size: Elements that took a branch there in all.

    Example:
        >>> from gradhook.report import Branch
        >>> branch = Branch("maximum", "/home/me/model.py", 23, "h = np.maximum(0, z)", 3, 480)
        >>> branch.file
        'model.py'
    """

    operation: str
    path: str
    line: int
    source: str = ""
    flips: int = 0
    size: int = 0

    @property
    def file(self) -> str:
        """The file's name without its folders."""
        return os.path.basename(self.path)


def branch_sentences(branches: tuple[Branch, ...], opening: str = "") -> list[str]:
    """What is said of the branches of a block, those that ran first in full.

    Args:
        branches: The branches, in call order.
        opening: What each sentence opens with.

    Example:
        >>> from gradhook._branch import Branch, branch_sentences
        >>> branch = Branch("maximum", "m.py", 23, "h = np.maximum(0, z)", 3, 480)
        >>> print(*branch_sentences((branch,)))
        3 of 480 elements of np.maximum flip at m.py:23  `h = np.maximum(0, z)`
    """
    said = []
    for branch in branches[:TOLD]:
        flip = "flips" if branch.flips == 1 else "flip"
        source = f"  `{shorten(branch.source, LONGEST_SOURCE)}`" if branch.source else ""
        said.append(
            f"{opening}{branch.flips} of {count(branch.size, 'element')} of "
            f"np.{branch.operation} {flip} at {branch.file}:{branch.line}{source}"
        )
    more = len(branches) - TOLD
    return [*said, f"{opening}and {count(more, 'operation')} more"] if more > 0 else said
