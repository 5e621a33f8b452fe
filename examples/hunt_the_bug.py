"""What a check says of every mistake that ``digits_network.py`` can hold.

Each is planted in turn in the network of ``digits_mlp.py``, whose gradient is checked before the
first step on real digits; by name, with all that the report says of why:

    python examples/hunt_the_bug.py
    python examples/hunt_the_bug.py reg_missing dW_transposed

A line of the table shows the bug planted, the verdict, what was located (the wrong blocks, or the
part of a block), the cause, and the loss evaluations made.  A cause is named only where it was
confirmed; where none is, the place at which the fault enters stands in parentheses.
"""

from __future__ import annotations

import argparse
import functools
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

import digits_mlp
import digits_network

from gradhook import Report, check_gradients

WIDTHS = 21, 7, 22, 34
"""Of all columns but the last."""


def hunt(bug: str, X: digits_network.Array, y: digits_network.Array, *, seed: int = 0) -> Report:
    """Plant a bug and check the gradient where training would start.

    Args:
        bug: A key of ``digits_network.BUGS``, or an empty string for the right code.
        X: Pixels, shape ``(rows, 64)``.
        y: Classes, shape ``(rows,)``.
        seed: Of weights and masks.
    """
    initial, masks = np.random.SeedSequence(seed).spawn(2)
    network = digits_network.plant_bug(bug) if bug else digits_network.loss_and_gradients
    svm = bool(bug) and digits_network.needs_loss(bug) == "hinge"
    return check_gradients(
        functools.partial(network, svm=svm, masks=np.random.default_rng(masks)),
        digits_network.initial_parameters(np.random.default_rng(initial)),
        batch=(X, y),
        dropout="dropout",
        penalty="l2",
    )


def located(report: Report) -> str:
    """Return the wrong blocks, or the part of the block where a part is all that is wrong."""
    wrong = [block for block in report.blocks.values() if block.verdict in ("FAIL", "WARN")]
    if len(wrong) == 1 and "[" in (wrong[0].where or ""):
        return wrong[0].where or ""
    return ", ".join(block.name for block in wrong)


def named(report: Report) -> str:
    """Return the kinds of the causes, or in parentheses where the fault enters."""
    if report.causes:
        return ", ".join(dict.fromkeys(cause.kind for cause in report.causes))
    if not report.boundary:
        return ""
    _, enters, place = report.boundary.partition(": the fault ")
    return f"({place.partition(' (')[0]})" if enters else ""


def line(cells: Sequence[str]) -> str:
    """Return one line of the table; what is too long for its column is cut off."""
    fitted = [
        f"{cell if len(cell) <= width else cell[: width - 1] + '…':<{width}}"
        for cell, width in zip(cells[:-1], WIDTHS, strict=True)
    ]
    return " ".join([*fitted, f"{cells[-1]:>8}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of all bugs, or of those given by name with what the report says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bugs", nargs="*", help="names in digits_network.BUGS (default: all)")
    chosen = parser.parse_args(arguments).bugs
    unknown = [name for name in chosen if name not in digits_network.BUGS]
    if unknown:
        known = ", ".join(digits_network.BUGS)
        parser.error(f"no such bug: {', '.join(unknown)}; known are {known}")
    X, _, y, _ = digits_mlp.digits()
    print(line(["bug", "verdict", "located", "cause", "cost"]))
    reports = {}
    for bug in chosen or ["", *digits_network.BUGS]:
        report = reports[bug] = hunt(bug, X, y)
        cost = f"{report.evaluations} loss"
        print(line([bug or "(none)", report.verdict, located(report), named(report), cost]))
        said = [*(cause.sentence for cause in report.causes), report.boundary] if chosen else []
        for sentence in filter(None, said):
            print(textwrap.fill(sentence, 90, initial_indent=4 * " ", subsequent_indent=6 * " "))
    wrong = [report for bug, report in reports.items() if bug]
    print(
        f"{len(wrong)} bugs: {sum(r.verdict == 'FAIL' for r in wrong)} FAIL, "
        f"{sum(bool(r.causes) for r in wrong)} with a cause, "
        f"{sum(bool(r.boundary) and not r.causes for r in wrong)} with a place; cost in loss "
        "evaluations"
    )


if __name__ == "__main__":
    main()
