"""A report for people: as text, as one line for a log, and with all details.

The text is read from the top: the verdict with the blocks that earned it; after a failure what is
wrong, two numbers, and why we believe it; a row per block; what else to know; how much was measured
and the call that repeats it.  Nothing here judges or rounds; what is said stands in
``gradhook.report.wording``, and this module decides where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradhook.report import wording as say
from gradhook.report.format import columns, fit, printable
from gradhook.report.html import html
from gradhook.report.layout import NARROWEST, paint, table, wrap

if TYPE_CHECKING:
    from gradhook.report import Cause, Report

__all__ = ["details", "html", "repeated", "summary", "text"]


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
        >>> print(text(Report(Verdict.PASS, True, {"b": b}, step=100, evaluations=12)))
        gradcheck step 100: PASS, 1 block; ratio 3.2e-09
        PASS  b  (2,)  3.2e-09 ± 1e-09
        12 loss evaluations
    """
    width = max(width, NARROWEST)
    story: list[str] = []
    for paragraph in say.story(report):
        first, *rest = paragraph
        story += wrap("", first, width, "  ")
        for line in rest:
            story += wrap("  ", line, width, "    ")
    names = ["verdict", "block", "shape", "ratio"] + ["textbook"] * say.has_textbook(report)
    titled = not report.passed or say.has_textbook(report)
    titles = {name: name * titled for name in names}
    where = {name: say.where_cell(report, block) for name, block in report.blocks.items()}
    beside = {name: [said] for name, said in where.items() if said}
    small = [*say.asides(report), *say.fine_print(report)]
    below = [line for said in small for line in wrap("", said, width, "  ")]
    below += _again(report, width)
    rows = table(report, beside, width, colour=colour, titles=titles)
    parts = [_header(report, width, colour), story, rows, below]
    # A check that passed is read as one piece.
    between = "\n" if report.passed else "\n\n"
    return between.join("\n".join(lines) for lines in parts if lines)


def details(report: Report, width: int = 80, *, colour: bool = False) -> str:
    """Return all there is to tell, with what each setting found and what would refute a cause.

    Args:
        report: The report.
        width: Columns to use; anything below 72 is taken as 72.
        colour: Whether verdicts carry the colour codes of a terminal, which take no columns.
    """
    width = max(width, NARROWEST)
    titles = {name: name for name in ("verdict", "block", "shape", "ratio", "textbook")}
    if not say.has_textbook(report):
        del titles["textbook"]
    beside = {row.block.name: row.details for row in say.rows(report)}
    sections = [
        _header(report, width, colour),
        [line for note in report.notes for line in wrap("note: ", printable(note), width, "  ")],
        *(_cause(cause, report, width) for cause in report.causes),
        list(wrap("", printable(report.boundary), width, "  ")),
        table(report, beside, width, colour=colour, titles=titles),
        [
            line
            for sentence in (say.thresholds(report), *say.facts(report))
            for line in wrap("", sentence, width, "  ")
        ],
        _coverage(report, width),
        [line for said in say.next_step(report) for line in wrap("", said, width, "  ")],
        _again(report, width),
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
        >>> summary(Report(Verdict.PASS, True, {"b": b}, step=100))
        'gradcheck step 100: PASS, 1 block; ratio 3.1e-09'
    """
    why = [] if report.passed else say.explained(report)[:1]
    verdict = f"{paint(say.shown_verdict(report), colour)}{say.resolution(report)}"
    earned = say.headline(report, right=False)
    return ": ".join([say.opening(report), f"{verdict}, {earned}", *map(printable, why)])


def repeated(report: Report, first: Report, width: int = 80, *, colour: bool = False) -> str:
    """Return one line for a check that found what an earlier one of its run has found.

    Args:
        report: The report.
        first: That of the earlier check, for which ``wording.same_story`` holds.
        width: Columns to use; what is longer is cut off.
        colour: Whether the verdict carries the colour codes of a terminal.

    Example:
        >>> from gradhook import Verdict
        >>> from gradhook.report.text import repeated
        >>> from gradhook.report import Cause, Report
        >>> cause = Cause("R", "reg_missing", ("W2",), "W2 lacks 0.05 · W2")
        >>> first, again = (
        ...     Report(Verdict.FAIL, False, {}, causes=[cause], step=step) for step in (0, 10)
        ... )
        >>> print(repeated(again, first))
        gradcheck step 10: FAIL, as at step 0 (W2 lacks 0.05 · W2)
    """
    before = "before" if first.step is None else f"at step {first.step}"
    why = printable((say.explained(report) or [say.headline(report)])[0])
    opening, end = f"{say.title(report)}, as {before} (", ")"
    room = max(width, NARROWEST) - columns(opening + end)
    if fit(why, room) < len(why):
        why = why[: fit(why, room - 1)].rstrip() + "…"
    verdict = paint(say.shown_verdict(report), colour)
    return f"{say.opening(report)}: {verdict}, as {before} ({why})"


def _header(report: Report, width: int, colour: bool) -> list[str]:
    verdict = say.shown_verdict(report)
    before = f"{say.opening(report)}: "
    # Wrapped without the colour codes, which take no columns.
    first, *rest = wrap(
        "", f"{say.title(report)}{say.resolution(report)}, {say.headline(report)}", width, "  "
    )
    return [before + paint(verdict, colour) + first[len(before) + len(verdict) :], *rest]


def _cause(cause: Cause, report: Report, width: int) -> list[str]:
    lines = list(wrap("", say.cause_title(cause), width, "  "))
    for detail in [*say.cause_details(cause, report.blocks), say.remedy(cause)]:
        lines += wrap("  ", detail, width, "    ")
    return lines


def _coverage(report: Report, width: int) -> list[str]:
    unseen = say.coverage(report)
    lines = ["not exercised here:"] if unseen else []
    for sentence in unseen:
        lines += wrap("  - ", sentence, width, "    ")
    return lines


def _again(report: Report, width: int) -> list[str]:
    """Return the call that repeats a failure."""
    lines: list[str] = []
    if call := say.again(report):
        # A call that does not fit starts a line of its own, so that it can be pasted into a prompt.
        line = f"see it again: {call}".rstrip()
        whole = columns(line) <= width
        lines += [line] if whole else ["see it again:", *wrap("", call, width, "    ")]
    return lines
