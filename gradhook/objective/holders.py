"""Weights and gradients that an object holds, found where people keep them.

A model, a layer, a list of layers, a list of tensors: what is a weight is told by its gradient,
which hangs beside it.  Four manners are read: two names of which one is called after the other
(``W`` and ``dW``, ``grad_W``, ``W_grad``, ``gW``; of arrays, or of lists or dictionaries of them),
``params`` and ``grads`` of one structure, attributes whose gradients lie in a dictionary ``grads``,
and tensors with ``.data`` and ``.grad``.  Attributes, lists, dictionaries and objects of classes
that are the user's own are entered; nothing is called.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from gradhook.objective.gradients import RULES
from gradhook.objective.parameters import LISTED, each_leaf, is_container

PARAMETERS, GRADIENTS = ("params", "parameters"), ("grads", "gradients")
"""What containers of weights are called, and those of their gradients."""

NUMBERS = ("data", "cached_data", "value")
"""Attributes in which tensors keep their numbers; the first that holds some counts."""

ABSENT: Any = object()
"""Stands for a place that does not exist."""

MOST_VALUES = 50_000
"""Values looked at."""


Path: TypeAlias = tuple[Any, ...]
"""Steps from a root: an index or a key of a container, an attribute's name of anything else."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in which a value hangs."""

    name: str  # as the user would write it
    holder: Any  # the object, list or mapping
    path: Path  # how the place is reached from the root, its own step last

    def get(self, otherwise: Any = None) -> Any:
        """What hangs there now; ``otherwise`` where nothing does."""
        return _at(self.holder, self.path[-1], otherwise)

    def put(self, value: Any) -> None:
        """Hold something else there, or nothing at all if that is ``ABSENT``."""
        holder, key = self.holder, self.path[-1]
        if value is ABSENT:  # a list always holds something
            if isinstance(holder, dict):
                holder.pop(key, None)
            elif not is_container(holder) and hasattr(holder, key):
                delattr(holder, key)
        elif is_container(holder):
            holder[key] = value
        else:
            try:
                setattr(holder, key, value)
            except dataclasses.FrozenInstanceError:  # for a while; it is put back
                object.__setattr__(holder, key, value)

    def again(self, root: Any) -> Slot:
        """The same place, reached anew from the root: what leads there may have been replaced."""
        return Slot(self.name, functools.reduce(_at, self.path[:-1], root), self.path)


@dataclass(frozen=True, slots=True)
class HeldPair:
    """Where a weight hangs, and where its gradient does."""

    weight: Slot
    gradient: Slot


def holds(value: Any) -> bool:
    """Whether parameters are an object that may hold weights, or a container of such objects."""
    return any(map(_is_entered, each_leaf(value)))


def is_numbers(value: Any) -> bool:
    """Whether a value is an array of floating-point numbers, or one number."""
    if isinstance(value, (bool, np.bool_)):
        return False
    if isinstance(value, numbers.Real):
        return True
    return getattr(getattr(value, "dtype", None), "kind", "") == "f" and hasattr(value, "shape")


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of a tape: an object with numbers and with ``.grad``."""
    if is_numbers(value) or not _is_entered(value) or not hasattr(value, "grad"):
        return False
    return number_slot(value) is not None


def number_slot(tensor: Any, name: str = "", path: Path = ()) -> Slot | None:
    """Where a tensor keeps its numbers."""
    places = (Slot(name, tensor, (*path, key)) for key in NUMBERS)
    return next((slot for slot in places if is_numbers(slot.get())), None)


def numbers_in(value: Any) -> Any:
    """A value that is numbers, whole ones too, or those of a tensor; ``None`` of anything else."""
    if is_numbers(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "iu"):
        return value
    slot = number_slot(value)
    return None if slot is None else slot.get()


def slots(root: Any) -> Iterator[Slot]:
    """Every place in reach of a root, the nearest first; the root itself is none."""
    queue: deque[tuple[str, Any, Path]] = deque([("", root, ())])
    seen, count = {id(root)}, 0
    while queue and count < MOST_VALUES:
        name, holder, path = queue.popleft()
        for key, value in items(holder):
            count += 1
            slot = Slot(_named(name, holder, key, value), holder, (*path, key))
            yield slot
            if id(value) not in seen and not is_tensor(value) and _is_entered(value, within=True):
                seen.add(id(value))
                queue.append((slot.name, value, slot.path))


def find_pairs(root: Any) -> list[HeldPair]:
    """Every weight that has a gradient beside it, the nearest to the root first."""
    found: dict[tuple[Any, ...], HeldPair] = {}
    spaces: dict[int, dict[Any, Slot]] = {}
    for slot in slots(root):
        spaces.setdefault(id(slot.holder), {})[slot.path[-1]] = slot
        value = slot.get()
        weight = number_slot(value, slot.name, slot.path) if is_tensor(value) else None
        if weight is not None and getattr(value, "requires_grad", True) is not False:
            gradient = Slot(f"{slot.name}.grad", value, (*slot.path, "grad"))
            found.setdefault(weight.path, HeldPair(weight, gradient))
    for space in spaces.values():
        for pair in _pairs_among(space):
            found.setdefault(pair.weight.path, pair)
    return list(found.values())


def _pairs_among(space: Mapping[Any, Slot]) -> Iterator[HeldPair]:
    """Pairs of names in one object or dictionary."""
    words = any(name in space for name in PARAMETERS)
    beside = None if words else next((space[n] for n in GRADIENTS if n in space), None)
    for key, slot in ((key, slot) for key, slot in space.items() if isinstance(key, str)):
        for other in filter(space.__contains__, _names_of_gradient(key)):
            yield from _matched(slot, space[other])
        if beside is not None and isinstance(beside.get(), Mapping) and key not in GRADIENTS:
            yield from _matched_by_key(slot, beside, key)


def _names_of_gradient(name: str) -> list[str]:
    bare = name.lstrip("_")
    lead = name[: len(name) - len(bare)]
    words = GRADIENTS if bare in (*PARAMETERS, "weights") else ()
    return [lead + other for other in (*(form.replace("{}", bare) for form in RULES), *words)]


def _matched(weight: Slot, gradient: Slot) -> Iterator[HeldPair]:
    """Pairs of two values of one structure."""
    w, g = weight.get(), gradient.get()
    if is_numbers(w):
        # A gradient of another shape, or cut to whole numbers, is told as what it is.
        if g is None or numbers_in(g) is not None:
            yield HeldPair(weight, gradient)
    elif isinstance(w, Mapping) and isinstance(g, Mapping):
        for key in w:
            yield from _matched_by_key(_child(weight, key), gradient, key)
    elif isinstance(w, (list, tuple)) and isinstance(g, (list, tuple)) and len(w) == len(g):
        for index in range(len(w)):
            yield from _matched(_child(weight, index), _child(gradient, index))


def _matched_by_key(weight: Slot, gradients: Slot, key: Any) -> Iterator[HeldPair]:
    inside = gradients.get()
    names = [key, *(_names_of_gradient(key) if isinstance(key, str) else ())]
    other = next((name for name in names if name in inside), None)
    if other is not None:
        yield from _matched(weight, _child(gradients, other))


def _child(slot: Slot, key: Any) -> Slot:
    holder = slot.get()
    return Slot(_named(slot.name, holder, key, None), holder, (*slot.path, key))


def _named(name: str, holder: Any, key: Any, value: Any) -> str:
    """What the user calls a place: ``W1``, ``layers[0].W``, ``layers['out'].b``, ``params[0]``."""
    if isinstance(holder, Mapping):
        head, dot, last = name.rpartition(".")
        if last in PARAMETERS or not name:  # {"W1": ...}: the keys are the names
            return f"{head}{dot}{key}"
        return f"{name}[{key!r}]"
    if isinstance(holder, (list, tuple)):
        # A list that was passed has no name of its own here.
        plain = LISTED if value is None or is_tensor(value) else "layers"
        return f"{name or plain}[{key}]"
    return f"{name}.{key}" if name else str(key)


def items(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of a container, or attributes of an object."""
    if isinstance(holder, Mapping):
        yield from holder.items()
    elif isinstance(holder, (list, tuple)):
        yield from enumerate(holder)
    else:
        own = dict(getattr(holder, "__dict__", {}))
        for kind in type(holder).__mro__:
            slots_ = getattr(kind, "__slots__", ())
            for name in (slots_,) if isinstance(slots_, str) else slots_:
                if hasattr(holder, name):
                    own[name] = getattr(holder, name)
        yield from ((name, value) for name, value in own.items() if not name.startswith("__"))


def _is_entered(value: Any, *, within: bool = False) -> bool:
    """Whether a value is an object of a class of the user's, or, within one, a container."""
    if is_container(value):
        return within
    if isinstance(value, SimpleNamespace):
        return True
    if isinstance(value, (type, str, bytes)) or callable(getattr(value, "__array__", None)):
        return False
    module = type(value).__module__
    top = module.partition(".")[0]
    foreign = top in sys.stdlib_module_names or top in ("numpy", "scipy", "gradhook")
    own = not foreign or module.startswith("gradhook.integrations")  # models of its examples
    return own and (hasattr(value, "__dict__") or hasattr(type(value), "__slots__"))


def _at(holder: Any, key: Any, otherwise: Any = None) -> Any:
    try:
        return holder[key] if is_container(holder) else getattr(holder, key, otherwise)
    except (LookupError, TypeError, ValueError):  # of a variable that is bound to nothing yet
        return otherwise
