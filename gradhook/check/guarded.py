"""The guarded part of a check: what is saved, set up, run and put back.

Everything that the check may disturb is saved first and put back in ``finally``, verified to the
byte, before anything is said about what was found.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from gradhook._types import Batch
from gradhook.check.coverage import remarks
from gradhook.check.faults import own_faults
from gradhook.check.generic_point import UnreadError
from gradhook.check.plan import Plan
from gradhook.check.record import CheckRecord
from gradhook.difference import ComplexStep
from gradhook.errors import OptionError, ParameterError, SubsetError, UnreadParametersError
from gradhook.evaluation.containers import sole_mover
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.upcast import upcast_in_place
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Guard, put_back
from gradhook.guard.reach import BUDGET
from gradhook.guard.signals import held_signals
from gradhook.objective.batch import Rows, passed_whole, upcast
from gradhook.objective.binding import bind_switches, infer_switches, keywords_of
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import Tree
from gradhook.objective.penalties import split_penalty, sum_of
from gradhook.options import Options

__all__ = ["GuardedCheck"]


class GuardedCheck:
    """The guarded part of a check: what is set up, run and put back."""

    def __init__(
        self,
        objective: Objective,
        options: Options,
        tree: Tree,
        batch: Batch,
        rows: Rows,
        advance: Callable[[], object],
        step: int | None,
        first_steps: dict[str, float] | None = None,
    ) -> None:
        self._first_steps = first_steps
        self._objective = objective
        self._options = options
        self._tree = tree
        self._whole = batch
        self._rows = rows
        self._advance = advance
        self._step = step
        self._calls = objective.calls(batch, options.switch_names)
        self.notes: list[str] = [*objective.notes]
        self.evaluations = 0
        self.gradient_evaluations = 0
        # The last exception that the user's own functions raised.
        self.user_error: Exception | None = None

    def made(self) -> CheckRecord:
        """Make the check; a functional objective that does not read its copies is tried in place.

        Raises:
            OptionError: The method needs complex parameters, and the objective is in place.
            UnreadParametersError: The loss does not read the parameters either way.
        """
        in_place = not self._calls.takes_parameters
        is_complex = isinstance(self._options.method, ComplexStep)
        if in_place and is_complex:
            raise OptionError(
                "method=ComplexStep() needs an objective that takes the parameters as an argument: "
                "this one reads the arrays where they are, and complex values cannot be written "
                "into arrays of real numbers; use difference.Central() or difference.Ridders()"
            )
        try:
            return self._guarded(in_place=in_place)
        except UnreadError:
            pass
        if not (in_place or is_complex):
            with contextlib.suppress(UnreadError, ParameterError):
                outcome = self._guarded(in_place=True)
                self.notes.append(
                    "the function does not read the parameters it is given but the arrays "
                    "themselves: checked in place"
                )
                return outcome
        raise UnreadParametersError(
            "the loss does not change by a bit when every parameter moves: it does not read what "
            "it is given. "
            "Common reasons: it works on a copy made earlier, reads a dictionary that has since "
            "been replaced, or was "
            "built from other arrays. Make the loss read the parameters passed to it, or pass the "
            "arrays that it reads"
        )

    def _guarded(self, *, in_place: bool) -> CheckRecord:
        objective, options = self._objective, self._options
        penalties, added = split_penalty(options.penalty)
        positional = len(self._whole) + self._calls.takes_parameters
        bind = functools.partial(
            bind_switches,
            functions=objective.functions,
            model=objective.model,
            positional=positional,
        )
        switches = [*bind(options.dropout, "dropout"), *bind(penalties, "penalty")]
        turned = {switch.name for switch in switches}
        names = keywords_of(objective.functions, positional)
        free = [name for name in names if name not in turned]
        batch, other = upcast(self._rows.batch), self._rows.other
        roots = [
            *objective.functions,
            objective.model,
            self._rows.batch,
            other,
            self._rows.undrawn,
            added,
            batch,
        ]
        evaluator = outcome = None
        try:
            # The mode comes before the snapshot: what it sets must survive every rewinding, and it
            # undoes that itself.
            own = self._tree.leaves.values() if in_place else ()
            with held_signals() as gate, sole_mover(own), _mode(options.evaluation_mode):
                workspace = Workspace(self._tree, in_place=in_place)
                with own_faults():
                    guard = Guard(
                        roots,
                        named=[options.state],
                        without=_looked_after(self._tree, workspace),
                        moving=workspace.arrays.values() if in_place else (),
                        budget=_budget(workspace),
                    )
                try:
                    evaluator = Evaluator(
                        self._calls,
                        workspace,
                        guard,
                        batch,
                        penalty=sum_of(added) if added else None,
                        gradient_name=options.gradient_name,
                        advance=self._advance,
                        gate=gate,
                        first_steps=self._first_steps,
                    )
                    other = None if other is None else upcast(other)
                    undrawn = None if self._rows.undrawn is None else upcast(self._rows.undrawn)
                    inferred = infer_switches(free, bind)
                    session = Plan(
                        evaluator,
                        options,
                        switches,
                        other=other,
                        undrawn=undrawn,
                        free=inferred,
                        batch_rows=self._rows.batch_rows,
                    )
                    outcome = self._measured(evaluator, session)
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
        if outcome is None:
            raise OptionError("evaluation_mode= has swallowed an exception: let it pass")
        self.notes += remarks(outcome, evaluator, self._rows, self._whole, free)
        return outcome

    def _measured(self, evaluator: Evaluator, session: Plan) -> CheckRecord:
        """Run the plan, and tell the user's exceptions from gradhook's own."""
        with own_faults(but=lambda error: error is evaluator.user_error):
            try:
                upcast_in_place(evaluator)
                outcome = session.run()
            except Exception as error:
                if error is evaluator.user_error:
                    self._refuse_rows(error, evaluator)
                raise
            if evaluator.own_fault is not None:
                raise evaluator.own_fault
        return outcome

    def _refuse_rows(self, error: Exception, evaluator: Evaluator) -> None:
        """See whether the rows drawn are the reason of the user's exception."""
        if self._rows.rows is None:
            return
        evaluator.workspace.move({})
        again = evaluator.loss if evaluator.raised_by == "loss" else evaluator.loss_and_gradients
        try:
            again()
        except Exception:  # no accident: it is raised each time
            evaluator.batch = upcast(self._whole)
        else:
            return
        try:
            again()
        except Exception:  # so the rows are not the reason
            return
        finally:
            evaluator.user_error = error
        unchanged = passed_whole(self._rows, self._whole)
        raise SubsetError(
            f"the loss works on the whole batch and raises {type(error).__name__} on "
            f"{len(self._rows.rows)} rows of it ({error}): pass samples=None to check on every "
            f"row, or subset= to cut the batch yourself{'; ' if unchanged else ''}{unchanged}"
        ) from error

    def _annotate(self, error: BaseException, evaluator: Evaluator) -> None:
        """Say where an exception of the user's, or an interrupt, came from."""
        step = "" if self._step is None else f" at step {self._step}"
        if error is evaluator.user_error:
            what = "raised by the objective inside"
        elif not isinstance(error, Exception):
            what = "interrupted"
        else:
            return
        moved = evaluator.raised_at if error is evaluator.raised else ()
        where = f"with {', '.join(moved)} a step away" if moved else "with no block a step away"
        error.add_note(
            f"{what} a gradient check{step}, {where}; everything the check touched has been put "
            "back"
        )


def _budget(workspace: Workspace) -> int:
    """Bytes that copies of state may take: in place, a gradient and two moments per parameter."""
    if not workspace.in_place:
        return BUDGET
    return max(BUDGET, 3 * sum(array.nbytes for array in workspace.arrays.values()))


def _looked_after(tree: Tree, workspace: Workspace) -> list[Any]:
    """What the workspace puts back itself: in place, the arrays and what holds them."""
    if not workspace.in_place:
        return []
    holders = [place.container for place in tree.places.values()]
    return [*tree.leaves.values(), *tree.blocks.values(), *holders]


@contextlib.contextmanager
def _mode(given: Any) -> Iterator[None]:
    if given is None:
        yield
        return
    # A class that makes context managers has the method too, and is none itself.
    entered = given if isinstance(given, contextlib.AbstractContextManager) else given()
    if not isinstance(entered, contextlib.AbstractContextManager):
        raise OptionError(
            f"evaluation_mode= must be a context manager or return one; it returned {entered!r}"
        )
    with entered:
        yield
