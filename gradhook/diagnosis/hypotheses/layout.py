"""Gradients whose numbers are right and stand in the wrong place.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.hypothesis import Hypothesis, Trials, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import OUT
from gradhook.diagnosis.wrong_block import Prediction, WrongBlock, fit

__all__ = ["Layout", "Misplaced", "layouts"]

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""

LEAST_SIZE = 16
"""Elements of a block from which on a layout is looked for beside a penalty: what a transposition
leaves of smaller ones, 1 number of 2 x 2 and 3 of 3 x 3, a penalty may fit by accident."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A gradient whose numbers are right and stand in the wrong place."""

    kind: str  # what ``Cause.kind`` says
    predicted: Array  # the numerical gradient that it predicts
    how: str = ""  # where its numbers stand; empty where another block holds them
    other: str = ""  # the block that holds them
    penalties: tuple[Array, ...] = ()  # of one a multiple may be added, by a penalty that is right


def layouts(block: WrongBlock, gradients: Blocks) -> Iterator[Layout]:
    """Every layout that fits the block's shape; ``gradients`` are those of all blocks."""
    for kind, how, move in _moves(block.shape):
        few = block.is_vector or block.values.size < LEAST_SIZE
        bases = () if few else (block.values, np.sign(block.values))
        penalties = tuple(basis - move(basis) for basis in bases)
        yield Layout(kind, move(block.gradient), how, penalties=penalties)
    for name, gradient in gradients.items():
        if name != block.name and gradient.shape == block.shape:
            yield Layout("blocks_swapped", gradient, other=name)


def _moves(shape: tuple[int, ...]) -> Iterator[tuple[str, str, Callable[[Array], Array]]]:
    """By kind and in words, what puts misplaced numbers right."""
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for i, j in itertools.combinations(long, 2):
        if shape[i] == shape[j]:
            kind = "dW_transposed" if len(shape) == 2 else "conv_channel_swap"
            words = "transposed" if len(shape) == 2 else f"with axes {i} and {j} exchanged"
            yield kind, words, functools.partial(np.swapaxes, axis1=i, axis2=j)
    for axis, shift in itertools.product(long, (-1, 1)):
        move = functools.partial(np.roll, shift=shift, axis=axis)
        yield "rolled_rows", f"off by one along axis {axis}", move
    flips: dict[tuple[int, ...], str] = {(axis,): f"axis {axis}" for axis in long}
    if len(long) > 2:
        flips[tuple(long[-2:])] = f"axes {long[-2]}, {long[-1]}"
    if len(long) > 1:
        flips[tuple(long)] = "every axis"
    for axes, words in flips.items():
        yield "flipped", f"in reverse order along {words}", functools.partial(np.flip, axis=axes)


class Misplaced(Hypothesis):
    """A block whose gradient is laid out wrongly, or a pair of which each holds the other's."""

    family = "W"

    def __init__(self, said: str, kind: str, predicted: Mapping[str, Array], **found: str) -> None:
        self.said, self.kind = said, kind
        self.support = "its numbers are right and stand in the wrong place"
        self.blocks = tuple(predicted)
        self._predicted, self.found = predicted, found

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        swaps: dict[str, str] = {}
        for block in (mismatch.blocks[name] for name in names):
            layout, besides = _layout_of(mismatch, block)
            if layout is None:
                continue
            predicted = {block.name: layout.predicted}
            if layout.how:
                yield cls("laid_out", layout.kind, predicted, how=layout.how, besides=besides)
            elif layout.other not in mismatch.blocks:
                yield cls("returned_for_another", layout.kind, predicted, other=layout.other)
            elif swaps.get(layout.other) == block.name:
                kind = "bn_swapped" if block.is_vector else layout.kind
                other = {layout.other: mismatch.gradients[block.name]}
                yield cls("exchanged", kind, other | predicted)
            else:
                swaps[block.name] = layout.other

    def predict(self) -> Mapping[str, Array]:
        return self._predicted

    def refute(self, mismatch: Mismatch) -> Trials:
        return (confirm(mismatch, self),)


def _layout_of(mismatch: Mismatch, block: WrongBlock) -> tuple[Layout | None, str]:
    """The first layout that holds on the probes, and what stands besides."""
    tolerance = mismatch.options.tolerance
    for layout in layouts(block, mismatch.gradients):
        # Nothing at all is no layout of something.
        if np.linalg.norm(layout.predicted) < MUCH * np.linalg.norm(block.gradient):
            continue
        if fit([Prediction(block, layout.predicted)], tolerance) is not None:
            return layout, ""
        for penalty in layout.penalties:
            penalised = Prediction(block, layout.predicted, (penalty,))
            found = fit([penalised], tolerance)
            if found is not None:
                return replace(layout, predicted=penalised.at(found.coefficients)), OUT
    return None, ""
