"""Files of reports as runs leave them: what can be read, and what cannot, in words.

A folder of runs holds more than reports, such as a trainer's own ``metrics.jsonl``, and a run that
was killed leaves half a line.  Neither may hide the reports beside it, nor go unsaid.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gradhook.report.format import count, printable
from gradhook.report.records import Report

__all__ = ["STDIN", "Run", "UnreadableError", "read_runs"]

STDIN = "-"

REPORTS = "reports"
"""How a file of reports is called that lies alone in its run's folder."""

OURS = re.compile(rb'\s*\{\s*"format"\s*:')
"""How a report begins."""


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


class UnreadableError(Exception):
    """A run that cannot be read, or an output that cannot be written, in words for the user."""


def read_runs(path: str) -> list[Run]:
    """Return the runs that a file, a folder or ``"-"``, the standard input, stands for.

    Raises:
        UnreadableError: There is no report in any of them.
    """
    runs = [_read(file) for file in _files(path)]
    if not any(run.reports for run in runs):
        name = runs[0].name if path == STDIN else printable(path)
        said = [f"{name} holds no report", *(run.fault for run in runs if run.fault)]
        raise UnreadableError("\n  ".join(said))
    return runs


def _files(path: str) -> list[str]:
    """Return the files of reports that a path stands for, in the order of their names."""
    if path == STDIN:
        return [path]
    if not os.path.exists(path):
        raise UnreadableError(f"there is no file or folder {printable(path)}")
    if not os.path.isdir(path):
        return [path]
    found = sorted(str(file) for file in Path(path).rglob("*.jsonl"))
    if not found:
        raise UnreadableError(f"no file below {printable(path)} ends with .jsonl")
    return found


def _read(path: str) -> Run:
    """Return what could be read of one file, and what could not."""
    if path == STDIN:
        run = Run("standard input", "standard input")
        _take(run, sys.stdin.buffer)
        return run
    run = Run(printable(path), _title(path))
    try:
        with open(path, "rb") as file:
            _take(run, file)
    except OSError as error:
        run.fault, run.torn = f"{run.name}: {error.strerror}", True
    return run


def _title(path: str) -> str:
    """Return a run's short name: its folder for the file that TensorBoard's runs hold."""
    file = Path(path).absolute()
    folder = file.parent.name
    return printable(folder if file.stem == REPORTS else f"{folder}/{file.stem}")


def _take(run: Run, lines: Iterable[bytes]) -> None:
    """Take up the reports in the lines of a file; of what is none the first line is named."""
    ours, wrong = False, []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        ours = ours or OURS.match(line) is not None
        try:
            run.reports.append(Report.from_json(line.decode("utf-8-sig")))
        except ValueError as error:  # no report, or no text
            wrong.append(f"{run.name}, line {number}: {printable(str(error))}")
    if wrong:
        more = f" (and {count(len(wrong) - 1, 'further line')})" if len(wrong) > 1 else ""
        run.fault, run.torn = wrong[0] + more, ours or bool(run.reports)
