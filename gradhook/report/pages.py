"""Pages: a report as HTML, for a notebook cell, and the checks of runs as HTML or Markdown.

No script, nothing loaded from elsewhere.  Colours other than those of the pills are inherited,
because a notebook's theme need not be that of the operating system, which is all that a style sheet
can ask for.  A pill holds white text at a contrast of 4.5 or more (WCAG 2.1, 1.4.3).  Every text of
the report is escaped; in Markdown, what comes from the user stands in fences of code.

Of runs, checks that did not pass come first and lie open; those that passed, or found what one
above has found, are a line each.  They are read from the files that they leave.  A folder of runs
holds more than reports, such as a trainer's own ``metrics.jsonl``, and a run that was killed leaves
half a line.  Neither may hide the reports beside it, nor go unsaid.
"""

from __future__ import annotations

import contextlib
import html as _html
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradhook._types import Verdict
from gradhook.report import Report, story
from gradhook.report import wording as say
from gradhook.report.format import block_names, count, fenced, number, printable
from gradhook.report.text import details, in_short, summary, text

__all__ = ["STDIN", "Run", "UnreadableError", "html", "markdown", "page", "plot", "read_runs"]

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body{{font:14px/1.45 system-ui,sans-serif;max-width:60em;margin:1.5em auto;padding:0 1em}}
h1{{font-size:20px}}
h2{{font-size:17px;margin:1.6em 0 .3em}}
section{{border-top:1px solid rgba(128,128,128,.4);margin-top:1em;padding-top:.4em}}
summary{{cursor:pointer;margin:.3em 0}}
{style}</style>
</head>
<body>
{body}
</body>
</html>"""

HTML_NAME, PRE_WIDTH = 60, 100
"""Columns that a name may take, and those of the details."""

PILLS = {
    Verdict.PASS: "#1a7f37",
    Verdict.UNTESTED: "#57606a",
    Verdict.KINK: "#8250df",
    Verdict.WARN: "#9a6700",
    Verdict.INCONCLUSIVE: "#0a6c86",
    Verdict.FAIL: "#cf222e",
}

# The class stands three times in each selector to outweigh the table style of notebooks.
STYLE = """
.R{font:14px/1.45 system-ui,sans-serif;max-width:60em;background:transparent;color:inherit}
.R p{margin:.3em 0;overflow-wrap:anywhere}
.R ul{margin:.2em 0 .5em;padding-left:1.5em;overflow-wrap:anywhere}
.R .head{font-size:16px;font-weight:600;margin:.4em 0}
.R summary{cursor:pointer}
.R .cause{border-left:3px solid #cf222e;padding-left:.6em;margin:.7em 0}
.R .small{font-size:12px;opacity:.8}
.R .scroll{overflow-x:auto;margin:.6em 0}
.R table{border-collapse:collapse;table-layout:auto;margin:0;width:100%;font-size:13px;
color:inherit}
.R th,.R td{text-align:left;vertical-align:top;padding:.25em 1em .25em 0;white-space:normal;
background:transparent;border:0}
.R tr{background:transparent}
.R tr.block>*{border-top:1px solid rgba(128,128,128,.4)}
.R .name,.R .number,.R pre{font-family:ui-monospace,monospace}
.R .name{overflow-wrap:anywhere;min-width:6em;font-weight:600}
.R .number{white-space:nowrap}
.R .where{overflow-wrap:anywhere;min-width:6em}
.R pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0;padding:.5em;
background:transparent;color:inherit;border:1px solid rgba(128,128,128,.4);font-size:12px}
@media (max-width:600px){
.R table,.R tbody{display:block}
.R tr{display:flex;flex-wrap:wrap;column-gap:.8em;border:0}
.R tr.block{border-top:1px solid rgba(128,128,128,.4)}
.R tr.block>*{border:0}
.R tr.titles{display:none}
.R th,.R td{padding-right:0}
}
.gradhook-pill{color:#fff;border-radius:1em;padding:.1em .7em;font-size:12px;font-weight:600;
white-space:nowrap}
""".replace(".R", ".gradhook-report" * 3)


def html(report: Report, *, styled: bool = True) -> str:
    """Return the report as a fragment of HTML; a page needs the style once."""
    verdict = _pill(say.shown_verdict(report))
    earned = _escaped(f"{say.resolution(report)} {say.headline(report)}")
    parts = [_tag("p", f"{_escaped(say.opening(report))}: {verdict}{earned}", "head")]
    for first, *rest in story.story(report):
        below = _tag("ul", "".join(_tag("li", _escaped(said)) for said in rest)) if rest else ""
        parts.append(_tag("div", _tag("p", _escaped(first)) + below, "cause"))
    parts += [
        _table(report),
        *(_tag("p", _escaped(said)) for said in say.asides(report)),
        *(_tag("p", _escaped(said), "small") for said in say.fine_print(report)),
    ]
    if call := say.again(report):
        parts += [_tag("p", "see it again:", "small"), _tag("pre", _escaped(call))]
    folded = _tag("summary", "details") + _tag("pre", _html.escape(details(report, PRE_WIDTH)))
    parts.append(_tag("details", folded, "small"))
    style = f"<style>{STYLE}</style>" if styled else ""
    return f'<div class="gradhook-report">{style}{"".join(parts)}</div>'


WIDTH, HEIGHT, LEFT, LOWEST = 600, 180, 50, -12.0
"""Pixels of a plot and of its margin, and the logarithm of the smallest ratio in it."""


def plot(reports: Sequence[Report]) -> str:
    """Return the ratios of all blocks over the steps of a run, drawn; nothing for fewer than two.

    A dot per block and check, in the colour of its verdict, and a line for each limit.  What was
    not judged has no dot.
    """
    steps = [k if report.step is None else report.step for k, report in enumerate(reports)]
    first, last = min(steps, default=0), max(steps, default=0)
    if first == last:
        return ""

    def down(ratio: float) -> float:
        level = math.log10(min(1.0, max(ratio, 10**LOWEST)))
        return 10 + (HEIGHT - 40) * level / LOWEST

    limits = reports[-1].tolerance
    marks = [(f"1e{level}", 10.0**level, 0, 4) for level in (0, -8, -12)]
    marks += [("wrong above", limits.fail, LEFT, -2), ("right below", limits.warn, LEFT, -2)]
    drawn = [
        f'<path d="M{LEFT} {down(at):.1f}H{WIDTH}" stroke="currentColor" stroke-opacity=".3"/>'
        f'<text x="{x}" y="{down(at):.1f}" dy="{dy}">{said}</text>'
        for said, at, x, dy in marks
    ]
    drawn += [
        f'<text x="{x}" y="{HEIGHT - 4}" text-anchor="{anchor}">step {step}</text>'
        for x, anchor, step in ((LEFT, "start", first), (WIDTH, "end", last))
    ]
    for step, report in zip(steps, reports, strict=True):
        x = LEFT + 8 + (WIDTH - LEFT - 16) * (step - first) / (last - first)
        for block in reversed(story.worst_first(report)):  # what is wrong lies on top
            ratio, at = story.telling_ratio(block, report.tolerance)
            if block.verdict not in (Verdict.UNTESTED, Verdict.INCONCLUSIVE) and ratio >= 0:
                title = f"{block.name}: {block.verdict}, ratio {number(ratio)}{at}"
                drawn.append(
                    f'<circle cx="{x:.1f}" cy="{down(ratio):.1f}" r="3.5" '
                    f'fill="{PILLS[block.verdict]}"><title>{_escaped(title)}</title></circle>'
                )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" style="max-width:{WIDTH}px" role="img" '
        'aria-label="ratio of each block over the steps" font-size="11" fill="currentColor">'
        f"{''.join(drawn)}</svg>"
    )


def page(runs: Sequence[Run]) -> str:
    """Return all runs as one page of HTML."""
    reports = [report for run in runs for report in run.reports]
    verdict = say.overall(reports)
    parts = [f"<h1>Gradient checks: {_pill(verdict)} {_escaped(say.outcome(reports))}</h1>"]
    for run in sorted(runs, key=lambda run: run.passed):
        said = f": {say.outcome(run.reports)}" if len(runs) > 1 else ""
        parts.append(f'<h2 title="{_escaped(run.name)}">{_escaped(run.title + said)}</h2>')
        if run.torn:
            parts.append("<p>Not all of this run could be read.</p>")
        parts.append(plot(run.reports))
        for report, first in sorted(say.with_first(run.reports), key=lambda pair: pair[0].passed):
            fragment = html(report, styled=False)
            if line := _escaped(in_short(report, first)):
                parts.append(f"<details><summary>{line}</summary>{fragment}</details>")
            else:
                parts.append(f"<section>{fragment}</section>")
    title = _escaped(f"{verdict}: gradient checks of {', '.join(run.title for run in runs)}")
    return PAGE.format(title=title, style=STYLE, body="\n".join(filter(None, parts)))


def markdown(runs: Sequence[Run], *, verbose: bool = False) -> str:
    """Return all runs as Markdown: the overall verdict, what did not pass, then the others."""
    reports = [report for run in runs for report in run.reports]
    parts = [f"## Gradient checks: {say.overall(reports)}"]
    render = details if verbose else text
    for run in sorted(runs, key=lambda run: run.passed):
        torn = "\nnot all of this run could be read" * run.torn
        said = [f"{run.title}: {say.outcome(run.reports)}{torn}"]
        wrong = [pair for pair in say.with_first(run.reports) if not pair[0].passed]
        said += [in_short(report, first) or render(report) for report, first in wrong]
        parts += [fenced(each, "`", "text") for each in said]
        if right := [summary(report) for report in run.reports if report.passed]:
            inside = fenced("\n".join(right), "`", "text")
            parts.append(
                f"<details><summary>{len(right)} passed</summary>\n\n{inside}\n\n</details>"
            )
    return "\n\n".join(parts)


STDIN = "-"

REPORTS = "reports"
"""How a file of reports is called that lies alone in its run's folder."""

OURS = re.compile(rb'\s*\{\s*"format"\s*:')
"""How a report begins."""


@dataclass(slots=True)
class Run:
    """One file of reports."""

    name: str  # what it is called on the screen: its path
    title: str = ""  # a short name: that of the folder, or of the file beside others
    reports: list[Report] = field(default_factory=list)  # what could be read
    fault: str = ""  # what could not, in a sentence
    torn: bool = False  # whether it holds reports that could not be read

    @property
    def passed(self) -> bool:
        """Whether all of its checks did."""
        return all(report.passed for report in self.reports)


class UnreadableError(Exception):
    """A run that cannot be read, or an output that cannot be written, in words for the user."""


def read_runs(path: str) -> list[Run]:
    """Return the runs that a file, a folder or ``"-"``, the standard input, stands for.

    Raises:
        UnreadableError: There is no report in any of them.
    """
    files, shown = [path], printable(path)
    if path != STDIN and not os.path.exists(path):
        raise UnreadableError(f"there is no file or folder {shown}")
    if os.path.isdir(path):
        files = sorted(str(file) for file in Path(path).rglob("*.jsonl"))
        if not files:
            raise UnreadableError(f"no file below {shown} ends with .jsonl")
    runs = [_read(file) for file in files]
    if not any(run.reports for run in runs):
        name = runs[0].name if path == STDIN else shown
        said = [f"{name} holds no report", *(run.fault for run in runs if run.fault)]
        raise UnreadableError("\n  ".join(said))
    return runs


def _read(path: str) -> Run:
    """Return the reports in the lines of a file; of what is none the first line is named."""
    run = Run("standard input", "standard input")
    if path != STDIN:
        file = Path(path).absolute()
        own = "" if file.stem == REPORTS else f"/{file.stem}"
        run = Run(printable(path), printable(file.parent.name + own))
    ours, wrong = False, []
    try:
        with (
            contextlib.nullcontext(sys.stdin.buffer) if path == STDIN else open(path, "rb") as lines
        ):
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                ours = ours or OURS.match(line) is not None
                try:
                    run.reports.append(Report.from_json(line.decode("utf-8-sig")))
                except ValueError as error:  # no report, or no text
                    wrong.append(f"{run.name}, line {number}: {printable(str(error))}")
    except OSError as error:
        run.fault, run.torn = f"{run.name}: {error.strerror}", True
    if wrong:
        more = f" (and {count(len(wrong) - 1, 'further line')})" if len(wrong) > 1 else ""
        run.fault, run.torn = wrong[0] + more, ours or bool(run.reports)
    return run


def _pill(verdict: Verdict) -> str:
    """Return a verdict as a coloured pill."""
    return f'<span class="gradhook-pill" style="background:{PILLS[verdict]}">{verdict}</span>'


def _escaped(text: str) -> str:
    """Return text that HTML shows as it is."""
    return _html.escape(printable(text), quote=True)


def _table(report: Report) -> str:
    shown = story.rows(report)
    if not shown:
        return ""
    names, cells = block_names(report.blocks, HTML_NAME), story.cells(report)
    wheres = [say.where_cell(report, block) for block in shown]
    head = ["verdict", "block", *cells, *["where"] * any(wheres)]
    titles = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = [_tag("tr", titles, "titles")]
    for block, where, *numbers in zip(shown, wheres, *cells.values(), strict=True):
        row = _tag("td", _pill(block.verdict)) + _tag("td", _escaped(names[block.name]), "name")
        row += "".join(_tag("td", _escaped(cell), "number") for cell in numbers)
        row += _tag("td", _escaped(where), "where") * any(wheres)
        lines.append(_tag("tr", row, "block"))
    if fold := _escaped(story.fold_sentence(report)):
        lines.append(_tag("tr", f'<td colspan="{len(head)}">{fold}</td>', "block"))
    return _tag("div", _tag("table", "".join(lines)), "scroll")


def _tag(name: str, inside: str, css: str = "") -> str:
    """Wrap HTML that is escaped already."""
    return f'<{name} class="{css}">{inside}</{name}>' if css else f"<{name}>{inside}</{name}>"
