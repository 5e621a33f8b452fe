"""First answers: what to write instead, where what was passed is not what it should be.

One sentence each: what was passed, what it has, and the line to write.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, ValuesView
from typing import Any

import numpy as np

from gradhook._types import kind_of
from gradhook.errors import ObjectiveError, ParameterTypeError
from gradhook.objective.calls import batch_of, name_of, takes
from gradhook.objective.holders import HeldPair, find_pairs, holds, is_numbers, is_tensor, slots
from gradhook.objective.parameters import is_container

__all__ = [
    "found_on",
    "is_function",
    "misplaced_batch",
    "names_needed",
    "no_objective",
    "nothing_found",
    "refuse_class",
    "refuse_parameters",
    "without_parameters",
]

WAYS_TO_PASS = (
    "pass a function loss_and_gradients(parameters, *batch) -> (loss, gradients); an "
    "Objective(parameters=..., loss=..., gradients=...); a model with .params and .loss(X, y) -> "
    "(loss, gradients); or a network with .params, .loss(x, t) and .gradient(x, t)"
)

LISTED_NAMES, NOTED = 4, 8
"""Names that a sentence lists, and those that the note on an object does."""


def is_function(thing: Any) -> bool:
    """Whether a thing is a function to be called, and no model or layer."""
    if inspect.isroutine(thing) or not callable(thing) or inspect.isclass(thing):
        return inspect.isroutine(thing)
    if hasattr(thing, "backward") or _is_torch(thing, "Module"):
        return False
    return not (holds(thing) and any(is_tensor(slot.get()) for slot in slots(thing)))


def refuse_class(thing: Any) -> None:
    """Refuse a class where an instance is needed."""
    if inspect.isclass(thing):
        raise ObjectiveError(f"{thing.__name__} is a class; pass an instance of it")


def no_objective(thing: Any) -> str:
    """What to write instead of something that is no objective."""
    kind = kind_of(thing)
    if _is_torch(thing, "Module"):
        return (
            f"{kind} is a torch.nn.Module, whose gradients PyTorch computes: write "
            "gradhook.integrations.pytorch_module.attach(module, criterion=criterion)"
        )
    if is_tensor(thing) or _is_torch(thing, "Tensor"):
        return (
            f"{kind} with .data and .grad is a result and no function: write check_gradients(run, "
            "[w, b], batch=(X, y)), where run(X, y) computes the loss, calls its backward() and "
            "returns it"
        )
    if isinstance(thing, (list, tuple)) and thing and any(map(holds, thing)):
        kinds = ", ".join(dict.fromkeys(type(item).__name__ for item in thing))
        return (
            f"{kind} of {len(thing)} layers ({kinds}) is not an objective: write "
            "check_gradients(run, layers, batch=(X, y)), where run(X, y) makes the forward and the "
            "backward pass and returns the loss"
        )
    having = _having(thing) if holds(thing) and not isinstance(thing, Mapping) else ""
    if having:
        return (
            f"{kind} with {having} is not an objective by itself: write check_gradients(run, net, "
            "batch=(X, y)), where run(X, y) makes the forward and the backward pass and returns "
            "the loss"
        )
    if isinstance(thing, tuple) and thing and is_numbers(thing[0]) and np.ndim(thing[0]) == 0:
        return f"{kind} of a loss and more is no function: pass the function, without calling it"
    return f"{kind} is not an objective; {WAYS_TO_PASS}"


def without_parameters(thing: Any) -> str:
    """What to write where no parameters were passed and the objective has none."""
    missing = "the parameters to check are missing: pass parameters="
    owner: Any = getattr(thing, "__self__", thing)
    if inspect.isroutine(thing) and owner is thing:
        return f"{missing}, as in check_gradients({name_of(thing)}, {{'W': W, 'b': b}}, batch=...)"
    return f"{missing}, a dictionary of the arrays that {kind_of(owner)} reads"


def misplaced_batch(called: str, function: Any, parameters: Any, passed: Sequence[Any]) -> str:
    """What to write where more was passed by position: a batch, or SciPy's (f, gradient, x0)."""
    name, count = _named(function, "f"), len(passed)
    function = function if is_function(function) else None
    both = function and is_function(parameters)
    if both and takes(function, count) and takes(parameters, count):
        gradient = _named(parameters, "gradient")
        right = f"{name}, x0, gradient={gradient}{batch_of(function, count - 1)}"
    else:
        items = passed[0] if count == 1 and isinstance(passed[0], (tuple, list)) else passed
        in_place = takes(function, len(items)) and not takes(function, len(items) + 1)
        right = f"{name}, parameters{batch_of(function, len(items), after=1 - in_place)}"
    return (
        f"{called} takes the objective and the parameters by position, and {count} more "
        f"{'was' if count == 1 else 'were'} passed: write {called}({right})"
    )


def refuse_parameters(parameters: Any) -> None:
    """Refuse names, a generator, a class, or what is PyTorch's, before anything is called."""
    kind = kind_of(parameters)
    is_text = isinstance(parameters, str)
    names = parameters.replace(",", " ").split() or [""] if is_text else parameters
    if isinstance(names, (list, tuple, set)) and names and all(isinstance(n, str) for n in names):
        first = sorted(names)[:2] if isinstance(names, set) else list(names)[:2]
        shown = ", ".join(f"{n!r}: {f'net.{n}' if n.isidentifier() else '...'}" for n in first)
        what = f"the name{'s' * (len(first) > 1)}" if is_text else f"{kind} of names,"
        raise ParameterTypeError(
            f"the parameters are {what} {', '.join(map(repr, first))}, and arrays are needed: "
            f"write {{{shown}}}, or pass the object that holds weights and gradients"
        )
    if isinstance(parameters, ValuesView):
        raise ParameterTypeError(
            f"the parameters are {kind}: write list(...) around it, or pass the dictionary itself"
        )
    if isinstance(parameters, Iterator):
        raise ParameterTypeError(
            f"the parameters are {kind}, which can be read once, and every check reads them: write "
            "list(...) around it, or pass a function that returns it as a list"
        )
    if inspect.isclass(parameters):
        raise ParameterTypeError(
            f"the parameters are the class {parameters.__name__}; pass an instance of it"
        )
    held = parameters if is_container(parameters) else ()
    leaves = held.values() if isinstance(held, Mapping) else held
    if _is_torch(parameters, "Module") or any(_is_torch(leaf, "Tensor") for leaf in leaves):
        raise ParameterTypeError(
            f"the parameters are PyTorch's ({kind}): write "
            "gradhook.integrations.pytorch_module.attach(module, criterion=criterion)"
        )


def names_needed(parameters: Any) -> str:
    """What to write where an update is read and its weights are not named."""
    arrays = [s.name for s in slots(parameters) if is_numbers(s.get()) and np.ndim(s.get())]
    names = arrays[:LISTED_NAMES] or ["W1"]
    shown = ", ".join(f"{name!r}: net.{name}" for name in names)
    return (
        f"an update tells no weights from activations, and the parameters are "
        f"{kind_of(parameters)}: write parameters=lambda: {{{shown}}}"
    )


def found_on(how: str, root: Any, pairs: Sequence[HeldPair], out: Mapping[str, str]) -> str:
    """How weights and gradients were found, for the report, and what was left ``out``, and why."""
    found = [f"{p.weight.name} ({p.gradient.name.rpartition('.')[2]})" for p in pairs]
    more = f" and {len(found) - NOTED} more" if len(found) > NOTED else ""
    left = ", ".join(f"{name} ({why})" for name, why in list(out.items())[:NOTED])
    return (
        f"{how}; weights and gradients found on {_called(root)}: {', '.join(found[:NOTED])}{more}"
        f"{f'; left out: {left}' if left else ''}"
    )


def nothing_found(run: Callable[..., Any], root: Any, out: Mapping[str, str]) -> str:
    """What was seen on an object on which no weight has a gradient, and what to write instead.

    ``out`` is what looked like a weight and is none, and why.
    """
    seen = {s.name: np.shape(s.get()) for s in slots(root) if is_numbers(s.get())}
    arrays = [name for name, shape in seen.items() if shape] or list(seen)
    shown = [f"{n} {seen[n]}" + (f" ({out[n]})" if n in out else "") for n in arrays[:NOTED]]
    shown += [f"{name} ({why})" for name, why in out.items() if name not in arrays[:NOTED]]
    chosen = [name for name in arrays if name not in out][:2] or ["W1"]
    owner = "" if isinstance(root, (list, tuple, Mapping)) else "net."
    weights = ", ".join(f"{name!r}: {owner}{name}" for name in chosen)
    gradients = ", ".join(f"{name!r}: ..." for name in chosen)
    changed = any(out.get(name, "").startswith(("written", "replaced")) for name in seen)
    update = " If the run also updates the weights, use Objective.from_update." if changed else ""
    return (
        f"no weight with a gradient was found on {_called(root)} after a run.  Arrays seen: "
        f"{', '.join(shown) or 'none'}.{update}  Write instead:\n"
        f"    def loss_and_gradients(*batch):\n"
        f"        return {name_of(run)}(*batch), {{{gradients}}}\n"
        f"    check_gradients(loss_and_gradients, {{{weights}}}, batch=...)"
    )


def _called(root: Any) -> str:
    kind = type(root).__name__
    if isinstance(root, (list, tuple, dict)):
        items = list(root.values() if isinstance(root, dict) else root)
        kinds = list(dict.fromkeys(type(item).__name__ for item in items))
        return f"the {kind} of {len(items)} ({', '.join(kinds[:3])})"
    return f"the {kind}"


def _named(function: Any, otherwise: str) -> str:
    """The name of a function, where it has one."""
    name = name_of(function) if is_function(function) else ""
    return name if name.isidentifier() else otherwise


def _having(thing: Any) -> str:
    """What a model has, in a few words."""
    methods = [
        name for name in ("forward", "backward", "loss") if callable(getattr(thing, name, 0))
    ]
    pairs = [pair.weight.name for pair in find_pairs(thing)]
    arrays = pairs or [slot.name for slot in slots(thing) if is_numbers(slot.get())]
    return ", ".join([*methods, *list(dict.fromkeys(arrays))[:LISTED_NAMES]])


def _is_torch(thing: Any, name: str) -> bool:
    """Whether something is of a class of PyTorch's, which is not imported to find out."""
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == "torch"
        for kind in type(thing).__mro__
    )
