"""How an objective's functions are called: with the parameters or without, together or apart."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gradhook.errors import ObjectiveError

__all__ = ["Calls", "Form", "form_of", "left_to_keywords", "name_of", "signature_of", "takes"]


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


Form: TypeAlias = Literal["functional", "in_place"]

WRITTEN: dict[Form, str] = {"functional": "(parameters, *batch)", "in_place": "(*batch)"}


def form_of(
    functions: Sequence[Callable[..., Any]],
    count: int,
    *,
    form: Form | None,
    otherwise: Form | None = None,
    keywords: Collection[str] = (),
) -> Form:
    """Decide the one form that all functions have.

    Args:
        functions: What is to be called.
        count: How many items the batch has.
        form: What the user says, ``None`` to find out.
        otherwise: What to take where both forms fit; ``None`` asks.
        keywords: Names of arguments that are passed by keyword.

    Raises:
        ObjectiveError: A function fits neither form or not the one given, the functions differ, or
            both forms fit.
    """
    possible: set[Form] = set(WRITTEN)
    for function in functions:
        signature = signature_of(function)
        if signature is None:  # SciPy's convention, unless the user says otherwise
            fits: set[Form] = {form or "functional"}
        else:
            fits = {f for f in WRITTEN if _binds(signature, count + (f == "functional"), keywords)}
        if not fits:
            raise ObjectiveError(
                f"{_shown(function)} fits neither (parameters, *batch) nor (*batch) for a batch of "
                f"{count} item(s): pass as batch= what it takes besides the parameters"
            )
        if form and form not in fits:
            raise ObjectiveError(
                f"form={form!r} needs functions that take {WRITTEN[form]}, and {_shown(function)} "
                f"does not for a batch of {count} item(s)"
            )
        possible &= fits
    if not possible:
        raise ObjectiveError(
            f"{' and '.join(map(_shown, functions))} do not agree: one takes the parameters and "
            "another does not; give them the same first argument"
        )
    if form or len(possible) == 1:
        return form or possible.pop()
    if otherwise:
        return otherwise
    raise ObjectiveError(
        f"{_shown(functions[0])} can be called with the parameters and without them: pass "
        "form='functional' if its first argument is the parameters, form='in_place' if it reads "
        "them from the model"
    )


def name_of(function: Callable[..., Any]) -> str:
    """What to call a function in a message."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, ``None`` where there is none to read, as for some functions written in C."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments, as far as its signature tells."""
    signature = signature_of(function)
    return signature is None or _binds(signature, count, ())


def left_to_keywords(signature: inspect.Signature, positional: int) -> dict[str, Any]:
    """Arguments that may be passed by keyword, with their defaults, ``Parameter.empty`` if none.

    Args:
        signature: The function's.
        positional: How many arguments are given by position.
    """
    return {
        p.name: p.default
        for i, p in enumerate(signature.parameters.values())
        if p.kind is p.KEYWORD_ONLY or (p.kind is p.POSITIONAL_OR_KEYWORD and i >= positional)
    }


def _binds(signature: inspect.Signature, count: int, keywords: Collection[str]) -> bool:
    free = left_to_keywords(signature, count)
    try:
        signature.bind(*range(count), **{name: None for name in keywords if name in free})
    except TypeError:
        return False
    return True


def _shown(function: Callable[..., Any]) -> str:
    return f"{name_of(function)}{signature_of(function) or '(...)'}"
