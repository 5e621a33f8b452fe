"""How an objective's functions are called: with the parameters or without, together or apart."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gradhook._types import Batch
from gradhook.errors import ObjectiveError
from gradhook.objective.gradients import Returned, read_returned

__all__ = [
    "Calls",
    "Form",
    "batch_of",
    "by_name",
    "form_of",
    "items_of",
    "left_to_keywords",
    "name_of",
    "plain_function",
    "positional_names",
    "signature_of",
    "takes",
    "takes_any_keyword",
    "takes_names",
]


@dataclass(frozen=True, slots=True)
class Calls:
    """How an objective's functions are called.

    Args:
        separate: The loss alone; ``None`` where only ``both`` exists.
        gradients: The gradients alone, called right after the loss.
        both: Loss and gradients at once; preferred for gradients.
        takes_parameters: Whether the functions take the parameters as first argument.
        names: By which the items of the batch are passed; empty where it is by position.
        shapes: Of the parameters, in order, by which a flat tuple of gradients is read.
        rounding: The norm of the error with which each gradient came from the last call, by name,
            where that is more than rounding.
        penalty: Added to the loss only, a function of the parameters and the batch.
    """

    separate: Callable[..., Any] | None
    gradients: Callable[..., Any] | None
    both: Callable[..., Any] | None
    takes_parameters: bool
    names: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    rounding: Callable[[], dict[str, float]] | None = None
    penalty: Callable[[Any, Batch], Any] | None = None

    def loss(self, parameters: Any, batch: Batch, keywords: dict[str, Any]) -> Any:
        """Return the loss as the user's code gives it."""
        __tracebackhide__ = True
        arguments, keywords = self._arguments(parameters, batch, keywords)
        if self.separate is not None:
            return self.separate(*arguments, **keywords)
        return self._together(arguments, keywords).loss

    def loss_and_gradients(
        self,
        parameters: Any,
        batch: Batch,
        keywords: dict[str, Any],
        between: Callable[[], None],
    ) -> Returned:
        """Return both at one point; ``between`` two functions generators are put back."""
        __tracebackhide__ = True
        arguments, keywords = self._arguments(parameters, batch, keywords)
        if self.both is not None:
            return self._together(arguments, keywords)
        assert self.separate is not None
        assert self.gradients is not None
        loss = self.separate(*arguments, **keywords)
        between()
        return Returned(loss, self.gradients(*arguments, **keywords))

    def _arguments(
        self, parameters: Any, batch: Batch, keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional, named = by_name(self.names, batch)
        first = (parameters,) if self.takes_parameters else ()
        return (*first, *positional), {**named, **keywords}

    def _together(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Returned:
        __tracebackhide__ = True
        assert self.both is not None
        return read_returned(name_of(self.both), self.both(*arguments, **keywords), self.shapes)


def by_name(names: tuple[str, ...], batch: Batch) -> tuple[Batch, dict[str, Any]]:
    """A batch as positional arguments, or as keywords where its items have names."""
    return ((), dict(zip(names, batch, strict=True))) if names else (batch, {})


Form: TypeAlias = Literal["functional", "in_place"]

WRITTEN: dict[Form, str] = {"functional": "(parameters, *batch)", "in_place": "(*batch)"}


def form_of(
    functions: Sequence[Callable[..., Any]],
    batch: Batch,
    *,
    parameters: Any,
    form: Form | None,
    otherwise: Form | None,
    keywords: Collection[str],
    names: Collection[str],
) -> Form:
    """Decide the one form that all functions have.

    The batch is passed by ``names``, if there are any; ``keywords`` are passed where a function
    takes them.  Where both forms fit, ``otherwise`` is taken, or the user asked.
    """
    count = 0 if names else len(batch)
    possible: set[Form] = set(WRITTEN)
    for function in functions:
        if inspect.iscoroutinefunction(function):
            name = name_of(function)
            raise ObjectiveError(
                f"{name} is async, and no call of it is awaited: pass a function that waits for "
                f"it, as lambda *given: asyncio.run({name}(*given))"
            )
        signature = signature_of(function)
        if signature is None:  # SciPy's convention, unless the user says otherwise
            fits: set[Form] = {form or "functional"}
        else:
            fits = {
                f
                for f in WRITTEN
                if _binds(signature, count + (f == "functional"), keywords, names)
            }
        if not fits:
            raise ObjectiveError(
                f"{_shown(function)} fits neither (parameters, *batch) nor (*batch) for a batch "
                f"{items_of(function, batch)}: {_fitting(function, parameters)}"
            )
        if form and form not in fits:
            raise ObjectiveError(
                f"form={form!r} needs functions that take {WRITTEN[form]}, and {_shown(function)} "
                f"does not for a batch {items_of(function, batch)}"
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


def plain_function(function: Any) -> Any:
    """What is called in the end, without the arguments that ``functools.partial`` has bound."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def name_of(function: Callable[..., Any]) -> str:
    """What to call a function in a message."""
    function = plain_function(function)
    return getattr(function, "__name__", type(function).__name__)


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, ``None`` where there is none to read, as for some functions written in C."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def takes(function: Callable[..., Any], count: int, names: Collection[str] = ()) -> bool:
    """Whether a function can be called with so many arguments and such keywords.

    As far as its signature tells.
    """
    signature = signature_of(function)
    return signature is None or _binds(signature, count, (), names)


def takes_names(function: Callable[..., Any], names: Collection[str]) -> bool:
    """Whether a function can be called with such keywords, alone or after the parameters."""
    signature = signature_of(function)
    return signature is not None and any(_binds(signature, i, (), names) for i in (0, 1))


def takes_any_keyword(signature: inspect.Signature | None) -> bool:
    """Whether a function of that signature has ``**keywords``."""
    return signature is not None and any(
        p.kind is p.VAR_KEYWORD for p in signature.parameters.values()
    )


def positional_names(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments without a default that may be passed by position."""
    signature = signature_of(function)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = [] if signature is None else signature.parameters.values()
    return [p.name for p in arguments if p.kind in kinds and p.default is p.empty]


def batch_of(function: Any, count: int | None = None, *, after: int = 1) -> str:
    """The ``batch=`` to write, after the parameters.

    Of ``count`` items where the function takes so many, else of those that it needs.
    """
    signature = signature_of(function)
    arguments = [] if signature is None else signature.parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p for p in arguments if p.default is p.empty and p.kind not in several][after:]
    names = [p.name for p in needed]
    if count is not None and takes(function, after + count):
        names = (
            names if len(names) == count else [*"Xyzuvw", *map("x{}".format, range(count))][:count]
        )
    elif any(p.kind is p.KEYWORD_ONLY for p in needed):
        items = ", ".join(f'"{name}": {name}' for name in names)
        return f", batch={{{items}}}" if takes(function, after, names) else ""
    # A list passed by itself would be as many items as it has elements.
    return f", batch=({', '.join(names)}{',' * (len(names) == 1)})" if names else ""


def items_of(function: Callable[..., Any], batch: Batch) -> str:
    """What a batch that a function does not take holds: keys that are foreign to it, or items."""
    named = batch[0] if len(batch) == 1 and isinstance(batch[0], Mapping) else {}
    signature = signature_of(function)
    foreign = [repr(key) for key in named if signature and key not in signature.parameters]
    if foreign:
        return f"whose {', '.join(foreign)} it does not take"
    return f"of {len(named or batch)} item(s)"


def left_to_keywords(signature: inspect.Signature | None, positional: int) -> dict[str, Any]:
    """Arguments not given by position that may be passed by keyword, with their defaults."""
    arguments = () if signature is None else signature.parameters.values()
    return {
        p.name: p.default
        for i, p in enumerate(arguments)
        if p.kind is p.KEYWORD_ONLY or (p.kind is p.POSITIONAL_OR_KEYWORD and i >= positional)
    }


def _binds(
    signature: inspect.Signature,
    count: int,
    keywords: Collection[str],
    names: Collection[str],
) -> bool:
    free = left_to_keywords(signature, count)
    passed = [*names, *(name for name in keywords if name in free and name not in names)]
    try:
        signature.bind(*range(count), **dict.fromkeys(passed))
    except TypeError:
        return False
    return True


def _fitting(function: Callable[..., Any], parameters: Any) -> str:
    """What to write instead of a function that takes a batch in neither form."""
    name, taken = name_of(function), positional_names(function)
    if taken[:1] == ["self"]:
        return f"call it on an instance, as in check_gradients(net.{name}, ...)"
    blocks = parameters if isinstance(parameters, Mapping) else {}
    if blocks and blocks.keys() <= set(taken) and takes(function, len(taken)):
        # The weights one by one, and no container of them.
        given = ", ".join(f"p[{n!r}]" if n in blocks else n for n in taken)
        free = ", ".join(["p", *(n for n in taken if n not in blocks)])
        return f"pass lambda {free}: {name}({given})"
    return f"pass as batch= what it takes besides the parameters{batch_of(function)}"


def _shown(function: Callable[..., Any]) -> str:
    return f"{name_of(function)}{signature_of(function) or '(...)'}"
