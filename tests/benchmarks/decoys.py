"""Are causes and places true where an untrue one lies near?

::

    python tests/benchmarks/decoys.py            # 48 cases of each of nine families
    python tests/benchmarks/decoys.py --quick    # 5 of each

Wrong gradients built so that a decoy is near: a positive column that is no weight, a 1-D block that
is no bias, a size that equals a factor, weights listed before biases, parallel branches, no biases,
one row that matters, a buffer that equals the weights, float32.  A cause is untrue if its kind is
none of those that hold, a place if it names a layer, the loss or a formula where the blocks are no
layers, or encloses another place than the fault's.  Exit status 1 unless every wrong gradient is
found wrong or undecided, untrue causes are at most 0.5 % and untrue places at most 1 %, and every
explanation ran to its end.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections import Counter
from typing import Any

import numpy as np
from _common import machine
from _decoys import Decoy, decoys

import gradhook

EACH, QUICK = 48, 5
CAUSES, PLACES = 0.005, 0.01
"""Shares of untrue causes and places that are borne."""

BETWEEN = re.compile(r"enters between (\S+) and (\S+?)[ ,]")
FORMULAS = re.compile(
    r"at the loss|last layer|enters between|sum over the batch|layout|multiplied by|penalty"
)
"""What a sentence may say only of layers."""


def is_true_place(decoy: Decoy, boundary: str, wrong: set[str], right: set[str]) -> bool:
    """Whether what is said of the place holds."""
    if not decoy.chain:
        return not FORMULAS.search(boundary)
    found = BETWEEN.search(boundary)
    if found is None:
        # Nothing but names, or a place that needs all layers to be wrong.
        return "at the loss" not in boundary or not right
    layer = {name: k for k, names in enumerate(decoy.chain) for name in names}
    first, last = found.groups()
    lowest_right = min((layer[name] for name in right), default=99)
    highest_wrong = max(layer[name] for name in wrong)
    return layer[last] == highest_wrong and layer[first] >= lowest_right > highest_wrong


def asked(decoy: Decoy, seed: int) -> Any:
    """The report on one case."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return gradhook.check_gradients(
            decoy.function,
            decoy.parameters,
            batch=decoy.batch,
            seed=seed,
            progress=False,
            **decoy.options,
        )


def main(arguments: list[str] | None = None) -> int:
    """Ask about every decoy and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--each", type=int, default=EACH)
    parser.add_argument("--only", default="", help="families whose name contains this")
    chosen = parser.parse_args(arguments)
    print(machine())
    started = time.perf_counter()
    counts: dict[str, Counter[str]] = {}
    said: list[str] = []
    spent: list[int] = []
    for family, k, decoy in decoys(QUICK if chosen.quick else chosen.each):
        if chosen.only not in family:
            continue
        row = counts.setdefault(family, Counter())
        report = asked(decoy, k)
        spent.append(report.evaluations)
        row["cases"] += 1
        row["found"] += report.verdict in ("FAIL", "WARN")
        row["passed"] += report.passed
        row["causes"] += len(report.causes)
        row["places"] += bool(report.boundary)
        wrong = {n for n, b in report.blocks.items() if b.verdict in ("FAIL", "WARN")}
        right = {n for n, b in report.blocks.items() if b.verdict in ("PASS", "KINK")}
        for cause in report.causes:
            if cause.kind not in decoy.true_kinds:
                row["untrue causes"] += 1
                said.append(f"{family} {k}, {decoy.name}: {cause.kind} {cause.sentence[:110]}")
        if report.boundary and not is_true_place(decoy, report.boundary, wrong, right):
            row["untrue places"] += 1
            said.append(f"{family} {k}, {decoy.name}: {report.boundary[:140]}")
        if any("could not be explained" in line for line in report.coverage):
            row["broken"] += 1
            said.append(f"{family} {k}, {decoy.name}: {report.coverage}")
    titles = ("cases", "found", "causes", "untrue causes", "places", "untrue places", "broken")
    print(f"\n{'':36}" + "".join(f"{title:>15}" for title in titles))
    total: Counter[str] = Counter()
    for family, row in counts.items():
        total += row
        print(f"{family:36}" + "".join(f"{row[title]:>15}" for title in titles))
    print(f"{'all':36}" + "".join(f"{total[title]:>15}" for title in titles))
    print(
        f"evaluations of a check: median {np.median(spent):.0f}, most {max(spent)}; "
        f"{time.perf_counter() - started:.0f} s"
    )
    for line in said:
        print(f"  {line}")
    cases = total["cases"]
    holds = (
        total["untrue causes"] <= CAUSES * cases
        and total["untrue places"] <= PLACES * cases
        and not total["broken"]
        and not total["passed"]
    )
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
