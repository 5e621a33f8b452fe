"""The command line, ``python -m gradhook``: reports of finished runs, and the self-test.

``report`` reads the JSON lines that a run left and says by its exit status whether every check
passed: 0 if so, 1 if any did not, 2 if one could not be read.  An empty run is no success, and
neither is one whose last line is torn; but a folder may hold other programs' files, which are named
and skipped.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from collections.abc import Sequence

from gradhook.check.check import selftest
from gradhook.report import text as _render
from gradhook.report.format import has_colour, printable, width
from gradhook.report.pages import STDIN, Run, UnreadableError, markdown, page, read_runs
from gradhook.report.wording import outcome, with_first

__all__ = ["main"]

PASSED, FAILED, UNREADABLE = 0, 1, 2

STDOUT = "-"

FORMATS = ["text", "html", "json", "markdown"]

EXAMPLES = """\
examples:
  python -m gradhook report runs/mlp                      every check of the runs below a folder
  python -m gradhook report checks.jsonl -v               with all details
  python -m gradhook report runs --format html            one page, written beside the runs
  python -m gradhook report runs --format markdown >> "$GITHUB_STEP_SUMMARY"
  python -m gradhook report runs && echo "all gradients right"
  ssh host cat runs/checks.jsonl | python -m gradhook report -
  python -m gradhook selftest

exit status: 0 every check passed, 1 one did not, 2 one could not be read, or there was none
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process, and return the exit status.

    Example:
        >>> from gradhook.__main__ import main
        >>> main(["selftest"])
        self-test passed: a right gradient passes and a wrong one fails
        0
    """
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # A sign that the terminal's encoding lacks is no error.
            stream.reconfigure(errors="replace")
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except UnreadableError as error:
        sys.stderr.write(f"gradhook: {error}\n")
        return UNREADABLE
    except BrokenPipeError:  # As in "… | head"; nobody reads on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m gradhook",
        description="Gradient checks of finished runs.",
        epilog=EXAMPLES,
        formatter_class=plain,
    )
    parser.add_argument("--version", action="version", version=f"gradhook {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    report = commands.add_parser(
        "report",
        help="show the checks of a run; exit status 1 if any did not pass",
        description="Show the checks of a run; the exit status is 1 if any did not pass.",
        epilog=EXAMPLES,
        formatter_class=plain,
    )
    report.add_argument(
        "run_path", metavar="RUN", help="a file of JSON lines, a folder with some, or - (stdin)"
    )
    report.add_argument("--format", choices=FORMATS, default="text", help="default: %(default)s")
    report.add_argument("-v", "--verbose", action="store_true", help="show all details")
    report.add_argument(
        "--full",
        action="store_true",
        help="show every check in full: passing ones, and those that failed as before",
    )
    report.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to a file, - for the standard output (the default, but of html: gradcheck.html "
        "beside the run)",
    )
    report.set_defaults(run=_report)

    test = commands.add_parser(
        "selftest",
        help="check that a right gradient passes and a wrong one fails",
        description="Check that a right gradient passes and a wrong one fails.",
    )
    test.set_defaults(run=_selftest)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("gradhook")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _report(options: argparse.Namespace) -> int:
    found = read_runs(options.run_path)
    for fault in filter(None, (run.fault for run in found)):
        sys.stderr.write(f"gradhook: skipped {fault}\n")
    runs = [run for run in found if run.reports]
    reports = [report for run in runs for report in run.reports]
    output = options.output
    if options.format == "html":
        shown = page(runs)
        output = output or _beside(options.run_path)
    elif options.format == "json":
        shown = json.dumps([report.to_dict() for report in reports], indent=2, allow_nan=False)
    elif options.format == "markdown":
        shown = markdown(runs, verbose=options.verbose)
    else:
        columns, colour = 80, False
        if output in (None, STDOUT):
            columns, colour = width(sys.stdout), has_colour(sys.stdout)
        shown = _text(runs, columns, colour=colour, full=options.full, verbose=options.verbose)
    _write(shown, output)
    if output not in (None, STDOUT):
        sys.stdout.write(f"wrote {printable(output)}: {outcome(reports)}\n")
    if not all(report.passed for report in reports):
        return FAILED
    return UNREADABLE if any(run.torn for run in found) else PASSED


def _selftest(options: argparse.Namespace) -> int:
    failures = selftest()
    said = failures or ["self-test passed: a right gradient passes and a wrong one fails"]
    _write("\n".join(said), None)
    return FAILED if failures else PASSED


def _text(runs: list[Run], columns: int, *, colour: bool, full: bool, verbose: bool) -> str:
    """Return each run as a headline and its checks: a line if passed, else the report."""
    render = _render.details if verbose else _render.text
    lines = []
    for run in runs:
        torn = "; not all of it could be read" * run.torn
        lines.append(f"{run.name}: {outcome(run.reports)}{torn}")
        for report, first in with_first(run.reports):
            short = _render.in_short(report, first, columns, colour=colour)
            in_full = full or verbose or not short
            lines += ["", render(report, columns, colour=colour), ""] if in_full else [short]
    return "\n".join(lines)


def _beside(path: str) -> str:
    """Return where a page goes that nobody has named a file for."""
    folder = "" if path == STDIN else path if os.path.isdir(path) else os.path.dirname(path)
    return os.path.join(folder, "gradcheck.html")


def _write(shown: str, path: str | None) -> None:
    if path in (None, STDOUT):
        sys.stdout.write(shown + "\n")
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(shown + "\n")
    except OSError as error:
        raise UnreadableError(f"cannot write {printable(path)}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
