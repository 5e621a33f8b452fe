"""Tying switches to keyword arguments or to places on a model, and finding what turns them off."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gradhook._switches import BoundSwitch, Role, Switch, Target, refuse_name
from gradhook._types import nearest_name
from gradhook.errors import OptionError

__all__ = ["bind_switches", "keywords_of"]

OFF_AT_ONE = ("keep*",)
OFF_AT_FALSE = ("use_dropout",)
OFF_AT_ZERO = ("reg", "lam*", "alpha", "weight_decay*", "l1", "l2", "*penalty*")
OFF_AT_EITHER = ("p", "rate", "ratio", "*drop*")


def bind_switches(
    given: object, role: Role, *, functions: Iterable[Callable[..., Any]], model: Any
) -> list[BoundSwitch]:
    """Tie switches to what they turn.

    Args:
        given: A ``Switch``, a string, or a list or tuple of these; ``None`` for no switch.
        role: What they switch.
        functions: The objective's functions, whose keyword arguments are tried first.
        model: Where paths start; ``None`` if the objective has no model.

    Raises:
        OptionError: A name is neither a keyword argument nor a path, or its off-value cannot be
            inferred.
    """
    if given is None:
        return []
    items = list(given) if isinstance(given, (list, tuple)) else [given]
    callables = list(functions)
    return [_bind(item, role, callables, model) for item in items]


def keywords_of(functions: Iterable[Callable[..., Any]]) -> dict[str, Any]:
    """Keyword arguments that every function takes by name, with their defaults (``inspect.Parameter.empty`` if none)."""
    common: dict[str, Any] | None = None
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return {}
        own = {
            p.name: p.default
            for p in parameters
            if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        }
        common = own if common is None else {k: v for k, v in common.items() if k in own}
    return common or {}


def _bind(item: object, role: Role, functions: list[Callable[..., Any]], model: Any) -> BoundSwitch:
    if not isinstance(item, (Switch, str)):
        raise OptionError(
            f"{role}= takes the name of a switch or a Switch(name, off=...), got {item!r}"
        )
    name = item.name if isinstance(item, Switch) else item
    refuse_name(name)
    available = keywords_of(functions)
    targets: tuple[Target, ...] = ()
    if name in available or (functions and all(map(_takes_any_keyword, functions))):
        found = available.get(name, inspect.Parameter.empty)
        on = found if not isinstance(item, Switch) or item.on is None else item.on
        if on is inspect.Parameter.empty:
            raise OptionError(
                f"the switch {name!r} has no default in the function's signature, so its value in "
                "training is unknown: "
                f"pass Switch({name!r}, off=..., on=...)"
            )
    else:
        targets = tuple(_find(model, name.split("."))) if model is not None else ()
        if not targets:
            where = "a keyword argument of the functions"
            where += " nor a path on the model" if model is not None else " (and there is no model)"
            raise OptionError(
                f"the switch {name!r} is not {where}; keyword arguments: "
                f"{', '.join(available) or 'none'}" + nearest_name(name, list(available))
            )
        on = item.on if isinstance(item, Switch) and item.on is not None else None
    sample = targets[0].original if targets else on
    off_values = (item.off,) if isinstance(item, Switch) else _off_values(name, role, sample)
    return BoundSwitch(name, role, on, off_values, targets)


def _takes_any_keyword(function: Callable[..., Any]) -> bool:
    try:
        return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False


def _off_values(name: str, role: Role, value: Any) -> tuple[Any, ...]:
    last = name.rpartition(".")[2].lower()

    def among(patterns: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(last, pattern) for pattern in patterns)

    if isinstance(value, bool) or among(OFF_AT_FALSE):
        return (False,)
    if among(OFF_AT_ONE):
        return (1.0,)
    if among(OFF_AT_ZERO) or role == "penalty":
        return (0.0,)
    if among(OFF_AT_EITHER):
        return (0.0, 1.0)
    raise OptionError(
        f"what turns {name!r} off cannot be told from its name: pass Switch({name!r}, off=...)"
    )


def _find(node: Any, path: list[str]) -> Iterator[Target]:
    head, *rest = path
    for key in _children(node) if head == "*" else [_as_key(node, head)]:
        try:
            child = node[key] if isinstance(node, (Mapping, list, tuple)) else getattr(node, key)
        except (KeyError, IndexError, AttributeError, TypeError):
            continue
        if rest:
            yield from _find(child, rest)
        else:
            yield Target(node, key, child)


def _children(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        return list(node)
    if isinstance(node, (list, tuple)):
        return list(range(len(node)))
    return list(getattr(node, "__dict__", {}))


def _as_key(node: Any, key: str) -> Any:
    if isinstance(node, (list, tuple)):
        return int(key) if key.lstrip("-").isdigit() else key
    return key
