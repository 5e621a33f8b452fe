"""Every element of every block, in chunks that may be measured anywhere.

The first element of each block teaches the step for its block.  Each chunk of the others starts
from that: what it measures depends on nothing that was measured in another, so that chunks give the
same numbers to the bit in any order, in this process or in others.

``workers=`` is SciPy's: a number of processes, or anything that maps a function over tasks.  The
objective, the rows, the parameters and the state of every generator travel once, as bytes; a worker
builds parameters of its own from them, moves to the same point, and must find the same loss there
to the bit before it measures.  Where it does not (a generator of a module that it imported anew, a
product summed by another number of threads), its chunks are measured here instead.
"""

from __future__ import annotations

import copy
import functools
import importlib
import itertools
import math
import os
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import OptionError, warn
from gradhook.evaluation.directions import Coordinate
from gradhook.evaluation.evaluator import Evaluator
from gradhook.probe.prober import Prober
from gradhook.verdict.evidence import Probe

CHUNK_ELEMENTS, MOST_CHUNKS = 16, 64
"""Elements in a chunk: some hundred evaluations, so that sending it costs little beside them; and
chunks from which on they are longer, because everything travels with each."""


@dataclass(frozen=True, slots=True)
class Task:
    """Elements of one block from ``start`` to ``stop``, in C order, each also with step ``eps``."""

    name: str
    start: int
    stop: int
    eps: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of an element: a probe, and where asked for the plain difference."""

    probe: Probe
    textbook: float
    evaluations: int


def measure_elements(
    prober: Prober, names: Sequence[str], *, eps: float | None = None, workers: Any = 1
) -> tuple[dict[str, list[Probe]], dict[str, Array]]:
    """Measure the slope of every element of some blocks, and plain differences with step ``eps``.

    Workers are a count, a map-like callable, or an object with one; 1 is this process.  Returns
    the probes of all elements by block, and the plain differences, none without ``eps``.

    Raises:
        OptionError: The objective works in place, a package is missing, or workers lose results.
    """
    if workers != 1 and prober.evaluator.workspace.in_place:
        raise OptionError(
            "workers= needs an objective that takes its parameters: this one reads arrays that a "
            "model holds, and each worker needs its own. Pass a function (parameters, *batch) -> "
            "(loss, gradients), or leave workers at 1"
        )
    finite = [name for name in names if math.isfinite(prober.norms[name])]
    sizes = {name: prober.gradients[name].size for name in finite if prober.gradients[name].size}
    found = {name: [_measured(prober, name, 0, eps)] for name in sizes}
    length = max(CHUNK_ELEMENTS, -(-sum(sizes.values()) // MOST_CHUNKS))
    tasks = [
        Task(name, start, min(start + length, size), eps)
        for name, size in sizes.items()
        for start in range(1, size, length)
    ]
    alone = workers == 1 or not tasks
    elsewhere = [None] * len(tasks) if alone else _elsewhere(workers, prober, tasks)
    for task, measured in zip(tasks, elsewhere, strict=True):
        found[task.name] += run_task(prober, task) if measured is None else measured
    for name, elements in found.items():
        for element in elements:
            prober.steps.learn(name, element.probe.slope)
    probes = {name: [element.probe for element in elements] for name, elements in found.items()}
    if eps is None:
        return probes, {}
    # A gradient that is not finite has no ratio either.
    plain = {name: np.full(prober.gradients[name].shape, np.nan) for name in names}
    for name, elements in found.items():
        plain[name].put(range(sizes[name]), [element.textbook for element in elements])
    return probes, plain


def run_task(prober: Prober, task: Task) -> list[Measured]:
    """Measure a chunk with what the prober knows now, and leave that as it is."""
    known = prober.steps
    prober.steps = known.copied()
    try:
        indices = range(task.start, task.stop)
        return [_measured(prober, task.name, index, task.eps) for index in indices]
    finally:
        prober.steps = known


def _measured(prober: Prober, name: str, index: int, eps: float | None) -> Measured:
    before, direction, textbook = prober.evaluator.evaluations, Coordinate(index), math.nan
    probe = prober.probe(name, direction, sharp=True)
    if prober.evaluator.workspace.arrays[name].dtype.itemsize >= 8:
        # Of one element alone the gradient is known, whatever step was really taken.
        probe = Probe(direction.dot(prober.gradients[name]), probe.slope)
    if eps is not None:
        with prober.line((name, direction, 1.0)) as line:
            textbook = float((line(eps) - line(-eps)) / (2 * eps))
    return Measured(probe, textbook, prober.evaluator.evaluations - before)


def _elsewhere(
    workers: Any, prober: Prober, tasks: Sequence[Task]
) -> Iterator[list[Measured] | None]:
    """What workers measure of each chunk, in order; ``None`` to do one here."""
    refused = False
    answers = _mapped(workers, _packed(prober), tasks)
    for task, found in itertools.zip_longest(tasks, answers, fillvalue=()):
        if not task or (found is not None and len(found) != task.stop - task.start):
            raise OptionError(
                f"workers= gave fewer or more results than it was given tasks, {len(tasks)} "
                "tasks: return what the function returns for each, in their order, as map does"
            )
        refused = refused or found is None
        prober.evaluator.credit(sum(element.evaluations for element in found or ()))
        yield None if found is None else list(found)
    if refused:
        warn(
            "workers find another loss than this process, so their share was measured here: "
            "the objective may read state that does not travel (a generator of a module), or "
            "sum in another order with another number of threads"
        )


def _packed(prober: Prober) -> Array:
    """Everything that a worker needs; bytes as an array, which pools share rather than copy."""
    evaluator, travelling = prober.evaluator, copy.copy(prober)
    del travelling.evaluator
    expected = evaluator.loss()
    evaluator.credit(-1)  # a worker's question, none of the check's own
    evaluator.guard.rewind()
    streams = np.random.get_state(legacy=False), random.getstate()
    pickler = _need("cloudpickle", "workers=")
    try:
        job = pickler.dumps((streams, evaluator.state, travelling, expected))
    except Exception as error:  # whatever the user's objects do when they are asked
        raise OptionError(
            f"workers= sends the objective to other processes, and it cannot be pickled "
            f"({type(error).__name__}: {error}): let it hold no locks, files or devices, or leave "
            "workers at 1"
        ) from error
    return np.frombuffer(job, dtype=np.uint8)


def _mapped(workers: Any, job: Array, tasks: Sequence[Task]) -> Iterable[list[Measured] | None]:
    if isinstance(workers, int):
        count = os.cpu_count() or 1 if workers == -1 else workers
        joblib = _need("joblib", f"workers={workers}")
        pool = joblib.Parallel(n_jobs=count, return_as="generator", max_nbytes=1 << 16)
        done: Iterable[list[Measured] | None] = pool(
            joblib.delayed(_run)(job, task) for task in tasks
        )
        return done
    if hasattr(workers, "scatter"):  # a client of dask.distributed
        shared = workers.scatter(job, broadcast=True)
        futures = workers.map(_run, [shared] * len(tasks), tasks, pure=False)
        return (future.result() for future in futures)
    mapping: Callable[..., Iterable[Any]] = workers if callable(workers) else workers.map
    results = mapping(functools.partial(_run, job), tasks)
    return (each.result() if hasattr(each, "result") else each for each in results)


def _need(package: str, what: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise OptionError(
            f"{what} needs {package}: pip install 'gradhook[parallel]', or leave workers at 1"
        ) from error


def _run(job: Array, task: Task) -> list[Measured] | None:
    """Measure a chunk in this process; ``None`` where the loss is another one here."""
    before = np.random.get_state(legacy=False), random.getstate()
    try:
        # From the process that asks, and from nowhere else.
        streams, state, prober, expected = pickle.loads(job.tobytes())
        np.random.set_state(streams[0])
        random.setstate(streams[1])
        prober.evaluator = Evaluator.resumed(state)
        if not prober.evaluator.loss() == expected == prober.evaluator.loss():
            return None
        prober.evaluator.guard.learn_volatile()
        return run_task(prober, task)
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])
