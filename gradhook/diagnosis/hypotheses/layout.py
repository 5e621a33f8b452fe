"""Gradients whose numbers are right and stand in the wrong place.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.fit import Prediction, fit
from gradhook.diagnosis.hypothesis import Hypothesis, Refutation, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import OUT, listed, say
from gradhook.diagnosis.wrong_block import WrongBlock

__all__ = ["Layout", "Misplaced", "MisplacedBesidePenalty", "layouts"]

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A gradient whose numbers are right and stand in the wrong place."""

    kind: str  # what ``Cause.kind`` says
    how: str = ""  # where its numbers stand; empty where another block holds them
    move: Callable[[Array], Array] | None = None  # ``n = move(a)``; ``None`` beside ``other``
    other: str = ""  # the block that holds them

    def put_right(self, block: WrongBlock, gradients: Blocks) -> Array:
        """The numerical gradient that it predicts."""
        return gradients[self.other] if self.move is None else self.move(block.gradient)


def layouts(block: WrongBlock, gradients: Blocks) -> Iterator[Layout]:
    """Every layout that fits the block's shape; ``gradients`` are those of all blocks."""
    shape = block.shape
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for i, j in itertools.combinations(long, 2):
        if shape[i] == shape[j]:
            kind = "dW_transposed" if len(shape) == 2 else "conv_channel_swap"
            words = "transposed" if len(shape) == 2 else f"with axes {i} and {j} exchanged"
            yield Layout(kind, words, functools.partial(np.swapaxes, axis1=i, axis2=j))
    for axis in long:
        for shift in (-1, 1):
            move: Any = functools.partial(np.roll, shift=shift, axis=axis)
            yield Layout("rolled_rows", f"off by one along axis {axis}", move)
    flips: list[tuple[tuple[int, ...], str]] = [((axis,), f"axis {axis}") for axis in long]
    if len(long) > 2:
        flips.append((tuple(long[-2:]), f"axes {long[-2]}, {long[-1]}"))
    if len(long) > 1:
        flips.append((tuple(long), "every axis"))
    for axes, words in flips:
        move = functools.partial(np.flip, axis=axes)
        yield Layout("flipped", f"in reverse order along {words}", move)
    for name, gradient in gradients.items():
        if name != block.name and gradient.shape == shape:
            yield Layout("blocks_swapped", other=name)


class Misplaced(Hypothesis):
    """A block whose gradient is laid out wrongly, or a pair of which each holds the other's."""

    family = "W"

    def __init__(
        self, said: str, kind: str, predicted: Mapping[str, Array], support: str, **found: str
    ) -> None:
        self.said, self.kind, self.support = said, kind, support
        self.blocks = tuple(predicted)
        self._predicted, self._found = predicted, found

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        swaps: dict[str, str] = {}
        for block in (mismatch.blocks[name] for name in names):
            layout = _layout_of(mismatch, block)
            if layout is None:
                continue
            if layout.move is None:
                swaps[block.name] = layout.other
            if layout.move is not None or layout.other not in mismatch.blocks:
                yield cls.of(block, layout, layout.put_right(block, mismatch.gradients))
            elif swaps.get(layout.other) == block.name:
                yield cls._swapped(mismatch, block.name, layout.other)

    @classmethod
    def of(cls, block: WrongBlock, layout: Layout, predicted: Array, besides: str = "") -> Self:
        """One block whose numbers are right and stand in the wrong place."""
        said = "laid_out" if layout.move is not None else "returned_for_another"
        support = "its numbers are right and stand in the wrong place"
        found = {"how": layout.how, "other": layout.other, "besides": besides}
        return cls(said, layout.kind, {block.name: predicted}, support, **found)

    @classmethod
    def _swapped(cls, mismatch: Mismatch, first: str, second: str) -> Self:
        both = sorted((first, second), key=list(mismatch.gradients).index)
        kind = "bn_swapped" if mismatch.blocks[first].is_vector else "blocks_swapped"
        predicted = {n: mismatch.gradients[o] for n, o in zip(both, both[::-1], strict=True)}
        return cls("exchanged", kind, predicted, "equal along every direction once exchanged")

    def predict(self) -> Mapping[str, Array]:
        return self._predicted

    def refute(self, mismatch: Mismatch) -> Refutation:
        return confirm(mismatch, self)

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks), **self._found)


def _layout_of(mismatch: Mismatch, block: WrongBlock) -> Layout | None:
    """The first layout that holds on the probes."""
    for layout in layouts(block, mismatch.gradients):
        put_right = layout.put_right(block, mismatch.gradients)
        # Nothing at all is no layout of something.
        if np.linalg.norm(put_right) < MUCH * np.linalg.norm(block.gradient):
            continue
        if fit([Prediction(block, put_right)], mismatch.options.tolerance) is not None:
            return layout
    return None


class MisplacedBesidePenalty(Misplaced):
    """A weight whose data term is laid out wrongly, with a penalty added rightly to it."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for block in (mismatch.blocks[name] for name in names):
            if block.is_vector:
                continue
            penalties = (block.values, np.sign(block.values))
            for layout, penalised in itertools.product(layouts(block, {}), penalties):
                assert layout.move is not None
                term = penalised - layout.move(penalised)
                there = Prediction(block, layout.move(block.gradient), (term,))
                found = fit([there], mismatch.options.tolerance)
                if found is not None:
                    yield cls.of(block, layout, there.at(found.coefficients), OUT)
                    break
