"""Which block lies below which, found by measuring what acts on what, and where a fault enters.

Where a weight is set to zero nothing is passed down through it, so the gradients of all blocks
below it vanish, and of no others; and where it is zero, the blocks above it no longer see the
batch's first item.  Blocks whose gradients vanish with the same weights stand at one place.  If
these places form one chain they are layers; parallel branches, a product of two weights, residual
paths and the parameters of a likelihood form none, and then nothing is said about layers.

A wrong derivative somewhere in a network spoils every gradient from there towards the input and
none above, so that the last wrong block and the first right one enclose the fault.  One block
wrong by itself points to the formula of that block.  This is reading, not a cause; and it is read
only where layers were found by measuring.  Elsewhere the blocks are named, and nothing is added.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.mismatch import Mismatch, Variation
from gradhook.diagnosis.sentences import blocks_listed, say
from gradhook.diagnosis.wrong_block import SAME_GRADIENT, is_vector, multiple_of, same_gradient
from gradhook.evaluation.directions import Move
from gradhook.evaluation.points import scale_of

MOST_ZEROED = 32
"""Blocks up to which each is set to zero once."""

MOVED_BY = 0.3
"""How far a block is moved to see whether the loss depends on it, in units of its scale."""

LOSS_ROUNDING = 1e-13
"""Change of a loss that is rounding, relative to its size."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Blocks in forward order, as far as it was measured."""

    # Those at one place of the chain together, the lowest first; empty for no chain.
    levels: tuple[tuple[str, ...], ...] = ()
    gates: frozenset[str] = frozenset()  # all that lies below one passes through it

    @property
    def place(self) -> Mapping[str, int]:
        """By block, the number of its place."""
        return {name: k for k, level in enumerate(self.levels) for name in level}

    def beside(self, name: str) -> tuple[str, ...]:
        """The other blocks at a block's place."""
        level = next((level for level in self.levels if name in level), ())
        return tuple(other for other in level if other != name)


def measure_layers(mismatch: Mismatch) -> Layers:
    """Find the layers, in one gradient call for each block and two more for each place."""
    names = [name for name in mismatch.gradients if mismatch.gradients[name].size]
    if not 1 < len(names) <= MOST_ZEROED or mismatch.budget.left < len(names):
        return Layers()
    # Zero biases stop by themselves what passes through zero weights: a generic point has none.
    settings = [each.setting for each in mismatch.context.measured]
    moves = next((setting.moves for setting in settings if setting.moves), None)
    point: Variation = {"switches": next(mismatch.without("penalty"), None), "moves": moves}
    base = mismatch.revisit(names, probes=0, **point)
    if base is None:
        return Layers()
    values = base.values
    passes: dict[str, set[str]] = {
        name: set()
        for name in names
        if name in mismatch.blocks or not is_nothing(base.gradients[name], values[name])
    }
    for zeroed in names:
        if not np.any(values[zeroed]):
            continue
        zero: Variation = {**point, "values": {zeroed: np.zeros_like(values[zeroed])}}
        stopped = _stopped(mismatch, values, [name for name in passes if name != zeroed], zero)
        if stopped is None:
            return Layers()
        for name in stopped:
            passes[name].add(zeroed)
    levels = order_levels(passes, mismatch.order)
    gates = frozenset[str]().union(*passes.values())
    weighty = [any(n in gates or not is_vector(values[n].shape) for n in level) for level in levels]
    layers = Layers(levels, gates)
    return layers if sum(weighty) > 1 and _is_serial(mismatch, layers, moves) else Layers()


def _stopped(
    mismatch: Mismatch, blocks: Blocks, others: Collection[str], zero: Variation
) -> list[str] | None:
    """Of the others, those that nothing reaches where one is zero; ``None`` outside the domain.

    The analytic gradient tells of right blocks.  Of wrong ones it may not vanish for being wrong,
    so they are moved: the loss stays, or changes by the same on fewer rows, as a penalty does.
    """
    seen = mismatch.revisit(list(mismatch.gradients), probes=0, **zero)
    wrong = [name for name in others if name in mismatch.blocks]
    if seen is None or mismatch.budget.left < len(wrong):
        return None
    stopped = [n for n in others if n not in wrong and is_nothing(seen.gradients[n], blocks[n])]
    allowed = 10 * mismatch.measured.prober.noise + LOSS_ROUNDING * abs(seen.loss)
    fewer = mismatch.with_rows(range(max(1, mismatch.rows - 1)))
    for name in wrong:
        random = np.random.default_rng(mismatch.seed(21, name))
        length = MOVED_BY * scale_of(blocks[name])
        moved = blocks[name] + length * random.standard_normal(blocks[name].shape)
        there: Variation = {**zero, "values": {**(zero["values"] or {}), name: moved}}
        change = _change(mismatch, zero, there)
        if change is not None and abs(change) > allowed and fewer is not None:
            on_fewer = _change(mismatch, {**zero, "batch": fewer}, {**there, "batch": fewer})
            change = None if on_fewer is None else change - on_fewer
        if change is None:
            return None
        if abs(change) <= allowed:
            stopped.append(name)
    return stopped


def _change(mismatch: Mismatch, one: Variation, other: Variation) -> float | None:
    seen = mismatch.losses([one, other])
    return None if seen is None else seen[1] - seen[0]


def order_levels(
    passes: Mapping[str, set[str]], order: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """The places of one chain, the lowest first; empty where the blocks form none.

    ``passes`` holds, by block, the others that all of it passes through.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for name in sorted(passes, key=list(order).index):
        groups.setdefault(frozenset(passes[name]), []).append(name)
    through = sorted(groups, key=len, reverse=True)
    for lower, upper in itertools.pairwise(through):
        # All that the upper one passes through, and some block that stands with the upper one.
        if not upper < lower or not (lower - upper) & set(groups[upper]):
            return ()
    if len(through) < 2 or any(passed & set(members) for passed, members in groups.items()):
        return ()
    return tuple(tuple(groups[passed]) for passed in through)


def _is_serial(mismatch: Mismatch, layers: Layers, moves: Mapping[str, Move] | None) -> bool:
    """Whether no place of the chain but the lowest sees the batch past the places below it."""
    batch, axis = mismatch.evaluator.batch, mismatch.options.sample_axis
    if mismatch.rows < 2 or not isinstance(batch[0], np.ndarray):
        return False
    other = (np.roll(batch[0], 1, axis=axis), *batch[1:])
    for lower, upper in itertools.pairwise(layers.levels):
        zeroed = [n for n in lower if n in layers.gates]
        zeroed = zeroed or [n for n in lower if mismatch.gradients[n].ndim > 1]
        zero = {n: np.zeros_like(mismatch.evaluator.workspace.values(n)) for n in zeroed}
        if not zero:
            continue
        names = list(mismatch.gradients)
        here = mismatch.revisit(names, probes=0, values=zero, moves=moves)
        there = mismatch.revisit(names, probes=0, values=zero, moves=moves, batch=other)
        if here is None or there is None:
            return False
        # The gradient of a wrong block may be that of other data for being wrong.
        right = [name for name in upper if name not in mismatch.blocks]
        if not all(same_gradient(here.gradients[name], there.gradients[name]) for name in right):
            return False
    return True


def is_nothing(gradient: Array, values: Array) -> bool:
    """Whether a gradient is zero but for a penalty's share: a multiple of the weights or signs."""
    if gradient.size < 2 or not np.any(gradient):
        return not np.any(gradient)
    forms = (values, np.sign(values))
    return any(multiple_of(gradient, form, SAME_GRADIENT) is not None for form in forms)


def forward_order(names: Sequence[str], given: Sequence[str] | None) -> list[str]:
    """Blocks in the order in which they are listed, and tried where nothing was measured.

    The user's order where one is given; else the order of the names as they stand, sorted by the
    layer's number if every name ends in one.
    """
    if given:
        return [*given, *(name for name in names if name not in given)]
    layer = {name: int(found[1]) for name in names if (found := re.search(r"(\d+)\D*$", name))}
    return sorted(names, key=layer.__getitem__) if len(layer) == len(names) else list(names)


def place_of_fault(
    layers: Layers,
    wrong: Collection[str],
    right: Collection[str],
    shapes: Mapping[str, tuple[int, ...]],
    order: Sequence[str],
) -> str:
    """Say where the fault enters, in words; empty where nothing is wrong.

    ``wrong`` are blocks without a cause, ``right`` those that were not too coarse to judge.
    """
    bad = [name for name in order if name in wrong]
    good = [name for name in order if name in right]
    if not bad:
        return ""
    if all(name in layers.place for name in [*bad, *good]):
        found = _in_chain(layers, bad, good, shapes)
        if found:
            return found
    said = "blocks_beside" if good else "blocks"
    return say(said, wrong=blocks_listed(bad[::-1]), right=blocks_listed(good))


def _in_chain(
    layers: Layers, bad: list[str], good: list[str], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """The sentence on a chain of layers, empty where the pattern has no reading."""
    place = layers.place
    bad, good = sorted(bad, key=place.__getitem__), sorted(good, key=place.__getitem__)
    last = bad[-1]
    below = [name for name in good if place[name] < place[last]]
    above = [name for name in good if place[name] > place[last]]
    beside = [name for name in good if place[name] == place[last]]
    listed = blocks_listed(bad[::-1])
    if len(bad) == 1 and layers.beside(last):
        if len(layers.beside(last)) > 1 or not beside:
            return ""
        if is_vector(shapes[last]) == is_vector(shapes[beside[0]]):
            return ""
        said = "one_bias" if is_vector(shapes[last]) else "one_weight"
        down = "; what it passes down is right" if below else ""
        return say(said, wrong=last, beside=beside[0], below=down)
    if beside or below:
        return ""
    if not above:
        return say("nothing_right", wrong=listed) if len(bad) == len(place) else ""
    right = blocks_listed(above)
    if len(bad) == 1:
        return say("below", wrong=listed, right=right, first=above[0], last=last)
    # One at the place of the first right block may have been too coarse to judge.
    through = (*layers.levels[place[above[0]]], *above)
    first = next((name for name in through if name in layers.gates), above[0])
    formulas = _formulas(layers, first, shapes)
    if sum(not is_vector(shapes[name]) for name in layers.levels[place[last]]) > 1:
        formulas += ", or, in a recurrence, what one step passes to the one before"
    return say("entering", wrong=listed, right=right, first=first, last=last, formulas=formulas)


def _formulas(layers: Layers, first: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What stands between a block and the layer below it."""
    # A gain and a shift are of one shape, a weight and its bias are not.
    alike = any(shapes[other] == shapes[first] for other in layers.beside(first))
    if is_vector(shapes[first]) and alike:
        formulas = f"the gradient that the layer of {first} passes down: for a normalisation, the "
        return formulas + "paths through mean and variance, and its gain"
    axes = len(shapes[first])
    down = f"{first} transposed" if axes == 2 else f"what {first} passes down"
    formulas = "derivative of that activation or its dropout, "
    return formulas + f"or {down}, " * (axes > 1) + "or a skip connection"
