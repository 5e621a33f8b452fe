"""What a check may turn off and on, and the penalties that it adds to the loss.

A switch is either a keyword argument of the objective's functions (``dropout=0.0``, passed to the
loss *and* to the gradients) or a path on the model (``"dropout_param.p"``,
``"layers.*.dropout_ratio"``).  Its off-value is given, or inferred from the name and the value
found: ``keep_prob`` is off at 1, ``reg`` at 0, ``use_dropout`` at False, and a bare ``p`` at
whichever of 0 and 1 gives a finite, repeatable loss (CS231n's ``p`` is the probability of
*keeping*).

``train`` is refused: it would also turn batch normalisation to evaluation, which is another
function.

A loop that writes ``dW += c * W`` after the backward pass follows the gradient of ``loss + c/2 *
sum(W**2)``.  To check it, that term must be added to the loss.  ``L2`` and ``L1`` do so for the
blocks that their patterns name; any function ``penalty(parameters, *batch) -> float`` does too.
"""

from __future__ import annotations

import contextlib
import fnmatch
import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook._types import Array, Batch, kind_of, nearest_name
from gradhook.errors import OptionError
from gradhook.objective.calls import by_name, left_to_keywords, signature_of, takes_any_keyword
from gradhook.objective.holders import ABSENT, Slot, items
from gradhook.objective.parameters import Tree, is_container

BATCH_NORMALISATION = ("train", "is_train")
"""How names begin that turn batch normalisation along with dropout."""

OFF_AT_ONE = ("keep*",)
OFF_AT_FALSE = ("use_dropout",)
OFF_AT_ZERO = ("reg", "lam*", "alpha", "weight_decay*", "l1", "l2", "*penalty*")
OFF_AT_EITHER = ("p", "rate", "ratio", "*drop*")

NO_DEFAULT = inspect.Parameter.empty

Role = Literal["dropout", "penalty"]
SwitchState = float | Literal["off", "on"]
"""Off, on, or on with its value multiplied."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that a check may turn off and on.

    Args:
        name: A keyword argument of the objective's functions, or a dotted path on the model; ``*``
            in a path stands for every element.
        off: The value that turns it off.
        on: The value that turns it on; ``None`` is the value found there, or the signature's
            default.

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
    """A switch tied to the functions or the model that it turns."""

    name: str
    role: Role
    on: Sequence[Any]  # the values while on, one for each place; one for a keyword argument
    off_values: tuple[Any, ...]  # best first; more than one where the name leaves it open
    places: Sequence[tuple[Slot, Any]] = ()  # on the model, each with what it held
    off: Any = field(init=False)

    def __post_init__(self) -> None:
        self.off = self.off_values[0]

    @property
    def always_off(self) -> bool:
        """Whether its on-value is its off-value, so that turning it changes nothing."""
        return all(np.array_equal(value, self.off) for value in self.on)

    @property
    def scalable(self) -> bool:
        """Whether every on-value is a number that can be multiplied."""
        return all(
            isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
            for value in self.on
        )

    def turn(self, to: SwitchState) -> dict[str, Any]:
        """Turn off, on, or on times a number; keyword arguments for the functions, if any."""
        values = [self.off if to == "off" else on if to == "on" else on * to for on in self.on]
        if not self.places:
            return {self.name: values[0]}
        for (slot, _), value in zip(self.places, values, strict=True):
            slot.put(value)
        return {}

    def restore(self) -> None:
        """Write back what was found on the model."""
        for slot, held in self.places:
            slot.put(held)


def as_switches(given: Any, role: Role) -> list[Switch | str]:
    """The switches in what an option holds: a name, a ``Switch``, a list or tuple, or ``None``."""
    items = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    for item in items:
        if not isinstance(item, (Switch, str)):
            raise OptionError(
                f"{role}= takes the name of a switch or a Switch(name, off=...), got {item!r}"
            )
        _refuse_name(item.name if isinstance(item, Switch) else item)
    return items


def _refuse_name(name: object) -> None:
    """Refuse what is no name, or names more than dropout or a penalty."""
    if not isinstance(name, str) or not name:
        raise OptionError(
            f"a switch needs the name of a keyword argument or of a path on the model, got {name!r}"
        )
    if name.rpartition(".")[2].lower().startswith(BATCH_NORMALISATION):
        raise OptionError(
            f"the switch {name!r} is refused: it would turn batch normalisation to evaluation, "
            "which is another function; name the dropout itself, such as "
            "Switch('dropout_ratio', off=0.0)"
        )


def bind_switches(
    given: object,
    role: Role,
    *,
    functions: Sequence[Callable[..., Any]],
    model: Any,
    positional: int = 0,
) -> list[BoundSwitch]:
    """Tie switches to keyword arguments behind the positional ones, or to places on a model."""
    available = keywords_of(functions, positional)
    return [_bind(item, role, available, model) for item in as_switches(given, role)]


def infer_switches(
    names: Iterable[str], bind: Callable[[str, Role], list[BoundSwitch]]
) -> list[BoundSwitch]:
    """Keywords that a name tells to be switches, tied to what they turn as ``bind`` does."""
    found = []
    for name in names:
        with contextlib.suppress(OptionError):
            if _is_among(name, OFF_AT_ZERO):
                found += bind(name, "penalty")
            elif _is_among(name, (*OFF_AT_ONE, *OFF_AT_FALSE, "*drop*")):
                found += bind(name, "dropout")
    return found


def keywords_of(functions: Iterable[Callable[..., Any]], positional: int = 0) -> dict[str, Any]:
    """Keyword arguments of all functions, with their defaults, ``NO_DEFAULT`` if none.

    A function that takes any keyword takes those of the others.
    """
    signatures = [signature_of(function) for function in functions]
    own = [(left_to_keywords(s, positional), takes_any_keyword(s)) for s in signatures]
    return {
        name: default
        for taken, _ in reversed(own)
        for name, default in taken.items()
        if all(name in other or anything for other, anything in own)
    }


def _is_among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _bind(item: Switch | str, role: Role, available: Mapping[str, Any], model: Any) -> BoundSwitch:
    given = item if isinstance(item, Switch) else Switch(item, NO_DEFAULT)
    name, on = given.name, given.on
    slots = [] if name in available else list(_find(model, name.split(".")))
    found = [slot.get() for slot in slots]
    places = [(s, _held(s, value)) for s, value in zip(slots, found, strict=True)]
    for slot, held in places:
        try:
            slot.put(slot.get())
            slot.put(held)
        except Exception as error:
            raise OptionError(
                f"the switch {name!r} cannot be turned: {slot.path[-1]!r} of "
                f"{kind_of(slot.holder)} cannot be set ({type(error).__name__}: {error})"
            ) from error
    if name in available:
        found = [available[name] if on is None else on]
        if found[0] is NO_DEFAULT:
            raise OptionError(
                f"the switch {name!r} has no default in the function's signature, so its value in "
                f"training is unknown: pass Switch({name!r}, off=..., on=...)"
            )
    elif not places:
        where = "the model (pass Objective(..., model=...))" if model is None else kind_of(model)
        raise OptionError(
            f"the switch {name!r} is neither a keyword argument of every function, beside the "
            f"batch, nor a path on {where}; keyword arguments are: "
            f"{', '.join(available) or 'none'}{nearest_name(name, list(available))}"
        )
    off = _off_values(name, role, found[0]) if given.off is NO_DEFAULT else (given.off,)
    return BoundSwitch(name, role, found if on is None else [on] * len(found), off, places)


def _held(slot: Slot, value: Any) -> Any:
    """What a place holds by itself: ``ABSENT`` where its class alone has the value."""
    key, holder = slot.path[-1], slot.holder
    own = is_container(holder) or key in getattr(holder, "__dict__", {})
    return value if own or inspect.isdatadescriptor(getattr(type(holder), key, None)) else ABSENT


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


def _find(node: Any, path: list[str]) -> Iterator[Slot]:
    head, *rest = path
    index = isinstance(node, (list, tuple)) and head.lstrip("-").isdigit()
    for key in [key for key, _ in items(node)] if head == "*" else [int(head) if index else head]:
        slot = Slot(head, node, (key,))
        found = slot.get(ABSENT)
        if found is not ABSENT:
            yield from _find(found, rest) if rest else [slot]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Penalty:
    """What the penalties by name have in common: a coefficient and the blocks that they weigh."""

    coefficient: float
    patterns: tuple[str, ...]

    def __init__(self, coefficient: float, *patterns: str) -> None:
        number = isinstance(coefficient, numbers.Real) and not isinstance(coefficient, bool)
        if not (number and math.isfinite(coefficient)):
            raise OptionError(
                f"a penalty's coefficient must be a finite number, got {coefficient!r}"
            )
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise OptionError(f"a penalty's patterns are strings such as 'W*', got {patterns!r}")
        object.__setattr__(self, "coefficient", float(coefficient))
        object.__setattr__(self, "patterns", patterns or ("*",))

    def weighs(self, name: str) -> bool:
        """Whether a block is among those that it weighs."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    def __repr__(self) -> str:
        patterns = () if self.patterns == ("*",) else self.patterns
        return f"{type(self).__name__}({', '.join(map(repr, (self.coefficient, *patterns)))})"

    def _chosen(self, blocks: Mapping[str, Array]) -> list[Array]:
        chosen = [
            np.asanyarray(values, dtype=np.result_type(values, np.float64))
            for name, values in blocks.items()
            if self.weighs(name)
        ]
        if not chosen:
            raise OptionError(
                f"no block matches the penalty's patterns {', '.join(self.patterns)}; blocks are "
                f"{', '.join(blocks)}"
            )
        return chosen


Added: TypeAlias = Penalty | Callable[..., Any]
"""A penalty that is added to the loss: ``L1``, ``L2``, or ``penalty(parameters, *batch)``."""


def split_penalty(given: Any) -> tuple[list[Any], list[Added]]:
    """The switches of the user's own in what an option holds, and what is added to the loss."""
    items = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    return [i for i in items if not callable(i)], [i for i in items if callable(i)]


def sum_of(
    penalties: list[Added], tree: Tree, names: tuple[str, ...]
) -> Callable[[Any, Batch], Any]:
    """Penalties as one function of the parameters, as the user holds them, and the batch."""

    def one(penalty: Any, parameters: Any, batch: Batch) -> Any:
        if isinstance(penalty, (L1, L2)):
            return penalty(tree.like(parameters))
        positional, keywords = by_name(names, batch)
        return penalty(parameters, *positional, **keywords)

    return lambda parameters, batch: sum(one(p, parameters, batch) for p in penalties)


class L2(Penalty):
    """``c/2 * sum(w**2)`` over the blocks whose names match, added to the loss only.

    Args:
        coefficient: ``c``, in units of loss per squared unit of the parameter.
        patterns: Shell patterns of block names; every block if none is given.

    Raises:
        OptionError: The coefficient is not a finite number, or no block matches when it is used.

    Example:
        >>> import numpy as np
        >>> from gradhook import L2
        >>> L2(0.1, "W*")({"W1": np.array([3.0, 4.0]), "b1": np.array([9.0])})
        1.25
    """

    def __call__(self, blocks: Mapping[str, Array]) -> Any:
        """Return the penalty of blocks given by name; analytic where they are complex."""
        flat = (w.reshape(-1) for w in self._chosen(blocks))
        return 0.5 * self.coefficient * sum(np.dot(w, w).item() for w in flat)


class L1(Penalty):
    """``c * sum(|w|)`` over the blocks whose names match, added to the loss only.

    Args:
        coefficient: ``c``, in units of loss per unit of the parameter.
        patterns: Shell patterns of block names; every block if none is given.

    Raises:
        OptionError: The coefficient is not a finite number, or no block matches when it is used.

    Example:
        >>> import numpy as np
        >>> from gradhook import L1
        >>> L1(0.5)({"W": np.array([-3.0, 4.0])})
        3.5
    """

    def __call__(self, blocks: Mapping[str, Array]) -> Any:
        """Return the penalty of blocks given by name; analytic off zero where they are complex."""
        return self.coefficient * sum(
            np.sum(np.where(w.real < 0, -w, w)).item() for w in self._chosen(blocks)
        )
