"""What a check may turn off and on: dropout, a penalty, anything with a name.

A switch is either a keyword argument of the objective's functions (``dropout=0.0``, passed to the loss *and* to the
gradients) or a path on the model (``"dropout_param.p"``, ``"layers.*.dropout_ratio"``).  Its off-value is given, or
inferred from the name and the value found: ``keep_prob`` is off at 1, ``reg`` at 0, ``use_dropout`` at False, and a bare
``p`` at whichever of 0 and 1 gives a finite, repeatable loss (CS231n's ``p`` is the probability of *keeping*).

``train`` is refused: it would also turn batch normalisation to evaluation, which is another function.
"""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gradhook._types import nearest_name
from gradhook.errors import OptionError

__all__ = ["BoundSwitch", "Role", "Switch", "SwitchState", "bind_switches", "keywords_of"]

Role = Literal["dropout", "penalty"]
SwitchState = float | Literal["off", "on"]
"""Off, on, or on with its value multiplied."""

OFF_AT_ONE = ("keep*",)
OFF_AT_FALSE = ("use_dropout",)
OFF_AT_ZERO = ("reg", "lam*", "alpha", "weight_decay*", "l1", "l2", "*penalty*")
OFF_AT_EITHER = ("p", "rate", "ratio", "*drop*")


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that a check may turn off and on.

    Args:
        name: A keyword argument of the objective's functions, or a dotted path on the model; ``*`` in a path stands
            for every element.
        off: The value that turns it off.
        on: The value that turns it on; ``None`` is the value found there, or the signature's default.

    Raises:
        OptionError: The name is empty, or begins with ``train``.

    Example:
        >>> from gradhook import Switch
        >>> Switch("keep_prob", off=1.0)
        Switch(name='keep_prob', off=1.0, on=None)
    """

    name: str
    off: Any
    on: Any = None

    def __post_init__(self) -> None:
        _refuse_name(self.name)


@dataclass(slots=True)
class BoundSwitch:
    """A switch tied to the functions or the model that it turns.

    Args:
        name: Its name.
        role: What it switches.
        on: Value while on.
        off_values: Candidates for the off-value, best first; more than one where the name leaves it open.
        targets: Places on the model, empty for a keyword argument.
    """

    name: str
    role: Role
    on: Any
    off_values: tuple[Any, ...]
    targets: tuple[_Target, ...] = ()
    off: Any = field(init=False)

    def __post_init__(self) -> None:
        self.off = self.off_values[0]

    @property
    def always_off(self) -> bool:
        """Whether its on-value is its off-value, so that turning it changes nothing."""
        found = [self.on] if self.on is not None else [t.original for t in self.targets]
        return all(bool(value == self.off) for value in found)

    @property
    def scalable(self) -> bool:
        """Whether every on-value is a number that can be multiplied."""
        found = [t.original for t in self.targets] if self.on is None else [self.on]
        return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found)

    def turn(self, to: SwitchState) -> dict[str, Any]:
        """Turn off, on, or on with the value found multiplied by a number.

        Returns:
            Keyword arguments for the functions; empty for a path, whose places are written.
        """

        def value(on: Any) -> Any:
            return self.off if to == "off" else on if to == "on" else on * to

        if not self.targets:
            return {self.name: value(self.on)}
        for target in self.targets:
            target.write(value(target.original if self.on is None else self.on))
        return {}

    def restore(self) -> None:
        """Write back what was found on the model."""
        for target in self.targets:
            target.write(target.original)


@dataclass(frozen=True, slots=True)
class _Target:
    holder: Any
    key: Any
    original: Any

    def write(self, value: Any) -> None:
        if isinstance(self.holder, (MutableMapping, MutableSequence)):
            self.holder[self.key] = value
        else:
            setattr(self.holder, self.key, value)


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
        OptionError: A name is neither a keyword argument nor a path, or its off-value cannot be inferred.
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
            p.name: p.default for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        }
        common = own if common is None else {k: v for k, v in common.items() if k in own}
    return common or {}


def _bind(item: object, role: Role, functions: list[Callable[..., Any]], model: Any) -> BoundSwitch:
    if not isinstance(item, (Switch, str)):
        raise OptionError(f"{role}= takes the name of a switch or a Switch(name, off=...), got {item!r}")
    name = item.name if isinstance(item, Switch) else item
    _refuse_name(name)
    available = keywords_of(functions)
    targets: tuple[_Target, ...] = ()
    if name in available or (functions and all(map(_takes_any_keyword, functions))):
        found = available.get(name, inspect.Parameter.empty)
        on = found if not isinstance(item, Switch) or item.on is None else item.on
        if on is inspect.Parameter.empty:
            raise OptionError(
                f"the switch {name!r} has no default in the function's signature, so its value in training is unknown: "
                f"pass Switch({name!r}, off=..., on=...)"
            )
    else:
        targets = tuple(_find(model, name.split("."))) if model is not None else ()
        if not targets:
            where = "a keyword argument of the functions"
            where += " nor a path on the model" if model is not None else " (and there is no model)"
            raise OptionError(
                f"the switch {name!r} is not {where}; keyword arguments: {', '.join(available) or 'none'}"
                + nearest_name(name, list(available))
            )
        on = item.on if isinstance(item, Switch) and item.on is not None else None
    sample = targets[0].original if targets else on
    off_values = (item.off,) if isinstance(item, Switch) else _off_values(name, role, sample)
    return BoundSwitch(name, role, on, off_values, targets)


def _refuse_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise OptionError(f"a switch needs the name of a keyword argument or of a path on the model, got {name!r}")
    if name.rpartition(".")[2].startswith("train"):
        raise OptionError(
            f"the switch {name!r} is refused: it would turn batch normalisation to evaluation, which is another "
            "function; name the dropout itself, such as Switch('dropout_ratio', off=0.0)"
        )


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


def _find(node: Any, path: list[str]) -> Iterator[_Target]:
    head, *rest = path
    for key in _children(node) if head == "*" else [_as_key(node, head)]:
        try:
            child = node[key] if isinstance(node, (Mapping, list, tuple)) else getattr(node, key)
        except (KeyError, IndexError, AttributeError, TypeError):
            continue
        if rest:
            yield from _find(child, rest)
        else:
            yield _Target(node, key, child)


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
