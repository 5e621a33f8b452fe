"""Separate forward, cost and backward functions, joined into one loss and its gradients.

Courses write a network as three functions, and their loop hands the output and the caches from one
to the next.  What an argument means is told from its name, because orders differ:
``backward(X, Y, cache, lambd)``, ``backward(AL, Y, caches)`` and ``backward(parameters, cache, X,
Y)`` are all in use.  Whatever else a function takes (``lambd``, ``keep_prob``) is a *setting*: it
goes to every function that names it, and a check may turn it as a switch.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from gradhook._types import nearest_name
from gradhook.errors import ObjectiveError
from gradhook.objective.calls import takes_any_keyword

__all__ = ["join"]

ROLES = {
    "X": re.compile(r"x|a0|data|features|images?|inputs?"),
    "Y": re.compile(r"y|t|labels?|targets?|truth"),
    "parameters": re.compile(r"p|params|parameters|theta|values|w|weights"),
    "cache": re.compile(r"caches?"),
    "AL": re.compile(
        r"a|al|a[1-9]\d*|a_last|outputs?|predictions?|prob(a|s|abilities)|y_?(hat|pred)"
    ),
}
"""What the name of an argument, in small letters, says of its meaning."""

ALLOWED = {"forward": ("X", "Y", "parameters"), "cost": ("AL", "X", "Y", "parameters")}
"""A forward pass has neither output nor caches to take, a cost no caches; others take them all."""


def join(
    forward: Callable[..., Any],
    cost: Callable[..., Any] | None,
    backward: Callable[..., Any],
    settings: Mapping[str, Any],
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return ``loss(parameters, X, Y)`` and ``loss_and_gradients(parameters, X, Y)``.

    Both take the settings as keywords too, so that they may be switched.
    """
    run, back = _Part("forward", forward, settings), _Part("backward", backward, settings)
    measure = None if cost is None else _Part("cost", cost, settings)
    parts = [run, *([measure] if measure else []), back]
    for setting in settings:
        if not any(part.takes(setting) for part in parts):
            known = [name for part in parts for name in part.signature.parameters]
            raise ObjectiveError(
                f"none of the functions takes {setting!r}{nearest_name(setting, known)}"
            )

    def evaluate(gradients: bool, values: Any, /, *batch: Any, **keywords: Any) -> Any:
        now = {**settings, **keywords}
        known = {"parameters": values, **dict(zip(("X", "Y"), batch, strict=False))}
        returned = run(known, now)
        output, *rest = returned if isinstance(returned, tuple) else (returned,)
        if rest:
            known["cache"] = rest[0] if len(rest) == 1 else tuple(rest)
        known["AL"] = output
        loss = output if measure is None else measure(known, now)
        return (loss, back(known, now)) if gradients else loss

    kind = inspect.Parameter
    vars(evaluate)["__signature__"] = inspect.Signature(  # by which switches are found
        [
            kind("gradients", kind.POSITIONAL_ONLY),
            kind("parameters", kind.POSITIONAL_ONLY),
            kind("batch", kind.VAR_POSITIONAL),
            *(kind(n, kind.KEYWORD_ONLY, default=value) for n, value in settings.items()),
        ]
    )
    return functools.partial(evaluate, False), functools.partial(evaluate, True)


class _Part:
    """Forward, cost or backward, with the role of each argument by its name."""

    def __init__(
        self, name: str, function: Callable[..., Any], settings: Mapping[str, Any]
    ) -> None:
        if not callable(function):
            raise ObjectiveError(f"{name} must be a function, got {type(function).__name__}")
        self.name, self.function = name, function
        self.signature = inspect.signature(function)
        self.roles = _roles(name, self.signature, settings)
        if name == "forward" and "parameters" not in self.roles.values():
            raise ObjectiveError(
                f"forward{self.signature} takes no parameters: its derivative with respect to them "
                "needs forward(X, parameters)"
            )

    def takes(self, setting: str) -> bool:
        named = setting in self.signature.parameters and setting not in self.roles
        return named or takes_any_keyword(self.signature)

    def __call__(self, known: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
        keywords = {n: value for n, value in settings.items() if self.takes(n)}
        for name, role in self.roles.items():
            if role not in known:
                came = "from forward" if role == "cache" else "in the batch"
                raise ObjectiveError(f"{self.name} takes {name}, but no {role} came {came}")
            keywords[name] = known[role]
        return self.function(**keywords)


def _roles(name: str, signature: inspect.Signature, settings: Mapping[str, Any]) -> dict[str, str]:
    """The role of each argument that is no setting."""
    arguments = {
        n: p
        for n, p in signature.parameters.items()
        if n not in settings and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    allowed = ALLOWED.get(name, tuple(ROLES))
    roles = {
        argument: role
        for argument in arguments
        for role in allowed
        if ROLES[role].fullmatch(argument.lower())
    }
    unknown = [n for n, p in arguments.items() if n not in roles and p.default is p.empty]
    if unknown or len(set(roles.values())) < len(roles):
        what = f"what {', '.join(unknown)} should be is not known" if unknown else "two are alike"
        raise ObjectiveError(
            f"{name}{signature}: {what}. Names that say it are {', '.join(allowed)}; pass the "
            f"value of anything else as a keyword, for example from_functions(..., lambd=0.5)"
        )
    return roles
