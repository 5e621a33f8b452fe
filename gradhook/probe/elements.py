"""Every element of every block, in chunks that may be measured anywhere.

The first element of each block teaches the step for its block.  From then on what is known stays
frozen, and each chunk of elements starts from it: what a chunk measures depends on nothing that was
measured in another, so that chunks give the same numbers to the bit in any order, in this process
or in others.

``workers=`` is SciPy's: a number of processes, or anything that maps a function over tasks.  The
objective, the rows, the parameters and the state of every generator travel once, as bytes; a worker
builds parameters of its own from them, moves to the same point, and must find the same loss there
to the bit before it measures.  Where it does not (a generator of a module that it imported anew, a
product summed by another number of threads), its chunks are measured here instead.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import itertools
import math
import os
import pickle
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import OptionError, warn
from gradhook.evaluation.directions import Coordinate
from gradhook.evaluation.evaluator import Evaluator
from gradhook.probe.prober import Prober
from gradhook.probe.steps import Knowledge
from gradhook.verdict.evidence import Probe

__all__ = ["Measurements", "Task", "measure_elements", "run_task"]

CHUNK_ELEMENTS = 16
"""Elements in a chunk: some hundred evaluations, so that sending it costs little beside them, and
few enough that the last worker to finish is not waited for long."""

MOST_BUNDLES = 64
"""Bundles that a map-like callable gets: each carries everything, and there may be many workers."""


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


_here = threading.local()
"""The prober that a thread built last, and the digest of what it was built from."""


def measure_elements(
    prober: Prober, names: Sequence[str], *, eps: float | None = None, workers: Any = 1
) -> tuple[dict[str, list[Probe]], dict[str, Array]]:
    """Measure the slope of every element of some blocks.

    Args:
        prober: At the setting's point, with its switches turned.
        names: Blocks.
        eps: Step of the plain textbook difference beside it; ``None`` for none.
        workers: A count, a map-like callable, or an object with one; 1 is this process.

    Returns:
        The probes of all elements by block, and plain differences, none without ``eps``.

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
    found = {name: [run_task(prober, Task(name, 0, 1, eps))] for name in sizes}
    known = prober.steps.knowledge
    tasks = [
        Task(name, start, min(start + CHUNK_ELEMENTS, size), eps)
        for name, size in sizes.items()
        for start in range(1, size, CHUNK_ELEMENTS)
    ]
    alone = workers == 1 or not tasks
    elsewhere = [None] * len(tasks) if alone else _elsewhere(workers, prober, tasks)
    for task, measured in zip(tasks, elsewhere, strict=True):
        if measured is None:
            prober.steps.knowledge = known
            measured = run_task(prober, task)
        found[task.name].append(measured)
    taught = [measured.known for parts in found.values() for measured in parts]
    prober.steps.knowledge = Knowledge.joined([known, *taught])
    elements = {name: _compared(prober, name, parts) for name, parts in found.items()}
    if eps is None:
        return elements, {}
    # A gradient that is not finite has no ratio either.
    plain = {name: np.full(prober.gradients[name].shape, np.nan) for name in names}
    for name, parts in found.items():
        plain[name].put(range(sizes[name]), [value for part in parts for value in part.textbook])
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
    before, eps = prober.evaluator.evaluations, task.eps
    directions = [Coordinate(index) for index in range(task.start, task.stop)]
    probes = tuple(prober.probe(task.name, v, sharp=True) for v in directions)
    textbook = []
    if eps is not None:
        for v in directions:
            with prober.line((task.name, v, 1.0)) as line:
                textbook.append(float((line(eps) - line(-eps)) / (2 * eps)))
    made = prober.evaluator.evaluations - before
    return Measurements(probes, tuple(textbook), made, prober.steps.knowledge)


def _elsewhere(
    workers: Any, prober: Prober, tasks: Sequence[Task]
) -> Iterator[Measurements | None]:
    """What workers measure of each task, in order; ``None`` to do one here."""
    # At most so many bundles, of nearly equal length.
    length = -(-len(tasks) // MOST_BUNDLES)
    bundles = [list(tasks[i : i + length]) for i in range(0, len(tasks), length)]
    refused = False
    answers = _mapped(workers, _packed(prober), bundles)
    for bundle, found in itertools.zip_longest(bundles, answers, fillvalue=()):
        if not bundle or (found is not None and len(found) != len(bundle)):
            raise OptionError(
                f"workers= gave fewer or more results than it was given tasks, {len(bundles)} "
                "bundles: return what the function returns for each, in their order, as map does"
            )
        if found is None:
            refused = True
            yield from [None] * len(bundle)
            continue
        prober.evaluator.credit(sum(each.evaluations for each in found))
        yield from found
    if refused:
        warn(
            "workers find another loss than this process, so their share was measured here: "
            "the objective may read state that does not travel (a generator of a module), or "
            "sum in another order with another number of threads"
        )


def _packed(prober: Prober) -> Array:
    """Everything that a worker needs; bytes as an array, which pools share rather than copy."""
    evaluator = prober.evaluator
    expected = evaluator.loss()
    evaluator.credit(-1)  # a worker's question, none of the check's own
    evaluator.guard.rewind()
    job = {
        "evaluator": evaluator.state,
        "streams": (np.random.get_state(legacy=False), random.getstate()),
        "prober": prober.state,
        "loss": expected,
    }
    pickler = _need("cloudpickle", "workers=")
    try:
        return np.frombuffer(pickler.dumps(job), dtype=np.uint8)
    except Exception as error:  # whatever the user's objects do when they are asked
        raise OptionError(
            f"workers= sends the objective to other processes, and it cannot be pickled "
            f"({type(error).__name__}: {error}): let it hold no locks, files or devices, or leave "
            "workers at 1"
        ) from error


def _mapped(
    workers: Any, job: Array, bundles: list[list[Task]]
) -> Iterable[list[Measurements] | None]:
    if isinstance(workers, int):
        count = os.cpu_count() or 1 if workers == -1 else workers
        joblib = _need("joblib", f"workers={workers}")
        pool = joblib.Parallel(n_jobs=count, return_as="generator", max_nbytes=1 << 16)
        done: Iterable[list[Measurements] | None] = pool(
            joblib.delayed(_run)(job, bundle) for bundle in bundles
        )
        return done
    if hasattr(workers, "scatter"):  # a client of dask.distributed
        shared = workers.scatter(job, broadcast=True)
        futures = workers.map(_run, [shared] * len(bundles), bundles, pure=False)
        return (future.result() for future in futures)
    mapping: Callable[..., Iterable[Any]] = workers if callable(workers) else workers.map
    results = mapping(functools.partial(_run, job), bundles)
    return (each.result() if hasattr(each, "result") else each for each in results)


def _need(package: str, what: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise OptionError(
            f"{what} needs {package}: pip install 'gradhook[parallel]', or leave workers at 1"
        ) from error


def _run(job: Array, tasks: list[Task]) -> list[Measurements] | None:
    """Measure a bundle in this process; ``None`` where the loss is another one here."""
    streams = np.random.get_state(legacy=False), random.getstate()
    try:
        prober = _prober_of(job)
        if prober is None:
            return None
        found = []
        known = prober.steps.knowledge
        for task in tasks:
            prober.steps.knowledge = known
            found.append(run_task(prober, task))
        prober.steps.knowledge = known
        return found
    finally:
        np.random.set_state(streams[0])
        random.setstate(streams[1])


def _prober_of(job: Array) -> Prober | None:
    """The prober of a job, built once in each thread; ``None`` where the loss is another one."""
    mark = hashlib.sha256(job.data).digest()
    prober: Prober | None
    if getattr(_here, "mark", None) != mark:
        parts = pickle.loads(job.tobytes())  # from the process that asks, and from nowhere else
        streams = parts["streams"]
        np.random.set_state(streams[0])
        random.setstate(streams[1])
        evaluator = Evaluator.resumed(parts["evaluator"])
        same = evaluator.loss() == parts["loss"] == evaluator.loss()
        evaluator.guard.learn_volatile()
        prober = Prober.resumed(evaluator, parts["prober"]) if same else None
        _here.mark, _here.built = mark, (prober, streams)
    prober, streams = _here.built
    np.random.set_state(streams[0])
    random.setstate(streams[1])
    return prober
