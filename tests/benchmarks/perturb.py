"""Does a verdict sit on an edge?  The catalogue with every constant of judging moved.

::

    python tests/benchmarks/perturb.py                    # seeds 0 and 1, an hour or two
    python tests/benchmarks/perturb.py --quick            # two scalings, forty cases
    python tests/benchmarks/perturb.py --measuring        # the constants that choose steps instead

Each field of ``Tolerance`` alone is multiplied by 0.7 and by 1.3, the thresholds ``warn`` and
``fail`` among them, and then all together 20 times, each by its own factor drawn from [0.7, 1.3].
Of a probability above a half its distance from 1 is scaled, and a whole number moves by 1 at least.
A checker whose constants were fitted to the cases would begin to err; exit status 1 if this one
does.  With ``--measuring`` the same is done with the numbers that stand beside the code of probing:
they choose steps, and bound how long is looked for what.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import importlib
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import Checked, ask, machine, progress, sample, seed_range, spread

import gradhook
from gradhook import Tolerance
from tests import catalogue

DOWN, UP = 0.7, 1.3
TOGETHER = 20


def main(arguments: list[str] | None = None) -> int:
    """Score gradhook under every scaling and print what changed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=seed_range, default=[0, 1])
    parser.add_argument("--quick", action="store_true", help="two scalings, every tenth pair")
    parser.add_argument("--every", type=int, default=1, help="take every n-th pair of cases")
    parser.add_argument("--measuring", action="store_true", help="constants of probing")
    parser.add_argument("--only", default="", help="scalings whose name holds this")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(arguments)
    every = 10 if chosen.quick else chosen.every
    seeds = chosen.seeds[:1] if chosen.quick else chosen.seeds
    names = list(measuring()) if chosen.measuring else judging()
    scalings = [each for each in all_scalings(names) if chosen.only in each[0]]
    if chosen.quick:
        scalings = [scalings[1], scalings[-1]]
    cases = sum(len(sample([seed], every)) for seed in seeds)
    print(machine())
    print(
        f"{len(scalings)} scalings of {len(names)} constants, each on ",
        end="",
    )
    print(f"{cases} cases of seeds {', '.join(map(str, seeds))}")
    print("false alarms, misses, undecided")
    started = time.perf_counter()
    faults = 0
    work = [(name, factors, seeds, every) for name, factors in scalings]
    for (name, factors), rows in zip(scalings, spread(scored, work, chosen.workers), strict=True):
        score = catalogue.Score(tuple(row.outcome for row in rows))
        wrong = [*score.false_alarms, *score.misses, *score.errors]
        faults += len(wrong)
        counts = (score.false_alarms, score.misses, score.undecided)
        print(*(f"{len(names):>3}" for names in counts), f" {name}", flush=True)
        if wrong and len(factors) > 1:
            print(f"               {', '.join(f'{k} × {v:.2f}' for k, v in factors.items())}")
        for row in rows:
            if row.outcome.name in wrong:
                print(f"               {row.outcome.name}: {row.verdict}, {row.reason}")
        progress(name)
    print(f"{faults} false alarms, misses and exceptions; {time.perf_counter() - started:.0f} s")
    return 1 if faults else 0


def judging() -> list[str]:
    """Names of the constants of judging."""
    return [field.name for field in dataclasses.fields(Tolerance)]


def measuring() -> dict[str, Any]:
    """The constants of probing by their names in modules, which are real numbers or several."""
    found = {}
    for path in sorted(Path(gradhook.__file__).parent.glob("probe/*.py")):
        module = importlib.import_module(f"gradhook.probe.{path.stem}")
        for node in ast.parse(path.read_text()).body:
            for target in ast.walk(node) if isinstance(node, ast.Assign) else ():
                if not (isinstance(target, ast.Name) and target.id.isupper()):
                    continue
                value = getattr(module, target.id)
                several = value if isinstance(value, tuple) else (value,)
                if all(isinstance(each, float) for each in several):
                    found[f"{path.stem}.{target.id}"] = value
    return found


@contextlib.contextmanager
def constants_moved(factors: dict[str, float]) -> Iterator[None]:
    """Give constants of probing other values, wherever they have been imported."""
    values = measuring()
    undo: list[tuple[dict[str, Any], str, Any]] = []
    for name, factor in factors.items():
        value = values[name]
        other = tuple(v * factor for v in value) if isinstance(value, tuple) else value * factor
        constant = name.partition(".")[2]
        for module in [m for key, m in sys.modules.items() if key.startswith("gradhook.")]:
            if vars(module).get(constant) is value:
                undo.append((vars(module), constant, value))
                vars(module)[constant] = other
    try:
        yield
    finally:
        for names, constant, value in undo:
            names[constant] = value


def all_scalings(names: list[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield a name and the factor of each constant: none moved, each alone, all together."""
    yield "as they are", {}
    for name in names:
        for factor in (DOWN, UP):
            yield f"{name} × {factor}", {name: factor}
    random = np.random.default_rng(0)
    for turn in range(TOGETHER):
        drawn = random.uniform(DOWN, UP, len(names))
        yield f"all at random, {turn + 1}", dict(zip(names, drawn, strict=True))


def scaled(factors: dict[str, float]) -> Tolerance:
    """Return the tolerance with these constants moved."""
    default = Tolerance()
    return dataclasses.replace(
        default, **{name: moved(getattr(default, name), by) for name, by in factors.items()}
    )


def moved(value: float, factor: float) -> float:
    """Return a constant times a factor.

    A probability keeps below 1, because what is scaled is what it leaves over; a whole number stays
    one and moves.
    """
    if isinstance(value, int):
        return max(1, math.floor(value * factor) if factor < 1 else math.ceil(value * factor))
    if 0.5 < value < 1:
        return 1 - (1 - value) * factor
    return value * factor


def scored(work: tuple[str, dict[str, float], list[int], int]) -> list[Checked]:
    """Check every case under one scaling."""
    _, factors, seeds, every = work
    judged = {name: factor for name, factor in factors.items() if "." not in name}
    probed = {name: factor for name, factor in factors.items() if "." in name}
    tolerance = scaled(judged)
    with constants_moved(probed):
        return [
            ask(dataclasses.replace(case), tolerance=tolerance)  # a fresh function without its past
            for seed in seeds
            for case in sample([seed], every)
        ]


if __name__ == "__main__":
    sys.exit(main())
