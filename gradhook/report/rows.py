"""The table of blocks: which get a line, in which order, and all details of each."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradhook._types import Verdict
from gradhook.report import BlockReport, Cause, Finding, Report
from gradhook.report.blocks import branch_sentences
from gradhook.report.format import (
    block_name,
    block_names,
    count,
    number,
    printable,
    ratio,
    told_apart,
)

__all__ = [
    "HEADLINE_BLOCKS",
    "SHORT_NAME",
    "cause_details",
    "cells",
    "details",
    "element_name",
    "facts",
    "few",
    "fold_sentence",
    "folded",
    "numbers",
    "ratio_cell",
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
        "ratio": [ratio_cell(block) for block in blocks],
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


def ratio_cell(block: BlockReport) -> str:
    """Return a block's ratio with its error; a dash where nothing was there to have a ratio."""
    if block.verdict is Verdict.UNTESTED:
        return number(math.nan)
    return ratio(block.ratio, block.ratio_error)


def details(block: BlockReport) -> list[str]:
    """Return what is said below a block's line: why, where, and what each setting found."""
    said = [block.sentence, *(f"branches: {b}" for b in branch_sentences(block.branches))]
    if block.where:
        said.append(f"where: {block.where}")
    if block.verdict is not Verdict.UNTESTED:
        said += [f"worst element {line}" for line in numbers([block])]
    said += [_finding(finding, block) for finding in block.findings]
    return [printable(line) for line in said if line]


def facts(report: Report) -> list[str]:
    """Return how the check was made: effort and cost, then the settings."""
    cost = [
        f"{report.effort} effort",
        f"{report.evaluations} loss and {report.gradient_evaluations} gradient evaluations",
    ]
    if not math.isnan(report.seconds):
        cost.append(f"{report.seconds:.3g} s")
    if report.rows is not None:
        cost.append(count(len(report.rows), "row"))
    cost.append(f"seed {report.seed}")
    if not math.isnan(report.loss):
        cost.append(f"loss {report.loss:.6g}")
    said = [", ".join(cost)]
    if report.settings:
        said.append(f"measured at: {printable('; '.join(report.settings))}")
    return said


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


def _finding(finding: Finding, block: BlockReport) -> str:
    said = [f"{finding.setting}: {finding.verdict}"]
    if not math.isnan(finding.ratio) and finding.verdict is not Verdict.UNTESTED:
        said.append(f"ratio {ratio(finding.ratio, finding.ratio_error)}")
    if finding.kinks:
        said.append(f"{finding.kinks} of {count(finding.probes, 'probe')} met a kink")
    decided = {f.note for f in block.findings if f.setting == block.setting}
    news = "" if finding.note in decided | {block.sentence} else finding.note
    return ", ".join(said) + (f"; {news}" if news else "")


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


def cause_details(cause: Cause, blocks: Iterable[str]) -> list[str]:
    """Return where the cause acts among all blocks, the evidence, and what would refute it."""
    shown = block_names([*blocks, *cause.blocks], SHORT_NAME)
    parts = {
        "blocks": few([shown[name] for name in cause.blocks], 3 * HEADLINE_BLOCKS),
        "where": cause.where,
        "evidence": cause.evidence,
        "would be refuted by": cause.refuted_by,
    }
    return [printable(f"{label}: {said}") for label, said in parts.items() if said]


def few(names: list[str], most: int) -> str:
    """Return names in a sentence, at most so many of them."""
    return ", ".join(names[:most]) + ", …" * (len(names) > most)
