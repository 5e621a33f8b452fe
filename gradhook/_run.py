"""The guarded part of a check: what is saved, set up, run and put back.

Everything that the check may disturb is saved first and put back in ``finally``, verified to the
byte, before anything is said about what was found.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from gradhook._bind import bind_switches, keywords_of
from gradhook._evaluate import Evaluator
from gradhook._generic import UnreadError
from gradhook._guard import Guard, one_interrupt
from gradhook._objective import Objective
from gradhook._options import Options
from gradhook._parameters import Tree
from gradhook._penalty import _Penalty
from gradhook._progress import ProgressLike
from gradhook._session import Outcome, Session
from gradhook._subset import Rows, upcast
from gradhook._switches import BoundSwitch, Switch
from gradhook._types import Batch
from gradhook._upcast import upcast_in_place
from gradhook._workspace import Workspace
from gradhook.errors import (
    GradhookError,
    InternalError,
    ParameterError,
    SubsetError,
    UnreadParametersError,
)

__all__ = ["Run"]


class Run:
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
            # Before the snapshot: what the mode sets must survive every rewinding, and it undoes
            # that itself.
            put_back.enter_context(_mode(options.evaluation_mode))
            guard = Guard([*roots, batch], without=_looked_after(self._tree, workspace))

            def restore() -> None:
                for switch in switches:
                    switch.restore()
                workspace.restore()
                guard.restore()

            # Twice: should an interrupt fall into the first, the second finishes what it began.
            put_back.callback(restore)
            put_back.callback(restore)
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
            )
            try:
                upcast_in_place(evaluator)
                outcome = session.run()
            except (GradhookError, UnreadError):
                raise
            except Exception as error:
                if error is not evaluator.user_error:
                    raise InternalError(
                        f"gradhook itself failed: {type(error).__name__}: {error}"
                    ) from error
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
            f"raised by the objective inside a gradient check{at}; everything the check touched "
            "has been put back"
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
            f"the loss works on the whole batch and raises {type(error).__name__} on "
            f"{len(self._rows.rows)} rows of it "
            f"({error}): pass samples=None to check on every row, or subset= to cut the batch "
            "yourself"
        ) from error

    def _note(self, outcome: Outcome, evaluator: Evaluator, switches: list[BoundSwitch]) -> None:
        facts = outcome.facts
        if facts.random and facts.replayable and facts.generator_moved:
            hint = _dropout_hint(self._objective, switches)
            self.notes.append(
                "the loss is random (dropout on?): checked with its mask frozen; to check "
                f"without, pass dropout={hint}"
            )
        elif facts.random and facts.replayable:
            self.notes.append(
                "the loss changes from call to call with state that it keeps: checked with that "
                "state put back each time"
            )
        if facts.disagreement:
            self.notes.append(
                "the loss alone and the loss returned with the gradients differ by "
                f"{facts.disagreement:.1e}: are both "
                "in the same mode (training or evaluation)?"
            )
        self.notes += self._tree.notes
        if evaluator.name_rule:
            self.notes.append(evaluator.name_rule)
        unchanged = [i for i in self._rows.unchanged if hasattr(self._whole[i], "shape")]
        if unchanged and self._rows.rows is not None:
            self.notes.append(
                f"item(s) {', '.join(map(str, unchanged))} of the batch passed unchanged: they do "
                "not count samples"
            )


def _looked_after(tree: Tree, workspace: Workspace) -> list[Any]:
    """What the workspace puts back itself: in place, the arrays and the containers that hold them."""
    if not workspace.in_place:
        return []
    holders = [place.container for place in tree.places.values()]
    return [*tree.leaves.values(), *tree.blocks.values(), *holders]


def _is_added(penalty: Any) -> bool:
    """Whether a penalty is a function added to the loss, rather than the name of a switch."""
    return callable(penalty) and not isinstance(penalty, Switch)


def _added(penalty: Any, workspace: Workspace) -> Callable[[Batch], float]:
    if isinstance(penalty, _Penalty):
        return lambda batch: float(penalty(workspace.leaves()))  # type: ignore[operator]
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
