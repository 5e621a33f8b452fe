"""``check_gradients``: one check from start to finish."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradhook._assemble import Circumstances, assemble
from gradhook._coverage import unexercised
from gradhook._objective import Objective
from gradhook._options import Options
from gradhook._parameters import Tree
from gradhook._progress import ProgressLike
from gradhook._run import Run
from gradhook._subset import as_batch, draw
from gradhook._types import Batch, nearest_name
from gradhook.errors import NestedCheckError, OptionError
from gradhook.report import Report

__all__ = ["check", "check_gradients"]

_running: set[int] = set()
"""Identities of the objectives being checked: a check inside a check of the same one would perturb it twice."""


def check_gradients(
    objective: Any, parameters: Any = None, *, batch: Any = (), **options: Any
) -> Report:
    """Check whether a gradient is the gradient of its loss.

    Args:
        objective: ``loss_and_gradients(parameters, *batch) -> (loss, gradients)``, or any other
            form that ``Objective.of`` accepts.
        parameters: Mapping of name to array, one array, list, tuple, nested mappings, or a function
            that returns any of these; ``None`` takes the objective's own.
        batch: What the functions take besides the parameters; ``()`` if they need no data.
        samples: Rows of the batch to check on; default 7, ``None`` for all.
        sample_axis: Axis of the batch's arrays that counts samples; default 0.
        subset: ``subset(batch, rows) -> batch``, where cutting every array along the axis is not
            right.
        effort: ``"quick"`` (one joint direction), ``"standard"`` (three directions per block) or
            ``"exhaustive"`` (every element, and the plain textbook number beside it).
        tolerance: Thresholds, default ``Tolerance()``.
        dropout: Name of the switch that turns dropout off, a ``Switch``, or several.
        penalty: Name of the switch of the user's own penalty; or ``L2(c)``, ``L1(c)``, or a
            function ``penalty(parameters, *batch) -> float`` that is added to the loss only.
        evaluation_mode: Context manager, or a function returning one, entered around the check.
        state: Further objects whose state an evaluation may change, such as generators out of
            reach.
        gradient_name: How gradients are called: a format (``"grad_{}"``), a mapping, or a function
            of the name.
        order: Block names in forward order; default is the order given.
        points: ``("generic", "current")`` by default; one of them alone if so chosen.
        fixed: Names of blocks that stay where they are.
        method: A difference method of ``gradhook.difference``, instead of gradhook's own probes.
        workers: 1.
        seed: Seed of rows, points and directions; default 0.
        progress: ``True`` for a tqdm bar, or an object with ``start``, ``advance`` and ``close``.

    Returns:
        The report; true if the check passed.

    Raises:
        GradhookError: The input cannot be checked; the message says what, where and the remedy.
        Exception: Whatever the user's code raises at the current point, after everything has been
            put back.

    Example:
        >>> import numpy as np
        >>> from gradhook import check_gradients
        >>> report = check_gradients(lambda x: (np.sum(x**3), 3 * x**2), np.array([1.0, 2.0]))
        >>> report.verdict, bool(report)
        (<Verdict.PASS: 'PASS'>, True)
        >>> bool(check_gradients(lambda x: (np.sum(x**3), 2 * x**2), np.array([1.0, 2.0])))
        False
    """
    return check(Objective.of(objective, parameters), Options.named(options), as_batch(batch))


def check(
    objective: Objective, options: Options, batch: Batch, *, step: int | None = None
) -> Report:
    """``check_gradients`` with everything already read; ``step`` is the training step, if any."""
    started = time.perf_counter()
    tree = Tree.of(objective.parameters)
    _refuse_unknown_blocks(tree, options)
    random = np.random.default_rng(options.seed)
    rows = draw(
        batch,
        samples=options.samples,
        axis=options.sample_axis,
        subset=options.subset,
        random=random,
    )
    with _not_nested(objective), _shown(options.progress) as bar:
        run = Run(objective, options, tree, batch, rows, bar, step)
        outcome = run.made()
    seen = Circumstances(
        evaluations=run.evaluations,
        gradient_evaluations=run.gradient_evaluations,
        seconds=time.perf_counter() - started,
        step=step,
        rows=rows.rows,
        notes=tuple(run.notes),
        coverage=unexercised(
            outcome, rows, {name: np.asarray(leaf) for name, leaf in tree.blocks.items()}
        ),
    )
    return assemble(outcome, tree, options, seen)


def _refuse_unknown_blocks(tree: Tree, options: Options) -> None:
    for what in ("fixed", "order"):
        for name in getattr(options, what) or ():
            if name not in tree.blocks:
                known = list(tree.blocks)
                raise OptionError(
                    f"{what} names {name!r}, which is no block{nearest_name(str(name), known)} "
                    f"Blocks: {', '.join(known)}"
                )


@contextlib.contextmanager
def _not_nested(objective: Objective) -> Iterator[None]:
    keys = {id(function) for function in objective.functions} | {id(objective)}
    if keys & _running:
        raise NestedCheckError(
            "a check of this objective is already running: the loss itself, or a sink, has "
            "started another"
        )
    _running.update(keys)
    try:
        yield
    finally:
        _running.difference_update(keys)


@contextlib.contextmanager
def _shown(progress: Any) -> Iterator[ProgressLike | None]:
    if progress is None or progress is False:
        yield None
        return
    if progress is True:
        # Drawing is a sink's business; the name is looked up only when a bar is asked for.
        progress = importlib.import_module("gradhook.sinks").Progress()
    progress.start(None, "gradient check")
    try:
        yield progress
    finally:
        progress.close()
