"""First answers: what to write instead, where what was passed is not what it should be.

One sentence each: what was passed, what it has, and the line to write.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, ValuesView
from typing import Any

import numpy as np

from gradhook._types import kind_of
from gradhook.errors import ParameterTypeError
from gradhook.objective.holders import holds, is_numbers, is_tensor, slots
from gradhook.objective.parameters import each_leaf, is_container

__all__ = ["is_function", "misplaced_batch", "no_objective", "refuse_parameters"]

WAYS_TO_PASS = (
    "pass a function loss_and_gradients(parameters, *batch) -> (loss, gradients); an "
    "Objective(parameters=..., loss=..., gradients=...); a model with .params and .loss(X, y) -> "
    "(loss, gradients); or a network with .params, .loss(x, t) and .gradient(x, t)"
)

ATTACH = "write gradhook.integrations.pytorch_module.attach(module, criterion=criterion)"


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
