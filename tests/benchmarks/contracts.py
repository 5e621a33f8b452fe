"""Every style × optimiser × feature, 200 steps, a check every 10: the same bytes as without.

    python tests/benchmarks/contracts.py [--quick]

``--quick`` takes every eleventh combination and 60 steps.  Exits with status 1 if any byte differs,
or a check fails: all gradients are right.
"""

import argparse
import collections
import functools
import importlib.util
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from _common import spread


def load(path: Path):
    """Load a module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


training = load(Path(__file__).resolve().parents[1] / "contracts" / "training.py")


def train(steps: int, combination: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What differs at the end with the check on and off, and the verdicts."""
    warnings.simplefilter("error")
    off, _ = training.train(*combination, steps=steps, enabled=False)
    on, reports = training.train(*combination, steps=steps, enabled=True)
    names = [name for name in off.keys() | on.keys() if off.get(name) != on.get(name)]
    return names, [str(report.verdict) for report in reports]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every eleventh combination, 60 steps")
    quick = parser.parse_args().quick
    combinations = training.everything()[:: 11 if quick else 1]
    steps = 60 if quick else 200
    print(f"{platform.platform()}, Python {platform.python_version()}, NumPy {np.__version__}")
    started, broken = time.perf_counter(), 0
    verdicts: collections.Counter[str] = collections.Counter()
    runs = spread(functools.partial(train, steps), combinations, workers=2)
    for combination, (names, said) in zip(combinations, runs, strict=True):
        verdicts.update(said)
        if names:
            broken += 1
            print(f"{' × '.join(combination)}: {', '.join(sorted(names))} differ")
    print(
        f"{len(combinations)} combinations, {steps} steps each: {broken} differ; "
        f"{sum(verdicts.values())} checks ({dict(verdicts)}); "
        f"{time.perf_counter() - started:.0f} s"
    )
    return int(broken > 0 or verdicts["FAIL"] > 0)


if __name__ == "__main__":
    sys.exit(main())
