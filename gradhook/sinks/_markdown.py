"""A report as Markdown, for TensorBoard's text page.

Everything that comes from the user (names, sentences that quote them, the line of code that repeats
the check) stands in a table cell, where Markdown knows no headings, lists or blocks, and has its
inline marks replaced by HTML entities.  It is shown as it is written and can neither format nor
break the page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from gradhook._types import Verdict
from gradhook.report import BlockReport, Cause, Report
from gradhook.sinks._tags import printable, shorten

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


def markdown(report: Report) -> str:
    """Return the report as a headline and tables, what the reader must know first at the top."""
    causes = [_cause(cause) for cause in report.causes]
    blocks = [_block(block) for block in report.blocks.values()]
    parts = [
        _headline(report),
        _list("note", report.notes),
        _table(["cause", "blocks", "where", "because", "not so if"], causes),
        _table(["block", "verdict", "ratio", "where", "why"], blocks),
        _list("not exercised", report.coverage),
        _list("to repeat this check", [report.call]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _headline(report: Report) -> str:
    """Return the verdict and the totals."""
    passed = " (passed)" if report.passed and report.verdict is not Verdict.PASS else ""
    at = "" if report.step is None else f" at step {report.step}"
    took = "" if math.isnan(report.seconds) else f", {report.seconds:.2g} s"
    return (
        f"**{report.verdict}**{passed}{at}: ratio {_ratio(report.ratio, report.ratio_error)}, "
        f"{report.evaluations} loss evaluations{took}, seed {report.seed}"
    )


def _cause(cause: Cause) -> list[str]:
    return [
        cause.sentence,
        ", ".join(map(shorten, cause.blocks)),
        cause.where or "",
        cause.evidence,
        cause.refuted_by,
    ]


def _block(block: BlockReport) -> list[str]:
    worst = block.worst
    where = block.where or ""
    if worst is not None:
        where += (
            f" worst {list(worst.index)}: {worst.analytic:.6g}, numerically {worst.numerical:.6g}"
        )
    return [
        f"{shorten(block.name)} {block.shape}",
        str(block.verdict),
        _ratio(block.ratio, block.ratio_error),
        where,
        block.sentence,
    ]


def _ratio(ratio: float, error: float) -> str:
    """Return a ratio with its error, as far as they are known."""
    if math.isnan(ratio):
        return "–"
    return f"{ratio:.1e}" + ("" if math.isnan(error) else f" ± {error:.0e}")


def _list(title: str, lines: Sequence[str]) -> str:
    """Return lines as a table of one column; nothing where there are none."""
    return _table([title], [[line] for line in lines if printable(line)])


def _table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table of escaped cells; nothing where there are no rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
