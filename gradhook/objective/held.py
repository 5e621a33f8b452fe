"""``run(*batch) -> loss`` and the object that holds weights and gradients, as an objective.

``run`` makes the forward and the backward pass, and leaves the gradients beside the weights.  Which
attributes are weights is found by two runs.  After the first the pairs are there
(``gradhook.objective.holders``); before the second every candidate is moved a little and every
gradient is zero.  An array that a run replaces or writes is an activation and no weight, and so is
one that shares memory with the batch; a gradient that no run writes is none.

At each evaluation the gradients are zeroed, so that code which adds to them and code which
overwrites them are both right.  Weights are moved where they are; numbers, read-only arrays and
float32 arrays that are to be finer for a while are put into every attribute that held them.

A ``run`` that returns ``(loss, gradients by name)`` names its weights so.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradhook._types import Array, Batch, kind_of
from gradhook.errors import GradientNameError, LossTypeError, ObjectiveError
from gradhook.objective.answers import found_on, nothing_found
from gradhook.objective.calls import batch_of, by_name, items_of, name_of, signature_of, takes
from gradhook.objective.gradients import RULES, shape_of
from gradhook.objective.holders import (
    ABSENT,
    HeldPair,
    Slot,
    find_pairs,
    is_numbers,
    is_tensor,
    number_slot,
    numbers_in,
    slots,
)
from gradhook.objective.parameters import Tree, each_leaf, rms

__all__ = ["Held"]

MOVED = 1e-3
"""Distance, in scales of each array, by which candidates are moved before the second run."""


class Held:
    """Weights and gradients on an object, and the function that fills the gradients.

    The function is ``run(*batch) -> loss``, or ``run(root, *batch)``.

    Attributes:
        weights: The weights by name, as a check moves them.
        note: What was found and how, in one sentence.
    """

    def __init__(self, run: Callable[..., Any], root: Any) -> None:
        self._user_run = self._run = run
        self._root = [root] if is_tensor(root) else root
        self._whole = root
        self._pairs: list[HeldPair] = []
        self._given: dict[str, Any] = {}
        self._original: dict[str, Any] = {}
        self._places: dict[str, list[Slot]] = {}
        self.weights: dict[str, Array] = {}
        self.note = ""

    def discover(
        self, batch: Batch, names: tuple[str, ...], data: Any, rewind: Callable[[], None]
    ) -> None:
        """Find the weights by two runs on a batch, whose changes ``rewind`` puts back.

        ``data`` is whatever else is no weight.  What the function raises passes.
        """
        __tracebackhide__ = True
        self._bind(batch, names)
        arguments, keywords = by_name(names, batch)
        call = functools.partial(self._run, *arguments, **keywords)
        before = {slot.path: slot.get() for slot in slots(self._root)}
        for pair in find_pairs(self._root):
            before[pair.weight.path] = pair.weight.get()
        loss = self._loss_of(call())
        pairs = self._named_by_gradients() if self._given else find_pairs(self._root)
        out: dict[str, str] = {}
        arrays = [item for item in each_leaf([batch, data]) if isinstance(item, np.ndarray)]
        for pair in pairs:
            now, then = pair.weight.get(), before.get(pair.weight.path)
            number, same = pair.gradient.get(), before.get(pair.gradient.path)
            if now is not then and (np.ndim(now) or then is None or not _equal(now, then)):
                out[pair.weight.name] = "replaced by the run"
            elif same is not None and number is same and np.ndim(number) == 0 and number:
                out[pair.weight.name] = f"no run writes {pair.gradient.name}"
            elif _shares(now, arrays):
                out[pair.weight.name] = "part of the batch"
        pairs = [pair for pair in pairs if pair.weight.name not in out]
        rewind()
        self._take(pairs)
        pairs = self._pairs
        with self._moved() as left:
            self._zero()
            marks = {p.weight.path: self._gradient(p)[0] for p in pairs}
            self._loss_of(call())
            for pair in pairs:
                if not self._is_left(pair, left):
                    out[pair.weight.name] = "written by the run"
                elif not self._is_written(pair, marks[pair.weight.path]):
                    out[pair.weight.name] = f"no run writes {pair.gradient.name}"
            pairs = _without_repetitions(
                [pair for pair in pairs if pair.weight.name not in out], self._gradient
            )
        rewind()
        if not pairs:
            raise ObjectiveError(nothing_found(self._user_run, self._whole, out))
        for slot in self._without_gradient(pairs, before):
            if slot.name in out or _shares(slot.get(), arrays):
                continue
            if self._moves_the_loss(slot, call, loss):
                out[slot.name] = "no gradient was found beside it"
            rewind()
        self._take(pairs)
        both = "makes both passes, each from gradients of zero"
        how = "returns the gradients" if self._given else both
        self.note = found_on(f"{name_of(self._user_run)} {how}", self._whole, pairs, out)

    def _without_gradient(
        self, pairs: Sequence[HeldPair], before: Mapping[Any, Any]
    ) -> Iterator[Slot]:
        """Arrays and lists beside weights, that no run replaces, and that have no gradient."""
        beside = {id(self._here(pair.weight).holder) for pair in pairs}
        known = {slot.path for pair in pairs for slot in (pair.weight, pair.gradient)}
        values = {id(self._here(pair.gradient).get()) for pair in pairs}
        for slot in list(slots(self._root)):
            value = slot.get()
            if (
                id(slot.holder) in beside
                and slot.path not in known
                and ((_is_movable(value) and is_numbers(value)) or _is_list_of_floats(value))
                and before.get(slot.path) is value
                and id(value) not in values | beside
            ):
                yield slot

    def _moves_the_loss(self, slot: Slot, call: Callable[[], Any], loss: Any) -> bool:
        """Whether the loss is another one where an array is moved."""
        value = slot.get()
        saved = value.copy()
        array, whole = np.asarray(value), slice(None) if isinstance(value, list) else ...
        try:
            value[whole] = array + _step(array, np.random.default_rng(0))
            return not _equal(self._loss_of(call()), loss)
        except Exception:  # no weight, then
            return False
        finally:
            value[whole] = saved

    def loss_and_gradients(self, *batch: Any, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        """Run forward and backward, and read the gradients."""
        __tracebackhide__ = True
        self._install()
        self._zero()
        before = [self._here(pair.gradient).get(ABSENT) for pair in self._pairs]
        loss = self._loss_of(self._run(*batch, **keywords))
        found = {pair.weight.name: self._read(pair) for pair in self._pairs}
        # What was None is None again, for code that adds to whatever else is there.
        for pair, value in zip(self._pairs, before, strict=True):
            if value is None or value is ABSENT:
                self._here(pair.gradient).put(value)
        return loss, found

    @property
    def function(self) -> Callable[..., Any]:
        """``loss_and_gradients`` with the name and the signature of the user's function."""
        run = self._user_run

        def loss_and_gradients(*batch: Any, **keywords: Any) -> Any:
            __tracebackhide__ = True
            return self.loss_and_gradients(*batch, **keywords)

        loss_and_gradients.__name__ = name_of(run)
        signature = signature_of(run)
        if signature is not None:
            kept = list(signature.parameters.values())[self._run is not run :]
            vars(loss_and_gradients)["__signature__"] = signature.replace(parameters=kept)
        return loss_and_gradients

    def _bind(self, batch: Batch, names: tuple[str, ...]) -> None:
        """See whether ``run`` takes the batch alone, or after the object."""
        run, count = self._user_run, 0 if names else len(batch)
        if names or takes(run, count):
            self._run = run
        elif takes(run, count + 1):
            self._run = functools.partial(run, self._whole)
        else:
            signature = signature_of(run)
            raise ObjectiveError(
                f"{name_of(run)}{signature} is not called with a batch {items_of(run, batch)}: "
                f"write check_gradients({name_of(run)}, ...{batch_of(run, after=0)})"
            )

    def _take(self, pairs: list[HeldPair]) -> None:
        """Look after these pairs, at the values that they have now."""
        pairs = [HeldPair(self._here(pair.weight), pair.gradient) for pair in pairs]
        self._pairs = pairs
        self._original = {pair.weight.name: pair.weight.get() for pair in pairs}
        self.weights = {
            name: w if _is_movable(w) else np.array(w, dtype=np.float64)
            for name, w in self._original.items()
        }
        by_identity: dict[int, list[Slot]] = {}
        for slot in slots(self._root):
            by_identity.setdefault(id(slot.get()), []).append(slot)
        self._places = {}
        for pair in pairs:
            weight = self._original[pair.weight.name]
            others = by_identity.get(id(weight), []) if np.ndim(weight) else []
            others = [slot for slot in others if slot.path != pair.weight.path]
            self._places[pair.weight.name] = [pair.weight, *others]

    def _install(self) -> None:
        """Let every attribute hold what the check moves."""
        for name, places in self._places.items():
            weight, original = self.weights[name], self._original[name]
            is_array = isinstance(original, np.ndarray) and original.ndim > 0
            value = weight if weight is original or is_array else _like(original, weight)
            for slot in places:
                here = self._here(slot)
                if here.get() is not value:
                    here.put(value)

    @contextlib.contextmanager
    def _moved(self) -> Iterator[dict[str, Array]]:
        """Move candidates a little while a block runs, and give the values that they then have."""
        saved = {name: weight.copy() for name, weight in self.weights.items()}
        random = np.random.default_rng(0)
        try:
            for weight in self.weights.values():
                weight += _step(weight, random)
            self._install()
            yield {name: weight.copy() for name, weight in self.weights.items()}
        finally:
            for name, values in saved.items():
                self.weights[name][...] = values
                for slot in self._places[name]:
                    if slot.get() is not self._original[name]:
                        slot.put(self._original[name])

    def _here(self, slot: Slot) -> Slot:
        """The same place, reached anew; no root leads to what ``run`` has returned."""
        return slot if slot.holder is self._given else slot.again(self._root)

    def _is_left(self, pair: HeldPair, left: dict[str, Any]) -> bool:
        """Whether a run has left a moved weight alone."""
        now = self._here(pair.weight).get()
        held = self._original[pair.weight.name]
        same = now is held or not _is_movable(held)
        return same and is_numbers(now) and _equal(now, left[pair.weight.name])

    def _is_written(self, pair: HeldPair, before: Any) -> bool:
        """Whether a run has written a gradient that was zero."""
        holder, gradient = self._gradient(pair)
        if gradient is None:
            return False
        now = np.asarray(gradient, dtype=np.float64)
        weight = np.shape(self.weights[pair.weight.name])
        # W and dW of other shapes: a mistake to tell of, if a run made it.
        return bool(np.any(now)) or (holder is not before and now.ndim > 0 and now.shape == weight)

    def _gradient(self, pair: HeldPair) -> tuple[Any, Any]:
        """What hangs where the gradient should, and its numbers."""
        held = self._here(pair.gradient).get()
        return held, numbers_in(held)

    def _read(self, pair: HeldPair) -> Any:
        held, gradient = self._gradient(pair)
        if gradient is None:
            raise GradientNameError(
                f"after the run {pair.gradient.name} is {kind_of(held)}, where "
                f"the gradient of {pair.weight.name} was found before: let every run leave it there"
            )
        weight = self.weights[pair.weight.name]
        return np.reshape(gradient, weight.shape) if weight.ndim == 0 else gradient

    def _named_by_gradients(self) -> list[HeldPair]:
        """The weights whose gradients ``run`` has returned by name."""
        places = {slot.name: slot for slot in reversed(list(slots(self._root)))}
        pairs = []
        for key in self._given:
            called = [n for n in places if any(form.replace("{}", n) == key for form in RULES)]
            name = next(
                (n for n in (key, *called) if n in places and is_numbers(places[n].get())), None
            )
            if name is not None:
                pairs.append(HeldPair(places[name], Slot(key, self._given, ((False, key),))))
        return pairs

    def _zero(self) -> None:
        self._given.clear()
        for pair in self._pairs:
            slot: Slot | None = self._here(pair.gradient)
            held = slot.get() if slot else None
            if held is not None and not is_numbers(held):
                slot = number_slot(held)
                held = slot.get() if slot else None
            if isinstance(held, np.ndarray) and held.flags.writeable:
                held[...] = 0
            elif slot is not None and held is not None and not isinstance(slot.holder, tuple):
                slot.put(_like(held, np.zeros(np.shape(held))))

    def _loss_of(self, returned: Any) -> Any:
        """The loss; a tensor of a tape holds it as its numbers."""
        name = name_of(self._user_run)
        if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
            returned, gradients = returned
            self._given.update(Tree.unchecked(gradients).leaves)
        if isinstance(returned, (tuple, list)):
            raise LossTypeError(
                f"{name} returned {kind_of(returned)} of {len(returned)}: with "
                "an object that holds the weights it returns the loss alone, or (loss, gradients) "
                "with gradients by name; else pass the weights by name, such as "
                "check_gradients(..., {'W1': net.W1}, batch=...)"
            )
        inside = numbers_in(returned)
        return returned if inside is None else inside


def _without_repetitions(
    pairs: list[HeldPair], read: Callable[[HeldPair], tuple[Any, Any]]
) -> list[HeldPair]:
    """One pair for each weight and gradient, also where both are kept in several places.

    A weight that is kept twice with two gradients (tied weights) stays twice: they are added.
    """
    kept: list[HeldPair] = []
    for pair in sorted(pairs, key=lambda pair: len(pair.weight.path)):
        weight, gradient = pair.weight.get(), read(pair)[1]
        if np.ndim(weight) and any(
            weight is other.weight.get() and _equal(gradient, read(other)[1]) for other in kept
        ):
            continue
        kept.append(pair)
    chosen = {pair.weight.path for pair in kept}
    return [pair for pair in pairs if pair.weight.path in chosen]


def _shares(value: Any, arrays: Sequence[Array]) -> bool:
    """Whether a value lies in the memory of any of these arrays."""
    return any(np.may_share_memory(value, array) for array in arrays)


def _step(weight: Array, random: np.random.Generator) -> Array:
    """A small step of either sign in every element."""
    signs = random.choice([-1.0, 1.0], weight.shape)
    return np.asarray(MOVED * (rms(weight) or 1.0) * signs).astype(weight.dtype)


def _is_movable(weight: Any) -> bool:
    return (
        isinstance(weight, np.ndarray)
        and weight.flags.writeable
        and not isinstance(weight, (np.ma.MaskedArray, np.matrix))
    )


def _is_list_of_floats(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and {*map(type, value)} <= {float, np.float64}


def _like(original: Any, array: Array) -> Any:
    """An array's numbers as the kind of thing that stood there."""
    if isinstance(original, np.generic):
        return type(original)(array)
    return array.copy() if hasattr(original, "__array__") else float(array)


def _equal(first: Any, second: Any) -> bool:
    return shape_of(first) == shape_of(second) and bool(np.array_equal(first, second))
