"""What a rendered report says, in pieces that text and HTML both print.

Here it is decided which blocks come first, which are folded away, and what is said of a block or
a cause; the two renderers decide only where it stands.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from gradhook._block_names import block_names
from gradhook._block_phrases import details, ratio_cell, remarks
from gradhook._format import count, number, printable, ratio
from gradhook._types import Verdict

if TYPE_CHECKING:
    from gradhook.report import BlockReport, Cause, Report

__all__ = [
    "Row",
    "cause_details",
    "cause_title",
    "coverage",
    "details",
    "explained",
    "facts",
    "fold_sentence",
    "folded",
    "has_textbook",
    "headline",
    "not_passing",
    "ratio_cell",
    "remarks",
    "rows",
    "thresholds",
    "title",
    "worst_first",
]

IN_FULL = 12
"""Blocks of one verdict that are shown in full."""

NAMED = 4
"""Blocks of one verdict that the headline names."""

SHORT_NAME = 24
"""Columns that a name may take among others in a sentence."""


class Row(NamedTuple):
    """A block that gets a line of the table, and the lines below it."""

    block: BlockReport
    details: list[str]


def title(report: Report) -> str:
    """Return ``"gradcheck step 100: FAIL"``."""
    step = "" if report.step is None else f" step {report.step}"
    return f"gradcheck{step}: {report.verdict}"


def headline(report: Report) -> str:
    """Return what follows the title: the overall ratio, and how many blocks got which verdict."""
    overall = f"ratio {ratio(report.ratio, report.ratio_error)}"
    if not math.isnan(report.textbook_ratio):
        overall += f" (textbook {number(report.textbook_ratio)})"
    blocks = worst_first(report)
    shown = block_names(report.blocks, SHORT_NAME)
    said = []
    for verdict in reversed(Verdict):
        names = [shown[block.name] for block in blocks if block.verdict is verdict]
        listed = f" ({_few(names, NAMED)})" * (verdict is not Verdict.PASS)
        said += [f"{len(names)} {verdict}{listed}"] * bool(names)
    passed = "; passed" * (report.verdict is not Verdict.PASS and report.passed)
    return f"{overall}; {', '.join(said) or 'no block was measured'}{passed}"


def not_passing(report: Report) -> list[tuple[Verdict, int]]:
    """Return how many blocks got each verdict but PASS, the worst first."""
    counts = Counter(block.verdict for block in report.blocks.values())
    return [(v, counts[v]) for v in reversed(Verdict) if counts[v] and v is not Verdict.PASS]


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


def rows(report: Report) -> list[Row]:
    """Return the blocks to show, worst first; beyond ``IN_FULL`` of one verdict without details."""
    seen: Counter[Verdict] = Counter()
    shown = []
    hidden = folded(report)
    for block in worst_first(report)[: len(report.blocks) - len(hidden)]:
        seen[block.verdict] += 1
        shown.append(Row(block, details(block) if seen[block.verdict] <= IN_FULL else []))
    return shown


def folded(report: Report) -> list[BlockReport]:
    """Return the passing blocks that one line sums up; one alone gets its own line."""
    passing = [block for block in worst_first(report) if block.verdict is Verdict.PASS]
    return passing[IN_FULL:] if len(passing) > IN_FULL + 1 else []


def fold_sentence(blocks: list[BlockReport]) -> str:
    """Return ``"… and 48 blocks that PASS, largest ratio 3e-09"``."""
    known = [block.ratio for block in blocks if not math.isnan(block.ratio)]
    largest = f", largest ratio {number(max(known))}" if known else ""
    return f"… and {len(blocks)} blocks that PASS{largest}"


def has_textbook(report: Report) -> bool:
    """Whether any block shown has a plain textbook ratio."""
    return any(not math.isnan(row.block.textbook_ratio) for row in rows(report))


def coverage(report: Report) -> list[str]:
    """Return what was not exercised, less what stands beside its block."""
    beside = {
        f"{row.block.name} untested: {row.block.sentence}" for row in rows(report) if row.details
    }
    unseen = (sentence for sentence in report.coverage if sentence.strip())
    return [printable(sentence) for sentence in unseen if sentence not in beside]


def explained(report: Report) -> list[str]:
    """Return why the check failed, as far as it could tell: causes, then where a fault enters."""
    said = [cause.sentence for cause in report.causes]
    return [*said, report.boundary] if report.boundary else said


def cause_title(cause: Cause) -> str:
    """Return the cause's sentence, opened by how sure it is."""
    sure = {"exact": "cause", "family": "likely cause"}[cause.confidence]
    return printable(f"{sure}: {cause.sentence}")


def cause_details(cause: Cause, blocks: Iterable[str]) -> list[str]:
    """Return where the cause acts among all blocks, the evidence, and what would refute it."""
    shown = block_names([*blocks, *cause.blocks], SHORT_NAME)
    where = "" if (cause.where or "") in cause.sentence else cause.where
    parts = {
        "blocks": _few([shown[name] for name in cause.blocks], 3 * NAMED),
        "where": where,
        "evidence": cause.evidence,
        "refuted by": cause.refuted_by,
    }
    return [printable(f"{label}: {said}") for label, said in parts.items() if said]


def thresholds(report: Report) -> str:
    """Return what the ratio is and what it is measured against."""
    warn, fail = number(report.tolerance.warn), number(report.tolerance.fail)
    dash = any(ratio_cell(block) == number(math.nan) for block in report.blocks.values())
    return (
        f"ratio = |a - n| / (|a| + |n|), a analytic, n numerical; warn {warn}, fail {fail}"
        + "; – not measured" * dash
    )


def worst_first(report: Report) -> list[BlockReport]:
    """Return the blocks by severity of their verdict, then by ratio; unknown ratios come last."""

    def rank(block: BlockReport) -> tuple[int, float]:
        return block.verdict.severity, -math.inf if math.isnan(block.ratio) else block.ratio

    return sorted(report.blocks.values(), key=rank, reverse=True)


def _few(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + ", …" * (len(names) > most)
