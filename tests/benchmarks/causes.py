"""Are the wrong blocks found, and is the bug named, in the catalogue of gradient bugs?

::

    python tests/benchmarks/causes.py                     # seeds 1000-1009
    python tests/benchmarks/causes.py --quick             # a third of one seed
    python tests/benchmarks/causes.py --seeds 0-4 --workers 2

Every network of the seeds, at both starting points, with its bug and without.  Truth for the blocks
is the ratio between the gradients with the bug and without, at the points where the check looked:
wrong above 1e-6, not counted from 1e-7 to there.  A class of bugs is decidable where its signature
is; a bug of another class may be named, but not wrongly.  Exit status 1 unless

- the wrong blocks are exactly right in every case,
- the class is right in at least 95 % of the decidable cases and wrong in at most 0.5 % of all,
- the kind is exact wherever the signature decides it and a cause is named, but for 5 %,
- right code never gets a cause.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _common import machine, progress, seed_range, spread

from tests import catalogue

DEVELOPED_ON = "0-4"
REPORTED_ON = "1000-1009"

RIGHT, WRONG, EXACT = 0.95, 0.005, 0.95
"""Shares: class right of decidable cases, class wrong of all, kind exact of those named."""


def load(path: Path) -> Any:
    """Load a module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


explained = load(Path(__file__).resolve().parents[1] / "catalogue" / "explained.py")


def main(arguments: list[str] | None = None) -> int:
    """Ask about every network and print what was said."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=seed_range(REPORTED_ON))
    parser.add_argument("--quick", action="store_true", help="a third of the first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    chosen = parser.parse_args(arguments)
    seeds = chosen.seeds[:1] if chosen.quick else chosen.seeds
    if chosen.quick:  # two sixths, one for each process
        seeds = seeds * 2
    every = 6 if chosen.quick else 1
    tasks = [(seed, k % every, every, chosen.only) for k, seed in enumerate(seeds)]
    print(machine())
    print(f"seeds {', '.join(map(str, seeds))}; developed on {DEVELOPED_ON}")
    answers = []
    for seed, found in zip(seeds, spread(one_seed, tasks, chosen.workers), strict=True):
        answers += found
        progress(f"seed {seed}: {len(found)} cases in {sum(a.seconds for a in found):.0f} s")
    print_operators(answers)
    return int(not print_claims(answers))


def one_seed(task: tuple[int, int, int, str]) -> list[Any]:
    """Ask about the networks of a seed: with a bug and without, in turn."""
    seed, first, every, part = task
    cases = [case for case in catalogue.cases([seed], kinds=["network"]) if part in case.name]
    return [explained.ask(case) for pair in pairs(cases)[first::every] for case in pair]


def pairs(cases: list[catalogue.Case]) -> list[list[catalogue.Case]]:
    """Cases by two, as they are drawn: a bug and its twin."""
    return [cases[k : k + 2] for k in range(0, len(cases), 2)]


def print_operators(answers: list[Any]) -> None:
    """Print how often each operator's class and kind were named."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        if answer.operator:
            counts[answer.operator][_said(answer)] += 1
    columns = ("exact", "class right", "class wrong", "silent", "broken")
    print(f"\n{'':2}{'operator':<26}" + "".join(f"{title:>13}" for title in columns))
    for operator in catalogue.operators():
        if operator.name in counts:
            row = counts[operator.name]
            cells = "".join(f"{row[title] or '':>13}" for title in columns)
            print(f"{operator.family:2}{operator.name:<26}{cells}")


def _said(answer: Any) -> str:
    if answer.broken:
        return "broken"
    if not answer.causes:
        return "silent"
    if answer.wrong_family:
        return "class wrong"
    return "exact" if answer.exact_kind else "class right"


def print_claims(answers: list[Any]) -> bool:
    """Print each claim with what was measured; whether all hold."""
    wrong = [a for a in answers if a.operator]
    right = [a for a in answers if not a.operator]
    compared = [a for a in wrong if a.compared]
    decidable = [a for a in wrong if explained.is_decidable(a)]
    named = [a for a in decidable if a.right_family and explained.needs_exact_kind(a)]
    blocks = [a for a in compared if a.misjudged]
    family = [a for a in decidable if not a.right_family]
    other = [a for a in wrong if a.wrong_family]
    kind = [a for a in named if not a.exact_kind]
    accused = [a for a in right if a.causes]
    broken = [a for a in answers if a.broken]
    counts = np.array([a.evaluations for a in wrong if not a.broken] or [0])
    print(
        f"\n{len(wrong)} wrong cases, {len(right)} right ones; evaluations of a wrong one: "
        f"median {np.median(counts):.0f}, most {counts.max()}"
    )
    claims = (
        ("wrong blocks exactly right", len(compared) - len(blocks), len(compared), 1.0),
        ("class right, decidable", len(decidable) - len(family), len(decidable), RIGHT),
        ("class not wrong, all", len(wrong) - len(other), len(wrong), 1 - WRONG),
        ("kind exact where named", len(named) - len(kind), len(named), EXACT),
        ("right code without cause", len(right) - len(accused), len(right), 1.0),
        ("ran to its end", len(answers) - len(broken), len(answers), 1.0),
    )
    holds = True
    for title, good, of, least in claims:
        share = good / of if of else 1.0
        met = share >= least
        holds = holds and met
        print(
            f"{title:<28}{good:>6} of {of:<6}{100 * share:7.2f} %   needs {100 * least:.1f} %"
            + ("" if met else "   NOT MET")
        )
    print_listed("blocks misjudged", (f"{a.name}: {dict(a.misjudged)}" for a in blocks))
    print_listed("class not named, decidable", (f"{a.name}: {_shown(a)}" for a in family))
    print_listed("class wrong", (f"{a.name}: {_shown(a)}" for a in other))
    print_listed("kind not exact", (f"{a.name}: {_shown(a)}" for a in kind))
    print_listed("right code with a cause", (f"{a.name}: {_shown(a)}" for a in accused))
    print_listed("broken", (f"{a.name}: {a.broken}" for a in broken))
    return holds


def _shown(answer: Any) -> str:
    said = [
        f"{family} {kind} ({sentence[:90]})"
        for (family, kind), sentence in zip(answer.causes, answer.sentences, strict=True)
    ]
    return "; ".join(said) or f"silent; {answer.boundary[:110]}"


def print_listed(title: str, lines: Iterable[str]) -> None:
    """Print a heading and lines below it, if there are any."""
    lines = list(lines)
    if lines:
        print(f"\n{title} ({len(lines)})")
        for line in lines:
            print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
