"""What a function that computes loss and gradients returns: the forms in which people write it.

Beside ``(loss, gradients)`` three forms are read, each by a rule that needs nothing but what was
returned and the parameters' shapes:

- ``(gradients, loss)``, where the first item is no number and the second is one;
- ``(loss, g1, ..., gn, anything else)``, where n arrays fit the n parameters in their order;
- ``(loss, gradients, anything else)``, where the second item is a container.

Nothing is ever permuted to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradhook._types import with_article
from gradhook.errors import ObjectiveError
from gradhook.objective.gradients import fits, shape_of
from gradhook.objective.parameters import is_container

__all__ = ["Returned", "read_returned"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Returned:
    """A loss and its gradients.

    Args:
        loss: As the function gave it.
        gradients: As the function gave them.
        sentence: How they were read; empty for ``(loss, gradients)``.
    """

    loss: Any
    gradients: Any
    sentence: str = ""


def read_returned(name: str, returned: Any, shapes: Sequence[Shape] = ()) -> Returned:
    """Read what a function returned.

    Args:
        name: What the function is called.
        returned: What it returned.
        shapes: Shapes of the parameters, in order; empty where they are not known.

    Raises:
        ObjectiveError: It is none of the forms.
    """
    items = returned if isinstance(returned, (tuple, list)) else ()
    if len(items) == 2:
        first, second = items
        if not _is_number(first) and _is_number(second):
            return Returned(second, first, f"{name} returns (gradients, loss)")
        return Returned(first, second)
    if len(items) > 2 and _is_number(items[0]):
        if is_container(items[1]):
            return Returned(
                items[0],
                items[1],
                f"{name} returns (loss, gradients){_unread(len(items) - 2)}",
            )
        count = len(shapes)
        found = [shape_of(item) for item in items[1 : count + 1]]
        if len(found) == count and all(
            shape is not None and fits(shape, wanted)
            for shape, wanted in zip(found, shapes, strict=True)
        ):
            return Returned(
                items[0],
                tuple(items[1 : count + 1]) if count > 1 else items[1],
                f"{name} returns the loss, then the gradients{_unread(len(items) - count - 1)}",
            )
    raise ObjectiveError(_refusal(name, returned, items, shapes))


def _unread(count: int) -> str:
    return f", and {count} more, not read" if count else ""


def _is_number(value: Any) -> bool:
    return not is_container(value) and shape_of(value) in ((), (1,), (1, 1))


def _refusal(name: str, returned: Any, items: Sequence[Any], shapes: Sequence[Shape]) -> str:
    what = with_article(type(returned).__name__)
    many = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
    must = f"{name} must return (loss, gradients); it returned {what}{many}"
    if returned is None:
        return f"{must}: has it a return statement?"
    if not items and _is_number(returned):
        return (
            f"{must}: return the gradients too, pass the function that computes them as gradient=, "
            "or as parameters the object that holds weights and gradients"
        )
    if len(items) >= 1 + len(shapes) > 1 and _is_number(items[0]):
        found = [shape_of(item) for item in items[1 : len(shapes) + 1]]
        return (
            f"{must}, of which {len(shapes)} after the loss should be the gradients, in the order "
            f"of the parameters: their shapes are {', '.join(map(str, found))}, those of the "
            f"parameters {', '.join(map(str, shapes))}"
        )
    return must
