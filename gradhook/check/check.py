"""``check_gradients``: one check from start to finish."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from gradhook._types import Array, Verdict, nearest_name
from gradhook.check.assemble import assemble
from gradhook.check.call_line import CallLine, Scope
from gradhook.check.guarded import GuardedCheck, is_users, own_faults
from gradhook.check.reading import read
from gradhook.errors import OptionError, warn
from gradhook.guard.generators import global_streams
from gradhook.objective.batch import as_batch
from gradhook.objective.calls import misplaced_batch
from gradhook.objective.objective import FromUpdate, Objective
from gradhook.objective.parameters import Tree
from gradhook.options import BatchKeywords, Options, shows_options
from gradhook.report import Report

__all__ = ["check", "check_gradients", "selftest"]


@shows_options()
def check_gradients(
    objective: Any,
    parameters: Any = None,
    *misplaced: Any,
    batch: Any = (),
    **options: Unpack[BatchKeywords],
) -> Report:
    """Check whether a gradient is the gradient of its loss.

    Args:
        objective: ``loss_and_gradients(parameters, *batch) -> (loss, gradients)``, or any other
            form that ``Objective.of`` accepts.
        parameters: Mapping of name to array, one array, list, tuple, nested mappings, a function
            that returns any of these, or an object that holds weights and gradients; ``None`` takes
            the objective's own.
        *misplaced: Nothing; a batch that stands here is told where it belongs.
        batch: What the functions take besides the parameters: a tuple, or a mapping whose items go
            by their names; ``()`` if they need no data.
        samples: Rows of the batch to check on; default 7, ``None`` for all.
        sample_axis: Axis of the batch's arrays that counts samples; default 0.
        subset: ``subset(batch, rows) -> batch``, where cutting every array along the axis is not
            right.
        effort: ``"quick"`` (one joint direction), ``"standard"`` (three directions per block) or
            ``"exhaustive"`` (every element, and the plain textbook number beside it).
        tolerance: Thresholds, default ``Tolerance()``.
        dropout: Name of the switch that turns dropout off, a ``Switch``, or several.
        penalty: Name of the switch of the user's own penalty; or ``L2(c)``, ``L1(c)``, or a
            function ``penalty(parameters, *batch) -> float`` that is added to the loss only; or
            several of these.
        evaluation_mode: Context manager, or a function returning one, entered around the check.
        state: Further objects whose state an evaluation may change, such as generators out of
            reach.
        gradient: The function that computes the gradient, where ``objective`` returns the loss
            alone.
        gradient_name: How gradients are called: a format (``"grad_{}"``), a mapping, or a function
            of the name.
        parts: Names and shapes of the consecutive slices of one unrolled vector, such as ``{"W1":
            (25, 64), "b1": 25}``; each is a block.
        layers: Block names in forward order; default is the order given.
        points: ``("generic", "current")`` by default; one of them alone if so chosen.
        fixed: Names of blocks that stay where they are.
        method: A difference method of ``gradhook.difference``, instead of gradhook's own probes.
        workers: For exhaustive effort: a number of processes (-1 for one on each core; needs the
            extra ``parallel``), a function like ``map`` (``executor.map``), or a client of
            ``dask.distributed``; default 1.  Any choice gives the same report to the bit.
        seed: Seed of rows, points and directions; default 0.
        progress: By default a tqdm bar, where someone sees it, for what takes more than a second;
            ``False`` for none, or an object with ``start``, ``advance`` and ``close``.
        **options: The keywords above.

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
    __tracebackhide__ = True
    if misplaced:
        raise TypeError(misplaced_batch("check_gradients", len(misplaced)))
    chosen = Options.named(options, beside=("batch",))
    called = CallLine(objective, parameters, batch, Scope.of_caller())
    found = Objective.of(objective, parameters, gradient=chosen.gradient)
    return check(found, chosen, as_batch(batch), call=called(chosen))


def check(
    objective: Objective, options: Options, batch: Any, *, step: int | None = None, call: str = ""
) -> Report:
    """``check_gradients`` with everything already read, and the line of code that repeats it."""
    __tracebackhide__ = True
    started = time.perf_counter()
    # A number too large for float64 is infinite in a report, and no reason to warn on the way.
    with np.errstate(all="ignore"), contextlib.ExitStack() as undoing:
        with own_faults(but=is_users):
            given = undoing.enter_context(read(objective, options, batch))
            options = _with_block_names(options, given.tree)
        with _shown(options.progress) as advance:
            run = GuardedCheck(given, options, advance, step)
            with own_faults(but=lambda error: error is run.user_error or is_users(error)):
                outcome = run.made()
        with own_faults():
            of_updates = isinstance(given.objective, FromUpdate)
            report = assemble(outcome, given.tree, options, run.rows, of_updates=of_updates)
            return replace(
                report,
                notes=tuple(run.notes),
                evaluations=run.evaluations + given.runs,
                gradient_evaluations=run.gradient_evaluations + given.runs,
                seconds=time.perf_counter() - started,
                step=step,
                call=call,
            )


def _with_block_names(options: Options, tree: Tree) -> Options:
    """The options with the names of blocks for those of parameters, of which several may be one."""
    known: list[str] = list(tree.blocks)
    named: dict[str, Any] = {}
    for what in ("fixed", "layers"):
        given = getattr(options, what) or ()
        for name in given:
            if tree.block_of(name) not in known:
                hint = nearest_name(str(name), [*known, *tree.leaves]) or "."
                raise OptionError(
                    f"{what} names {name!r}, which is no block{hint} Blocks: {', '.join(known)}"
                )
        if given:
            named[what] = tuple(dict.fromkeys(tree.block_of(name) for name in given))
    return replace(options, **named)


@contextlib.contextmanager
def _shown(progress: Any) -> Iterator[Callable[[], object]]:
    """Show progress while a block runs; gives the function to call after each evaluation.

    A display that fails is dropped, with a warning.
    """
    if progress is False:
        yield lambda: None
        return
    if progress is None or progress is True:
        # Drawing is a sink's business; the name is looked up only when a bar is asked for.
        progress = importlib.import_module("gradhook.sinks").Progress()
    works = True

    def tell(method: Callable[..., object], *arguments: Any) -> None:
        nonlocal works
        if not works:
            return
        try:
            method(*arguments)
        except Exception as error:  # an observer must not stop what it observes
            works = False
            warn(
                f"the progress display {type(progress).__name__} failed "
                f"({type(error).__name__}: {error}) and is dropped"
            )

    tell(progress.start, None, "gradient check")
    try:
        yield lambda: tell(progress.advance)
    finally:
        tell(progress.close)


def selftest() -> list[str]:
    """Check a right and a wrong gradient; returns what went wrong, one sentence each.

    Checkers that always pass have been published more than once.  Where this one errs, or leaves a
    trace, nothing that a callback would say can be trusted, and it says so instead.
    """
    x = np.array([0.3, -0.7, 1.1, 0.4, -0.2])
    before, (stream, _) = x.tobytes(), global_streams()
    right, wrong = _verdict(x, 1.0), _verdict(x, 1.01)
    failures = []
    if right is not Verdict.PASS:
        failures.append(f"a right gradient was judged {right}")
    if wrong is not Verdict.FAIL:
        failures.append(f"a gradient that is 1 % too long was judged {wrong}")
    if x.tobytes() != before:
        failures.append("the parameters were not put back")
    if stream.changed():
        failures.append("NumPy's random stream was drawn from")
    return failures


def _verdict(x: Array, factor: float) -> Verdict:
    def loss(*_: Any) -> float:
        return float(np.sum(np.sin(x) * x))

    def gradients(*_: Any) -> Array:
        return factor * (np.cos(x) * x + np.sin(x))

    objective = Objective(parameters=x, loss=loss, gradients=gradients, form="in_place")
    return check(objective, Options(effort="quick"), ()).verdict
