"""One evaluation of the loss, done the same way every time.

Before each call the state that evaluations change is put back, so that generators give the same
numbers again (common random numbers) and running statistics do not drift, and the switches are
turned.  Calls are counted: the cost of a check is a number of loss evaluations, whatever the
machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook._calls import Calls
from gradhook._gradients import GradientName, match_gradients
from gradhook._guard import Guard
from gradhook._switches import BoundSwitch, SwitchState
from gradhook._types import Batch, Blocks
from gradhook._workspace import Workspace
from gradhook.errors import GradhookError, LossTypeError

__all__ = ["Evaluator", "Rewind", "as_loss"]

Rewind: TypeAlias = Literal["all", "generators", "nothing"]
"""What is put back before a call: the state that calls change, generators alone, or nothing."""


class Evaluator:
    """Calls the objective at the workspace's present point and counts the calls.

    Args:
        calls: How the objective's functions are called.
        workspace: The arrays that they read.
        guard: What puts state back before each call.
        batch: The rows to check on.
        penalty: Added to the loss only, as a function of the batch at the present point; ``None``
            for nothing.
        gradient_name: How gradients are named.
        advance: Called after each evaluation, for a progress bar.
    """

    def __init__(
        self,
        calls: Calls,
        workspace: Workspace,
        guard: Guard,
        batch: tuple[Any, ...],
        *,
        penalty: Callable[[Batch], float] | None = None,
        gradient_name: GradientName | None = None,
        advance: Callable[[], object] = lambda: None,
    ) -> None:
        self.calls = calls
        self.workspace = workspace
        self.guard = guard
        self.batch = batch
        self.evaluations = 0
        self.gradient_evaluations = 0
        self.name_rule = ""
        self.switches: list[tuple[BoundSwitch, SwitchState]] = []
        # Set where the user's code writes to its parameters: what it wrote is then undone after
        # every call.
        self.undo_writes = False
        # The last exception that the user's own code raised.
        self.user_error: Exception | None = None
        self._penalty = penalty
        self._gradient_name = gradient_name
        self._advance = advance

    def loss(self, *, rewind: Rewind = "all") -> float:
        """The loss at the present point."""
        with self._call(rewind) as keywords:
            value = self.calls.loss(self.workspace.container(), self.batch, keywords)
            return as_loss(value) + self._added()

    def loss_and_gradients(
        self, *, rewind: Rewind = "all", batch: tuple[Any, ...] | None = None
    ) -> tuple[float, Blocks]:
        """The loss and the analytic gradients, copied out at once."""
        self.gradient_evaluations += 1
        with self._call(rewind) as keywords:
            value, gradients = self.calls.loss_and_gradients(
                self.workspace.container(),
                self.batch if batch is None else batch,
                keywords,
                self.guard.rewind_generators,
            )
            copies, self.name_rule = match_gradients(
                gradients, self.workspace.tree, self._gradient_name
            )
            return as_loss(value) + self._added(), copies

    def complex_loss(self, parameters: Any) -> complex:
        """The loss of complex parameters, for the complex step; real where the code dropped the imaginary part."""
        with self._call("all") as keywords:
            value = np.asarray(self.calls.loss(parameters, self.batch, keywords))
        if value.size != 1:
            raise LossTypeError(_not_one_number(value))
        return value.reshape(()).item()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _call(self, rewind: Rewind) -> Iterator[dict[str, Any]]:
        if rewind == "all":
            self.guard.rewind()
        elif rewind == "generators":
            self.guard.rewind_generators()
        self.workspace.install()
        keywords: dict[str, Any] = {}
        for switch, to in self.switches:
            keywords.update(switch.turn(to))
        before = self.workspace.copies() if self.undo_writes else None
        self.evaluations += 1
        try:
            # A point far from the user's may overflow on the way; what counts is whether the result
            # is finite.
            with np.errstate(all="ignore"):
                yield keywords
        except Exception as error:
            if not isinstance(error, GradhookError):
                self.user_error = error
            raise
        finally:
            if before is not None:
                self.workspace.overwrite(before)
        self._advance()

    def _added(self) -> float:
        return 0.0 if self._penalty is None else self._penalty(self.batch)


def as_loss(value: Any) -> float:
    """Read a loss: a real number or any array of size one.

    Raises:
        LossTypeError: It is something else.
    """
    try:
        array = np.asarray(value)
    except Exception as error:
        raise LossTypeError(_not_one_number(value)) from error
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise LossTypeError(_not_one_number(value))
    return float(array.reshape(()).item())


def _not_one_number(value: Any) -> str:
    array = np.asarray(value) if not isinstance(value, (str, bytes, dict)) else None
    shape = "" if array is None else f" of shape {array.shape} and dtype {array.dtype}"
    return (
        f"the loss must be one real number; the function returned a {type(value).__name__}{shape}. "
        "Sum or average over the samples before returning it"
    )
