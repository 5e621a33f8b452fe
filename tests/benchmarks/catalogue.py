"""gradhook's two error rates on the catalogue of gradient bugs and false alarms.

::

    python tests/benchmarks/catalogue.py                  # seeds 1000-1049, some half an hour
    python tests/benchmarks/catalogue.py --quick          # a seventh of one seed
    python tests/benchmarks/catalogue.py --seeds 0-4 --workers 4

A false alarm is right code that FAILs, a miss a bug that passes; anything else that is not an
answer (INCONCLUSIVE, WARN, UNTESTED, an exception) is undecided, and listed with its reason.
gradhook was developed on seeds 0-79; a rate measured on the seeds that it was fitted to would mean
nothing, so the default is another range.  Exit status 1 after any false alarm, miss or exception.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable

import numpy as np
from _common import Checked, ask, machine, progress, seed_range, spread

from tests import catalogue

DEVELOPED_ON = "0-79, and false alarms on 4000-4399"
REPORTED_ON = "1000-1049"


def main(arguments: list[str] | None = None) -> int:
    """Score gradhook and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=seed_range(REPORTED_ON))
    parser.add_argument("--quick", action="store_true", help="every seventh case of the first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--right", action="store_true", help="right code alone: no misses to find")
    parser.add_argument("--tables", action="store_true", help="also by kind and by operator")
    chosen = parser.parse_args(arguments)
    seeds = chosen.seeds[:1] if chosen.quick else chosen.seeds
    tasks = [(seed, 7 if chosen.quick else 1, chosen.right) for seed in seeds]
    print(machine())
    print(f"seeds {shown(seeds)}; developed on {DEVELOPED_ON}")
    started = time.perf_counter()
    checked: list[Checked] = []
    excluded: list[str] = []
    for seed, (rows, lines) in zip(seeds, spread(one_seed, tasks, chosen.workers), strict=True):
        checked += rows
        excluded += lines
        progress(f"seed {seed}: {len(rows)} cases in {sum(row.seconds for row in rows):.0f} s")
    score = catalogue.Score(tuple(row.outcome for row in checked))
    print_rates(score, checked)
    print_costs(checked, time.perf_counter() - started, chosen.workers)
    print_cases(score, checked)
    print_listed("excluded, a mutant equal to the right code", excluded)
    if chosen.tables:
        print()
        print(score)
    return 1 if score.false_alarms or score.misses or score.errors else 0


def one_seed(task: tuple[int, int, bool]) -> tuple[list[Checked], list[str]]:
    """Check the cases of a seed; return what was said, and the mutants left out."""
    seed, every, right = task
    cases = [case for case in catalogue.cases([seed]) if case.clean or not right][::every]
    return [ask(case) for case in cases], catalogue.exclusions([seed])


def shown(seeds: list[int]) -> str:
    """Return seeds as a range, where they are one."""
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 1
    return f"{seeds[0]}-{seeds[-1]}" if whole else ", ".join(map(str, seeds))


def print_rates(score: catalogue.Score, checked: list[Checked]) -> None:
    """Print the error rates, and of what sort the undecided cases are."""
    print(f"\n{len(checked)} cases: {score.n_right} right, {score.n_wrong} wrong")
    for title, names, of in (
        ("false alarms", score.false_alarms, score.n_right),
        ("misses", score.misses, score.n_wrong),
        ("undecided", score.undecided, len(checked)),
    ):
        print(f"{title:<13}{len(names):>6} of {of:<6} {100 * len(names) / max(1, of):.2f} %")
    unsure = [row for row in checked if row.outcome.answer in ("undecided", "error")]
    sorts = Counter(
        (row.outcome.kind, "wrong" if row.outcome.wrong else "right", row.verdict) for row in unsure
    )
    for (kind, side, verdict), count in sorted(sorts.items(), key=lambda item: -item[1]):
        print(f"  {count:>4}  {verdict} on {side} code, {kind}")


def print_costs(checked: list[Checked], wall: float, workers: int) -> None:
    """Print loss evaluations against the budget, and time."""
    passing = [row for row in checked if row.outcome.answer == "pass" and not row.outcome.wrong]
    print("\nloss evaluations of passing checks of right code (T blocks)")
    for switches, budget in ((False, "40 T + 100"), (True, "40 T + 100")):
        rows = [row for row in passing if row.switches is switches]
        if rows:
            shares = np.array([row.evaluations / row.limit for row in rows])
            print(
                f"  with{'' if switches else 'out'} switches, budget {budget}: {len(rows)} checks, "
                f"median {np.median(shares):.2f}, 99 % below {np.quantile(shares, 0.99):.2f}, "
                f"most {shares.max():.2f} of it; {int((shares > 1).sum())} over"
            )
    calls = max((row.gradient_evaluations for row in checked), default=0)
    print(f"calls for gradients: at most {calls}")
    seconds = np.array([row.seconds for row in checked])
    print(
        f"seconds: {wall:.0f} by {workers} processes; a check takes {np.median(seconds):.3f} "
        f"in the median, {seconds.max():.1f} at most"
    )


def print_cases(score: catalogue.Score, checked: list[Checked]) -> None:
    """Print every false alarm, miss and undecided case with its reason, and what cost too much."""
    by_name = {row.outcome.name: row for row in checked}
    for title, names in (
        ("false alarm", score.false_alarms),
        ("missed", score.misses),
        ("undecided", score.undecided),
    ):
        rows = (by_name[name] for name in names)
        print_listed(title, (f"{row.outcome.name}: {row.verdict}, {row.reason}" for row in rows))
    over = [
        f"{row.outcome.name}: {row.evaluations} of {row.limit}"
        for row in checked
        if row.outcome.answer == "pass" and not row.outcome.wrong and row.evaluations > row.limit
    ]
    print_listed("over budget", over)


def print_listed(title: str, lines: Iterable[str]) -> None:
    """Print a heading and lines below it, if there are any."""
    lines = list(lines)
    if lines:
        print(f"\n{title} ({len(lines)})")
        for line in lines:
            print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
