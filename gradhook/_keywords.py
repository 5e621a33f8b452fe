"""The options as keywords of a function, where people and their tools look for them.

A function that passes its ``**options`` on hides them.  Type checkers read the dictionaries below
instead, and ``help``, notebooks and completion a signature made from ``Options``.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypedDict, TypeVar, get_type_hints

from gradhook._gradients import GradientName
from gradhook._options import Options, PenaltyLike, SwitchLike
from gradhook._progress import ProgressLike
from gradhook._types import Effort, Tolerance
from gradhook.difference import Method

__all__ = ["BatchKeywords", "Keywords", "SignatureOfInit", "shows_options"]

F = TypeVar("F", bound=Callable[..., Any])


class Keywords(TypedDict, total=False):
    """The options that have nothing to do with batches, for whoever checks types."""

    effort: Effort
    tolerance: Tolerance
    dropout: SwitchLike
    penalty: PenaltyLike
    evaluation_mode: Callable[[], Any] | contextlib.AbstractContextManager[Any] | None
    state: Any
    gradient_name: GradientName | None
    order: Sequence[str] | None
    points: Sequence[str] | None
    fixed: Collection[str]
    method: Method | None
    workers: Any
    seed: int
    progress: ProgressLike | bool | None


class BatchKeywords(Keywords, total=False):
    """Every option."""

    samples: int | None
    sample_axis: int
    subset: Callable[[tuple[Any, ...], Any], tuple[Any, ...]] | None


def shows_options(*, but: Collection[str] = ()) -> Callable[[F], F]:
    """Let ``help`` and completion see the options of a function that takes ``**options``.

    Args:
        but: Names of options that it does not take.
    """
    # As objects, because the module of the function does not know the names.
    types = get_type_hints(Options)
    shown = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=Tolerance() if option.default is MISSING else option.default,
            annotation=types[option.name],
        )
        for option in fields(Options)
        if option.name not in but
    ]

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        seen = signature.replace(parameters=[*own, *shown])
        vars(function)["__signature__"] = seen
        return function

    return decorate


class SignatureOfInit:
    """What ``inspect`` is told of a class whose ``__new__`` takes anything, not of instances."""

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        signature = inspect.signature(owner.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])
