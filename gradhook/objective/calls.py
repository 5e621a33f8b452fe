"""How an objective's functions are called: with the parameters or without, together or apart.

Where what was passed is no function, or the parameters are nothing that could be handed to one, a
first answer says what to write instead: one sentence, with what was passed and the line to write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook._types import Batch, kind_of
from gradhook.errors import ObjectiveError, ParameterTypeError
from gradhook.objective.gradients import Returned, read_returned
from gradhook.objective.holders import holds, is_numbers, is_tensor, slots
from gradhook.objective.parameters import each_leaf, is_container

WAYS_TO_PASS = (
    "pass a function loss_and_gradients(parameters, *batch) -> (loss, gradients); an "
    "Objective(parameters=..., loss=..., gradients=...); a model with .params and .loss(X, y) -> "
    "(loss, gradients); or a network with .params, .loss(x, t) and .gradient(x, t)"
)

ATTACH = "write gradhook.integrations.pytorch_module.attach(module, criterion=criterion)"


@dataclass(frozen=True, slots=True)
class Calls:
    """How an objective's functions are called."""

    separate: Callable[..., Any] | None  # the loss alone, if a function gives it
    gradients: Callable[..., Any] | None  # called right after the loss
    both: Callable[..., Any] | None  # loss and gradients at once; preferred for gradients
    takes_parameters: bool  # as first argument
    names: tuple[str, ...] = ()  # by which the batch is passed; empty where it is by position
    shapes: tuple[tuple[int, ...], ...] = ()  # by which a flat tuple of gradients is read
    # The norm of the error of each gradient of the last call, where it is more than rounding.
    rounding: Callable[[], dict[str, float]] | None = None
    penalty: Callable[[Any, Batch], Any] | None = None  # added to the loss only

    def loss(self, parameters: Any, batch: Batch, keywords: dict[str, Any]) -> Any:
        """Return the loss as the user's code gives it."""
        __tracebackhide__ = True
        if self.separate is not None:
            return self._call(self.separate, parameters, batch, keywords)
        return self._together(parameters, batch, keywords).loss

    def loss_and_gradients(
        self,
        parameters: Any,
        batch: Batch,
        keywords: dict[str, Any],
        between: Callable[[], None],
    ) -> Returned:
        """Return both at one point; ``between`` two functions generators are put back."""
        __tracebackhide__ = True
        if self.both is not None:
            return self._together(parameters, batch, keywords)
        loss = self._call(self.separate, parameters, batch, keywords)
        between()
        return Returned(loss, self._call(self.gradients, parameters, batch, keywords))

    def _together(self, parameters: Any, batch: Batch, keywords: dict[str, Any]) -> Returned:
        __tracebackhide__ = True
        returned = self._call(self.both, parameters, batch, keywords)
        return read_returned(name_of(self.both), returned, self.shapes)

    def _call(self, function: Any, parameters: Any, batch: Batch, keywords: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        positional, named = by_name(self.names, batch)
        first = (parameters,) if self.takes_parameters else ()
        return function(*first, *positional, **{**named, **keywords})


def by_name(names: tuple[str, ...], batch: Batch) -> tuple[Batch, dict[str, Any]]:
    """A batch as positional arguments, or as keywords where its items have names."""
    return ((), dict(zip(names, batch, strict=True))) if names else (batch, {})


Form: TypeAlias = Literal["functional", "in_place"]

WRITTEN: dict[Form, str] = {"functional": "(parameters, *batch)", "in_place": "(*batch)"}


def form_of(
    functions: Sequence[Callable[..., Any]],
    batch: Batch,
    form: Form | None,
    otherwise: Form | None,
    keywords: Collection[str],
    names: Collection[str],
    weights: Collection[str] = (),
) -> Form:
    """Decide the one form that all functions have.

    The batch is passed by ``names``, if there are any; ``keywords`` are passed where a function
    takes them.  Where both forms fit, ``otherwise`` is taken, or the user asked.  A function that
    takes each of the ``weights`` by itself is told how to be wrapped.
    """
    count = 0 if names else len(batch)
    written = {form: WRITTEN[form]} if form else WRITTEN
    possible = list(written)
    for function in functions:
        fits = [f for f in written if takes(function, count + (f == "functional"), names, keywords)]
        if signature_of(function) is None:  # SciPy's convention, unless the user says otherwise
            fits = [form or "functional"]
        if not fits:
            named = batch[0] if len(batch) == 1 and isinstance(batch[0], Mapping) else {}
            items = f"the items {', '.join(map(str, named))}" if named else f"{len(batch)} item(s)"
            raise ObjectiveError(
                f"{_shown(function)} does not take {' or '.join(written.values())} for a batch of "
                f"{items}: {_wrapped(function, weights)}"
            )
        possible = [f for f in possible if f in fits]
    if not possible:
        raise ObjectiveError(
            f"{' and '.join(map(_shown, functions))} do not agree: one takes the parameters and "
            "another does not; give them the same first argument"
        )
    if len(possible) == 1:
        return possible[0]
    if otherwise:
        return otherwise
    raise ObjectiveError(
        f"{_shown(functions[0])} can be called with the parameters and without them: pass "
        "form='functional' if its first argument is the parameters, form='in_place' if it reads "
        "them from the model"
    )


def _wrapped(function: Callable[..., Any], weights: Collection[str]) -> str:
    taken = positional_names(function)
    if not set(taken) & set(weights):
        return "pass as batch= what it takes besides the parameters"
    given = ", ".join(f"p[{name!r}]" if name in weights else name for name in taken)
    besides = ", ".join(["p", *(name for name in taken if name not in weights)])
    return f"pass lambda {besides}: {name_of(function)}({given})"


def plain_function(function: Any) -> Any:
    """What is called in the end, without the arguments that ``functools.partial`` has bound."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def name_of(function: Any) -> str:
    """What to call a function in a message."""
    function = plain_function(function)
    return getattr(function, "__name__", type(function).__name__)


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, ``None`` where there is none to read, as for some functions written in C."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def takes(
    function: Callable[..., Any],
    count: int,
    names: Collection[str] = (),
    keywords: Collection[str] = (),
) -> bool:
    """Whether so many arguments and such names fit a function, as far as its signature tells.

    Of ``keywords`` those are passed that it has and that are not given otherwise.
    """
    signature = signature_of(function)
    if signature is None:
        return True
    free = left_to_keywords(signature, count)
    passed = dict.fromkeys([*names, *(name for name in keywords if name in free)])
    try:
        signature.bind(*range(count), **passed)
    except TypeError:
        return False
    return True


def takes_any_keyword(signature: inspect.Signature | None) -> bool:
    """Whether a function of that signature has ``**keywords``."""
    arguments = () if signature is None else signature.parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in arguments)


def positional_names(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments without a default that may be passed by position."""
    signature = signature_of(function)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = [] if signature is None else signature.parameters.values()
    return [p.name for p in arguments if p.kind in kinds and p.default is p.empty]


def left_to_keywords(signature: inspect.Signature | None, positional: int) -> dict[str, Any]:
    """Arguments not given by position that may be passed by keyword, with their defaults."""
    arguments = () if signature is None else signature.parameters.values()
    return {
        p.name: p.default
        for i, p in enumerate(arguments)
        if p.kind is p.KEYWORD_ONLY or (p.kind is p.POSITIONAL_OR_KEYWORD and i >= positional)
    }


def _shown(function: Callable[..., Any]) -> str:
    return f"{name_of(function)}{signature_of(function) or '(...)'}"


def is_function(thing: Any) -> bool:
    """Whether a thing is a function to be called, and no model or layer."""
    if inspect.isroutine(thing) or not callable(thing) or inspect.isclass(thing):
        return inspect.isroutine(thing)
    if hasattr(thing, "backward") or _is_torch(thing, "Module"):
        return False
    return not (holds(thing) and any(is_tensor(slot.get()) for slot in slots(thing)))


def no_objective(thing: Any) -> str:
    """What to write instead of something that is no objective."""
    kind = kind_of(thing)
    if inspect.isclass(thing):
        return f"{thing.__name__} is a class; pass an instance of it"
    if _is_torch(thing, "Module"):
        return f"{kind} is a torch.nn.Module, whose gradients PyTorch computes: {ATTACH}"
    if isinstance(thing, tuple) and thing and is_numbers(thing[0]) and np.ndim(thing[0]) == 0:
        return f"{kind} of a loss and more is no function: pass the function, without calling it"
    if holds(thing) and not isinstance(thing, Mapping):
        return (
            f"{kind} is not an objective by itself: write check_gradients(run, net, batch=(X, y)), "
            "where net holds weights and gradients, and run(X, y) makes the forward and the "
            "backward pass and returns the loss"
        )
    return f"{kind} is not an objective; {WAYS_TO_PASS}"


def misplaced_batch(called: str, count: int) -> str:
    """What to write where more was passed by position: a batch, or SciPy's (f, gradient, x0)."""
    return (
        f"{called} takes the objective and the parameters by position, and {count} more "
        f"{'was' if count == 1 else 'were'} passed: write {called}(f, parameters, batch=(X, y)), "
        f"or {called}(f, x0, gradient=g) with a gradient of its own"
    )


def refuse_parameters(parameters: Any) -> None:
    """Refuse names, a generator, a class, or what is PyTorch's, before anything is called."""
    kind, said = kind_of(parameters), ""
    held = [parameters] if isinstance(parameters, str) else parameters
    leaves = each_leaf(parameters) if is_container(parameters) else ()
    if isinstance(held, (list, tuple, set)) and held and all(isinstance(n, str) for n in held):
        said = (
            "names, and arrays are needed: write {'W1': net.W1, ...}, or pass the object that "
            "holds weights and gradients"
        )
    elif isinstance(parameters, (Iterator, ValuesView)):
        said = (
            f"{kind}, and every check reads them anew: write list(...) around it, or pass a "
            "function that returns it as a list"
        )
    elif inspect.isclass(parameters):
        said = f"the class {parameters.__name__}; pass an instance of it"
    elif _is_torch(parameters, "Module") or any(_is_torch(leaf, "Tensor") for leaf in leaves):
        said = f"PyTorch's ({kind}): {ATTACH}"
    if said:
        raise ParameterTypeError(f"the parameters are {said}")


def _is_torch(thing: Any, name: str) -> bool:
    """Whether something is of a class of PyTorch's, which is not imported to find out."""
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == "torch"
        for kind in type(thing).__mro__
    )
