"""Code that updates inside its backward pass, checked by what it did to the weights.

The gradient is ``(before - after) / learning_rate``.  Weights may be written where they are, bound
anew in a dictionary, in attributes or in variables of the update function, or returned as new ones;
everything is put back after each call.  The difference of two weights is rounded to ``eps·|W|``, so
the gradient carries an error of ``eps·|W| / learning_rate``, which counts in every comparison.

An update that does more than a step along the gradient (momentum, weight decay, clipping) has
another gradient by this rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import ObjectiveError
from gradhook.objective.calls import name_of, plain_function
from gradhook.objective.holders import Slot, holds, slots
from gradhook.objective.parameters import Tree, is_container, norm

__all__ = ["Updater"]


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
