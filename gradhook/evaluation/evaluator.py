"""One evaluation of the loss, done the same way every time.

Before each call the state that evaluations change is put back, so that generators give the same
numbers again (common random numbers) and running statistics do not drift, and the switches are
turned.  Calls are counted: the cost of a check is a number of loss evaluations, whatever the
machine.

Writes of the functions to what they are handed are seen and undone.  To compare after every call
would read every parameter once more.  So at each new point, where other code may run, one call of
each kind is watched; once a write has been seen, copies are made before every call and written back
after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Self, TypeAlias, TypeVar

import numpy as np

from gradhook._types import Batch, Blocks
from gradhook.errors import GradhookError
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Gate, Guard
from gradhook.objective.calls import Calls
from gradhook.objective.gradients import (
    GradientName,
    as_complex,
    as_loss,
    name_gradients,
    own_gradients,
)
from gradhook.objective.switches import BoundSwitch, SwitchState

Rewind: TypeAlias = Literal["all", "generators", "nothing"]
"""What is put back before a call: the state that calls change, generators alone, or nothing."""

Kind: TypeAlias = Literal["loss", "gradients"]
"""Kinds of calls."""

Before: TypeAlias = tuple[bool, Blocks]
"""Whether a call is watched, and copies of the parameters where writes are known and undone."""

T = TypeVar("T")


class Evaluator:
    """Calls the objective at the workspace's present point and counts the calls.

    ``advance`` is called after each evaluation, for a progress bar; the gate lets signals through
    while the user's code runs.
    """

    def __init__(
        self,
        calls: Calls,
        workspace: Workspace,
        guard: Guard,
        batch: Batch,
        *,
        gradient_name: GradientName | None = None,
        advance: Callable[[], object] = lambda: None,
        gate: Gate | None = None,
    ) -> None:
        self.calls = calls
        self.workspace = workspace
        self.guard = guard
        self.batch = batch
        self.evaluations = 0  # calls made
        self.gradient_evaluations = 0  # of them those that returned gradients
        # The norm of the error of each block's gradient, where it is more than rounding.
        self.rounding: dict[str, float] = {}
        self.name_rule = ""  # by which gradients were matched to parameters, in words
        self.switches: list[tuple[BoundSwitch, SwitchState]] = []  # as turned for the next call
        # What is put back between a loss and the gradients that another function computes: all
        # where that function makes the forward pass itself, and else what it caches is needed.
        self.between = guard.rewind_generators
        # Blocks that a call was seen to write to, in the user's order; from then on what a call
        # writes to any is undone.
        self.written: list[str] = []
        self.batch_written = False  # seen likewise
        self.integer_gradients: set[str] = set()
        self.dtypes: set[np.dtype[Any]] = set()  # of losses and gradients returned
        self.returned: Any = None  # what the loss last returned for dressed arrays
        self.user_error: Exception | None = None  # the last that the user's own code raised
        self.raised: BaseException | None = None  # the last that left a call, whoever raised it,
        self.raised_at: tuple[str, ...] = ()  # and the blocks that stood a step away then
        # The first exception of gradhook's own, which code that takes any exception for the end of
        # the loss's domain must not hide.
        self.own_fault: Exception | None = None
        self._gradient_name = gradient_name
        self._advance = advance
        self._gate = gate or Gate()
        # The point, the rows and the switches of the last call, and what is not watched there yet.
        self._before: tuple[Any, ...] = (workspace.moves, batch, [])
        self._unwatched: set[Kind] = {"loss", "gradients"}

    @classmethod
    def resumed(cls, state: dict[str, Any]) -> Self:
        """An evaluator with parameters of its own where another's ``state`` has it stand."""
        calls, batch, switches = state["calls"], state["batch"], state["switches"]
        workspace = Workspace(state["tree"], in_place=False)
        functions = [calls.separate, calls.gradients, calls.both, calls.penalty]
        guard = Guard([*functions, batch, [switch for switch, _ in switches]])
        evaluator = cls(calls, workspace, guard, batch)
        evaluator.switches = switches
        workspace.move(state["moves"])
        return evaluator

    @property
    def state(self) -> dict[str, Any]:
        """What an evaluator in another process needs to find the same loss."""
        return {
            "calls": self.calls,
            "tree": self.workspace.tree,  # not its root: a copy shares no memory between leaves
            "batch": self.batch,
            "switches": self.switches,
            "moves": dict(self.workspace.moves),
        }

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Come back to the present point, rows and switches, as if nothing had been raised.

        For what only explains: user code that raises then is nobody's business.
        """
        moves, batch, switches = self.workspace.moves, self.batch, self.switches
        raised = self.user_error, self.raised, self.raised_at
        try:
            yield
        finally:
            self.workspace.move(moves)
            self.batch, self.switches = batch, switches
            self.user_error, self.raised, self.raised_at = raised

    def credit(self, evaluations: int) -> None:
        """Count evaluations that were made elsewhere; a negative number takes some out."""
        self.evaluations += evaluations
        for _ in range(evaluations):
            self._advance()

    def loss(self, *, rewind: Rewind = "all", dress: Callable[[Any], Any] | None = None) -> float:
        """The loss at the present point.

        ``dress`` makes views of the arrays that the functions are handed, those in containers
        included; in place they are handed the batch only.
        """

        def call(parameters: Any, keywords: dict[str, Any]) -> float:
            batch = self.batch
            if dress is not None:
                parameters = parameters if self.workspace.in_place else dress(parameters)
                batch = dress(batch)
            value = self.calls.loss(parameters, batch, keywords)
            self._note_dtypes(value)
            self.returned = value if dress is not None else None
            return as_loss(value) + self._added(parameters, batch)

        return self._evaluate("loss", rewind, call)

    def loss_and_gradients(
        self, *, rewind: Rewind = "all", batch: Batch | None = None
    ) -> tuple[float, Blocks]:
        """The loss and the analytic gradients, copied out at once."""
        self.gradient_evaluations += 1
        rows = self.batch if batch is None else batch

        def call(parameters: Any, keywords: dict[str, Any]) -> tuple[float, Blocks]:
            __tracebackhide__ = True
            returned = self.calls.loss_and_gradients(parameters, rows, keywords, self.between)
            value, gradients = returned.loss, returned.gradients
            self._note_written(self.workspace.reshape())
            tree = self.workspace.tree
            given, rule = name_gradients(gradients, tree, self._gradient_name)
            self.name_rule = "; ".join(filter(None, (returned.sentence, rule)))
            self.integer_gradients |= {
                tree.block_of(name)
                for name, leaf in given.items()
                if getattr(getattr(leaf, "dtype", None), "kind", "") in ("i", "u")
            }
            self._note_dtypes(value, *given.values())
            del gradients, returned  # arrays that nobody else holds then need no copy
            copies = own_gradients(given, tree)
            for name, error in (self.calls.rounding() if self.calls.rounding else {}).items():
                blocks = tree.blocks if tree.is_single else [tree.block_of(name)]
                self.rounding.update(dict.fromkeys(blocks, error))
            added = self._added(self.workspace.container(), self.batch)
            return as_loss(value) + added, copies

        return self._evaluate("gradients", rewind, call)

    def complex_loss(self, parameters: Any) -> complex:
        """The loss of complex parameters; real where the code dropped the imaginary part."""

        def call(_: Any, keywords: dict[str, Any]) -> complex:
            value = as_complex(self.calls.loss(parameters, self.batch, keywords))
            penalty = self.calls.penalty
            return value if penalty is None else value + penalty(parameters, self.batch)

        return self._evaluate("loss", "all", call)

    def _evaluate(self, kind: Kind, rewind: Rewind, call: Callable[[Any, dict[str, Any]], T]) -> T:
        """Make one call, with everything around it that is the same for all."""
        __tracebackhide__ = True
        # An interrupt that came between two calls is raised here, where it does no harm.
        self._gate.deliver()
        try:
            keywords, before = self._prepare(kind, rewind)
            container = self.workspace.container()
        except Exception as error:
            self.own_fault = self.own_fault or error
            raise
        self.evaluations += 1
        try:
            # A point far from the user's may overflow on the way; what counts is whether the result
            # is finite.
            with np.errstate(all="ignore"):
                self._gate.open = True
                result = call(container, keywords)
        except BaseException as error:
            self.raised, self.raised_at = error, self.workspace.displaced
            if isinstance(error, Exception) and not isinstance(error, GradhookError):
                self.user_error = error
            raise
        finally:
            self._gate.open = False
            self._undo_writes(before, container)
        self._advance()
        return result

    def _prepare(self, kind: Kind, rewind: Rewind) -> tuple[dict[str, Any], Before]:
        """Put back what calls change, and turn the switches; returns keywords for the functions."""
        moves, states = self.workspace.moves, [(id(switch), to) for switch, to in self.switches]
        point, rows, turned = self._before
        if moves is not point or self.batch is not rows or states != turned:
            self._before = (moves, self.batch, states)
            self._unwatched = {"loss", "gradients"}
            self.guard.watch()
        if rewind == "all":
            self.guard.rewind()
        elif rewind == "generators":
            self.guard.rewind_generators()
        self.workspace.install()
        keywords: dict[str, Any] = {}
        for switch, to in self.switches:
            keywords.update(switch.turn(to))
        arrays = self.workspace.arrays.items() if self.written else ()
        return keywords, (self._is_watched(kind), {name: array.copy() for name, array in arrays})

    def _note_dtypes(self, *returned: Any) -> None:
        dtypes = (getattr(each, "dtype", None) for each in returned)
        self.dtypes |= {d for d in dtypes if isinstance(d, np.dtype) and d.kind == "f"}

    def _added(self, parameters: Any, batch: Batch) -> float:
        if self.calls.penalty is None:
            return 0.0
        return as_loss(self.calls.penalty(parameters, batch), "penalty")

    def _is_watched(self, kind: Kind) -> bool:
        """Whether this is the first call of its kind at a new point."""
        if kind not in self._unwatched or self.workspace.displaced:
            return False
        self._unwatched.discard(kind)
        return True

    def _undo_writes(self, before: Before, container: Any) -> None:
        """See what a call wrote to of the parameters that it was handed and the rows; undo it."""
        watched, copies = before
        if watched:
            workspace = self.workspace
            wrote = {name for name in workspace.names if workspace.altered(name)}
            with contextlib.suppress(Exception):  # the container may be past reading
                wrote |= workspace.replaced(container)
            for name in wrote:
                workspace.write(name)
            self._note_written(wrote)
            for item in self.batch:
                record = self.guard.record_of(item) if isinstance(item, np.ndarray) else None
                self.batch_written |= record is not None and record.changed()
        if copies:
            self.workspace.reshape()
        for name, array in copies.items():
            self.workspace.arrays[name][...] = array

    def _note_written(self, names: Iterable[str]) -> None:
        known = {*self.written, *names}
        self.written = [name for name in self.workspace.names if name in known]
