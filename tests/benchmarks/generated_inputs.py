"""20 000 generated inputs: a report, the user's own exception, or a documented error; no trace.

    python tests/benchmarks/generated_inputs.py [--quick] [--examples N] [--seed N]

``--quick`` draws 500.  Any other end, a warning of NumPy's, or a changed byte is printed with the
input, and the exit status is 1.
"""

import argparse
import collections
import importlib.util
import platform
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings


def load(path: Path):
    """Load a module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="draw 500")
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    count = 500 if arguments.quick else arguments.examples
    generated = load(Path(__file__).resolve().parents[1] / "contracts" / "generated.py")
    ends: collections.Counter[str] = collections.Counter()
    wrong: dict[tuple[str, ...], tuple[str, str]] = {}

    @seed(arguments.seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(generated.cases())
    def check(case):
        try:
            end = generated.run(case)
        except Exception as error:
            end = f"NOT ALLOWED: {type(error).__name__}"
            place = traceback.extract_tb((error.__cause__ or error).__traceback__)[-1]
            wrong.setdefault((end, place.filename, str(place.lineno)), (str(error), repr(case)))
        ends[end] += 1

    print(f"{platform.platform()}, Python {platform.python_version()}, NumPy {np.__version__}")
    started = time.perf_counter()
    check()
    for end, times in ends.most_common():
        print(f"{times:7d}  {end}")
    for (end, file, line), (message, case) in wrong.items():
        print(f"{end} at {file}:{line}: {message}\n    {case[:2000]}")
    bad = sum(times for end, times in ends.items() if end.startswith("NOT ALLOWED"))
    seconds = time.perf_counter() - started
    print(f"{sum(ends.values())} inputs, seed {arguments.seed}: {bad} not allowed; {seconds:.0f} s")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
