"""AUDIT.md, written from the record of a run and the faults in the files of the libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["page"]

HEAD = """\
# Hand-written derivatives of released libraries

{derivatives:,} derivatives of {libraries} released libraries were asked one question with gradhook:
is this the derivative of the function beside it?  {faults} faults were found, by {failing} failing
checks, and every one was confirmed without gradhook.  No check failed where the derivative is
right; {errors} ended in an exception, {undecided} were INCONCLUSIVE.

    python tests/benchmarks/audit.py

repeats it ({dates}, Python {python}, NumPy {numpy}).  `audit.py --write` writes this page and
`_audit/record.json`; the derivatives, the faults and their reproductions stand in
`_audit/of_<library>.py`.  It installs nothing and says what is missing.  NGBoost 0.6 asks for
scikit-learn below 1.7, which its distributions do not need: install scikit-learn after it.  copt,
lenstronomy, sklearn-lvq, sklvq and umap-learn were installed by `pip install --no-deps
--target`, beside numba, llvmlite, pynndescent, astropy and configparser.

How a derivative is asked: whatever a library offers, a gradient, a Jacobian, a Hessian, an adjoint,
or `f'` of every element of an array, is a linear map `J(x)`.  With one random array `c`,
`loss(x) = <c, f(x)>` has the gradient `J(x)^T c`, and that pair is checked.  Every FAIL is then
looked at again by central differences of every element, extrapolated to step 0, without gradhook.
"""


def page(record: Mapping[str, Any], files: Mapping[str, Any]) -> str:
    """Return the page as Markdown.

    Args:
        record: What ``audit.py`` found, as ``record.json`` holds it.
        files: The files of the libraries, by name.
    """
    return "\n".join([_head(record), *_counts(record), *_faults(record, files), *_notes(files)])


def _head(record: Mapping[str, Any]) -> str:
    libraries = record["libraries"]
    verdicts = [one["verdicts"] for one in libraries]
    dates = [one["date"] for one in libraries]
    errors = sum(v.get("ERROR", 0) for v in verdicts)
    undecided = sum(v.get("INCONCLUSIVE", 0) for v in verdicts)
    return HEAD.format(
        derivatives=sum(one["derivatives"] for one in libraries),
        libraries=len(libraries),
        faults=sum(len(one["faults"]) for one in libraries),
        failing=sum(len(fault["failing"]) for one in libraries for fault in one["faults"]),
        errors=errors,
        undecided=undecided,
        dates=" to ".join(sorted({min(dates), max(dates)})),
        python=record["python"],
        numpy=record["numpy"],
    )


def _counts(record: Mapping[str, Any]) -> list[str]:
    columns = ("PASS", "WARN", "KINK", "FAIL", "UNTESTED", "INCONCLUSIVE")
    lines = ["## Counts", "", f"| library | derivatives | {' | '.join(columns)} | faults | s |"]
    lines.append("|---|" + "--:|" * (len(columns) + 3))
    for one in record["libraries"]:
        cells = " | ".join(str(one["verdicts"].get(c, 0)) for c in columns)
        lines.append(
            f"| {one['name']} {one['version']} | {one['derivatives']} | {cells} | "
            f"{len(one['faults'])} | {one['seconds']:.0f} |"
        )
    return [*lines, ""]


def _faults(record: Mapping[str, Any], files: Mapping[str, Any]) -> list[str]:
    """Return the table of the faults that were found, and a section for each."""
    found = [
        (one, fault)
        for one in record["libraries"]
        for fault in files[one["file"]].FAULTS
        if fault.title in {kept["title"] for kept in one["faults"]}
    ]
    lines = ["## Faults", "", "| | library | what | reported |", "|--:|---|---|---|"]
    lines += [
        f"| {number} | {one['name']} {one['version']} | {fault.title} | {fault.upstream or '–'} |"
        for number, (one, fault) in enumerate(found, 1)
    ]
    lines += [
        "",
        "Each program below prints the library's number first and the right one second.",
        "<!-- fmt: off -->",
        "",
        "A dash under *reported*: a report was looked for and not found.",
        "",
    ]
    for number, (one, fault) in enumerate(found, 1):
        lines += [
            f"### {number}. {one['name']}: {fault.title}",
            "",
            f"*Wrong.* {fault.wrong}",
            "",
            f"*Right.* {fault.right}",
            "",
            f"*Confirmed by:* {fault.confirmed}",
            "",
            "```python",
            fault.reproduction,
            "```",
            "",
        ]
    return [*lines, "<!-- fmt: on -->", ""]


def _notes(files: Mapping[str, Any]) -> list[str]:
    lines = ["## What looks like a fault and is none", ""]
    for file in files.values():
        lines += [f"- **{file.LIBRARY.name}.** {text}" for text in file.LIBRARY.conventions]
    lines += ["", "## Seen on the way", "", "Defects that are no wrong derivatives.", ""]
    for file in files.values():
        lines += [f"- **{file.LIBRARY.name}.** {text}" for text in file.LIBRARY.seen]
    lines += ["", "## What was not covered", ""]
    lines += [
        f"- **{file.LIBRARY.name}:** {file.LIBRARY.left_out}"
        for file in files.values()
        if file.LIBRARY.left_out
    ]
    return [*lines, ""]
