"""A report for people: as text, as one line for a log, and as HTML for a notebook.

The text is read from the top: what must be known first, the overall verdict with the names of the
blocks that earned it, the causes, then one line per block, worst first, with its sentence, then
what the ratio means, how the check was made, what was not exercised, and the line of code that
shows it all again.  Nothing here judges or rounds; what is said stands in
``gradhook.report.wording``, and this module decides where.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gradhook._types import Verdict
from gradhook.report import wording as say
from gradhook.report.format import (
    block_names,
    columns,
    count,
    fit,
    number,
    printable,
    shape,
    shorten,
)
from gradhook.report.html import html

if TYPE_CHECKING:
    from gradhook.report import Cause, Report

__all__ = ["html", "summary", "text"]

NARROWEST = 72
"""Columns that the table needs when each of its cells is as long as it may be."""

GAP = "  "

CELLS = {"shape": 16, "ratio": 19, "textbook": 8}
"""Columns that a cell may take; the block's name gets what is left."""

LONGEST_NAME = 40
"""Columns that a name may take in a summary."""

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
    """Return the report as text whose lines take at most ``width`` columns.

    Args:
        report: The report.
        width: Columns to use; anything below 72 is taken as 72.
        colour: Whether verdicts carry the colour codes of a terminal, which take no columns.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report.text import text
        >>> from gradhook.report import BlockReport, Report
        >>> b = BlockReport("b", (2,), "float64", Verdict.PASS, ratio=3.2e-9, ratio_error=1e-9)
        >>> print(text(Report(Verdict.PASS, True, {"b": b}, ratio=3.2e-9, step=100)))
        gradcheck step 100: PASS, ratio 3.2e-09; 1 PASS
        <BLANKLINE>
        verdict  block  shape  ratio
        PASS     b      (2,)   3.2e-09 ± 1e-09
        <BLANKLINE>
        ratio = |a - n| / (|a| + |n|), a analytic, n numerical; warn 1e-06, fail 1e-04
        standard effort, 0 loss and 0 gradient evaluations, seed 0
    """
    width = max(width, NARROWEST)
    again = [] if report.passed or not report.call else _again(report.call, width)
    sections = [
        [line for note in report.notes for line in _wrap("note: ", printable(note), width, "  ")],
        _header(report, width, colour),
        *(_cause(cause, report, width) for cause in report.causes),
        list(_wrap("", printable(report.boundary), width, "  ")) if report.boundary else [],
        _table(report, width, colour),
        _footer(report, width),
        _coverage(report, width),
        again,
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def summary(report: Report, *, colour: bool = False) -> str:
    """Return the report as one line, for logs and warnings.

    Args:
        report: The report.
        colour: Whether the verdict carries the colour codes of a terminal.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report.text import summary
        >>> from gradhook.report import BlockReport, Report
        >>> b = BlockReport("b", (2,), "float64", Verdict.PASS, ratio=3.1e-9)
        >>> summary(Report(Verdict.PASS, True, {"b": b}, ratio=3.1e-9, step=100, evaluations=84))
        'gradcheck step 100: PASS, ratio 3.1e-09 over 1 block (84 loss evaluations)'
    """
    title = _tint(say.title(report), report.verdict, colour)
    decisive = [block for block in say.worst_first(report) if block.verdict is report.verdict]
    if report.passed or not decisive:
        over = f"ratio {number(report.ratio)} over {count(len(report.blocks), 'block')}"
        over += "".join(f", {n} {verdict}" for verdict, n in say.not_passing(report))
        why = [*say.explained(report), *report.notes, *report.coverage][:1]
        cost = count(report.evaluations, "loss evaluation")
        return f"{title}, {over} ({cost}){_because(why) if not report.passed else ''}"
    worst = decisive[0]
    what = block_names(report.blocks, LONGEST_NAME)[worst.name]
    if not math.isnan(worst.ratio):
        what += f" ratio {number(worst.ratio)}"
    if len(decisive) > 1:
        what += f" and {count(len(decisive) - 1, 'more block')}"
    why = [*say.explained(report), worst.sentence][:1]
    return f"{title}, {what}{_because(why)}"


def _header(report: Report, width: int, colour: bool) -> list[str]:
    lines = list(_wrap("", f"{say.title(report)}, {say.headline(report)}", width, "  "))
    lines[0] = _tint(lines[0], report.verdict, colour)
    return lines


def _footer(report: Report, width: int) -> list[str]:
    said = [say.thresholds(report), *say.facts(report)]
    return [line for sentence in said for line in _wrap("", sentence, width, "  ")]


def _table(report: Report, width: int, colour: bool) -> list[str]:
    shown = say.rows(report)
    if not shown:
        return []
    cells = {
        "verdict": [str(row.block.verdict) for row in shown],
        "block": [row.block.name for row in shown],
        "shape": [shape(row.block.shape) for row in shown],
        "ratio": [say.ratio_cell(row.block) for row in shown],
        "textbook": [number(row.block.textbook_ratio) for row in shown],
    }
    if not say.has_textbook(report):
        del cells["textbook"]
    for name, room in CELLS.items():
        if name in cells:
            cells[name] = [shorten(cell, room) for cell in cells[name]]
    others = [_breadth(name, cells[name]) for name in cells if name != "block"]
    room = width - sum(others) - len(GAP) * len(others)
    names = block_names(report.blocks, room)
    cells["block"] = [names[name] for name in cells["block"]]
    breadths = {name: _breadth(name, cells[name]) for name in cells}
    lines = [_row(list(cells), breadths.values()).rstrip()]
    below = " " * breadths["verdict"] + GAP
    for i, row in enumerate(shown):
        full = _row([column[i] for column in cells.values()], breadths.values())
        line = full.rstrip()
        details = row.details
        if len(details) == 1 and columns(beside := full + GAP + details[0]) <= width:
            line, details = beside, []
        lines.append(_tint(line, row.block.verdict, colour))
        for detail in details:
            lines += _wrap(below, detail, width, below + "  ")
    hidden = say.folded(report)
    return lines + ([say.fold_sentence(hidden)] if hidden else [])


def _cause(cause: Cause, report: Report, width: int) -> list[str]:
    lines = list(_wrap("", say.cause_title(cause), width, "  "))
    for detail in say.cause_details(cause, report.blocks):
        lines += _wrap("  ", detail, width, "    ")
    return lines


def _coverage(report: Report, width: int) -> list[str]:
    unseen = say.coverage(report)
    lines = ["not exercised here:"] if unseen else []
    for sentence in unseen:
        lines += _wrap("  - ", sentence, width, "    ")
    return lines


def _again(call: str, width: int) -> list[str]:
    # A call that does not fit starts a line of its own, so that it can be pasted into a prompt.
    line = f"see it again: {printable(call)}".rstrip()
    if columns(line) <= width:
        return [line]
    return ["see it again:", *_wrap("", printable(call), width, "    ")]


def _because(sentences: list[str]) -> str:
    return "".join(f": {printable(sentence)}" for sentence in sentences if sentence)


def _breadth(name: str, cells: list[str]) -> int:
    return max(columns(cell) for cell in [name, *cells])


def _row(cells: Iterable[str], breadths: Iterable[int]) -> str:
    padded = (cell + " " * (n - columns(cell)) for cell, n in zip(cells, breadths, strict=True))
    return GAP.join(padded)


def _tint(line: str, verdict: Verdict, colour: bool) -> str:
    return line.replace(verdict, f"\x1b[{ANSI[verdict]}m{verdict}\x1b[0m", 1) if colour else line


def _wrap(first: str, text: str, width: int, rest: str) -> Iterator[str]:
    """Yield lines of at most ``width`` columns, opened by ``first`` and then by ``rest``.

    ``textwrap`` counts characters, too few where they are wide, and squeezes the blanks of a call.
    """
    indent = first
    while text:
        room = width - columns(indent)
        end = fit(text[: room + 1], room)
        if end < len(text):
            blank = text.rfind(" ", 1, end + 1)
            end = blank if blank > 0 else end
        yield (indent + text[:end]).rstrip()
        text = text[end:].removeprefix(" ")
        indent = rest
