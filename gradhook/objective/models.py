"""Models: which of their methods compute loss and gradients, and where their parameters are."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any

from gradhook.objective.holders import PARAMETERS

__all__ = ["live_parameters", "methods_of", "owner_of"]


@dataclass(frozen=True, slots=True)
class ParametersOf:
    """A model's ``.params``, read anew at every check; a copied model takes it along."""

    model: Any
    name: str = "params"

    def __call__(self) -> Any:
        found = getattr(self.model, self.name)
        return found() if callable(found) else found


def live_parameters(model: Any) -> Any:
    """Where a model keeps its parameters: in ``params`` or ``parameters``, else in attributes."""
    name = next((name for name in PARAMETERS if hasattr(model, name)), None)
    return model if name is None else ParametersOf(model, name)


def methods_of(model: Any) -> dict[str, Any]:
    """The functions of a model, as ``Objective`` takes them; empty where it has none."""
    both, loss = (getattr(model, name, None) for name in ("loss_and_gradients", "loss"))
    if callable(both):
        return {"loss_and_gradients": both}
    gradient = next(
        (g for n in ("gradient", "gradients") if callable(g := getattr(model, n, None))), None
    )
    if not callable(loss):
        return {}
    if gradient is not None:
        return {"loss": loss, "gradients": gradient, "form": "in_place"}
    return {"loss_and_gradients": loss, "form": "in_place"}


def owner_of(function: Any) -> Any:
    """The object whose method, or which itself, is called; ``None`` for a plain function."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        owner = getattr(function, "__self__", None)
        return None if inspect.ismodule(owner) else owner
    return function
