"""What is wrong, why we believe it, and what to do next: the middle of a report.

A paragraph is a cause, a place or a block: one sentence, two numbers, the evidence, the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from gradhook._types import MISMATCH, Verdict
from gradhook.report import BlockReport, Cause, Report
from gradhook.report.blocks import branch_sentences
from gradhook.report.format import block_names, count, printable
from gradhook.report.rows import (
    HEADLINE_BLOCKS,
    SHORT_NAME,
    element_name,
    few,
    numbers,
    worst_first,
)

__all__ = [
    "OF_A_BLOCK",
    "cause_title",
    "doubts",
    "explained",
    "grouped",
    "next_step",
    "open_blocks",
    "same_story",
    "story",
    "why",
    "why_untested",
]

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
    "generic point": "wrong at other weights and right at these, whose values hide it",
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
    told += [[line] for line in grouped(report, open_, why)]
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
        return [f"wrong at {line}" for line in said]
    return [f"wrong: {block.where}", *said]


def why(block: BlockReport) -> str:
    """Return what there is to say of a block beyond its verdict and numbers."""
    wrong = {finding.setting for finding in block.findings if finding.verdict in MISMATCH}
    right = [finding for finding in block.findings if finding.verdict is Verdict.PASS]
    # A mismatch too small to be seen there, as that of small elements, is not known to be away.
    gone = bool(right) and not any(f.ratio + f.ratio_error >= block.ratio for f in right)
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
    """Return whether two checks found the same: verdicts, causes and wrong parts."""

    def found(report: Report) -> tuple[object, ...]:
        causes = frozenset((cause.kind, cause.blocks) for cause in report.causes)
        blocks = {name: (b.verdict, b.where) for name, b in report.blocks.items()}
        return report.verdict, causes, blocks

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
