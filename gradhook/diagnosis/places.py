"""Where a fault enters, read off which blocks of a measured chain of layers are wrong.

A wrong derivative somewhere in a network spoils every gradient from there towards the input and
none above, so that the last wrong block and the first right one enclose the fault.  One block
wrong by itself points to the formula of that block.  This is reading, not a cause; and it is read
only where layers were found by measuring.  Elsewhere the blocks are named, and nothing is added.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from gradhook.diagnosis.layers import Layers
from gradhook.diagnosis.sentences import blocks_listed, say
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["forward_order", "place_of_fault"]


def forward_order(names: Sequence[str], given: Sequence[str] | None) -> list[str]:
    """Blocks in the order in which they are listed, and tried where nothing was measured.

    The user's order where one is given; else the order of the names as they stand, sorted by the
    layer's number if every name ends in one.
    """
    if given:
        return [*given, *(name for name in names if name not in given)]
    numbers = [re.search(r"(\d+)\D*$", name) for name in names]
    if any(number is None for number in numbers):
        return list(names)
    layer = {n: int(found[1]) for n, found in zip(names, numbers, strict=True) if found}
    return sorted(names, key=lambda name: layer[name])


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
    if layers and all(name in layers.place for name in [*bad, *good]):
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
