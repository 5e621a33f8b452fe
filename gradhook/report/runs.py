"""The checks of runs: read from the files that they leave, shown as a page of HTML or as Markdown.

A folder of runs holds more than reports, such as a trainer's own ``metrics.jsonl``, and a run that
was killed leaves half a line.  Neither may hide the reports beside it, nor go unsaid.

Of a page without scripts, or of Markdown for CI, checks that did not pass come first and lie open;
those that passed, or found what one above has found, are a line each.  In Markdown, what comes from
the user stands in fences of code.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradhook.report import wording as say
from gradhook.report.format import count, fenced, printable
from gradhook.report.html import STYLE, escaped, html, pill, plot
from gradhook.report.records import Report
from gradhook.report.text import details, in_short, summary, text

__all__ = ["STDIN", "Run", "UnreadableError", "markdown", "page", "read_runs"]

STDIN = "-"

REPORTS = "reports"
"""How a file of reports is called that lies alone in its run's folder."""

OURS = re.compile(rb'\s*\{\s*"format"\s*:')
"""How a report begins."""

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


@dataclass(slots=True)
class Run:
    """One file of reports.

    Args:
        name: What it is called on the screen: its path.
        title: A short name: that of the folder, or of the file beside others.
        reports: What could be read.
        fault: What could not, in a sentence; empty if all could.
        torn: Whether it holds reports that could not be read.
    """

    name: str
    title: str = ""
    reports: list[Report] = field(default_factory=list)
    fault: str = ""
    torn: bool = False

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


def page(runs: Sequence[Run]) -> str:
    """Return all runs as one page of HTML."""
    reports = [report for run in runs for report in run.reports]
    verdict = say.overall(reports)
    parts = [f"<h1>Gradient checks: {pill(verdict)} {escaped(say.outcome(reports))}</h1>"]
    for run in sorted(runs, key=lambda run: run.passed):
        said = f": {say.outcome(run.reports)}" if len(runs) > 1 else ""
        parts.append(f'<h2 title="{escaped(run.name)}">{escaped(run.title + said)}</h2>')
        if run.torn:
            parts.append("<p>Not all of this run could be read.</p>")
        parts.append(plot(run.reports))
        for report, first in sorted(say.with_first(run.reports), key=lambda pair: pair[0].passed):
            fragment = html(report, styled=False)
            if line := escaped(in_short(report, first)):
                parts.append(f"<details><summary>{line}</summary>{fragment}</details>")
            else:
                parts.append(f"<section>{fragment}</section>")
    title = escaped(f"{verdict}: gradient checks of {', '.join(run.title for run in runs)}")
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
