"""Which form a function has: does it take the parameters, or read them where they live?

A *functional* objective takes the parameters as its first argument, an *in-place* one takes only
the batch.  Signatures tell: a function is bound to ``(parameters, *batch)`` and to ``(*batch)``,
and where both fit, only the user knows.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, TypeAlias

from gradhook.errors import ObjectiveError

__all__ = ["Form", "form_of", "left_to_keywords", "name_of", "signature_of", "takes"]

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
