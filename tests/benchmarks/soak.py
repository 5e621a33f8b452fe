"""10 000 checks in one process: memory and file descriptors stay flat, the event file readable.

    python tests/benchmarks/soak.py [--quick] [--checks N]

A callback with every sink that keeps files checks a network with dropout and running statistics,
functional and in place in turns; history and notes are cleared as it goes, for they grow by design.
Prints the resident set, the blocks of memory that Python has handed out, and the open descriptors,
after 1 000 checks (quick: 500) and at the end. Exits with status 1 if the resident set grew by more
than 1 MB, the blocks by more than 2 000 (caches that fill up), a descriptor was left open, or a
report is missing from a file.

Memory that is free, and kept by the C library for later, does not count; and the first few hundred
checks make Python lay out its table of interned strings anew, once, which is 2 MB in one piece
(``tracemalloc`` shows it).
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradhook import GradCheckCallback
from gradhook.sinks import JsonLines

RESIDENT_LIMIT, BLOCKS_LIMIT = 1e6, 2000


class Network:
    """Batch normalisation, dropout from a generator of its own, gradients in buffers."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)
        self.params = {
            "W1": self.rng.normal(size=(4, 5)),
            "b1": np.zeros(5),
            "W2": self.rng.normal(size=(5, 2)),
        }
        self.mean = np.zeros(5)
        self.grads = {name: np.zeros_like(array) for name, array in self.params.items()}

    def loss(self, X):
        return self.functional(self.params, X)

    def functional(self, p, X):
        Z = X @ p["W1"] + p["b1"]
        self.mean = 0.9 * self.mean + 0.1 * Z.mean(0)
        A = np.tanh(Z)
        mask = (self.rng.random(A.shape) < 0.8) / 0.8
        out = (A * mask) @ p["W2"]
        dZ = (out @ p["W2"].T) * mask * (1 - A**2)
        for name, gradient in (("W1", X.T @ dZ), ("b1", dZ.sum(0)), ("W2", (A * mask).T @ out)):
            self.grads[name][...] = gradient
        return 0.5 * float(np.sum(out**2)), self.grads


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """Open file descriptors; 0 where the system does not say."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def measured() -> tuple[int, int, int]:
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    return sys.getallocatedblocks(), resident(), descriptors()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="800 checks")
    parser.add_argument("--checks", type=int, default=10_000)
    arguments = parser.parse_args()
    count, warm_up = (800, 500) if arguments.quick else (arguments.checks, 1000)
    print(f"{platform.platform()}, Python {platform.python_version()}, NumPy {np.__version__}")
    network, X = Network(), np.random.default_rng(2).normal(size=(8, 4))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        checks = [
            GradCheckCallback(
                objective,
                parameters,
                schedule=1,
                at_start=False,
                effort="quick",
                on_fail="record",
                logdir=Path(folder, "runs"),
                sinks=[JsonLines(Path(folder, f"checks-{name}.jsonl"))],
                enabled=True,
            )
            for name, objective, parameters in (
                ("functional", network.functional, network.params),
                ("in_place", network, None),
            )
        ]
        before = (0, 0, 0)
        for number in range(count):
            check = checks[number % 2]
            report = check.on_step_end(1 + number // 2, batch=X)
            assert report is not None
            assert report.verdict != "FAIL", report
            check.history.clear()
            check.notes.clear()
            if number + 1 == warm_up:
                before = measured()
        after = measured()
        written = 0
        for run in sorted(Path(folder, "runs").glob("gradcheck *")):
            accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
            written += len(accumulator.Scalars("gradcheck/ratio"))
        lines = 0
        for path in Path(folder).glob("*.jsonl"):
            with open(path, encoding="utf-8") as file:
                lines += sum(1 for line in file if json.loads(line))
    grown = [end - begin for begin, end in zip(before, after, strict=True)]
    print(f"{count} checks in {time.perf_counter() - started:.0f} s")
    print(f"Python's blocks after {warm_up}: {before[0]}, grown by {grown[0]}")
    print(
        f"resident set after {warm_up}: {before[1] / 1e6:.1f} MB, grown by {grown[1] / 1e6:.2f} MB"
    )
    print(f"file descriptors after {warm_up}: {before[2]}, grown by {grown[2]}")
    print(f"reports in event files: {written}, in JSON lines: {lines}")
    sound = (
        grown[0] <= BLOCKS_LIMIT
        and grown[1] <= RESIDENT_LIMIT
        and grown[2] <= 0
        and written == lines == count
    )
    print("flat" if sound else "NOT FLAT")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
