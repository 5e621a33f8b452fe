"""Tying switches to keyword arguments or to places on a model, and finding what turns them off."""

from __future__ import annotations

import contextlib
import fnmatch
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gradhook._types import nearest_name
from gradhook.errors import OptionError
from gradhook.objective.calls import left_to_keywords, name_of, signature_of
from gradhook.objective.switches import BoundSwitch, Role, Switch, Target, refuse_name

__all__ = ["as_switches", "bind_switches", "infer_switches", "keywords_of"]

OFF_AT_ONE = ("keep*",)
OFF_AT_FALSE = ("use_dropout",)
OFF_AT_ZERO = ("reg", "lam*", "alpha", "weight_decay*", "l1", "l2", "*penalty*")
OFF_AT_EITHER = ("p", "rate", "ratio", "*drop*")

NO_DEFAULT = inspect.Parameter.empty


def as_switches(given: object, role: Role) -> list[Switch | str]:
    """The switches in what an option holds: a name, a ``Switch``, a list or tuple, or ``None``.

    Raises:
        OptionError: Something else stands among them, or a name is refused.
    """
    items = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    switches: list[Switch | str] = []
    for item in items:
        if not isinstance(item, (Switch, str)):
            raise OptionError(
                f"{role}= takes the name of a switch or a Switch(name, off=...), got {item!r}"
            )
        refuse_name(item.name if isinstance(item, Switch) else item)
        switches.append(item)
    return switches


def bind_switches(
    given: object,
    role: Role,
    *,
    functions: Iterable[Callable[..., Any]],
    model: Any,
    positional: int = 0,
) -> list[BoundSwitch]:
    """Tie switches to what they turn.

    Args:
        given: A ``Switch``, a string, or a list or tuple of these; ``None`` for no switch.
        role: What they switch.
        functions: The objective's functions, whose keyword arguments are tried first.
        model: Where paths start; ``None`` if the objective has no model.
        positional: How many arguments the functions are given by position.

    Raises:
        OptionError: A name is neither a keyword argument nor a path, it cannot be written to, or
            its off-value cannot be inferred.
    """
    callables = list(functions)
    return [_bind(item, role, callables, model, positional) for item in as_switches(given, role)]


def infer_switches(
    names: Iterable[str], bind: Callable[[str, Role], list[BoundSwitch]]
) -> list[BoundSwitch]:
    """Keywords that a name tells to be switches, with what turns them off.

    Args:
        names: The keywords.
        bind: Ties one to what it turns, as ``bind_switches`` does.
    """
    found = []
    for name in names:
        role = _role_of(name)
        with contextlib.suppress(OptionError):
            found += bind(name, role) if role else []
    return found


def keywords_of(functions: Iterable[Callable[..., Any]], positional: int = 0) -> dict[str, Any]:
    """Keyword arguments that every function takes, with their defaults.

    The default is ``inspect.Parameter.empty`` where there is none.  A function that takes any
    keyword takes those of the others.

    Args:
        functions: The functions.
        positional: How many arguments they are given by position, which are left out.
    """
    own: list[dict[str, Any]] = []
    takes_any: list[bool] = []
    for function in functions:
        signature = signature_of(function)
        own.append({} if signature is None else left_to_keywords(signature, positional))
        takes_any.append(_takes_any_keyword(function))
    return {
        name: default
        for taken in reversed(own)
        for name, default in taken.items()
        if all(name in other or anything for other, anything in zip(own, takes_any, strict=True))
    }


def _role_of(name: str) -> Role | None:
    """What a keyword of that name switches, where the name tells."""
    if _is_among(name, OFF_AT_ZERO):
        return "penalty"
    return "dropout" if _is_among(name, (*OFF_AT_ONE, *OFF_AT_FALSE, "*drop*")) else None


def _is_among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _bind(
    item: Switch | str, role: Role, functions: list[Callable[..., Any]], model: Any, positional: int
) -> BoundSwitch:
    given = item if isinstance(item, Switch) else None
    name = given.name if given else str(item)
    on = given.on if given else None
    available = keywords_of(functions, positional)
    targets: tuple[Target, ...] = ()
    if name not in available and model is not None:
        targets = tuple(_find(model, name.split(".")))
    if targets:
        for target in targets:
            _refuse_unwritable(name, target)
        found = targets[0].original
    elif name in available or _taken_by_any(name, functions):
        on = found = available.get(name, NO_DEFAULT) if on is None else on
        if on is NO_DEFAULT:
            raise OptionError(
                f"the switch {name!r} has no default in the function's signature, so its value in "
                f"training is unknown: pass Switch({name!r}, off=..., on=...)"
            )
    else:
        raise OptionError(_nowhere(name, available, functions, model))
    return BoundSwitch(
        name, role, on, (given.off,) if given else _off_values(name, role, found), targets
    )


def _taken_by_any(name: str, functions: list[Callable[..., Any]]) -> bool:
    """Whether all functions take keywords that their signatures do not name."""
    return name.isidentifier() and bool(functions) and all(map(_takes_any_keyword, functions))


def _takes_any_keyword(function: Callable[..., Any]) -> bool:
    signature = signature_of(function)
    return signature is not None and any(
        p.kind is p.VAR_KEYWORD for p in signature.parameters.values()
    )


def _nowhere(
    name: str, available: Mapping[str, Any], functions: list[Callable[..., Any]], model: Any
) -> str:
    """Why a switch was not found, in one sentence that leads on."""
    filled = [f for f in functions if name in keywords_of([f])]
    if filled and name not in keywords_of(functions):
        return (
            f"the switch {name!r} is an argument of {name_of(filled[0])} and not of every function "
            "of the objective: each must take it, for loss and gradients to agree"
        )
    if filled:
        return (
            f"the switch {name!r} is given by position, as an item of the batch: leave it out of "
            f"the batch and pass Switch({name!r}, off=..., on=...), so that the check may turn it"
        )
    where = (
        "a keyword argument of the functions, and there is no model to look on (pass "
        "Objective(..., model=...))"
        if model is None
        else f"a keyword argument of the functions nor a path on the {type(model).__name__}"
    )
    hint = nearest_name(name, list(available))
    return (
        f"the switch {name!r} is not {where}; keyword arguments are: "
        f"{', '.join(available) or 'none'}{hint}"
    )


def _refuse_unwritable(name: str, target: Target) -> None:
    try:
        target.write(target.original)
        target.restore()
    except Exception as error:
        raise OptionError(
            f"the switch {name!r} cannot be turned: {target.key!r} of a "
            f"{type(target.holder).__name__} cannot be set ({type(error).__name__}: {error})"
        ) from error


def _off_values(name: str, role: Role, value: Any) -> tuple[Any, ...]:
    last = name.rpartition(".")[2]
    if value is None:  # how a default says "without"
        return (None,)
    if isinstance(value, bool) or _is_among(last, OFF_AT_FALSE):
        return (False,)
    if _is_among(last, OFF_AT_ONE):
        return (1.0,)
    if _is_among(last, OFF_AT_ZERO) or role == "penalty":
        return (0.0,)
    if _is_among(last, OFF_AT_EITHER):
        return (0.0, 1.0)
    raise OptionError(
        f"what turns {name!r} off cannot be told from its name: pass Switch({name!r}, off=...)"
    )


def _find(node: Any, path: list[str]) -> Iterator[Target]:
    head, *rest = path
    for key in _children(node) if head == "*" else [_as_key(node, head)]:
        held = isinstance(node, (Mapping, list, tuple))
        try:
            child = node[key] if held else getattr(node, key)
        except (KeyError, IndexError, AttributeError, TypeError):
            continue
        if rest:
            yield from _find(child, rest)
        else:
            own = getattr(node, "__dict__", {})
            slot = inspect.isdatadescriptor(getattr(type(node), str(key), None))
            yield Target(node, key, child, inherited=not (held or slot or key in own))


def _children(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        return list(node)
    if isinstance(node, (list, tuple)):
        return list(range(len(node)))
    slots = [vars(kind).get("__slots__", ()) for kind in type(node).__mro__]
    named = [name for given in slots for name in ([given] if isinstance(given, str) else given)]
    return [*getattr(node, "__dict__", {}), *named]


def _as_key(node: Any, key: str) -> Any:
    if isinstance(node, (list, tuple)):
        return int(key) if key.lstrip("-").isdigit() else key
    return key
