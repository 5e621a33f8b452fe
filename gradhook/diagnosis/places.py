"""Where a fault enters, read off which blocks of a measured chain of layers are wrong.

A wrong derivative somewhere in a network spoils every gradient from there towards the input and
none above, so that the last wrong block and the first right one enclose the fault.  One block
wrong by itself points to the formula of that block.  This is reading, not a cause; and it is read
only where layers were found by measuring.  Elsewhere the blocks are named, and nothing is added.

Of a wrong gradient that has no cause two more things are said where they were measured.  A matrix
that is right along symmetric directions and wrong beside is read as symmetric by the code.  A
residual that is the gradient of another block was added in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from gradhook.diagnosis.fit import Prediction, fit
from gradhook.diagnosis.layers import Layers
from gradhook.diagnosis.mismatch import FRESH, Mismatch
from gradhook.diagnosis.sentences import blocks_listed, listed, say
from gradhook.diagnosis.wrong_block import is_vector
from gradhook.evaluation.directions import RandomDirection, random_direction, seeded
from gradhook.report.format import LONGEST_NAME, block_name

__all__ = ["forward_order", "hints", "place_of_fault"]

LARGEST_SYMMETRIC = 300
"""Rows of a matrix up to which symmetric directions are made."""


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
        found = _Chain(layers, bad, good, shapes).read()
        if found:
            return found
    said = "blocks_beside" if good else "blocks"
    return say(said, wrong=blocks_listed(bad[::-1]), right=blocks_listed(good))


class _Chain:
    """A chain of layers with its wrong and right blocks."""

    def __init__(
        self,
        layers: Layers,
        bad: Sequence[str],
        good: Sequence[str],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.layers, self.good, self.shapes = layers, good, shapes
        self.vectors = {name for name, shape in shapes.items() if is_vector(shape)}
        place = layers.place
        self.bad = sorted(bad, key=place.__getitem__)
        self.top, self.bottom = place[self.bad[-1]], place[self.bad[0]]
        self.listed = blocks_listed(self.bad[::-1])
        self.below = [name for name in good if place[name] < self.top]
        self.beside = [name for name in good if place[name] == self.top]
        self.above = sorted((n for n in good if place[n] > self.top), key=place.__getitem__)

    def read(self) -> str:
        """The sentence, empty where the pattern has no reading."""
        if len(self.bad) == 1:
            return self._one(self.bad[0])
        vectors = self.vectors.intersection(self.bad)
        right = self.vectors.intersection(self.good)
        if not vectors and all(right.intersection(self.layers.beside(n)) for n in self.bad):
            return say("weights_only", wrong=self.listed) if len(right) == len(self.good) else ""
        if self.beside:
            return ""
        if not self.below and self.above:
            return self._entering()
        if not self.below:
            every = len(self.bad) == len(self.layers.place)
            return say("nothing_right", wrong=self.listed) if every else ""
        if self.top == self.bottom and len(self.bad) == 2 and len(vectors) == 1:
            return say("one_layer", wrong=self.listed)
        return ""

    def _one(self, name: str) -> str:
        beside = [n for n in self.beside if (n in self.vectors) != (name in self.vectors)]
        if len(beside) == 1 and len(self.layers.beside(name)) == 1:
            if name in self.vectors:
                return say("one_bias", wrong=name, beside=beside[0])
            below = "; what it passes down is right" if self.below else ""
            return say("one_weight", wrong=name, beside=beside[0], below=below)
        if self.above and not self.below and not self.beside and not self.layers.beside(name):
            first = self.above[0]
            right = blocks_listed(self.above)
            return say("below", wrong=self.listed, right=right, first=first, last=name)
        return ""

    def _entering(self) -> str:
        place, levels = self.layers.place, self.layers.levels
        # One at the place of the first right block may have been too coarse to judge.
        through = (*levels[place[self.above[0]]], *self.above)
        gate = [name for name in through if name in self.layers.gates]
        first, last = (gate or self.above)[0], self.bad[-1]
        beside = self.layers.beside(first)
        # A gain and a shift are of one shape, a weight and its bias are not.
        alike = any(self.shapes[other] == self.shapes[first] for other in beside)
        gain = first in self.vectors and alike
        if gain and last in self.vectors:
            formulas = f"the gradient that the layer of {first} passes down: for a normalisation, "
            formulas += "the paths through mean and variance, and its gain"
        elif gain:
            formulas = f"what {last} is multiplied by, or what the layer of {first} passes down"
        else:
            axes = len(self.shapes[first])
            down = f"{first} transposed" if axes == 2 else f"what {first} passes down"
            formulas = "derivative of that activation or its dropout, "
            formulas += f"or {down}, " * (axes > 1) + "or a skip connection"
        right = blocks_listed(self.above)
        return say(
            "entering", wrong=self.listed, right=right, first=first, last=last, formulas=formulas
        )


def hints(mismatch: Mismatch, name: str) -> Iterator[str]:
    """Sentences about one block."""
    block = mismatch.blocks[name]
    for other, gradient in mismatch.gradients.items():
        if other == name or gradient.shape != block.shape or not np.any(gradient):
            continue
        for sign, what in ((1, "lacks"), (-1, "holds besides")):
            predicted = block.gradient + sign * gradient
            if fit([Prediction(block, predicted)], mismatch.options.tolerance) is None:
                continue
            if mismatch.confirms({name: predicted}):
                yield say("another_gradient", d=listed([name]), what=what, other=listed([other]))
                return
    given = np.asarray(mismatch.evaluator.workspace.tree.blocks[name])
    is_square = given.ndim == 2 and 1 < given.shape[0] == given.shape[1] <= LARGEST_SYMMETRIC
    if is_square and np.array_equal(given, given.T) and _right_where_symmetric(mismatch, name):
        yield say("read_as_symmetric", block=block_name(name, LONGEST_NAME))


def _right_where_symmetric(mismatch: Mismatch, name: str) -> bool:
    """Whether both derivatives agree along symmetric directions, as they do along no others."""
    block = mismatch.blocks[name]
    mismatch.enter()
    for k in range(FRESH):
        if mismatch.budget.left < 4:
            return False
        seed = seeded(mismatch.options.seed, 20, k)
        drawn = random_direction(block.gradient.size, seed)
        codes = drawn.codes.reshape(block.shape).copy()
        lower = np.tril_indices(block.shape[0], -1)
        codes[lower] = codes.T[lower]
        direction = RandomDirection(codes.reshape(-1), drawn.table)
        probe = mismatch.probe(block, direction, mismatch.options.tolerance.explained)
        allowed = mismatch.options.tolerance.resolved * probe.slope.error
        if abs(probe.residual) > allowed or allowed > 0.1 * block.residual_norm:
            return False
    return True
