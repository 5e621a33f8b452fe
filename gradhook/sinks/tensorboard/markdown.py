"""A report as Markdown, for TensorBoard's text page.

Everything that comes from the user (names, sentences that quote them, the line of code that repeats
the check) stands in a table cell, where Markdown knows no headings, lists or blocks, and has its
inline marks replaced by HTML entities.  It is shown as it is written and can neither format nor
break the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gradhook._types import Verdict
from gradhook.report import Report
from gradhook.report import wording as say
from gradhook.report.format import number, shape
from gradhook.sinks.tensorboard.tags import printable, shorten

__all__ = ["escape", "markdown"]

LONGEST_CELL = 2000
"""Characters of one sentence that are shown."""

# In order: entities, tags, cell borders, escapes, code, emphasis (an underscore after a letter or
# digit opens none, and what is not opened is not closed), the bracket between two parts of a link.
_ACTIVE = re.compile(r"[&<>|\\`*]|(?<![^\W_])_|\](?=[(\[:])")


def escape(text: str) -> str:
    """Return text on one line that Markdown shows as it is.

    Example:
        >>> print(escape("W1[3, 5] of <b> & a_b *is* wrong"))
        W1[3, 5] of &#60;b&#62; &#38; a_b &#42;is&#42; wrong
    """
    shown = printable(text)
    if len(shown) > LONGEST_CELL:
        shown = shown[: LONGEST_CELL - 1] + "…"
    return _ACTIVE.sub(lambda match: f"&#{ord(match[0])};", shown)


def markdown(report: Report, since: Mapping[str, int] | None = None) -> str:
    """Return the report as a headline and tables, what the reader must know first at the top.

    Args:
        report: The report.
        since: Step from which on each block has had the verdict that it has now, where known.
    """
    parts = [
        _list("note", report.notes),
        _headline(report),
        *(
            _list(say.cause_title(cause), say.cause_details(cause, report.blocks))
            for cause in report.causes
        ),
        _list("where it enters", [report.boundary]),
        _blocks(report, since or {}),
        _found(report),
        _list("not exercised here", say.coverage(report)),
        _list("what the numbers mean", [say.thresholds(report), *say.facts(report)]),
        _list("see it again", [report.call]),
    ]
    # Without a line between them, TensorBoard shows two tables as one.
    return "\n\n---\n\n".join(filter(None, parts)) + "\n"


def _headline(report: Report) -> str:
    """Return the verdict and the totals."""
    at = "" if report.step is None else f" at step {report.step}"
    return f"**{say.shown_verdict(report)}**{at}: {escape(say.headline(report))}"


def _blocks(report: Report, since: Mapping[str, int]) -> str:
    """Return the table of the blocks; its cells are short, because TensorBoard breaks long ones."""
    header = ["block", "shape", "verdict", "ratio"]
    with_textbook = say.has_textbook(report)
    with_since = any(row.block.verdict is not Verdict.PASS for row in say.rows(report)) and since
    rows = []
    for block, _ in say.rows(report):
        cells = [shorten(block.name), shape(block.shape), str(block.verdict), say.ratio_cell(block)]
        if with_textbook:
            cells.append(number(block.textbook_ratio))
        if with_since:
            passed = block.verdict is Verdict.PASS
            cells.append("" if passed else str(since.get(block.name, "")))
        rows.append(cells)
    if hidden := say.folded(report):
        rows.append([say.fold_sentence(hidden)])
    header += ["textbook"] * with_textbook + ["since step"] * bool(with_since)
    return _table(header, rows)


def _found(report: Report) -> str:
    """Return what was found in each block, a line for each sentence."""
    found = []
    for block, details in say.rows(report):
        said = say.remarks(block) if block.verdict is Verdict.PASS else details
        names = [shorten(block.name), *[""] * len(said)]
        found += [list(line) for line in zip(names, said, strict=False)]
    return _table(["block", "what was found"], found)


def _list(title: str, lines: Sequence[str]) -> str:
    """Return lines as a table of one column; nothing where there are none."""
    return _table([escape(title)], [[line] for line in lines if printable(line)])


def _table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table of escaped cells; nothing where there are no rows."""
    if not rows:
        return ""
    filled = ([*row, *[""] * (len(header) - len(row))] for row in rows)
    lines = [header, ["---"] * len(header), *([escape(cell) for cell in row] for row in filled)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
