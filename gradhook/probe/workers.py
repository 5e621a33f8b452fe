"""Chunks of elements measured by other processes, with the numbers that one process would give.

``workers=`` is SciPy's: a number of processes, or anything that maps a function over tasks.  The
objective, the rows, the parameters and the state of every generator travel once, as bytes; a worker
builds parameters of its own from them, moves to the same point, and must find the same loss there
to the bit before it measures.  Where it does not (a generator of a module that it imported anew, a
product summed by another number of threads), its chunks are measured here instead.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.errors import OptionError, warn
from gradhook.evaluation.evaluator import Evaluator
from gradhook.probe.elements import Distribute, Measurements, Task, run_task
from gradhook.probe.prober import Prober

__all__ = ["distributor"]

MOST_BUNDLES = 64
"""Bundles that a map-like callable gets: each carries everything, and there may be many workers."""

Measured: TypeAlias = list[Measurements] | None

_here = threading.local()
"""The prober that a thread built last, and the digest of what it was built from."""


def distributor(workers: Any, evaluator: Evaluator) -> Distribute | None:
    """What runs tasks elsewhere; ``None`` for one worker, who is this process.

    Args:
        workers: A count, a map-like callable, or an object with one.
        evaluator: At the setting's point, with its switches turned.

    Raises:
        OptionError: The objective works in place, or a package is missing.
    """
    if workers == 1:
        return None
    if evaluator.workspace.in_place:
        raise OptionError(
            "workers= needs an objective that takes its parameters: this one reads arrays that a "
            "model holds, and each worker needs its own. Pass a function (parameters, *batch) -> "
            "(loss, gradients), or leave workers at 1"
        )

    def distribute(prober: Prober, tasks: Sequence[Task]) -> Iterator[Measurements | None]:
        bundles = _bundled(tasks)
        refused = False
        for bundle, found in zip(
            bundles, _mapped(workers, _packed(evaluator, prober), bundles), strict=True
        ):
            if found is None:
                refused = True
                yield from [None] * len(bundle)
                continue
            evaluator.credit(sum(each.evaluations for each in found))
            yield from found
        if refused:
            warn(
                "workers find another loss than this process, so their share was measured here: "
                "the objective may read state that does not travel (a generator of a module), or "
                "sum in another order with another number of threads"
            )

    return distribute


def _bundled(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks in order, in at most ``MOST_BUNDLES`` bundles of nearly equal length."""
    length = -(-len(tasks) // MOST_BUNDLES)
    return [list(tasks[i : i + length]) for i in range(0, len(tasks), length)]


def _packed(evaluator: Evaluator, prober: Prober) -> Array:
    """Everything that a worker needs; bytes as an array, which pools share rather than copy."""
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


def _mapped(workers: Any, job: Array, bundles: list[list[Task]]) -> Iterable[Measured]:
    if isinstance(workers, int):
        count = os.cpu_count() or 1 if workers == -1 else workers
        joblib = _need("joblib", f"workers={workers}")
        pool = joblib.Parallel(n_jobs=count, return_as="generator", max_nbytes=1 << 16)
        done: Iterable[Measured] = pool(joblib.delayed(_run)(job, bundle) for bundle in bundles)
        return done
    if hasattr(workers, "scatter"):  # a client of dask.distributed
        shared = workers.scatter(job, broadcast=True)
        futures = workers.map(_run, [shared] * len(bundles), bundles, pure=False)
        return (future.result() for future in futures)
    mapping: Callable[..., Iterable[Any]] = workers if callable(workers) else workers.map
    # One argument, as ``map`` of a ``multiprocessing.Pool`` wants it.
    results = mapping(_run_pair, [(job, bundle) for bundle in bundles])
    return (each.result() if hasattr(each, "result") else each for each in results)


def _need(package: str, what: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise OptionError(
            f"{what} needs {package}: pip install 'gradhook[parallel]', or leave workers at 1"
        ) from error


def _run_pair(pair: tuple[Array, list[Task]]) -> Measured:
    return _run(*pair)


def _run(job: Array, tasks: list[Task]) -> Measured:
    """Measure a bundle in this process; ``None`` where the loss is another one here."""
    streams = np.random.get_state(legacy=False), random.getstate()
    try:
        prober = _prober_of(job)
        if prober is None:
            return None
        found = []
        known = prober.knowledge
        for task in tasks:
            prober.knowledge = known
            found.append(run_task(prober, task))
        prober.knowledge = known
        return found
    finally:
        np.random.set_state(streams[0])
        random.setstate(streams[1])


def _prober_of(job: Array) -> Prober | None:
    """The prober of a job, built once in each thread; ``None`` where the loss is another one."""
    mark = hashlib.sha256(job.data).digest()
    if getattr(_here, "mark", None) != mark:
        _here.mark, _here.built = mark, _built(job)
    prober: Prober | None
    prober, streams = _here.built
    np.random.set_state(streams[0])
    random.setstate(streams[1])
    return prober


def _built(job: Array) -> tuple[Prober | None, tuple[Any, Any]]:
    parts = pickle.loads(job.tobytes())  # from the process that asks, and from nowhere else
    np.random.set_state(parts["streams"][0])
    random.setstate(parts["streams"][1])
    evaluator = Evaluator.resumed(parts["evaluator"])
    same = evaluator.loss() == parts["loss"] == evaluator.loss()
    evaluator.guard.learn_volatile()
    prober = Prober.resumed(evaluator, parts["prober"])
    return (prober if same else None), parts["streams"]
