"""The table of blocks: which get a line, in which order, and the numbers in it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradhook._types import Verdict
from gradhook.report import BlockReport, Report
from gradhook.report.format import block_name, number, ratio, told_apart

__all__ = [
    "HEADLINE_BLOCKS",
    "SHORT_NAME",
    "cells",
    "element_name",
    "few",
    "fold_sentence",
    "folded",
    "numbers",
    "ratio_meaning",
    "rows",
    "worst_first",
]

IN_FULL = 12
"""Passing blocks that are shown one by one."""


HEADLINE_BLOCKS = 4
"""Blocks of one verdict that the headline names."""

SHORT_NAME = 24
"""Columns that a name may take among others in a sentence."""


def rows(report: Report) -> list[BlockReport]:
    """Return the blocks to show, the worst first."""
    return worst_first(report)[: len(report.blocks) - len(folded(report))]


def cells(report: Report) -> dict[str, list[str]]:
    """Return the numbers of the blocks to show, by the title of their column."""
    blocks = rows(report)
    found = {
        "shape": [str(block.shape) for block in blocks],
        # What nothing exercised has no ratio.
        "ratio": [
            ratio(math.nan if block.verdict is Verdict.UNTESTED else block.ratio, block.ratio_error)
            for block in blocks
        ],
    }
    if any(not math.isnan(block.textbook_ratio) for block in blocks):
        found["textbook"] = [number(block.textbook_ratio) for block in blocks]
    return found


def folded(report: Report) -> list[BlockReport]:
    """Return the passing blocks that one line sums up; one alone gets its own line."""
    passing = [block for block in worst_first(report) if block.verdict is Verdict.PASS]
    return passing[IN_FULL:] if len(passing) > IN_FULL + 1 else []


def fold_sentence(blocks: list[BlockReport]) -> str:
    """Return ``"… and 48 blocks that PASS, largest ratio 3e-09"``."""
    known = [block.ratio for block in blocks if not math.isnan(block.ratio)]
    largest = f", largest ratio {number(max(known))}" if known else ""
    return f"… and {len(blocks)} blocks that PASS{largest}"


def worst_first(report: Report) -> list[BlockReport]:
    """Return the blocks by severity of their verdict, then by ratio; unknown ratios come last."""

    def rank(block: BlockReport) -> tuple[int, float]:
        return block.verdict.severity, -math.inf if math.isnan(block.ratio) else block.ratio

    return sorted(report.blocks.values(), key=rank, reverse=True)


AWAY = {
    "generic point": "displaced weights",
    "a step off the current point": "a step away",
}
"""What is said of numbers that were not measured where the user stands, by how the setting's name
begins; what follows in it is said too."""


def ratio_meaning(report: Report) -> str:
    """Return what the ratio is and where it is wrong, or slightly so where no block is more."""
    warn = report.verdict is Verdict.WARN
    limit = report.tolerance.warn if warn else report.tolerance.fail
    said = "ratio = |yours - numerical| / (|yours| + |numerical|)"
    return f"{said}, {'slightly ' * warn}wrong above {number(limit)}"


def numbers(blocks: Iterable[BlockReport]) -> list[str]:
    """Return both derivatives of the worst element of each block where one was measured."""
    said = []
    for block in blocks:
        if (worst := block.worst) is not None:
            yours, numerical = told_apart(worst.analytic, worst.numerical)
            error = f" ± {number(worst.error, 1)}" if worst.error > 0 else ""
            # Whoever prints them at the weights as they are sees others.
            for at in filter(worst.setting.startswith, AWAY):
                error += f" ({AWAY[at]}{worst.setting.removeprefix(at)})"
            said.append(f"{element_name(block)}: yours {yours}, numerical {numerical}{error}")
    return said


def element_name(block: BlockReport) -> str:
    """Return the worst element as one would index it: ``"W2[3, 1]"``."""
    index = block.worst.index if block.worst is not None else ()
    return block_name(block.name, 40) + f"[{', '.join(map(str, index))}]" * bool(index)


def few(names: list[str], most: int) -> str:
    """Return names in a sentence, at most so many of them."""
    return ", ".join(names[:most]) + ", …" * (len(names) > most)
