"""Every element of every block, in chunks that may be measured anywhere.

The first element of each block teaches the step for its block.  From then on what is known stays
frozen, and each chunk of elements starts from it: what a chunk measures depends on nothing that was
measured in another, so that chunks give the same numbers to the bit in any order, in this process
or in others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.evaluation.directions import Coordinate
from gradhook.probe.prober import Prober
from gradhook.probe.steps import Knowledge
from gradhook.verdict.evidence import Probe

__all__ = ["Distribute", "Measurements", "Task", "measure_elements", "run_task"]

CHUNK_ELEMENTS = 16
"""Elements in a chunk: some hundred evaluations, so that sending it costs little beside them, and
few enough that the last worker to finish is not waited for long."""


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk of elements of one block.

    Args:
        name: The block.
        start: First element, in C order.
        stop: One past the last.
        eps: Step of the plain textbook difference; ``None`` for none.
    """

    name: str
    start: int
    stop: int
    eps: float | None = None


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured of a chunk.

    Args:
        probes: One per element; without its analytic half where it was measured elsewhere.
        textbook: Plain differences, as many or none.
        evaluations: Loss evaluations made.
        known: What the prober knew at the end.
    """

    probes: tuple[Probe, ...]
    textbook: tuple[float, ...]
    evaluations: int
    known: Knowledge


Distribute: TypeAlias = Callable[[Prober, Sequence[Task]], Iterator[Measurements | None]]
"""Runs tasks elsewhere and yields what they measured, in their order; ``None`` to do one here."""


def measure_elements(
    prober: Prober,
    names: Sequence[str],
    *,
    eps: float | None = None,
    distribute: Distribute | None = None,
) -> tuple[dict[str, list[Probe]], dict[str, Array]]:
    """Measure the slope of every element of some blocks.

    Args:
        prober: At the setting's point.
        names: Blocks.
        eps: Step of the plain textbook difference beside it; ``None`` for none.
        distribute: Runs tasks elsewhere; ``None`` runs all here.

    Returns:
        The probes of all elements by block, and plain differences, none without ``eps``.
    """
    sizes = {name: prober.size(name) for name in names if prober.size(name)}
    first = [run_task(prober, Task(name, 0, 1, eps)) for name in sizes]
    known = prober.knowledge
    tasks = [
        Task(name, start, min(start + CHUNK_ELEMENTS, sizes[name]), eps)
        for name in sizes
        for start in range(1, sizes[name], CHUNK_ELEMENTS)
    ]
    found = dict(zip(sizes, ([each] for each in first), strict=True))
    elsewhere = distribute(prober, tasks) if distribute and tasks else iter([None] * len(tasks))
    for task, measured in zip(tasks, elsewhere, strict=True):
        if measured is None:
            prober.knowledge = known
            measured = run_task(prober, task)
        found[task.name].append(measured)
    taught = [measured.known for parts in found.values() for measured in parts]
    prober.knowledge = Knowledge.joined([known, *taught])
    # A gradient that is not finite has no ratio either.
    plain = {n: np.full(prober.shape(n), np.nan) for n in names} if eps is not None else {}
    elements = {name: _compared(prober, name, parts) for name, parts in found.items()}
    for name, parts in found.items():
        if eps is not None:
            values = [value for part in parts for value in part.textbook]
            plain[name] = np.array(values).reshape(prober.shape(name))
    return elements, plain


def _compared(prober: Prober, name: str, parts: Sequence[Measurements]) -> list[Probe]:
    """The probes of a block with their analytic half, wherever they were measured."""
    probes = [probe for part in parts for probe in part.probes]
    if prober.evaluator.workspace.arrays[name].dtype.itemsize < 8:
        return probes  # held against the steps really taken
    analytic = prober.gradients[name].reshape(-1).tolist()
    return [Probe(value, probe.slope) for value, probe in zip(analytic, probes, strict=True)]


def run_task(prober: Prober, task: Task) -> Measurements:
    """Measure one chunk with what the prober knows now."""
    before = prober.evaluations
    indices = range(task.start, task.stop)
    probes = tuple(prober.element(task.name, index) for index in indices)
    textbook = (
        ()
        if task.eps is None
        else tuple(_textbook(prober, task.name, index, task.eps) for index in indices)
    )
    return Measurements(probes, textbook, prober.evaluations - before, prober.knowledge)


def _textbook(prober: Prober, name: str, index: int, eps: float) -> float:
    """The plain two-sided difference of one element, at a fixed ``eps``."""
    with prober.line(name, Coordinate(index)) as line:
        return float((line(eps) - line(-eps)) / (2 * eps))
