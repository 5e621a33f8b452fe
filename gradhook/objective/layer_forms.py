"""In which form a layer is written: what its signature says of inputs and parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook.errors import ObjectiveError

__all__ = ["inputs_of", "is_real", "style_of", "takes"]

Style: TypeAlias = Literal["held", "mapping", "names", "order"]
"""How ``forward`` comes by its parameters."""


def inputs_of(x: Any) -> dict[str, Any]:
    """Return the inputs by name, floats as arrays: ``x`` alone, a mapping, or a tuple."""
    if isinstance(x, Mapping):
        given = {str(name): value for name, value in x.items()}
    elif isinstance(x, tuple):
        given = {f"x{i}": value for i, value in enumerate(x, start=1)}
    else:
        given = {"x": x}
    return {n: np.asarray(v) if is_real(v) else v for n, v in given.items()}


def is_real(value: Any) -> bool:
    """Whether a value holds floats, with respect to which there is a derivative."""
    try:
        return np.asarray(value).dtype.kind == "f"
    except Exception:  # nothing that NumPy can read
        return False


def style_of(forward: Callable[..., Any], inputs: int, parameters: list[str] | None) -> Style:
    """Decide how ``forward`` is handed its parameters.

    Args:
        forward: The function.
        inputs: How many inputs come first.
        parameters: The names of the parameters; ``None`` if there is not even an empty mapping.

    Raises:
        ObjectiveError: It takes neither the inputs alone, nor one mapping after them, nor all.
    """
    try:
        signature = inspect.signature(forward)
    except ValueError:  # written in C
        return "mapping" if parameters else "held"
    arguments = list(signature.parameters.values())
    named = parameters and set(parameters) <= set(signature.parameters)
    if named and _binds(signature, *range(inputs), **dict.fromkeys(parameters or ())):
        return "names"
    positional = [a for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)]
    needed = [a for a in positional if a.default is a.empty]
    beyond = needed[inputs:]
    if any(a.kind is a.VAR_POSITIONAL for a in arguments):
        return "mapping" if parameters else "held"
    if len(positional) >= inputs >= len(needed):
        return "held"
    if len(needed) > inputs:
        same = [beyond[0].name.lower()] == [name.lower() for name in parameters or ()]
        if parameters and len(beyond) == len(parameters) and (same or len(beyond) > 1):
            return "order"
        if parameters is not None and len(beyond) == 1:
            return "mapping"
    raise ObjectiveError(
        f"forward{signature} does not fit {inputs} input(s) and the parameters "
        f"{', '.join(parameters or ()) or '(none)'}: it must take the inputs, then nothing more, "
        "one mapping, or every parameter"
    )


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        return _binds(inspect.signature(function), *range(count))
    except ValueError:  # written in C
        return True


def _binds(signature: inspect.Signature, *arguments: Any, **keywords: Any) -> bool:
    try:
        signature.bind(*arguments, **keywords)
    except TypeError:
        return False
    return True
