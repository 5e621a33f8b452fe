"""The checks of runs as Markdown, for the summary page of a CI run.

What comes from the user (names, sentences that quote them) stands in fences of code, longer than
any run of backticks inside, where Markdown formats nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradhook.report import overview
from gradhook.report.runs import Run
from gradhook.report.text import details, repeated, summary, text

__all__ = ["markdown"]


def markdown(runs: Sequence[Run], *, verbose: bool = False) -> str:
    """Return all runs: the overall verdict, then what did not pass, then the checks that did."""
    reports = [report for run in runs for report in run.reports]
    parts = [f"## Gradient checks: {overview.overall(reports)}"]
    for run in sorted(runs, key=lambda run: all(report.passed for report in run.reports)):
        torn = "\nnot all of this run could be read" * run.torn
        parts.append(_fenced(f"{run.title}: {overview.outcome(run.reports)}{torn}"))
        render = details if verbose else text
        for report, first in overview.with_first(run.reports):
            if not report.passed:
                said = render(report) if first is None else repeated(report, first)
                parts.append(_fenced(said))
        if right := [summary(report) for report in run.reports if report.passed]:
            title = f"{len(right)} passed"
            inside = _fenced("\n".join(right))
            parts.append(f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>")
    return "\n\n".join(parts)


def _fenced(said: str) -> str:
    longest = max(map(len, re.findall("`+", said)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{said}\n{fence}"
