"""Functions that courses and books write otherwise, as a loss and its gradients.

*Forward, cost and backward* are three functions, and a loop hands the output and the caches from
one to the next.  What an argument means is told from its name, because orders differ:
``backward(X, Y, cache, lambd)``, ``backward(AL, Y, caches)`` and ``backward(parameters, cache, X,
Y)`` are all in use.  Whatever else a function takes (``lambd``, ``keep_prob``) is a *setting*: it
goes to every function that names it, and a check may turn it as a switch.

*An update* inside the backward pass is checked by what it did to the weights: the gradient is
``(before - after) / learning_rate``.  Weights may be written where they are, bound anew in a
dictionary, in attributes or in variables of the update function, or returned as new ones;
everything is put back after each call.  The difference of two weights is rounded to ``eps·|W|``, so
the gradient carries an error of ``eps·|W| / learning_rate``, which counts in every comparison.  An
update that does more than a step along the gradient (momentum, weight decay, clipping) has another
gradient by this rule.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook._types import Array, nearest_name
from gradhook.errors import ObjectiveError
from gradhook.objective.calls import name_of, plain_function, takes_any_keyword
from gradhook.objective.holders import Slot, holds, slots
from gradhook.objective.parameters import Tree, is_container, norm

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
        arguments = {  # those that are no setting
            n: p
            for n, p in self.signature.parameters.items()
            if n not in settings and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }
        allowed = ALLOWED.get(name, tuple(ROLES))
        self.roles = {
            argument: role
            for argument in arguments
            for role in allowed
            if ROLES[role].fullmatch(argument.lower())
        }
        unknown = [n for n, p in arguments.items() if n not in self.roles and p.default is p.empty]
        if unknown or len(set(self.roles.values())) < len(self.roles):
            what = f"what {', '.join(unknown)} should be is not known"
            raise ObjectiveError(
                f"{name}{self.signature}: {what if unknown else 'two are alike'}. Names that say "
                f"it are {', '.join(allowed)}; pass the value of anything else as a keyword, for "
                "example from_functions(..., lambd=0.5)"
            )
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


@dataclass(slots=True, eq=False)
class Updater:
    """Gradients read from what an update does, called as the update is."""

    update: Callable[..., Any]
    learning_rate: float
    source: Any  # the parameters as the user passed them: a container, or a function returning one
    live: Any = None  # the container that the update moves; None where it is handed copies
    # For each leaf, the norm of its gradient's rounding error at the last call.
    rounding: dict[str, float] = field(default_factory=dict)
    _changed: bool = False

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Make an update, read it, and put everything back."""
        __tracebackhide__ = True
        tree = Tree.unchecked(arguments[0] if self.live is None else self.live)
        before = {name: np.array(leaf) for name, leaf in tree.leaves.items()}
        arrays = [(s, a) for s in self._places() if isinstance(a := s.get(), np.ndarray)]
        held = {n: [s for s, array in arrays if array is leaf] for n, leaf in tree.leaves.items()}
        try:
            returned = self.update(*arguments, **keywords)
            after = self._after(tree, held, returned, before)
        finally:
            for name, leaf in tree.leaves.items():
                if isinstance(leaf, np.ndarray):
                    leaf[...] = before[name]
                place = tree.places[name]
                if isinstance(place.container, (dict, list)):
                    place.container[place.key] = leaf
                for slot in held[name]:
                    if slot.get() is not leaf:
                        slot.put(leaf)
        self._changed = self._changed or any(np.any(before[n] != after[n]) for n in before)
        if not self._changed:
            raise ObjectiveError(
                f"{name_of(self.update)} changed none of {', '.join(before)}: where it binds new "
                "arrays, pass a function that finds them, such as parameters=lambda: {'W': net.W}"
            )
        # An update of float64 copies may round to float32 all the same.
        eps = {n: max(float(np.finfo(a.dtype).eps) for a in (before[n], after[n])) for n in before}
        rate = self.learning_rate
        self.rounding = {name: eps[name] * norm(array) / rate for name, array in before.items()}
        return tree.rebuild({name: (before[name] - after[name]) / rate for name in before})

    def _after(
        self, tree: Tree, held: Mapping[str, list[Slot]], returned: Any, before: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The weights after an update, wherever it has left them."""
        again = tree.root if self.live is None or not callable(self.source) else self.source()
        now = {**tree.leaves, **Tree.unchecked(again).leaves}
        for name, leaf in tree.leaves.items():
            bound = (slot.get() for slot in held[name] if now[name] is leaf)
            other = (value for value in bound if value is not leaf and _like(value, before[name]))
            now[name] = next(other, now[name])
        if is_container(returned) or tree.is_single:
            given = Tree.unchecked(returned).leaves
            if all(_like(given.get(name), array) for name, array in before.items()):
                now = given
        return {name: np.array(now[name]) for name in before}

    def _places(self) -> list[Slot]:
        """The variables of the update, and all that hangs in them and in its object."""
        function = plain_function(self.update)
        plain = getattr(function, "__func__", function)
        cells = getattr(plain, "__closure__", None) or ()
        variables = getattr(plain, "__globals__", {})
        named = getattr(getattr(plain, "__code__", None), "co_names", ())
        own = [Slot("", cell, ("cell_contents",)) for cell in cells]
        own += [Slot(name, variables, (name,)) for name in named if name in variables]
        spaces = [getattr(function, "__self__", None), *(slot.get() for slot in own)]
        inside = (slots(space) for space in spaces if is_container(space) or holds(space))
        return [*own, *itertools.chain.from_iterable(inside)]


def _like(value: Any, before: Array) -> bool:
    return isinstance(value, np.ndarray) and value.shape == before.shape
