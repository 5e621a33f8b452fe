"""``run(*batch) -> loss`` and the object that holds weights and gradients, as an objective.

``run`` makes the forward and the backward pass, and leaves the gradients beside the weights.  Which
attributes are weights is found by two runs.  After the first the pairs are there
(``gradhook.objective.holders``); before the second every candidate is moved a little and every
gradient is zero.  An array that a run replaces or writes is an activation and no weight, and so is
one that shares memory with the batch.  A gradient that no run writes is none, unless the loss moves
with its weight: then the backward pass forgets it.

At each evaluation the gradients are zeroed, so that code which adds to them and code which
overwrites them are both right.  Weights are moved where they are; numbers, read-only arrays and
float32 arrays that are to be finer for a while are put into every attribute that held them.  A
``run`` that returns ``(loss, gradients by name)`` names its weights so, and so does one that
returns the gradients as another object of the weights' class, as of a data class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradhook._types import Array, Batch, kind_of
from gradhook.errors import GradientNameError, LossTypeError, ObjectiveError
from gradhook.objective.calls import Form, by_name, form_of, name_of, signature_of
from gradhook.objective.gradients import RULES
from gradhook.objective.holders import (
    ABSENT,
    HeldPair,
    Path,
    Slot,
    find_pairs,
    holds,
    is_numbers,
    is_tensor,
    number_slot,
    numbers_in,
    slots,
)
from gradhook.objective.parameters import Tree, each_leaf, rms

MOVED = 1e-3
"""Distance, in scales of each array, by which candidates are moved before the second run."""

UNWRITTEN = "no run writes"
"""Begins what is said of a gradient that stays as it was."""

NOTED = 8
"""Names that a sentence lists."""


class Held:
    """Weights and gradients on an object, and the function that fills the gradients.

    The function is ``run(*batch) -> loss``, or ``run(root, *batch)``.  ``remedy`` says what to
    write where nothing is found; by default a function that returns the gradients by name.
    """

    def __init__(self, run: Callable[..., Any], root: Any, remedy: str = "") -> None:
        self._user_run = self._run = run
        self._remedy = remedy
        self._whole, self._root = root, [root] if is_tensor(root) else root
        self._pairs: list[HeldPair] = []
        self._forgotten: set[str] = set()  # weights whose gradient no run writes
        self._given: dict[str, Any] = {}  # gradients that the run has returned by name
        self._original: dict[str, Any] = {}
        self._places: dict[str, list[Slot]] = {}
        self.weights: dict[str, Array] = {}  # as a check moves them
        self.note = ""  # what was found and how

    def discover(
        self, batch: Batch, names: tuple[str, ...], data: Any, rewind: Callable[[], None]
    ) -> None:
        """Find the weights, neither batch nor ``data``, by two runs that ``rewind`` takes back."""
        __tracebackhide__ = True
        run = self._user_run
        form: Form | None = None if signature_of(run) else "in_place"
        if form_of([run], batch, form, "in_place", (), names) == "functional":
            self._run = functools.partial(run, self._whole)
        arguments, keywords = by_name(names, batch)
        call = functools.partial(self._run, *arguments, **keywords)
        before = {slot.path: slot.get() for slot in slots(self._root)}
        before |= {pair.weight.path: pair.weight.get() for pair in find_pairs(self._root)}
        self._loss_of(call())
        pairs = self._named_by_gradients() if self._given else find_pairs(self._root)
        out: dict[str, str] = {}
        arrays = [item for item in each_leaf([batch, data]) if isinstance(item, np.ndarray)]
        for pair in pairs:
            now, then = pair.weight.get(), before.get(pair.weight.path)
            number, same = pair.gradient.get(), before.get(pair.gradient.path)
            if now is not then and (np.ndim(now) or then is None or not np.array_equal(now, then)):
                out[pair.weight.name] = "replaced by the run"
            elif same is not None and number is same and np.ndim(number) == 0 and number:
                out[pair.weight.name] = f"{UNWRITTEN} {pair.gradient.name}"
            elif any(np.may_share_memory(now, array) for array in arrays):
                out[pair.weight.name] = "part of the batch"
        rewind()
        self._take([pair for pair in pairs if pair.weight.name not in out])
        # Saved here, for what surrounds this copies no large arrays.
        saved = {name: weight.copy() for name, weight in self.weights.items()}
        random = np.random.default_rng(0)
        try:
            for weight in self.weights.values():
                weight += _step(weight, random)
            moved = {name: weight.copy() for name, weight in self.weights.items()}
            self._install()
            self._zero()
            zeros = {pair.weight.name: self._gradient(pair)[0] for pair in self._pairs}
            self._loss_of(call())
            for pair in self._pairs:
                name = pair.weight.name
                if why := self._why_not(pair, moved[name], zeros[name]):
                    out[name] = why
            for name, values in saved.items():
                self.weights[name][...] = values
            reacts = functools.partial(self._reacts, call, rewind)
            for pair in self._pairs:
                name, shape = pair.weight.name, np.shape(self._gradient(pair)[1])
                fits = shape == self.weights[name].shape or self._gradient(pair)[1] is None
                unwritten = out.get(name, "").startswith(UNWRITTEN)
                if unwritten and fits and reacts(self.weights[name], moved[name]):
                    del out[name]
                    self._forgotten.add(name)
            for slot in self._without_gradient(pairs, before, arrays):
                if reacts(slot.get(), slot.get() + _step(slot.get(), random)):
                    out[slot.name] = "the loss reads it, and no gradient is beside it"
            pairs = self._without_repetitions([p for p in self._pairs if p.weight.name not in out])
        finally:
            for name, values in saved.items():
                self.weights[name][...] = values
                for slot in self._places[name]:
                    if slot.get() is not self._original[name]:
                        slot.put(self._original[name])
        rewind()
        if not pairs:
            seen = {s.name: np.shape(s.get()) for s in slots(self._root) if is_numbers(s.get())}
            takes = "*batch" if self._run is run else "net, *batch"
            shown = [f"{n} {at} ({out.get(n, 'no gradient')})" for n, at in seen.items() if at]
            made = "made by the run: if it is a weight, run once before"
            shown += [f"{name} ({made})" for name in out if name not in seen]
            remedy = self._remedy or (
                "Write check_gradients(f, {'W': ...}, batch=...), where f(*batch) returns "
                f"{name_of(run)}({takes}) and {{'W': its gradient}}; if the run also updates the "
                "weights, use Objective.from_update"
            )
            raise ObjectiveError(
                f"no weight with a gradient was found on {kind_of(self._whole)} after a run.  "
                f"Arrays seen: {_listed(shown) or 'none'}.  {remedy}"
            )
        self._take(pairs)
        ran = f"{name_of(run)} makes both passes, each from gradients of zero"
        known = [f"{p.weight.name} ({p.gradient.name.rpartition('.')[2]})" for p in pairs]
        rest = f"; left out: {_listed([f'{n} ({why})' for n, why in out.items()])}" if out else ""
        self.note = (
            f"{'gradients are returned, by name' if self._given else ran}; "
            f"weights and gradients found on {kind_of(self._whole)}: {_listed(known)}{rest}"
        )

    @property
    def function(self) -> Callable[..., Any]:
        """``loss_and_gradients`` with the name and the signature of the user's function."""

        @functools.wraps(self._run)
        def loss_and_gradients(*batch: Any, **keywords: Any) -> tuple[Any, dict[str, Any]]:
            __tracebackhide__ = True
            self._install()
            self._zero()
            before = [self._here(pair.gradient).get(ABSENT) for pair in self._pairs]
            loss = self._loss_of(self._run(*batch, **keywords))
            found = {}
            for pair in self._pairs:
                (held, gradient), name = self._gradient(pair), pair.weight.name
                if gradient is None and name in self._forgotten:
                    gradient = np.zeros_like(self.weights[name])
                if gradient is None:
                    raise GradientNameError(
                        f"after the run {pair.gradient.name} is {kind_of(held)}, where the "
                        f"gradient of {name} was found before: let every run leave it there"
                    )
                is_number = self.weights[name].ndim == 0
                found[name] = np.reshape(gradient, ()) if is_number else gradient
            # What was None is None again, for code that adds to whatever else is there.
            for pair, value in zip(self._pairs, before, strict=True):
                if value is None or value is ABSENT:
                    self._here(pair.gradient).put(value)
            return loss, found

        loss_and_gradients.__name__ = name_of(self._user_run)
        return loss_and_gradients

    def gradients(self) -> dict[str, Any]:
        """What a run has left beside the weights, by their names."""
        return {pair.weight.name: self._gradient(pair)[1] for pair in self._pairs}

    def _take(self, pairs: list[HeldPair]) -> None:
        """Look after these pairs, at the values that they have now."""
        pairs = [HeldPair(self._here(pair.weight), pair.gradient) for pair in pairs]
        self._pairs = pairs
        self._original = {pair.weight.name: pair.weight.get() for pair in pairs}
        self.weights = {
            name: w if _is_movable(w) else np.array(w, dtype=np.float64)
            for name, w in self._original.items()
        }
        self._places = {pair.weight.name: [pair.weight] for pair in pairs}
        arrays = {id(w): name for name, w in self._original.items() if np.ndim(w)}
        for slot in slots(self._root):
            if name := arrays.get(id(slot.get())):
                self._places[name].append(slot)

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

    def _here(self, slot: Slot) -> Slot:
        """The same place, reached anew; no root leads to what ``run`` has returned."""
        return slot if slot.holder is self._given else slot.again(self._root)

    def _why_not(self, pair: HeldPair, moved: Array, zero: Any) -> str:
        """What a run did to a moved weight, or did not do to a gradient of zero, if it is none."""
        now, held = self._here(pair.weight).get(), self._original[pair.weight.name]
        left = now is held or not _is_movable(held)
        if not (left and is_numbers(now) and np.array_equal(now, moved)):
            return "written by the run"
        found, gradient = self._gradient(pair)
        new = found is not zero and np.ndim(gradient) > 0 and np.shape(gradient) == np.shape(moved)
        written = gradient is not None and (new or np.any(np.asarray(gradient)))
        return "" if written else f"{UNWRITTEN} {pair.gradient.name}"

    def _reacts(
        self, call: Callable[[], Any], rewind: Callable[[], None], array: Array, moved: Array
    ) -> bool:
        """Whether the loss moves with one array alone."""
        losses, kept = [], array.copy()
        for values in (kept, moved):
            rewind()
            array[...] = values
            self._install()
            self._zero()
            losses.append(float(self._loss_of(call())))
        array[...] = kept
        return losses[0] != losses[1]

    def _without_gradient(
        self, pairs: list[HeldPair], before: Mapping[Path, Any], data: list[Array]
    ) -> list[Slot]:
        """Arrays that hang beside weights and that no run replaces, the first few."""
        holders = {id(pair.weight.holder) for pair in pairs}
        known = [numbers_in(slot.get()) for p in pairs for slot in (p.weight, p.gradient)]
        found = []
        for slot in slots(self._root):
            array = slot.get()
            beside = id(slot.holder) in holders and before.get(slot.path) is array
            if not (beside and isinstance(array, np.ndarray) and array.ndim and is_numbers(array)):
                continue
            others = (each for each in (*known, *data) if isinstance(each, np.ndarray))
            if array.flags.writeable and not any(np.may_share_memory(array, o) for o in others):
                found.append(slot)
        return found[:NOTED]

    def _gradient(self, pair: HeldPair) -> tuple[Any, Any]:
        """What hangs where the gradient should, and its numbers."""
        held = self._here(pair.gradient).get()
        return held, numbers_in(held)

    def _without_repetitions(self, pairs: list[HeldPair]) -> list[HeldPair]:
        """One pair for each weight and gradient, also where both are kept in several places.

        A weight that is kept twice with two gradients (tied weights) stays twice: they are added.
        """
        kept: dict[Any, tuple[Any, Any]] = {}
        for pair in sorted(pairs, key=lambda pair: len(pair.weight.path)):
            weight, gradient = pair.weight.get(), self._gradient(pair)[1]
            if not np.ndim(weight) or not any(
                weight is other and np.array_equal(gradient, its) for other, its in kept.values()
            ):
                kept[pair.weight.path] = weight, gradient
        return [pair for pair in pairs if pair.weight.path in kept]

    def _named_by_gradients(self) -> list[HeldPair]:
        """The weights whose gradients ``run`` has returned by name."""
        nearest_last = reversed(list(slots(self._root)))
        places = {slot.name: slot for slot in nearest_last if is_numbers(slot.get())}
        pairs = []
        for key in self._given:
            called = [n for n in places if any(form.replace("{}", n) == key for form in RULES)]
            name = key if key in places else next(iter(called), None)
            if name is not None:
                pairs.append(HeldPair(places[name], Slot(key, self._given, (key,))))
        return pairs

    def _zero(self) -> None:
        self._given.clear()
        for pair in self._pairs:
            slot: Slot | None = self._here(pair.gradient)
            held, numbers = self._gradient(pair)
            if not is_numbers(held):
                slot, held = number_slot(held), numbers
            if isinstance(held, np.ndarray) and held.flags.writeable:
                held[...] = 0
            elif slot is not None and held is not None and not isinstance(slot.holder, tuple):
                slot.put(_like(held, np.zeros(np.shape(held))))

    def _loss_of(self, returned: Any) -> Any:
        """The loss; a tensor of a tape holds it as its numbers."""
        name = name_of(self._user_run)
        gradients = returned[1] if isinstance(returned, tuple) and len(returned) == 2 else None
        whole = self._whole
        if holds(gradients) and type(gradients) is type(whole) and gradients is not whole:
            found = {slot.name: slot.get() for slot in slots(gradients)}
            gradients = {name: value for name, value in found.items() if is_numbers(value)}
        if isinstance(gradients, Mapping):
            returned = returned[0]
            self._given.update(Tree.unchecked(gradients).leaves)
        if isinstance(returned, (tuple, list)):
            raise LossTypeError(
                f"{name} returned {kind_of(returned)} of {len(returned)}: with an object that "
                "holds the weights it returns the loss alone, or the loss and gradients that go by "
                "the attributes of the weights, such as (loss, {'W1': dW1})"
            )
        inside = numbers_in(returned)
        return returned if inside is None else inside


def _listed(names: list[str]) -> str:
    more = len(names) - NOTED
    return ", ".join(names[:NOTED]) + (f" and {more} more" if more > 0 else "")


def _step(weight: Array, random: np.random.Generator) -> Array:
    signs = random.choice([-1.0, 1.0], weight.shape)
    return (MOVED * (rms(weight) or 1.0) * signs).astype(weight.dtype)


def _is_movable(weight: Any) -> bool:
    return isinstance(weight, np.ndarray) and weight.flags.writeable


def _like(original: Any, array: Array) -> Any:
    """An array's numbers as the kind of thing that stood there."""
    if isinstance(original, np.generic):
        return type(original)(array)
    return array.copy() if hasattr(original, "__array__") else float(array)
