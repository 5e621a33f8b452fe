"""Separate forward, cost and backward functions, joined into one loss and its gradients.

Courses write a network as three functions, and their loop hands the output and the caches from one
to the next.  What an argument means is told from its name, because orders differ:
``backward(X, Y, cache, lambd)``, ``backward(AL, Y, caches)`` and ``backward(parameters, cache, X,
Y)`` are all in use.  Whatever else a function takes (``lambd``, ``keep_prob``) is a *setting*: it
goes to every function that names it, and a check may turn it as a switch.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

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
    run = _Part.of("forward", forward, settings)
    back = _Part.of("backward", backward, settings)
    measure = None if cost is None else _Part.of("cost", cost, settings)
    parts = [run, back] if measure is None else [run, measure, back]
    for setting in settings:
        if not any(part.takes(setting) for part in parts):
            known = [name for part in parts for name in part.signature.parameters]
            raise ObjectiveError(
                f"none of the functions takes {setting!r}{nearest_name(setting, known)}"
            )

    def evaluate(values: Any, batch: tuple[Any, ...], now: dict[str, Any]) -> dict[str, Any]:
        known = {"parameters": values, **dict(zip(("X", "Y"), batch, strict=False))}
        returned = run(known, now)
        output, *rest = returned if isinstance(returned, tuple) else (returned,)
        if rest:
            known["cache"] = rest[0] if len(rest) == 1 else tuple(rest)
        known["AL"] = output
        known["loss"] = output if measure is None else measure(known, now)
        return known

    def loss(values: Any, /, *batch: Any, **keywords: Any) -> Any:
        return evaluate(values, batch, {**settings, **keywords})["loss"]

    def loss_and_gradients(values: Any, /, *batch: Any, **keywords: Any) -> tuple[Any, Any]:
        now = {**settings, **keywords}
        known = evaluate(values, batch, now)
        return known["loss"], back(known, now)

    kind = inspect.Parameter
    named = inspect.Signature(  # by which switches are found
        [
            kind("parameters", kind.POSITIONAL_ONLY),
            kind("batch", kind.VAR_POSITIONAL),
            *(kind(n, kind.KEYWORD_ONLY, default=value) for n, value in settings.items()),
        ]
    )
    for function in (loss, loss_and_gradients):
        cast(Any, function).__signature__ = named
    return loss, loss_and_gradients


@dataclass(frozen=True, slots=True)
class _Part:
    """Forward, cost or backward, with the role of each argument by its name."""

    name: str
    function: Callable[..., Any]
    signature: inspect.Signature
    roles: Mapping[str, str]

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], settings: Mapping[str, Any]) -> _Part:
        if not callable(function):
            raise ObjectiveError(f"{name} must be a function, got {type(function).__name__}")
        signature = inspect.signature(function)
        roles = _roles(name, signature, settings)
        if name == "forward" and "parameters" not in roles.values():
            raise ObjectiveError(
                f"forward{signature} takes no parameters: its derivative with respect to them "
                "needs forward(X, parameters)"
            )
        return cls(name, function, signature, roles)

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
