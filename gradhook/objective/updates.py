"""Code that updates inside its backward pass, checked by what it did to the weights.

The gradient is ``(before - after) / learning_rate``.  Weights may be written where they are, bound
anew in a dictionary, in attributes or in variables of the update function, or returned as new ones;
everything is put back after each call.  The difference of two weights is rounded to ``eps·|W|``, so
the gradient carries an error of ``eps·|W| / learning_rate``, which counts in every comparison.

An update that does more than a step along the gradient (momentum, weight decay, clipping) has
another gradient by this rule, and what it does is told where a mismatch looks so.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import ObjectiveError, OptionError
from gradhook.objective.calls import name_of, plain_function
from gradhook.objective.holders import Slot, slots
from gradhook.objective.parameters import Tree, is_container, norm

__all__ = ["Updater"]

SAME_SIZE = 1e-9
"""Relative difference up to which two sizes of a step are one, as clipping makes them."""


@dataclass(slots=True, eq=False)
class Updater:
    """Reads gradients from what an update does.

    The source are the parameters as the user passed them: a container, or a function returning one.

    Attributes:
        rounding: For each leaf, the norm of its gradient's rounding error at the last call.
    """

    update: Callable[..., Any]
    learning_rate: float
    source: Any
    rounding: dict[str, float] = field(default_factory=dict)
    _changed: bool = False
    _norms: list[float] = field(default_factory=list)
    _repeated: bool = False

    def __post_init__(self) -> None:
        rate = self.learning_rate
        number = isinstance(rate, numbers.Real) and not isinstance(rate, bool)
        if not (number and math.isfinite(rate) and rate > 0):
            raise OptionError(
                f"learning_rate must be the positive number by which the update multiplies the "
                f"gradient, got {rate!r}"
            )
        if not callable(self.update):
            raise ObjectiveError(f"update must be a function, got {self.update!r}")

    def begin(self) -> None:
        """Forget what earlier checks have seen."""
        self._changed, self._repeated, self._norms = False, False, []

    def gradients(
        self, container: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], *, live: bool
    ) -> Any:
        """Make an update, read it, and put everything back.

        ``live`` says that the container holds the user's own arrays, and no copies.
        """
        __tracebackhide__ = True
        tree = Tree.unchecked(container)
        before = {name: np.array(leaf) for name, leaf in tree.leaves.items()}
        held = {name: list(self._places(leaf)) for name, leaf in tree.leaves.items()}
        try:
            returned = self.update(*arguments, **keywords)
            after = self._after(tree, held, returned, before, live=live)
        finally:
            self._put_back(tree, before, held)
        self._refuse_unchanged(before, after)
        rate = self.learning_rate
        # An update of float64 copies may round to float32 all the same.
        eps = {n: max(float(np.finfo(a.dtype).eps) for a in (before[n], after[n])) for n in before}
        self.rounding = {name: eps[name] * norm(array) / rate for name, array in before.items()}
        found = {name: (array - after[name]) / rate for name, array in before.items()}
        self._note(found)
        return tree.rebuild(found)

    def _after(
        self,
        tree: Tree,
        held: Mapping[str, list[Slot]],
        returned: Any,
        before: Mapping[str, Array],
        *,
        live: bool,
    ) -> dict[str, Array]:
        """The weights after an update, wherever it has left them."""
        again = self.source() if live and callable(self.source) else tree.root
        now = {**tree.leaves, **Tree.unchecked(again).leaves}
        for name, leaf in tree.leaves.items():
            bound = [slot.get() for slot in held[name]]
            other = [value for value in bound if value is not leaf and _like(value, before[name])]
            if now[name] is leaf and other:
                now[name] = other[0]
        if is_container(returned) or tree.is_single:
            given = Tree.unchecked(returned).leaves
            if all(_like(given.get(name), array) for name, array in before.items()):
                now = given
        return {name: np.array(now[name]) for name in before}

    def _places(self, leaf: Any) -> Iterator[Slot]:
        """Attributes and variables in reach of the update that hold an array."""
        if not isinstance(leaf, np.ndarray):
            return
        function = plain_function(self.update)
        plain = getattr(function, "__func__", function)
        spaces = [getattr(function, "__self__", None)]
        for cell in getattr(plain, "__closure__", None) or ():
            try:
                held = cell.cell_contents
            except ValueError:  # bound to nothing yet
                continue
            if held is leaf:
                yield Slot("", cell, ((True, "cell_contents"),))
            spaces.append(held)
        variables = getattr(plain, "__globals__", {})
        for name in getattr(getattr(plain, "__code__", None), "co_names", ()):
            if name in variables:
                if variables[name] is leaf:
                    yield Slot(name, variables, ((False, name),))
                spaces.append(variables[name])
        for space in spaces:
            if not isinstance(space, (np.ndarray, type)) and not inspect.ismodule(space):
                yield from (slot for slot in slots(space) if slot.get() is leaf)

    def _put_back(
        self, tree: Tree, before: Mapping[str, Array], held: Mapping[str, list[Slot]]
    ) -> None:
        for name, leaf in tree.leaves.items():
            if isinstance(leaf, np.ndarray):
                leaf[...] = before[name]
            place = tree.places[name]
            if isinstance(place.container, (dict, list)):
                place.container[place.key] = leaf
            for slot in held[name]:
                if slot.get() is not leaf:
                    slot.put(leaf)

    def _refuse_unchanged(self, before: Mapping[str, Array], after: Mapping[str, Array]) -> None:
        if self._changed or any(not np.array_equal(before[n], after[n]) for n in before):
            self._changed = True
            return
        names = list(before)
        raise ObjectiveError(
            f"{name_of(self.update)} changed none of {', '.join(names)}: where it binds new "
            "arrays, pass a function that finds them, parameters=lambda: "
            f"{{{names[0]!r}: net.{names[0]}}}"
        )

    def _note(self, found: Mapping[str, Array]) -> None:
        """See whether a step looks clipped: by its size, or by its largest elements."""
        for size in map(np.abs, found.values()):
            largest = float(size.max()) if size.size else 0.0
            at_most = np.count_nonzero(np.isclose(size, largest, rtol=SAME_SIZE, atol=0))
            self._repeated = self._repeated or bool(largest and 3 <= at_most < size.size)
        self._norms.append(math.hypot(*map(norm, found.values())))

    def reading(self, kinds: frozenset[str]) -> list[str]:
        """What a mismatch may mean besides a wrong gradient."""
        read = "the gradient was read from the update, as (before - after) / learning_rate"
        if {"update_state", "accumulated"} & kinds:
            return [f"{read}: a second update differs from the first, as with momentum or Adam"]
        if any(kind.startswith("reg_") for kind in kinds):
            return [f"{read}: the update also shrinks the weights, as weight decay does"]
        norms = np.array(self._norms[:8])
        if self._repeated:
            return [f"{read}: several elements move by the same largest step, as clipping makes"]
        if len(norms) > 1 and norms.min() > 0 and np.ptp(norms) <= SAME_SIZE * norms.max():
            return [f"{read}: every step is of one size, as clipping by the norm makes"]
        return [f"{read}: if it does more (momentum, decay, clipping), that is in the mismatch"]


def _like(value: Any, before: Array) -> bool:
    return isinstance(value, np.ndarray) and value.shape == before.shape
