"""The checks of one or more runs as a page of HTML, without scripts, or of Markdown for CI.

Checks that did not pass come first and lie open; those that passed, or found what one above has
found, are a line each.  In Markdown, what comes from the user stands in fences of code.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradhook.report import wording as say
from gradhook.report.format import fenced
from gradhook.report.html import STYLE, escaped, html, pill
from gradhook.report.runs import Run
from gradhook.report.text import details, repeated, summary, text

__all__ = ["markdown", "page"]

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


def page(runs: Sequence[Run]) -> str:
    """Return all runs as one page of HTML."""
    reports = [report for run in runs for report in run.reports]
    verdict = say.overall(reports)
    parts = [f"<h1>Gradient checks: {pill(verdict)} {escaped(say.outcome(reports))}</h1>"]
    for run in sorted(runs, key=lambda run: all(report.passed for report in run.reports)):
        parts.append(_run(run, several=len(runs) > 1))
    title = escaped(f"{verdict}: gradient checks of {', '.join(run.title for run in runs)}")
    return PAGE.format(title=title, style=STYLE, body="\n".join(parts))


def _run(run: Run, *, several: bool) -> str:
    said = f": {say.outcome(run.reports)}" if several else ""
    parts = [f'<h2 title="{escaped(run.name)}">{escaped(run.title + said)}</h2>']
    if run.torn:
        parts.append("<p>Not all of this run could be read.</p>")
    # Those that did not pass come first.
    pairs = sorted(say.with_first(run.reports), key=lambda pair: pair[0].passed)
    for report, first in pairs:
        fragment = html(report, styled=False)
        if report.passed or first is not None:
            line = escaped(summary(report) if first is None else repeated(report, first))
            parts.append(f"<details><summary>{line}</summary>{fragment}</details>")
        else:
            parts.append(f"<section>{fragment}</section>")
    return "\n".join(parts)


def markdown(runs: Sequence[Run], *, verbose: bool = False) -> str:
    """Return all runs as Markdown: the overall verdict, what did not pass, then the others."""
    reports = [report for run in runs for report in run.reports]
    parts = [f"## Gradient checks: {say.overall(reports)}"]
    for run in sorted(runs, key=lambda run: all(report.passed for report in run.reports)):
        torn = "\nnot all of this run could be read" * run.torn
        parts.append(fenced(f"{run.title}: {say.outcome(run.reports)}{torn}", "`", "text"))
        render = details if verbose else text
        for report, first in say.with_first(run.reports):
            if not report.passed:
                said = render(report) if first is None else repeated(report, first)
                parts.append(fenced(said, "`", "text"))
        if right := [summary(report) for report in run.reports if report.passed]:
            title = f"{len(right)} passed"
            inside = fenced("\n".join(right), "`", "text")
            parts.append(f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>")
    return "\n\n".join(parts)
