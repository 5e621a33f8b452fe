"""Is every wrong case of the catalogue wrong, and by how much?

::

    python tests/benchmarks/catalogue_truth.py            # seeds 0-9
    python tests/benchmarks/catalogue_truth.py --quick    # one seed

A mutant is compared with the code that it was made from, at three random points where bugs show.
One that stays below a thousandth everywhere could not be told from right code by any checker, and
would count as a miss of all of them: exit status 1.  pytest does the same for seed 0.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from _common import machine, progress, seed_range, spread

from tests import catalogue

POINTS = 3
SHOWS = 1e-3


def main(arguments: list[str] | None = None) -> int:
    """Compare all mutants of some seeds and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=seed_range("0-9"))
    parser.add_argument("--quick", action="store_true", help="the first of the seeds only")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(arguments)
    seeds = chosen.seeds[:1] if chosen.quick else chosen.seeds
    print(machine())
    ratios: dict[str, float] = {}
    for seed, found in zip(seeds, spread(one_seed, seeds, chosen.workers), strict=True):
        ratios |= found
        progress(f"seed {seed}: {len(found)} mutants")
    hidden = [name for name, ratio in ratios.items() if ratio < SHOWS]
    least = min(ratios, key=lambda name: ratios[name])
    print(f"{len(ratios)} mutants of {len(seeds)} seeds, {len(hidden)} below {SHOWS:g}")
    print(f"least wrong: {ratios[least]:.1e}, {least}")
    print(f"median ratio: {np.median(list(ratios.values())):.1e}")
    for name in hidden:
        print(f"  {name}: {ratios[name]:.1e}")
    for line in catalogue.exclusions(seeds):
        print(f"excluded: {line}")
    return 1 if hidden else 0


def one_seed(seed: int) -> dict[str, float]:
    """Return how wrong each mutant of a seed is, at the point that shows it best."""
    largest = {}
    for case in catalogue.cases([seed]):
        if case.wrong:
            rng = np.random.default_rng(10)
            points = (case.problem.displaced(rng) for _ in range(POINTS))
            ratios = (case.wrong_blocks(point, **case.problem.telling) for point in points)
            largest[case.name] = max(max(each.values()) for each in ratios)
    return largest


if __name__ == "__main__":
    sys.exit(main())
