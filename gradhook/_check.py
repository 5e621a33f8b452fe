"""``check_gradients``: one check from start to finish.

Everything that the check may disturb is saved first and put back in ``finally``, verified to the byte; only then is the
report handed on.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradhook._assemble import Circumstances, assemble
from gradhook._evaluate import Evaluator
from gradhook._guard import Guard, one_interrupt
from gradhook._line import Workspace
from gradhook._objective import Objective
from gradhook._options import Options
from gradhook._parameters import Tree
from gradhook._penalty import _Penalty
from gradhook._progress import ProgressLike
from gradhook._session import Outcome, Session, UnreadError
from gradhook._subset import Rows, as_batch, draw, upcast
from gradhook._switches import BoundSwitch, Switch, bind_switches, keywords_of
from gradhook._types import Batch, nearest_name
from gradhook.errors import (
    GradhookError,
    InternalError,
    NestedCheckError,
    OptionError,
    ParameterError,
    SubsetError,
    UnreadParametersError,
)
from gradhook.report import Report

__all__ = ["check", "check_gradients"]

_running: set[int] = set()
"""Identities of the objectives being checked: a check inside a check of the same one would perturb it twice."""


def check_gradients(objective: Any, parameters: Any = None, *, batch: Any = (), **options: Any) -> Report:
    """Check whether a gradient is the gradient of its loss.

    Args:
        objective: ``loss_and_gradients(parameters, *batch) -> (loss, gradients)``, or any other form that
            ``Objective.of`` accepts.
        parameters: Mapping of name to array, one array, list, tuple, nested mappings, or a function that returns any
            of these; ``None`` takes the objective's own.
        batch: What the functions take besides the parameters; ``()`` if they need no data.
        samples: Rows of the batch to check on; default 7, ``None`` for all.
        sample_axis: Axis of the batch's arrays that counts samples; default 0.
        subset: ``subset(batch, rows) -> batch``, where cutting every array along the axis is not right.
        effort: ``"quick"`` (one joint direction), ``"standard"`` (three directions per block) or ``"exhaustive"``
            (every element, and the plain textbook number beside it).
        tolerance: Thresholds, default ``Tolerance()``.
        dropout: Name of the switch that turns dropout off, a ``Switch``, or several.
        penalty: Name of the switch of the user's own penalty; or ``L2(c)``, ``L1(c)``, or a function
            ``penalty(parameters, *batch) -> float`` that is added to the loss only.
        evaluation_mode: Context manager, or a function returning one, entered around the check.
        state: Further objects whose state an evaluation may change, such as generators out of reach.
        gradient_name: How gradients are called: a format (``"grad_{}"``), a mapping, or a function of the name.
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
        Exception: Whatever the user's code raises at the current point, after everything has been put back.

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


def check(objective: Objective, options: Options, batch: Batch, *, step: int | None = None) -> Report:
    """``check_gradients`` with everything already read; ``step`` is the training step, if any."""
    started = time.perf_counter()
    tree = Tree.of(objective.parameters)
    _refuse_unknown_blocks(tree, options)
    random = np.random.default_rng(options.seed)
    rows = draw(
        batch, samples=options.samples, axis=options.sample_axis, subset=options.subset, random=random
    )
    with _not_nested(objective), _shown(options.progress) as bar:
        run = _Run(objective, options, tree, batch, rows, bar, step)
        outcome = run.made()
    coverage = ()
    if rows.rows is not None and len(rows.rows) == 1:
        coverage = ("one sample: a sum and a mean over the batch cannot be told apart",)
    seen = Circumstances(
        evaluations=run.evaluations,
        gradient_evaluations=run.gradient_evaluations,
        seconds=time.perf_counter() - started,
        step=step,
        rows=rows.rows,
        notes=tuple(run.notes),
        coverage=coverage,
    )
    return assemble(outcome, tree, options, seen)


class _Run:
    """The guarded part of a check: what is set up, run and put back."""

    def __init__(
        self,
        objective: Objective,
        options: Options,
        tree: Tree,
        batch: Batch,
        rows: Rows,
        bar: ProgressLike | None,
        step: int | None,
    ) -> None:
        self._objective = objective
        self._options = options
        self._tree = tree
        self._whole = batch
        self._rows = rows
        self._advance = bar.advance if bar else lambda: None
        self._step = step
        self._calls = objective.calls(batch)
        self.notes: list[str] = []
        self.evaluations = 0
        self.gradient_evaluations = 0

    def made(self) -> Outcome:
        """Make the check; a functional objective that does not read its copies is tried in place.

        Raises:
            UnreadParametersError: The loss does not read the parameters either way.
        """
        in_place = not self._calls.takes_parameters
        try:
            return self._guarded(in_place=in_place)
        except UnreadError:
            pass
        if not in_place:
            with contextlib.suppress(UnreadError, ParameterError):
                outcome = self._guarded(in_place=True)
                self.notes.append(
                    "the function does not read the parameters it is given but the arrays themselves: checked in place"
                )
                return outcome
        raise UnreadParametersError(
            "the loss does not change by a bit when every parameter moves: it does not read what it is given. "
            "Common reasons: it works on a copy made earlier, reads a dictionary that has since been replaced, or was "
            "built from other arrays. Make the loss read the parameters passed to it, or pass the arrays that it reads"
        )

    def _guarded(self, *, in_place: bool) -> Outcome:
        workspace = Workspace(self._tree, in_place=in_place)
        objective, options = self._objective, self._options
        penalty = options.penalty
        switches = bind_switches(
            options.dropout, "dropout", functions=objective.functions, model=objective.model
        )
        if not _is_added(penalty):
            switches += bind_switches(
                penalty, "penalty", functions=objective.functions, model=objective.model
            )
        roots = [*objective.functions, objective.model, self._rows.batch, self._rows.other]
        roots += [options.state, penalty if _is_added(penalty) else None]
        batch = upcast(self._rows.batch)
        with one_interrupt(), contextlib.ExitStack() as put_back:
            guard = Guard([*roots, batch], without=_looked_after(self._tree, workspace))

            def restore() -> None:
                for switch in switches:
                    switch.restore()
                workspace.restore()
                guard.restore()

            # Twice: should an interrupt fall into the first, the second finishes what it began.
            put_back.callback(restore)
            put_back.callback(restore)
            put_back.enter_context(_mode(options.evaluation_mode))
            evaluator = Evaluator(
                self._calls,
                workspace,
                guard,
                batch,
                penalty=_added(penalty, workspace) if _is_added(penalty) else None,
                gradient_name=options.gradient_name,
                advance=self._advance,
            )
            session = Session(
                evaluator,
                options,
                switches,
                other=None if self._rows.other is None else upcast(self._rows.other),
                seed=options.seed,
            )
            try:
                _upcast_in_place(evaluator)
                outcome = session.run()
            except (GradhookError, UnreadError):
                raise
            except Exception as error:
                if error is not evaluator.user_error:
                    raise InternalError(f"gradhook itself failed: {type(error).__name__}: {error}") from error
                self._explain(error, evaluator)
                raise
            finally:
                self.evaluations += evaluator.evaluations
                self.gradient_evaluations += evaluator.gradient_evaluations
        self._note(outcome, evaluator, switches)
        return outcome

    def _explain(self, error: Exception, evaluator: Evaluator) -> None:
        """Say where the user's exception came from, and whether the rows drawn were its reason."""
        at = "" if self._step is None else f" at step {self._step}"
        error.add_note(
            f"raised by the objective inside a gradient check{at}; everything the check touched has been put back"
        )
        if self._rows.rows is None:
            return
        evaluator.workspace.move({})
        evaluator.batch = upcast(self._whole)
        try:
            evaluator.loss()
        except Exception:  # so the rows are not the reason
            return
        raise SubsetError(
            f"the loss works on the whole batch and raises {type(error).__name__} on {len(self._rows.rows)} rows of it "
            f"({error}): pass samples=None to check on every row, or subset= to cut the batch yourself"
        ) from error

    def _note(self, outcome: Outcome, evaluator: Evaluator, switches: list[BoundSwitch]) -> None:
        facts = outcome.facts
        if facts.random and facts.replayable and facts.generator_moved:
            hint = _dropout_hint(self._objective, switches)
            self.notes.append(
                f"the loss is random (dropout on?): checked with its mask frozen; to check without, pass dropout={hint}"
            )
        elif facts.random and facts.replayable:
            self.notes.append(
                "the loss changes from call to call with state that it keeps: checked with that state put back each time"
            )
        if facts.disagreement:
            self.notes.append(
                f"the loss alone and the loss returned with the gradients differ by {facts.disagreement:.1e}: are both "
                "in the same mode (training or evaluation)?"
            )
        if evaluator.name_rule:
            self.notes.append(evaluator.name_rule)
        unchanged = [i for i in self._rows.unchanged if hasattr(self._whole[i], "shape")]
        if unchanged and self._rows.rows is not None:
            self.notes.append(
                f"item(s) {', '.join(map(str, unchanged))} of the batch passed unchanged: they do not count samples"
            )


def _refuse_unknown_blocks(tree: Tree, options: Options) -> None:
    for what in ("fixed", "order"):
        for name in getattr(options, what) or ():
            if name not in tree.blocks:
                known = list(tree.blocks)
                raise OptionError(
                    f"{what} names {name!r}, which is no block{nearest_name(str(name), known)} "
                    f"Blocks: {', '.join(known)}"
                )


def _looked_after(tree: Tree, workspace: Workspace) -> list[Any]:
    """What the workspace puts back itself: in place, the arrays and the containers that hold them."""
    if not workspace.in_place:
        return []
    holders = [place.container for place in tree.places.values()]
    return [*tree.blocks.values(), *holders]


def _upcast_in_place(evaluator: Evaluator) -> None:
    """Work in float64 arrays where the objective's own are coarser and the loss answers with finer values."""
    workspace = evaluator.workspace
    if workspace.is_float64 or not workspace.upcast():
        return
    try:
        loss = evaluator.loss()
    except Exception:  # a dtype that the code does not expect
        loss = 0.0
        evaluator.user_error = None
    if loss == float(np.float32(loss)):
        workspace.downcast()


def _is_added(penalty: Any) -> bool:
    """Whether a penalty is a function added to the loss, rather than the name of a switch."""
    return callable(penalty) and not isinstance(penalty, Switch)


def _added(penalty: Any, workspace: Workspace) -> Callable[[Batch], float]:
    if isinstance(penalty, _Penalty):
        return lambda batch: float(penalty(workspace.arrays))  # type: ignore[operator]
    return lambda batch: float(penalty(workspace.container(), *batch))


def _dropout_hint(objective: Objective, switches: list[BoundSwitch]) -> str:
    """The keyword that looks like dropout's, to be named in the remedy."""
    taken = {switch.name for switch in switches}
    for name in keywords_of(objective.functions):
        if name not in taken and ("drop" in name.lower() or name.lower().startswith("keep")):
            return repr(name)
    return "the name of the switch that turns it off"


@contextlib.contextmanager
def _mode(given: Any) -> Iterator[None]:
    if given is None:
        yield
        return
    with given if hasattr(given, "__enter__") else given():
        yield


@contextlib.contextmanager
def _not_nested(objective: Objective) -> Iterator[None]:
    keys = {id(function) for function in objective.functions} | {id(objective)}
    if keys & _running:
        raise NestedCheckError(
            "a check of this objective is already running: the loss itself, or a sink, has started another"
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
