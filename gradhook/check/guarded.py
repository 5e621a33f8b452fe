"""The guarded part of a check: what is saved, set up, run and put back.

Everything that the check may disturb is saved first and put back in ``finally``, verified to the
byte, before anything is said about what was found.  A fault of the checker's must not look like one
of the code that is checked, nor stop the training that is observed: the callback turns an
``InternalError`` into a report that decides nothing.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import textwrap
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradhook._types import Batch
from gradhook.check.plan import make
from gradhook.check.reading import Read, read
from gradhook.check.record import CheckRecord, UnusableRowsError, remarks
from gradhook.errors import (
    PACKAGE,
    GradCheckWarning,
    GradhookError,
    GradientShapeError,
    InternalError,
    LossTypeError,
    OptionError,
    ParameterError,
    RestoreError,
    UnreadParametersError,
)
from gradhook.evaluation.containers import sole_mover
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import upcast_in_place
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Guard, held_signals, put_back
from gradhook.guard.reach import BUDGET, is_library
from gradhook.objective.batch import Rows, columns_hint, passed_whole, upcast
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import norm
from gradhook.objective.switches import (
    bind_switches,
    infer_switches,
    keywords_of,
    split_penalty,
    sum_of,
)
from gradhook.options import Options

OF_ROWS = (GradientShapeError, LossTypeError)
"""What is wrong with the rows drawn and not with the functions, if the whole batch works."""

STANDSTILL_ROUNDINGS = 1e4
"""Multiples of a block's norm times the epsilon of its dtype up to which the gradient of the whole
batch is rounding, or an update is lost in the block's own."""


@dataclass(slots=True)
class GuardedCheck:
    """What is set up, run and put back."""

    given: Read
    options: Options
    advance: Callable[[], object] = lambda: None  # called after each evaluation
    step: int | None = None  # of the loop, for whoever reads of an exception
    evaluations: int = 0
    gradient_evaluations: int = 0
    user_error: Exception | None = None  # the last that the user's own functions raised

    def made(self) -> CheckRecord:
        """Make the check, on the first rows on which anything can be seen."""
        given, options = self.given, self.options
        try:
            return self._on_rows(given.rows)
        except UnusableRowsError as error:
            count = given.rows.count
            why = f"on the {count} rows drawn first {error}"
        others = given.drawn(options, (options.seed, 1))
        with contextlib.suppress(UnusableRowsError):
            record = self._on_rows(others)
            record.notes.append(f"{why}: checked on others")
            return record
        record = self._on_rows(given.drawn(options, None))
        if left := passed_whole(others, given.batch):
            left = f"; {left}. If none does, write samples=None"
        record.notes.append(
            f"{why}, and {count} others are no better: checked on the whole batch"
            f"{columns_hint(given.batch, options.sample_axis)}{left}"
        )
        return record

    def _on_rows(self, rows: Rows) -> CheckRecord:
        """Make the check; functions that do not read their copies are tried in place."""
        in_place = not self.given.calls.takes_parameters
        is_complex = self.options.is_complex
        if in_place and is_complex:
            raise OptionError(
                "method=ComplexStep() needs an objective that takes the parameters as an argument: "
                "this one reads the arrays where they are, and complex values cannot be written "
                "into arrays of real numbers; use difference.Central() or difference.Ridders()"
            )
        try:
            return self._guarded(rows, in_place=in_place)
        except UnreadParametersError:
            if not (in_place or is_complex):
                with contextlib.suppress(UnreadParametersError, ParameterError):
                    record = self._guarded(rows, in_place=True)
                    record.notes.append(
                        "the function does not read the parameters it is given but the arrays "
                        "themselves: checked in place"
                    )
                    return record
            raise

    def _guarded(self, rows: Rows, *, in_place: bool) -> CheckRecord:
        given, options = self.given, self.options
        objective, calls = given.objective, given.calls
        penalties, added = split_penalty(options.penalty)
        positional = calls.takes_parameters + (0 if calls.names else len(given.batch))
        functions, model = objective.functions, objective.model
        bind = functools.partial(
            bind_switches, functions=functions, model=model, positional=positional
        )
        switches = [*bind(options.dropout, "dropout"), *bind(penalties, "penalty")]
        turned = {*(switch.name for switch in switches), *calls.names}
        free = [name for name in keywords_of(functions, positional) if name not in turned]
        penalty = sum_of(added, given.tree, calls.names) if added else None
        batch, batches = upcast(rows.batch), (rows.batch, rows.other, given.batch)
        # The mode can be entered once only where a generator makes it.
        once = inspect.isgenerator(getattr(options.evaluation_mode, "gen", None))
        evaluator = None
        try:
            # The mode comes before the snapshot: what it sets must survive every rewinding, and it
            # undoes that itself.
            own = list(given.tree.leaves.values()) if in_place else []
            with held_signals() as gate, sole_mover(own), _mode(options.evaluation_mode):
                workspace = Workspace(given.tree, in_place=in_place)
                arrays = list(workspace.arrays.values()) if in_place else []
                holders = [place.container for place in given.tree.places.values()]
                with own_faults():
                    guard = Guard(
                        [*functions, model, objective.roots, *batches, added, batch],
                        named=[options.state],
                        # The workspace puts these back itself.
                        without=[*own, *arrays, *holders] if in_place else (),
                        moving=arrays,
                        # Besides, a gradient and two moments for each parameter.
                        budget=max(BUDGET, 3 * sum(array.nbytes for array in arrays)),
                        hidden=given.changes.hidden,
                    )
                try:
                    evaluator = Evaluator(
                        replace(calls, penalty=penalty),
                        workspace,
                        guard,
                        batch,
                        gradient_name=options.gradient_name,
                        advance=self.advance,
                        gate=gate,
                    )
                    record = _measured(
                        CheckRecord(
                            evaluator,
                            options,
                            rows,
                            given.batch,
                            switches,
                            free=infer_switches(free, bind),
                            is_part=rows.rows is not None and not once,
                        )
                    )
                finally:
                    put_back(*(s.restore for s in switches), workspace.restore, guard.restore)
        except BaseException as error:
            if evaluator is not None:
                self._annotate(error, evaluator)
            raise
        finally:
            if evaluator is not None:
                self.user_error = evaluator.user_error
                self.evaluations += evaluator.evaluations
                self.gradient_evaluations += evaluator.gradient_evaluations
        record.notes = [*objective.notes, *remarks(record)]
        return record

    def _annotate(self, error: BaseException, evaluator: Evaluator) -> None:
        """Say where an exception of the user's, or an interrupt, came from."""
        step = "" if self.step is None else f" at step {self.step}"
        if error is evaluator.user_error:
            what = "raised by the objective inside"
        elif not isinstance(error, Exception):
            what = "interrupted"
        else:
            return
        moved = evaluator.raised_at if error is evaluator.raised else ()
        where = f"with {', '.join(moved)} a step away" if moved else "at the weights given"
        error.add_note(
            f"{what} a gradient check{step}, {where}; everything the check touched has been put "
            "back"
        )


def _measured(record: CheckRecord) -> CheckRecord:
    """Make the check, and tell the user's exceptions from gradhook's own."""
    evaluator = record.evaluator
    with own_faults(but=lambda error: error is evaluator.user_error):
        try:
            upcast_in_place(evaluator)
            record = make(record)
        except Exception as error:
            theirs = error is evaluator.user_error or isinstance(error, OF_ROWS)
            if theirs and record.is_part:
                said = textwrap.shorten(str(error), 100, placeholder=" …")
                kind = type(error).__name__
                raise UnusableRowsError(f"the functions raise {kind} ({said})") from error
            raise
        if evaluator.own_fault is not None:
            raise evaluator.own_fault
    return record


def _mode(given: Any) -> contextlib.AbstractContextManager[Any]:
    """The user's evaluation mode: nothing, a context manager, or a function that returns one."""
    if given is None:
        return contextlib.nullcontext()
    # A class that makes context managers has the method too, and is none itself.
    mode = given if isinstance(given, contextlib.AbstractContextManager) else given()
    if not isinstance(mode, contextlib.AbstractContextManager):
        raise OptionError(
            f"evaluation_mode= must be a context manager or return one; it returned {mode!r}"
        )
    return mode


def moving_blocks(objective: Objective, options: Options, batch: Batch) -> set[str]:
    """Names of the blocks whose gradient on the whole batch is more than rounding.

    Nothing is left of the calls, as of a check; where one raises no block is named.
    """
    options = replace(options, samples=None, effort="quick")
    with read(objective, options, batch) as given:
        try:
            with np.errstate(all="ignore"):
                norms = GuardedCheck(given, options).made().norms
        except RestoreError:
            raise
        except Exception:  # an observer stops nothing
            return set()
    arrays = {name: np.asarray(leaf) for name, leaf in given.tree.blocks.items()}
    return {
        name
        for name, array in arrays.items()
        if norms.get(name, 0.0) > STANDSTILL_ROUNDINGS * np.finfo(array.dtype).eps * norm(array)
    }


@contextlib.contextmanager
def own_faults(but: Callable[[Exception], bool] = lambda error: False) -> Iterator[None]:
    """Turn exceptions into an ``InternalError``, but for the user's and those that say why."""
    try:
        yield
    except (GradhookError, GradCheckWarning, UnusableRowsError):
        raise  # a warning is raised where the user's filters say so
    except Exception as error:
        if but(error):
            raise
        raise InternalError(f"gradhook itself failed: {type(error).__name__}: {error}") from error


def is_users(error: Exception) -> bool:
    """Whether an exception comes from code that is neither gradhook's nor a library's.

    Going by the calls that gradhook made: what lies further out is the user's in any case.
    """
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [index for index, file in enumerate(files) if file.startswith(PACKAGE)]
    inner = files[own[0] :] if own else files
    return any(not (file.startswith(PACKAGE) or is_library(file)) for file in inner)
