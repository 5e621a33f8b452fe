"""A report for people: as text, as one line for a log, and with all details.

The text is read from the top: the verdict with the blocks that earned it; after a failure what is
wrong, two numbers, and why we believe it; a row per block; what else to know; how much was measured
and the call that repeats it.  Nothing here judges or rounds; what is said stands in
``gradhook.report.wording``, ``story`` and ``rows``, and this module decides where.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from gradhook._types import Verdict
from gradhook.report import BlockReport, Cause, Finding, Report, story
from gradhook.report import wording as say
from gradhook.report.blocks import branch_sentences
from gradhook.report.format import block_names, count, printable, ratio, shorten

__all__ = ["details", "in_short", "summary", "text"]

NARROWEST = 72
"""Columns that the table needs when each of its cells is as long as it may be."""

GAP = "  "

SHAPE_WIDTH = 16
"""Columns that a shape may take."""

ANSI = {
    Verdict.PASS: "32",
    Verdict.UNTESTED: "90",
    Verdict.KINK: "35",
    Verdict.WARN: "33",
    Verdict.INCONCLUSIVE: "36",
    Verdict.FAIL: "1;31",
}
"""Select Graphic Rendition parameters (ECMA-48) of each verdict."""


def text(report: Report, width: int = 80, *, colour: bool = False) -> str:
    """Return the report as text, wrapped to ``width`` columns, of which 72 are the least."""
    width = max(width, NARROWEST)
    told: list[str] = []
    for first, *rest in story.story(report):
        told += [*_wrap([first], width), *_wrap(rest, width, "  ", "    ")]
    where = {name: say.where_cell(report, block) for name, block in report.blocks.items()}
    beside = {name: [said] for name, said in where.items() if said}
    titled = not report.passed or "textbook" in story.cells(report)
    middle = _table(report, beside, width, colour=colour, titled=titled)
    below = _wrap([*say.asides(report), *say.fine_print(report)], width) + _again(report, width)
    parts = [_header(report, width, colour), told, middle, below]
    # A check that passed is read as one piece.
    between = "\n" if report.passed else "\n\n"
    return between.join("\n".join(lines) for lines in parts if lines)


def details(report: Report, width: int = 80, *, colour: bool = False) -> str:
    """Return all there is to tell, with what each setting found and what would refute a cause."""
    width = max(width, NARROWEST)
    noted = [*map(printable, report.notes)]
    beside = {
        block.name: [line for line in _block(block) if line not in noted]
        for block in story.rows(report)
    }
    unseen = _wrap(map(printable, report.coverage), width, "  - ", "    ")
    sections = [
        _header(report, width, colour),
        _wrap(noted, width, "note: "),
        *(_cause(cause, report, width) for cause in report.causes),
        _wrap([printable(report.boundary)], width),
        _table(report, beside, width, colour=colour, titled=True),
        _wrap([story.ratio_meaning(report), *_facts(report)], width),
        ["not exercised here:", *unseen] if unseen else [],
        _wrap(story.next_step(report), width),
        _again(report, width),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def summary(report: Report, *, colour: bool = False) -> str:
    """Return the report as one line, for logs and warnings."""
    why = [] if report.passed else story.explained(report)[:1]
    verdict = f"{_paint(say.shown_verdict(report), colour)}{say.resolution(report)}"
    earned = say.headline(report, right=False)
    return ": ".join([say.opening(report), f"{verdict}, {earned}", *map(printable, why)])


def in_short(report: Report, first: Report | None, width: int = 80, *, colour: bool = False) -> str:
    """Return one line for a check that passed, or found what an earlier one, ``first``, has found.

    Empty for any other, which is told in full.
    """
    if report.passed:
        return summary(report, colour=colour)
    if first is None:
        return ""
    before = "before" if first.step is None else f"at step {first.step}"
    why = printable((story.explained(report) or [say.headline(report)])[0])
    opening = f"{say.opening(report)}: "
    verdict = say.shown_verdict(report)
    room = max(width, NARROWEST) - len(f"{opening}{verdict}, as {before} ()")
    return f"{opening}{_paint(verdict, colour)}, as {before} ({shorten(why, room)})"


def _header(report: Report, width: int, colour: bool) -> list[str]:
    verdict = say.shown_verdict(report)
    before = f"{say.opening(report)}: "
    # Wrapped without the colour codes, which take no columns.
    whole = f"{say.title(report)}{say.resolution(report)}, {say.headline(report)}"
    first, *rest = _wrap([whole], width)
    return [before + _paint(verdict, colour) + first[len(before) + len(verdict) :], *rest]


def _cause(cause: Cause, report: Report, width: int) -> list[str]:
    shown = block_names([*report.blocks, *cause.blocks], story.SHORT_NAME)
    below = {
        "blocks": story.few([shown[name] for name in cause.blocks], 3 * story.HEADLINE_BLOCKS),
        "where": cause.where,
        "evidence": cause.evidence,
        "would be refuted by": cause.refuted_by,
        "next": cause.remedy,
    }
    said = [printable(f"{label}: {words}") for label, words in below.items() if words]
    return _wrap([story.cause_title(cause)], width) + _wrap(said, width, "  ", "    ")


def _block(block: BlockReport) -> list[str]:
    """Return what is said below a block's line: why, where, and what each setting found."""
    said = [block.sentence, *(f"branches: {b}" for b in branch_sentences(block.branches))]
    if block.where:
        said.append(f"where: {block.where}")
    if block.verdict is not Verdict.UNTESTED:
        said += [f"worst element {line}" for line in story.numbers([block])]
    said += [_finding(finding, block) for finding in block.findings]
    return [printable(line) for line in said if line]


def _finding(finding: Finding, block: BlockReport) -> str:
    said = [f"{finding.setting}: {finding.verdict}"]
    if not math.isnan(finding.ratio) and finding.verdict is not Verdict.UNTESTED:
        said.append(f"ratio {ratio(finding.ratio, finding.ratio_error)}")
    if finding.kinks:
        said.append(f"{finding.kinks} of {count(finding.probes, 'probe')} met a kink")
    decided = {f.note for f in block.findings if f.setting == block.setting}
    news = "" if finding.note in decided | {block.sentence} else finding.note
    return ", ".join(said) + (f"; {news}" if news else "")


def _facts(report: Report) -> list[str]:
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


def _again(report: Report, width: int) -> list[str]:
    call = say.again(report)
    line = f"see it again: {call}".rstrip()
    if not call or len(line) <= width:
        return [line] if call else []
    # A call that does not fit starts a line of its own, so that it can be pasted into a prompt.
    return ["see it again:", *_wrap([call], width, rest="    ")]


def _paint(verdict: Verdict, colour: bool) -> str:
    return f"\x1b[{ANSI[verdict]}m{verdict}\x1b[0m" if colour else str(verdict)


def _table(
    report: Report, beside: Mapping[str, Sequence[str]], width: int, *, colour: bool, titled: bool
) -> list[str]:
    """Return the lines of the table of blocks.

    What is said ``beside`` a block stands in its line where one sentence fits there, else below.
    """
    blocks, numbers = story.rows(report), story.cells(report)
    if not blocks:
        return []
    numbers["shape"] = [shorten(cell, SHAPE_WIDTH) for cell in numbers["shape"]]
    cells = {"verdict": [str(block.verdict) for block in blocks], "block": [""] * len(blocks)}
    table = [[title * titled, *column] for title, column in (cells | numbers).items()]
    others = sum(max(map(len, column)) for column in table) + len(GAP) * (len(table) - 1)
    names = block_names(report.blocks, width - others)
    table[1][1:] = [names[block.name] for block in blocks]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in table]
    titles, *lines_of = (GAP.join(row) for row in zip(*padded, strict=True))
    lines = [titles.rstrip()] if titled else []
    below = " " * len(padded[0][0]) + GAP
    for block, plain in zip(blocks, lines_of, strict=True):
        said = list(beside.get(block.name, ()))
        if len(said) == 1 and len(plain + GAP + said[0]) <= width:
            plain, said = plain + GAP + said[0], []
        lines.append(_paint(block.verdict, colour) + plain.rstrip()[len(block.verdict) :])
        lines += _wrap(said, width, below, below + "  ")
    return [*lines, *filter(None, [story.fold_sentence(report)])]


def _wrap(texts: Iterable[str], width: int, first: str = "", rest: str = "  ") -> list[str]:
    """Return lines of at most ``width`` columns; each text opens with ``first``, then ``rest``."""
    wrapper = textwrap.TextWrapper(
        width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    return [line for text in texts for line in wrapper.wrap(text)]
