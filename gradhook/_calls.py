"""How an objective's functions are called: with the parameters or without, together or apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradhook._form import name_of
from gradhook.errors import ObjectiveError

__all__ = ["Calls"]


@dataclass(frozen=True, slots=True)
class Calls:
    """How an objective's functions are called.

    Args:
        separate: The loss alone; ``None`` where only ``both`` exists.
        gradients: The gradients alone, called right after the loss.
        both: Loss and gradients at once; preferred for gradients.
        takes_parameters: Whether the functions take the parameters as first argument.
    """

    separate: Callable[..., Any] | None
    gradients: Callable[..., Any] | None
    both: Callable[..., Any] | None
    takes_parameters: bool

    def loss(self, parameters: Any, batch: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Return the loss as the user's code gives it."""
        arguments = (parameters, *batch) if self.takes_parameters else batch
        if self.separate is not None:
            return self.separate(*arguments, **keywords)
        return _pair(self.both, arguments, keywords)[0]

    def loss_and_gradients(
        self,
        parameters: Any,
        batch: tuple[Any, ...],
        keywords: dict[str, Any],
        between: Callable[[], None],
    ) -> tuple[Any, Any]:
        """Return loss and gradients at one point.

        Args:
            parameters: First argument of functions that take one.
            batch: Further arguments.
            keywords: Keyword arguments, the same for every function.
            between: Called between two separate functions, to put generators back.
        """
        arguments = (parameters, *batch) if self.takes_parameters else batch
        if self.both is not None:
            return _pair(self.both, arguments, keywords)
        assert self.separate is not None
        assert self.gradients is not None
        loss = self.separate(*arguments, **keywords)
        between()
        return loss, self.gradients(*arguments, **keywords)


def _pair(
    function: Callable[..., Any] | None, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, Any]:
    assert function is not None
    returned = function(*arguments, **keywords)
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        kind = type(returned).__name__
        what = (
            f"a {kind} of {len(returned)}"
            if isinstance(returned, (tuple, list))
            else "None"
            if returned is None
            else f"a {kind}"
        )
        raise ObjectiveError(
            f"{name_of(function)} must return (loss, gradients); it returned {what}"
        )
    return returned[0], returned[1]
