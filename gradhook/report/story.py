"""The middle of a report: what is wrong, why we believe it, what to do next; the table of blocks.

A paragraph is a cause, a place or a block: one sentence, two numbers, the evidence, the remedy.
Of the table, here is which blocks get a line, in which order, and the numbers in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from gradhook._types import MISMATCH, Tolerance, Verdict
from gradhook.report import BlockReport, Cause, Report
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
    "OF_A_BLOCK",
    "SHORT_NAME",
    "cause_title",
    "cells",
    "doubts",
    "element_name",
    "explained",
    "few",
    "fold_sentence",
    "folded",
    "grouped",
    "next_step",
    "numbers",
    "open_blocks",
    "ratio_meaning",
    "rows",
    "same_story",
    "story",
    "telling_ratio",
    "why",
    "why_untested",
    "worst_first",
]

IN_FULL = 12
"""Passing blocks that are shown one by one."""

HEADLINE_BLOCKS = 4
"""Blocks of one verdict that the headline names."""

SHORT_NAME = 24
"""Columns that a name may take among others in a sentence."""

AWAY = {
    "generic point": "displaced weights",
    "a step off the current point": "a step away",
}
"""What is said of numbers that were not measured where the user stands, by how the setting's name
begins; what follows in it is said too."""

TOLD = 3
"""Causes, wrong parts and remarks of one kind that are told one by one."""

OF_A_BLOCK = {
    Verdict.FAIL: "wrong",
    Verdict.WARN: "slightly wrong",
    Verdict.INCONCLUSIVE: "not judged",
    Verdict.KINK: "at a tie",
    Verdict.UNTESTED: "untested",
}
"""What a verdict says of a block, in words that follow its name."""

ONLY_AT = {
    "generic point": (
        "wrong at other weights and right at these, whose values hide it (or an iteration of the "
        "loss ends early at the others)"
    ),
    "current point": "wrong at these weights and right at others",
    "generic point, dropout replayed": "wrong with dropout on and right without",
}
"""What it means that of all settings one alone shows a block to be wrong, by the setting's name."""

ZERO_ROUNDING = 1e-9
"""Share of the largest gradient's norm below which another is zero but for rounding."""


def story(report: Report) -> list[list[str]]:
    """Return what is wrong: paragraphs of one sentence, the numbers behind it and the remedy."""
    told = []
    for cause in report.causes[:TOLD]:
        blocks = [b for b in worst_first(report) if b.name in cause.blocks and b.worst is not None]
        evidence = [f"evidence: {cause.evidence}"] if cause.evidence else []
        told.append([cause_title(cause), *numbers(blocks[:1]), *evidence, f"next: {cause.remedy}"])
    if len(report.causes) > TOLD:
        told.append([f"… and {count(len(report.causes) - TOLD, 'more cause')}: report.details()"])
    open_ = open_blocks(report)
    if report.boundary:
        located = [b for b in open_ if b.worst is not None]
        told.append([report.boundary, *numbers(located[:1])])
    else:
        placed = [b for b in open_ if (b.where or b.worst) and not b.sentence]
        told += [_place(block) for block in placed[:TOLD]]
    lines = grouped(report, open_, why)
    told += [[line] for line in lines]
    if lines and not report.boundary:
        told[-len(lines)] += numbers([b for b in open_ if b.worst and b.sentence][:1])
    if not report.passed:
        told += [[line] for line in doubts(report)]
    if told:
        told[-1] += next_step(report)
    return [[printable(line) for line in paragraph] for paragraph in told]


def next_step(report: Report) -> list[str]:
    """Return what to do where no cause says it; of several faults that of a cause comes first."""
    if report.passed or report.causes:
        return []
    if open_blocks(report):
        which = "these gradients" if report.boundary else "this gradient"
        return [f"next: compare the lines that compute {which} with those of the loss"]
    if report.verdict is not Verdict.INCONCLUSIVE:
        again = "check again after some steps of training, at weights that exercise the block"
        return [f"next: {again}"]
    # Where nothing could be measured, the sentence that says so has the remedy.
    measured = any(block.ratio_error > 0 for block in report.blocks.values())
    less_noise = "compute the loss in float64 or over fewer rows, without rounding it"
    return [f"next: {less_noise}"] * measured


def open_blocks(report: Report) -> list[BlockReport]:
    """Return the blocks that are wrong and that no cause explains."""
    explained = {name for cause in report.causes for name in cause.blocks}
    wrong = (block for block in worst_first(report) if block.verdict in MISMATCH)
    return [block for block in wrong if block.name not in explained]


def doubts(report: Report) -> list[str]:
    """Return why blocks could not be judged, or lie on a tie."""
    told = []
    for verdict in (Verdict.INCONCLUSIVE, Verdict.KINK, Verdict.UNTESTED):
        alike = [block for block in worst_first(report) if block.verdict is verdict]
        if alike and not why_untested(report, alike):
            told += grouped(report, alike, why, f" {OF_A_BLOCK[verdict]}")
    return told


def why_untested(report: Report, untested: Sequence[BlockReport]) -> str:
    """Return why blocks are untested, where their numbers tell."""
    if any(block.verdict is not Verdict.UNTESTED for block in untested):
        return ""
    norms = [f.analytic_norm for block in report.blocks.values() for f in block.findings]
    largest = max((norm for norm in norms if math.isfinite(norm)), default=0.0)

    def rounding(block: BlockReport) -> bool:
        seen = [finding.analytic_norm for finding in block.findings]
        return bool(seen) and all(0 < norm < ZERO_ROUNDING * largest for norm in seen)

    if not all(map(rounding, untested)):
        return ""
    biases = all(len(block.shape) == 1 for block in untested)
    return "zero but for rounding" + ": bias before a normalisation?" * biases


def _place(block: BlockReport) -> list[str]:
    """Return which part of a block is wrong, and its numbers."""
    said = numbers([block])
    if not said and not block.where:
        return []
    if said and block.where in (None, element_name(block)):
        return [f"wrong{'' if block.where else ', as'} at {line}" for line in said]
    return [f"wrong: {block.where}", *said]


def why(block: BlockReport) -> str:
    """Return what there is to say of a block beyond its verdict and numbers."""
    wrong = {finding.setting for finding in block.findings if finding.verdict in MISMATCH}
    right = [finding for finding in block.findings if finding.verdict is Verdict.PASS]
    # A mismatch too small to be seen there, as that of small elements, is not known to be away.
    least = block.ratio - block.ratio_error
    gone = bool(right) and not any(f.ratio + f.ratio_error >= least for f in right)
    alone = block.verdict in MISMATCH and gone and len(wrong) == 1
    only = ONLY_AT.get(wrong.pop(), "") if alone else ""
    bends = branch_sentences(block.branches)[: block.verdict is not Verdict.PASS]
    return "; ".join([*filter(None, [only, block.sentence]), *bends])


def grouped(
    report: Report, blocks: Iterable[BlockReport], say: Callable[[BlockReport], str], word: str = ""
) -> list[str]:
    """Return what is said of blocks, those of which the same is said in one line."""
    groups: dict[str, list[str]] = {}
    for block in blocks:
        if said := say(block):
            groups.setdefault(said, []).append(block.name)
    shown = block_names(report.blocks, SHORT_NAME)
    lines = [
        f"{few([shown[name] for name in names], HEADLINE_BLOCKS)}{word}: {said}"
        if len(names) < len(report.blocks) or len(names) == 1
        else f"all blocks{word}: {said}"
        for said, names in groups.items()
    ]
    more = len(lines) - TOLD
    return lines if more < 2 else [*lines[:TOLD], f"… and {more} more such: report.details()"]


def same_story(first: Report | None, second: Report) -> bool:
    """Return whether two checks found the same: verdicts, causes and parts without one."""

    def found(report: Report) -> tuple[object, ...]:
        causes = frozenset((cause.kind, cause.blocks, cause.where) for cause in report.causes)
        verdicts = {name: block.verdict for name, block in report.blocks.items()}
        parts = {block.name: block.where for block in open_blocks(report)}
        return report.verdict, causes, verdicts, parts

    return first is not None and found(first) == found(second)


def explained(report: Report) -> list[str]:
    """Return why the check failed, as far as it could tell: causes, then where a fault enters."""
    said = [cause.sentence for cause in report.causes]
    said += [report.boundary] * bool(report.boundary)
    if not said:
        worst = [block for block in worst_first(report) if block.verdict is report.verdict][:1]
        said = [why(block) or "".join(_place(block)[:1]) for block in worst] or [*report.notes]
    return [sentence for sentence in said if sentence]


def cause_title(cause: Cause) -> str:
    """Return the cause's sentence, opened by how sure it is."""
    sure = {"exact": "cause", "family": "likely cause"}[cause.confidence]
    return printable(f"{sure}: {cause.sentence}")


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


def fold_sentence(report: Report) -> str:
    """Return ``"… and 48 blocks that PASS, largest ratio 3e-09"``, or nothing."""
    if not (blocks := folded(report)):
        return ""
    known = [block.ratio for block in blocks if not math.isnan(block.ratio)]
    largest = f", largest ratio {number(max(known))}" if known else ""
    return f"… and {len(blocks)} blocks that PASS{largest}"


def worst_first(report: Report) -> list[BlockReport]:
    """Return the blocks by severity of their verdict, then by ratio; unknown ratios come last."""

    def rank(block: BlockReport) -> tuple[int, float]:
        return block.verdict.severity, -math.inf if math.isnan(block.ratio) else block.ratio

    return sorted(report.blocks.values(), key=rank, reverse=True)


def telling_ratio(block: BlockReport, tolerance: Tolerance) -> tuple[float, str]:
    """Return the ratio that a block's verdict goes by, and ``" at W[7, 3]"`` where it is a part's.

    A part that is wrong decides also where the ratio of the whole block is within the limits.
    """
    limit = tolerance.fail if block.verdict is Verdict.FAIL else tolerance.warn
    if block.verdict in MISMATCH and block.worst is not None and block.ratio <= limit:
        return max(block.ratio, block.worst.ratio), f" at {element_name(block)}"
    return block.ratio, ""


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
