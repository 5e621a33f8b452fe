"""What a rendered report says, in pieces that text, HTML and Markdown print.

Here it is decided which blocks come first, which are folded away, and what is said of a block or a
cause; the renderers decide only where it stands.  All of it is made from the records, so nothing
has to look for words in a sentence that somebody else wrote.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from gradhook._types import MISMATCH, Verdict
from gradhook.report.blocks import branch_sentences
from gradhook.report.format import block_names, count, number, printable
from gradhook.report.rows import (
    HEADLINE_BLOCKS,
    SHORT_NAME,
    Row,
    cause_details,
    details,
    element_name,
    facts,
    few,
    fold_sentence,
    folded,
    has_textbook,
    numbers,
    ratio_cell,
    remarks,
    rows,
    thresholds,
    worst_first,
)

__all__ = [
    "Row",
    "again",
    "asides",
    "cause_details",
    "cause_title",
    "coverage",
    "details",
    "explained",
    "facts",
    "fine_print",
    "fold_sentence",
    "folded",
    "has_textbook",
    "headline",
    "opening",
    "ratio_cell",
    "ratio_title",
    "remarks",
    "resolution",
    "rows",
    "same_story",
    "shown_verdict",
    "story",
    "thresholds",
    "title",
    "unjudged_sentences",
    "where_cell",
    "worst_first",
]

if TYPE_CHECKING:
    from gradhook.report import BlockReport, Cause, Report


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


# The first line.


def opening(report: Report) -> str:
    """Return ``"gradcheck step 100"``."""
    return "gradcheck" if report.step is None else f"gradcheck step {report.step}"


def shown_verdict(report: Report) -> Verdict:
    """Return the verdict that stands in the first line: PASS wherever the check passed."""
    return Verdict.PASS if report.passed else report.verdict


def title(report: Report) -> str:
    """Return ``"gradcheck step 100: FAIL"``."""
    return f"{opening(report)}: {shown_verdict(report)}"


def headline(report: Report, *, right: bool = True) -> str:
    """Return what follows the title: the blocks that earned it, and the largest ratio.

    Args:
        report: The report.
        right: Whether to count the blocks that are right where others are not.
    """
    blocks = list(report.blocks.values())
    if not blocks:
        return "no block was measured"
    shown = block_names(report.blocks, SHORT_NAME)
    passing = sum(block.verdict is Verdict.PASS for block in blocks)
    said = []
    for verdict in reversed(Verdict):
        alike = [block for block in worst_first(report) if block.verdict is verdict]
        if alike and verdict is not Verdict.PASS:
            names = _in_order(report, alike[:HEADLINE_BLOCKS]) + ["…"] * (
                len(alike) > HEADLINE_BLOCKS
            )
            why = _reason(report, alike)
            said.append(
                f"{', '.join(shown.get(name, name) for name in names)} {OF_A_BLOCK[verdict]}"
                + f" ({why})" * bool(why)
            )
    ratios = _largest_ratio(report, shown)
    if report.passed:
        every = count(len(blocks), "block")
        return "; ".join([f"{passing} of {every}" if said else every, *said, *ratios])
    share = f"{passing} of {len(blocks)} right" if passing else "none right"
    return "; ".join([", ".join(said), *ratios, *[share] * (right and len(blocks) > 1)])


def resolution(report: Report) -> str:
    """Return ``" to 4e-05 (float32)"`` where a check that passed saw no further, else nothing."""
    right = [block for block in report.blocks.values() if block.verdict is Verdict.PASS]
    reached = max((_reached(block) for block in right), default=0.0)
    if not report.passed or reached <= report.tolerance.warn:
        return ""
    (dtype, *others) = sorted({block.dtype for block in right})
    coarse = f" ({dtype})" if not others and dtype in ("float32", "float16") else ""
    return f" to {number(reached, 1)}{coarse}"


def _reached(block: BlockReport) -> float:
    return max((x for x in (block.ratio, block.ratio_error) if math.isfinite(x)), default=0.0)


def _largest_ratio(report: Report, shown: dict[str, str]) -> list[str]:
    known = [
        block
        for block in worst_first(report)
        if block.verdict is (Verdict.PASS if report.passed else block.verdict)
        and block.verdict is not Verdict.UNTESTED
        and not math.isnan(block.ratio)
    ]
    if not known:
        return []
    # Of a check that failed, the worst among the blocks that are wrong.
    alike = [block for block in known if block.verdict is known[0].verdict]
    worst = max(alike, key=lambda block: block.ratio)
    said = f"ratio {number(worst.ratio)}"
    if len(report.blocks if report.passed else alike) > 1:
        which = "largest" if report.passed else "worst"
        said = f"{which} {said} in {shown[worst.name]}"
    if not math.isnan(report.textbook_ratio):
        said += f" (textbook {number(report.textbook_ratio)})"
    return [said]


def _reason(report: Report, untested: Sequence[BlockReport]) -> str:
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


# What is wrong, and why we believe it.


def story(report: Report) -> list[list[str]]:
    """Return what is wrong: paragraphs of one sentence and the numbers behind it."""
    told = []
    for cause in report.causes[:TOLD]:
        blocks = [b for b in worst_first(report) if b.name in cause.blocks and b.worst is not None]
        evidence = [f"evidence: {cause.evidence}"] if cause.evidence else []
        told.append([cause_title(cause), *numbers(blocks[:1]), *evidence])
    if len(report.causes) > TOLD:
        told.append([f"… and {count(len(report.causes) - TOLD, 'more cause')}: report.details()"])
    open_ = _open(report)
    if report.boundary:
        located = [b for b in open_ if b.worst is not None]
        told.append([report.boundary, *numbers(located[:1])])
    else:
        placed = [b for b in open_ if (b.where or b.worst) and not b.sentence]
        told += [_place(block) for block in placed[:TOLD]]
    told += [[line] for line in _grouped(report, open_, _why)]
    if not report.passed:
        told += [[line] for line in _doubts(report)]
    return [[printable(line) for line in paragraph] for paragraph in told]


def _open(report: Report) -> list[BlockReport]:
    """Return the blocks that are wrong and that no cause explains."""
    explained = {name for cause in report.causes for name in cause.blocks}
    wrong = (block for block in worst_first(report) if block.verdict in MISMATCH)
    return [block for block in wrong if block.name not in explained]


def _doubts(report: Report) -> list[str]:
    """Return why blocks could not be judged, or lie on a tie."""
    told = []
    for verdict in (Verdict.INCONCLUSIVE, Verdict.KINK, Verdict.UNTESTED):
        alike = [block for block in worst_first(report) if block.verdict is verdict]
        if alike and not _reason(report, alike):
            told += _grouped(report, alike, _why, f" {OF_A_BLOCK[verdict]}")
    return told


def _place(block: BlockReport) -> list[str]:
    """Return which part of a block is wrong, and its numbers."""
    said = numbers([block])
    if not said and not block.where:
        return []
    if said and block.where in (None, element_name(block)):
        return [f"wrong at {line}" for line in said]
    return [f"wrong: {block.where}", *said]


def _why(block: BlockReport) -> str:
    """Return what there is to say of a block beyond its verdict and numbers."""
    wrong = {finding.setting for finding in block.findings if finding.verdict in MISMATCH}
    right = any(finding.verdict is Verdict.PASS for finding in block.findings)
    alone = block.verdict in MISMATCH and right and len(wrong) == 1
    only = ONLY_AT.get(wrong.pop(), "") if alone else ""
    bends = branch_sentences(block.branches)[: block.verdict is not Verdict.PASS]
    return "; ".join([*filter(None, [only, block.sentence]), *bends])


def _grouped(
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


def same_story(first: Report, second: Report) -> bool:
    """Return whether two checks found the same: verdicts, causes and wrong parts."""

    def found(report: Report) -> tuple[object, ...]:
        causes = frozenset((cause.kind, cause.blocks) for cause in report.causes)
        blocks = {name: (b.verdict, b.where) for name, b in report.blocks.items()}
        return report.verdict, causes, blocks

    return found(first) == found(second)


def explained(report: Report) -> list[str]:
    """Return why the check failed, as far as it could tell: causes, then where a fault enters."""
    said = [cause.sentence for cause in report.causes]
    said += [report.boundary] * bool(report.boundary)
    if not said:
        worst = [block for block in worst_first(report) if block.verdict is report.verdict][:1]
        said = [_why(block) or "".join(_place(block)[:1]) for block in worst] or [*report.notes]
    return [sentence for sentence in said if sentence]


def cause_title(cause: Cause) -> str:
    """Return the cause's sentence, opened by how sure it is."""
    sure = {"exact": "cause", "family": "likely cause"}[cause.confidence]
    return printable(f"{sure}: {cause.sentence}")


# What else a reader must know.


def asides(report: Report) -> list[str]:
    """Return what was not judged or not seen, and what to know of how the check was made."""
    told = _doubts(report) if report.passed else []
    right = [block for block in worst_first(report) if block.verdict is Verdict.PASS]
    if not resolution(report):
        told += _grouped(report, right, _why)
    told += _grouped(report, right, _tie)
    others = (Verdict.INCONCLUSIVE, Verdict.UNTESTED)
    partly = [b for b in right if any(f.verdict in others for f in b.findings)]
    what = "right where it could be judged, which was not everywhere: report.details()"
    told += _grouped(report, partly, lambda _: what)
    told += [f"not exercised: {sentence}" for sentence in coverage(report, beside_all=True)]
    told += [f"note: {note}" for note in report.notes]
    return [printable(line) for line in told]


def _tie(block: BlockReport) -> str:
    """Return what was seen where a block that is otherwise right lies on a tie."""
    ties = [finding.note for finding in block.findings if finding.verdict is Verdict.KINK]
    return "; ".join([*ties[:1], *branch_sentences(block.branches)[:1]]) if ties else ""


def unjudged_sentences(block: BlockReport) -> list[str]:
    """Return what of a block was not judged, as the report's coverage lists it."""
    if block.verdict is Verdict.UNTESTED:
        return [f"{block.name} untested: {block.sentence}"]
    said = []
    for finding in block.findings:
        if finding.verdict in (Verdict.UNTESTED, Verdict.INCONCLUSIVE, Verdict.KINK) and (
            finding.verdict is not block.verdict
        ):
            first = branch_sentences(block.branches)[: finding.verdict is Verdict.KINK]
            why = "; ".join([finding.note, *first])
            said.append(f"{block.name} at {finding.setting}: {finding.verdict}, {why}")
    return said


def coverage(report: Report, *, beside_all: bool = False) -> list[str]:
    """Return what was not exercised, less what stands beside its block.

    Args:
        report: The report.
        beside_all: Whether all that was not judged of a block stands beside it, and not only why a
            block was untested.
    """
    beside: set[str] = set()
    for row in rows(report):
        if beside_all or (row.details and row.block.verdict is Verdict.UNTESTED):
            beside.update(unjudged_sentences(row.block))
    unseen = (sentence for sentence in report.coverage if sentence.strip())
    return [printable(sentence) for sentence in unseen if sentence not in beside]


# The fine print.


def fine_print(report: Report) -> str:
    """Return on how much was measured and what it cost: rows, evaluations, seconds."""
    cost = []
    if report.rows is not None:
        of = "" if report.batch_rows is None else f" of {report.batch_rows}"
        cost.append(f"{len(report.rows)}{of} rows")
        if report.whole_batch and report.batch_rows is not None:
            cost[-1] += f", then all {report.batch_rows} once"
    elif report.batch_rows is not None:
        cost.append(f"all {count(report.batch_rows, 'row')}")
    cost.append(count(report.evaluations, "evaluation"))
    if not math.isnan(report.seconds):
        cost.append(f"{report.seconds:.2g} s")
    if report.effort != "standard":
        cost.append(f"{report.effort} effort")
    return ", ".join(cost)


def again(report: Report) -> str:
    """Return the call that repeats a check that did not pass."""
    return "" if report.passed else printable(report.call)


def ratio_title(report: Report) -> str:
    """Return what stands above the ratios: what is wrong by them."""
    return f"ratio (wrong above {number(report.tolerance.fail)})"


def where_cell(report: Report, block: BlockReport) -> str:
    """Return the wrong part of a block, where the story does not tell it."""
    told = block in _open(report) and not report.boundary
    return "" if told or block.verdict not in MISMATCH else printable(block.where or "")


def _in_order(report: Report, blocks: Iterable[BlockReport]) -> list[str]:
    names = {block.name for block in blocks}
    return [name for name in report.blocks if name in names]
