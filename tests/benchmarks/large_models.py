"""Time and memory of a check of a large model, against the forward passes that it makes.

    python tests/benchmarks/large_models.py               # standard and quick, 10**7 weights
    python tests/benchmarks/large_models.py --weights 1e8 --efforts quick    # 2.7 GB
    python tests/benchmarks/large_models.py --profile     # where the time goes

Each check runs twice, in a process of its own each time: once timed, once with its allocations
traced.  The forward passes that it made are timed alone in the same process, before and after.
Memory is what was allocated at the peak beyond the model, which may be the float64 copy, the
gradients that the user's code returns, one byte per element of the largest block, and 5 %.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import sys
import time
import tracemalloc
from typing import Any

from _network import machine, network, seconds

import gradhook

TIME_TARGET = 2.5


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether verdicts and memory are as they should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=float, default=1e7)
    parser.add_argument("--efforts", nargs="+", default=["standard", "quick"])
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a small model, for correctness")
    options = parser.parse_args(arguments)
    # Below 32 MiB of gradients a check keeps those of two points, so less than this shows nothing.
    weights = round(5e6 if options.quick else options.weights)
    print(machine())
    if options.profile:
        for effort in options.efforts:
            profiled(effort, weights)
        return 0
    wrong = False
    for effort in options.efforts:
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            times = pool.apply(timed, (effort, weights))
            memory = pool.apply(traced, (effort, weights))
        print(described(effort, times, memory))
        wrong |= not (times["passed"] and memory["peak"] <= memory["allowed"])
    return int(wrong)


def timed(effort: str, weights: int) -> dict[str, Any]:
    """Wall time of a check and of the passes that it made."""
    load_modules(effort)
    model = network(weights)
    before = seconds(model.forward, repeats=5)
    backward = seconds(model.backward, repeats=3)
    started = time.perf_counter()
    report = gradhook.check_gradients(
        model.objective, batch=model.batch, samples=None, effort=effort
    )
    taken = time.perf_counter() - started
    forward = (before + seconds(model.forward, repeats=5)) / 2
    calls = report.gradient_evaluations
    return {
        "passed": report.passed,
        "verdict": str(report.verdict),
        "size": model.size,
        "seconds": taken,
        "forward": forward,
        "backward": backward,
        "evaluations": report.evaluations,
        "gradient_evaluations": calls,
        "passes": (report.evaluations - calls) * forward + calls * backward,
    }


def traced(effort: str, weights: int) -> dict[str, float]:
    """Bytes allocated at the peak beyond the model, and the bytes allowed."""
    load_modules(effort)
    tracemalloc.start()
    model = network(weights)
    objective = model.objective
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    gradhook.check_gradients(objective, batch=model.batch, samples=None, effort=effort)
    peak = tracemalloc.get_traced_memory()[1] - held
    of_model = sum(array.nbytes for array in model.parameters.values())
    largest = max(array.size for array in model.parameters.values())
    return {"peak": peak, "allowed": 2.05 * of_model + largest + 2**20, "model": of_model}


def load_modules(effort: str) -> None:
    """Make a small check: modules are loaded when they are first used, and no part of its cost."""
    first = network(1000)
    gradhook.check_gradients(first.objective, batch=first.batch, samples=None, effort=effort)


def profiled(effort: str, weights: int) -> None:
    """Print the functions in which a check spends its time."""
    load_modules(effort)
    model = network(weights)
    profile = cProfile.Profile()
    profile.enable()
    gradhook.check_gradients(model.objective, batch=model.batch, samples=None, effort=effort)
    profile.disable()
    print(f"{effort}, {model.size:,} weights")
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def described(effort: str, times: dict[str, Any], memory: dict[str, float]) -> str:
    """Two lines on one check."""
    ratio = times["seconds"] / times["passes"]
    model = memory["model"]
    return (
        f"{effort}, {times['size']:,} weights, 8 rows: {times['verdict']} in "
        f"{times['seconds']:.2f} s with {times['evaluations']} evaluations, "
        f"{times['gradient_evaluations']} of them with gradients; forward "
        f"{1e3 * times['forward']:.1f} ms, with gradients {1e3 * times['backward']:.1f} ms: "
        f"{ratio:.2f} × the passes it makes (target {TIME_TARGET})\n"
        f"  peak beyond the model {memory['peak'] / model:.3f} × the model's {model / 2**20:.0f} "
        f"MiB (allowed {memory['allowed'] / model:.3f})"
    )


if __name__ == "__main__":
    sys.exit(main())
