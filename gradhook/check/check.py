"""``check_gradients``, one check from start to finish, and ``layer_check``, that of one layer.

A layer has no loss of its own.  With a random *cotangent* ``c`` of the output's shape, ``⟨c,
forward(x)⟩`` is one, and ``backward(c)`` must be its gradient: with respect to the input, and to
the parameters.

One cotangent is enough for a backward pass that is linear in it.  One that clips what comes from
above, or looks at its sign, is not; so a second one, with every sign the other way round and a
thousand times as large, is tried along one direction.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from gradhook._types import Verdict, nearest_name
from gradhook.check.guarded import GuardedCheck, is_users, own_faults
from gradhook.check.reading import CallLine, Scope, read
from gradhook.check.record import assemble
from gradhook.check.sanity import causes_of_calls
from gradhook.errors import OptionError, warn
from gradhook.guard.guard import Guard
from gradhook.guard.objects import global_streams
from gradhook.objective.batch import as_batch
from gradhook.objective.calls import misplaced_batch
from gradhook.objective.held import Held
from gradhook.objective.holders import holds
from gradhook.objective.layer import Layer
from gradhook.objective.objective import FromUpdate, Objective
from gradhook.objective.parameters import Tree
from gradhook.options import BatchKeywords, Keywords, Options, shows_options
from gradhook.report import Cause, Report

WHOLE = "the whole input is checked"
OTHERS = {
    "samples": WHOLE,
    "sample_axis": WHOLE,
    "subset": WHOLE,
    "gradient": "backward computes it; gradients= says where the layer keeps its parameters'",
    "parts": "the parameters of a layer are arrays by name",
}
"""Options of which a layer knows nothing, and why."""

NONLINEAR = (
    "backward is not linear in dy: it is right for one gradient from above and wrong for another, "
    "of the opposite sign and a thousand times as large"
)


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
        fixed: Names of blocks that are not displaced; their gradients are judged where they are.
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
                record = run.made()
        with own_faults():
            of_updates = isinstance(given.objective, FromUpdate)
            return replace(
                assemble(record, given.tree, causes_of_calls(record, of_updates=of_updates)),
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
        try:
            if works:
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


@shows_options(but=OTHERS)
def layer_check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    x: Any,
    parameters: Any = None,
    *,
    gradients: Any = None,
    **options: Unpack[Keywords],
) -> Report:
    """Check the backward pass of one layer with random cotangents.

    Args:
        forward: Takes the input, and returns the output ``y``, ``(y, cache)`` or, where there are
            several, ``(y1, y2, cache)``.  After the input it takes the parameters: as one mapping,
            ``forward(x, parameters)``; each of them, ``forward(x, W, b)``; or none, if the layer
            holds them itself, and then the arrays given are moved in place and put back.
        backward: ``backward(dy, cache)``, or ``backward(dy)`` where there is no cache; ``dy`` has
            shape and precision of ``y``.  Returns ``(dx, dW, db)`` in the order of ``parameters``,
            ``(dx, {"W": dW, "b": db})``, or ``dx`` alone if there are no parameters or the layer
            keeps their gradients as ``dW`` and ``db``.
        x: The input, an array of any shape; several inputs as a mapping of name to array, or as a
            tuple, whose blocks are called ``x1``, ``x2``, ….  An input of integers has no gradient,
            and what is returned for it is not looked at.
        parameters: Arrays by name, whose gradients go by the same names, or ``"d" + name``; or the
            object that holds them and their gradients, such as the layer itself.
        gradients: Where the layer keeps the parameters' gradients: a mapping of the arrays that
            ``backward`` fills, or a function that returns them after it, by name or in order.  They
            are zero before each backward pass, so it may add to them.
        **options: The keywords of ``check_gradients`` but those about batches.

    Returns:
        A report in which each input is a block, called ``x`` if it is the only one, and so is each
        parameter.  Gradients that do not depend on ``dy`` are named as such.

    Raises:
        ObjectiveError: Forward, backward, input and parameters do not fit together; the message
            says how.
        GradientNameError: A parameter has no gradient.
        GradientShapeError: A gradient has another shape than its block.
        TypeError: An option is not known.

    Example:
        >>> import numpy as np
        >>> from gradhook import layer_check
        >>> def affine_forward(x, W, b):
        ...     return x @ W + b, (x, W)
        >>> def affine_backward(dy, cache):
        ...     x, W = cache
        ...     return dy @ W.T, x.T @ dy, dy[0]  # db takes the first row alone
        >>> x, W, b = np.arange(6.0).reshape(3, 2), np.array([[1.0, -2.0], [0.5, 3.0]]), np.zeros(2)
        >>> report = layer_check(affine_forward, affine_backward, x, {"W": W, "b": b})
        >>> {name: str(block.verdict) for name, block in report.blocks.items()}
        {'x': 'PASS', 'W': 'PASS', 'b': 'FAIL'}
    """
    for name, why in OTHERS.items():
        if name in options:
            raise TypeError(f"layer_check has no option {name!r}: {why}")
    chosen, scope = Options.named(options, beside=("gradients",)), Scope.of_caller()
    # The layer's own functions are out of the snapshot's reach unless they are named.
    reached = (forward, backward, parameters, gradients, chosen.state)
    arrays, kept = parameters, gradients
    if holds(parameters):
        alone = Layer(forward, backward, x, None, None, None, chosen.seed)
        held = _held_beside(alone.objective, parameters, [x, *reached])
        arrays, kept = held.weights, held.gradients if gradients is None else gradients
    layer = Layer(forward, backward, x, arrays, kept, chosen.gradient_name, chosen.seed)
    used = replace(chosen, gradient_name=None, state=reached)
    report = check(layer.objective, used, ())
    layer.cotangent = 1
    other = check(layer.objective, replace(used, effort="quick"), ())
    spent = [report, other]
    if report.verdict is Verdict.FAIL:
        report = _with_cause(report, layer)
    elif other.verdict is Verdict.FAIL:
        report = check(layer.objective, used, ())
        spent.append(report)
        report = replace(report, notes=(NONLINEAR, *report.notes))
    given = {"forward": forward, "backward": backward, "x": x}
    given |= {"parameters": None if parameters == {} else parameters, "gradients": gradients}
    arguments = {name: scope.name_of(thing) for name, thing in given.items() if thing is not None}
    return replace(
        report,
        boundary="",  # of one layer there is none to tell
        evaluations=sum(each.evaluations for each in spent),
        gradient_evaluations=sum(each.gradient_evaluations for each in spent),
        seconds=sum(each.seconds for each in spent),
        call=scope.call("layer_check", arguments, chosen),
    )


def _held_beside(layer: Objective, holder: Any, reached: list[Any]) -> Held:
    """The weights and gradients that an object holds, found by two passes, of which nothing stays.

    ``layer`` is the layer as a function of its input alone.
    """
    run = layer.loss_and_gradients
    assert run is not None
    remedy = "Let backward leave dW beside W, or return (dx, {'W': dW}) with parameters={'W': W}"
    held = Held(lambda: run(layer.parameters)[0], holder, remedy)
    guard = Guard(reached)
    try:
        held.discover((), (), reached[0], guard.restore)
    finally:
        guard.restore()
    return held


def _with_cause(report: Report, layer: Layer) -> Report:
    """The report with what fails and does not depend on the cotangent."""
    first, other = layer.seen[0], layer.seen[1]
    both = [point for point in first if point in other]
    deaf = []
    for name in report.failing:
        pairs = [(np.asarray(first[at].get(name)), np.asarray(other[at].get(name))) for at in both]
        if all(np.array_equal(a, b) for a, b in pairs) and any(np.any(a) for a, _ in pairs):
            deaf.append(name)
    if not deaf:
        return report
    cause = Cause(
        "U",
        "upstream_ignored",
        tuple(deaf),
        f"the gradient of {', '.join(deaf)} is the same whatever comes from above: it ignores dy",
        evidence=f"two cotangents give equal gradients at {len(both)} point{'s' * (len(both) > 1)}",
        refuted_by="gradients that change with the cotangent",
    )
    return replace(report, causes=(cause, *report.causes))


def selftest() -> list[str]:
    """Check a right and a wrong gradient; returns what went wrong, one sentence each.

    Checkers that always pass have been published more than once.  Where this one errs, or leaves a
    trace, nothing that a callback would say can be trusted, and it says so instead.
    """
    x = np.array([0.3, -0.7, 1.1, 0.4, -0.2])
    before, (stream, _) = x.tobytes(), global_streams()
    failures = []
    for gradient, factor, expected in (
        ("a right gradient", 1.0, Verdict.PASS),
        ("a gradient that is 1 % too long", 1.01, Verdict.FAIL),
    ):
        objective = Objective(
            parameters=x,
            loss=lambda *_: float(np.sum(np.sin(x) * x)),
            gradients=lambda *_, factor=factor: factor * (np.cos(x) * x + np.sin(x)),
            form="in_place",
        )
        verdict = check(objective, Options(effort="quick"), ()).verdict
        if verdict is not expected:
            failures.append(f"{gradient} was judged {verdict}")
    if x.tobytes() != before:
        failures.append("the parameters were not put back")
    if stream.changed():
        failures.append("NumPy's random stream was drawn from")
    return failures
