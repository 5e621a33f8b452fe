"""What the benchmarks share: the machine, ranges of seeds, and gradhook asked about one case."""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import multiprocessing
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradhook

# The catalogue is a package of the tests.
sys.path.append(str(Path(__file__).resolve().parents[2]))
from tests.catalogue import Case, Outcome, cases

T = TypeVar("T")
R = TypeVar("R")


def machine(*packages: str) -> str:
    """Return one line on the machine, and one on the versions of what is measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), cpu)
    versions = [f"{name} {_version(name)}" for name in ("gradhook", "numpy", *packages)]
    return (
        f"machine: {cpu}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}\n"
        f"versions: Python {platform.python_version()}, {', '.join(versions)}"
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout"


def seed_range(text: str) -> list[int]:
    """Read ``"3"``, ``"0-4"`` or ``"0,7,1000-1049"``."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            seeds += range(int(first), int(last or first) + 1)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not like 0-4 or 0,7,9") from None
    return seeds


@functools.cache
def _drawn(seed: int) -> tuple[Case, ...]:
    return tuple(cases([seed]))


def sample(seeds: Iterable[int], every: int) -> list[Case]:
    """Return every n-th pair of a mutant and its twin.

    Pairs are put in order of kind, architecture, class of bug and start first, so that each has its
    share.
    """
    drawn = [case for seed in seeds for case in _drawn(seed)]
    pairs = sorted(zip(drawn[::2], drawn[1::2], strict=True), key=_stratum)
    return [case for pair in pairs[::every] for case in pair]


def _stratum(pair: tuple[Case, Case]) -> tuple[str | None, ...]:
    mutant = pair[0]
    return (mutant.kind, mutant.architecture, mutant.family, mutant.start)


def spread(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield ``function(item)`` in order, by several processes where ``workers`` exceeds 1."""
    if workers == 1:
        yield from map(function, items)
        return
    with multiprocessing.Pool(workers) as pool:
        yield from pool.imap(function, items)


def progress(text: str) -> None:
    """Say how far it is, beside the results."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Checked:
    """What gradhook said of one case.

    Args:
        outcome: Its answer.
        verdict: Its verdict, or the name of an exception.
        reason: Which blocks made the verdict, and in whose words.
        evaluations: Loss evaluations made.
        gradient_evaluations: Calls that returned gradients.
        limit: Loss evaluations that a passing check may make.
        switches: Whether the check had a switch to turn.
        seconds: Wall time.
    """

    outcome: Outcome
    verdict: str
    reason: str
    evaluations: int
    gradient_evaluations: int
    limit: int
    switches: bool
    seconds: float


def ask(case: Case, **options: Any) -> Checked:
    """Check one case with gradhook as a user would, warnings being errors."""
    kept = (case.name, case.kind, case.operator)
    switches = case.dropout is not None or case.penalty is not None
    blocks = len(case.parameters)
    limit = 40 * blocks + 100
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = gradhook.check_gradients(
                case.objective, case.parameters, batch=case.batch, **case.check_options, **options
            )
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        outcome = Outcome(*kept, "error", message)
        seconds = time.perf_counter() - started
        return Checked(outcome, type(error).__name__, message, 0, 0, limit, switches, seconds)
    answer = (
        "pass" if report.passed else "fail" if report.verdict is gradhook.Verdict.FAIL
        else "undecided"
    )  # fmt: skip
    return Checked(
        Outcome(*kept, answer),
        str(report.verdict),
        reason(report),
        report.evaluations,
        report.gradient_evaluations,
        limit,
        switches,
        time.perf_counter() - started,
    )


def reason(report: gradhook.Report) -> str:
    """Return which blocks made a report's verdict, and the words of the first of them."""
    guilty = [block for block in report.blocks.values() if block.verdict == report.verdict]
    if not guilty:
        return "; ".join(report.notes)
    names = ", ".join(block.name for block in guilty)
    return f"{names} of {len(report.blocks)} blocks, ratio {report.ratio:.1e}: {guilty[0].sentence}"
