"""What gradhook costs where it does little: idle calls, an import, a tiny loss, an event.

    python tests/benchmarks/overheads.py

* a disabled and a not-due call of the callback, in units of an empty method of the same signature
  (targets: 1.5 and 10);
* ``import gradhook`` beyond ``import numpy``, in processes of their own (target: 30 ms), and the
  first check of a process beyond the second, modules loaded included (target: 120 ms);
* the self-test, two checks of five numbers (target: 10 ms), and a standard check per evaluation;
* one report written to TensorBoard, per event.

Medians throughout; ratios are between neighbours of one run, for machines have other things to do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _network import loss_and_gradients, machine, network, seconds

import gradhook
from gradhook.check.check import selftest
from gradhook.sinks import TensorBoard

CALLS = 1000


class Empty:
    """What a disabled callback is compared with."""

    def on_step_end(
        self,
        step: int | None = None,
        *misplaced: Any,
        batch: Any = None,
        parameters: Any = None,
    ) -> None:
        """Do nothing."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repeats, for correctness")
    rounds = 3 if parser.parse_args(arguments).quick else 21
    print(machine("tensorboard"))
    print_calls(rounds)
    print_import(rounds)
    print_first(rounds)
    print_tiny(rounds)
    print_events(rounds)
    return 0


def print_calls(rounds: int) -> None:
    """A disabled and a not-due call, against an empty method."""
    model = network(1000)
    make = gradhook.GradCheckCallback
    off = make(loss_and_gradients, model.parameters, enabled=False)
    idle = make(loss_and_gradients, model.parameters, enabled=True, at_start=False, schedule=10**9)
    empty, batch = Empty(), model.batch
    ratios: dict[str, list[float]] = {"disabled": [], "not due": []}
    base = []
    for _ in range(rounds):
        base.append(per_call(empty.on_step_end, batch))
        ratios["disabled"].append(per_call(off.on_step_end, batch) / base[-1])
        ratios["not due"].append(per_call(idle.on_step_end, batch) / base[-1])
    print(f"\nan empty method: {1e9 * statistics.median(base):.0f} ns a call")
    for name, target in (("disabled", 1.5), ("not due", 10)):
        print(f"{name}: {statistics.median(ratios[name]):.2f} × that (target {target})")


def per_call(method: Callable[..., object], batch: Any) -> float:
    """Seconds of one call with a batch, as a loop makes it."""
    started = time.perf_counter()
    for _ in range(CALLS):
        method(batch=batch)
    return (time.perf_counter() - started) / CALLS


def print_import(rounds: int) -> None:
    """The import, beyond NumPy's."""
    code = (
        "import time, numpy; started = time.perf_counter(); import gradhook; "
        "print(time.perf_counter() - started)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]
    print(f"\nimport gradhook beyond numpy: {1e3 * statistics.median(times):.1f} ms (target 30)")


def print_first(rounds: int) -> None:
    """The first check of a process beyond the second: mostly modules being loaded."""
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import gradhook
from _network import loss_and_gradients, network
model = network(1000)
read = []
for _ in range(3):
    read.append((time.perf_counter(), time.process_time()))
    gradhook.check_gradients(loss_and_gradients, model.parameters, batch=model.batch)
first, second, third = read
for a, b, c in zip(first, second, third):
    print((b - a) - (c - b))
"""
    # Compiled files are kept, as a user's are, wherever this process keeps none.
    with tempfile.TemporaryDirectory() as folder:
        kept = os.environ | {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        runs = [
            subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, check=True)
            for _ in range(rounds + 1)
        ][1:]
    wall, used = zip(*(map(float, run.stdout.split()) for run in runs), strict=True)
    print(
        f"first check beyond the second: {1e3 * statistics.median(wall):.0f} ms, "
        f"{1e3 * statistics.median(used):.0f} ms of processor time (target 120)"
    )


def print_tiny(rounds: int) -> None:
    """Checks of losses that cost nothing themselves."""
    taken = seconds(selftest, repeats=rounds)
    used = seconds(selftest, repeats=rounds, clock=time.process_time)
    print(f"\nself-test: {1e3 * taken:.1f} ms, {1e3 * used:.1f} ms of processor time (target 10)")
    model = network(1000)
    reports = []

    def check() -> None:
        reports.append(
            gradhook.check_gradients(loss_and_gradients, model.parameters, batch=model.batch)
        )

    taken = seconds(check, repeats=rounds)
    forward = seconds(model.forward, repeats=rounds)
    count = reports[-1].evaluations
    print(
        f"standard check of {model.size} weights: {1e3 * taken:.1f} ms, {count} evaluations, "
        f"{1e6 * (taken / count - forward):.0f} µs each beyond the forward pass"
    )


def print_events(rounds: int) -> None:
    """A report of eleven blocks to TensorBoard."""
    model = network(1000)
    report = gradhook.check_gradients(loss_and_gradients, model.parameters, batch=model.batch)
    with tempfile.TemporaryDirectory() as folder:
        sink = TensorBoard(folder)
        taken = seconds(lambda: sink.write(report), repeats=rounds)
        sink.close()
        events = sum(count_records(path) for path in Path(folder).rglob("events*"))
    each = taken * (rounds + 1) / events
    print(f"\nTensorBoard: {1e3 * taken:.2f} ms a report, {1e6 * each:.0f} µs an event")


def count_records(path: Path) -> int:
    """Records in an event file: each is its length, a checksum, itself, a checksum."""
    data, position, count = path.read_bytes(), 0, 0
    while position < len(data):
        position += 16 + int.from_bytes(data[position : position + 8], "little")
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
