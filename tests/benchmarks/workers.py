"""Exhaustive effort on several processes against one, on a loss that takes some milliseconds.

    python tests/benchmarks/workers.py --workers 2

Target: two workers are 1.6 times as fast as one, where a loss takes 5 ms, with the same report to
the bit.  Start-up of the processes is paid before the clock starts, as a second check finds it.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
from _network import machine, seconds

import gradhook


def slow_loss(parameters: dict[str, Any], X: Any) -> tuple[float, dict[str, Any]]:
    """A least-squares loss that sums one product over and over, to take its time."""
    residual = X @ parameters["w"] - 1
    total = 0.0
    for _ in range(160):
        total += float(np.sum(np.tanh(X) ** 2))
    gradient = X.T @ residual / len(X)
    return 0.5 * float(residual @ residual) / len(X) + 0.0 * total, {"w": gradient}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few weights, for correctness")
    options = parser.parse_args(arguments)
    print(machine("joblib"))
    size = 100 if options.quick else 200
    X = np.random.default_rng(0).standard_normal((40, size))
    parameters = {"w": np.random.default_rng(1).standard_normal(size)}
    each = seconds(lambda: slow_loss(parameters, X), repeats=9)

    def checked(workers: int) -> tuple[str, float, int]:
        started = time.perf_counter()
        report = gradhook.check_gradients(
            slow_loss,
            parameters,
            batch=(X,),
            samples=None,
            effort="exhaustive",
            points=("generic",),
            workers=workers,
        )
        plain = {**report.to_dict(), "seconds": 0}
        return repr(plain), time.perf_counter() - started, report.evaluations

    gradhook.check_gradients(
        slow_loss,
        {"w": np.ones(5)},
        batch=(X[:, :5],),
        effort="exhaustive",
        workers=options.workers,
    )
    alone, together = checked(1), checked(options.workers)
    same = alone[0] == together[0]
    print(
        f"{size} weights, loss {1e3 * each:.1f} ms, {alone[2]} evaluations: one process "
        f"{alone[1]:.2f} s, {options.workers} workers {together[1]:.2f} s, "
        f"{alone[1] / together[1]:.2f} × as fast; {'the same report' if same else 'OTHER REPORT'}"
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
