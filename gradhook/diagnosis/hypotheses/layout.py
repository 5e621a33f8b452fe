"""Gradients whose numbers are right and stand in the wrong place.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

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


class Misplaced(Hypothesis):
    """A block whose gradient is laid out wrongly, or a pair of which each holds the other's."""

    family = "W"

    def __init__(
        self, said: str, kind: str, predicted: Mapping[str, Array], support: str, **found: str
    ) -> None:
        self.said, self.kind = said, kind
        self.blocks = tuple(predicted)
        self.support = support
        self._predicted, self._found = predicted, found

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        swaps: dict[str, str] = {}
        for block in (mismatch.blocks[name] for name in names):
            layout = _layout_of(mismatch, block)
            if layout is None:
                continue
            put_right = _put_right(layout, block, mismatch)
            if layout.move is None:
                swaps[block.name] = layout.other
            if layout.move is not None or layout.other not in mismatch.blocks:
                yield cls.of(block, layout, put_right)
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


class MisplacedBesidePenalty(Misplaced):
    """A weight whose data term is laid out wrongly, with a penalty added rightly to it."""

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for block in (mismatch.blocks[name] for name in names):
            if not block.is_vector:
                yield from cls._beside_penalty(mismatch, block)

    @classmethod
    def _beside_penalty(cls, mismatch: Mismatch, block: WrongBlock) -> Iterator[Hypothesis]:
        for layout in layouts(block, {}):
            assert layout.move is not None
            put_right = layout.move(block.gradient)
            for penalised in (block.values, np.sign(block.values)):
                there = Prediction(block, put_right, (penalised - layout.move(penalised),))
                found = fit([there], mismatch.options.tolerance)
                if found is not None:
                    yield cls.of(block, layout, there.at(found.coefficients), OUT)
                    return


def _layout_of(mismatch: Mismatch, block: WrongBlock) -> Layout | None:
    """The first layout that holds on the probes."""
    for layout in layouts(block, mismatch.gradients):
        put_right = _put_right(layout, block, mismatch)
        # Nothing at all is no layout of something.
        if np.linalg.norm(put_right) < MUCH * np.linalg.norm(block.gradient):
            continue
        if fit([Prediction(block, put_right)], mismatch.options.tolerance) is not None:
            return layout
    return None


def _put_right(layout: Layout, block: WrongBlock, mismatch: Mismatch) -> Array:
    if layout.move is None:
        return mismatch.gradients[layout.other]
    return layout.move(block.gradient)


Move: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A gradient whose numbers are right and stand in the wrong place.

    Args:
        kind: What ``Cause.kind`` says.
        how: Where its numbers stand; empty where another block holds them.
        move: Puts them right: ``n = move(a)``; ``None`` where another block holds them.
        other: Name of the block that holds them.
    """

    kind: str
    how: str = ""
    move: Move | None = None
    other: str = ""


def layouts(block: WrongBlock, gradients: Blocks) -> Iterator[Layout]:
    """Every layout that fits the block's shape.

    Args:
        block: The block.
        gradients: The analytic gradients of all blocks.
    """
    shape = block.shape
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for i in long:
        for j in long:
            if i < j and shape[i] == shape[j]:
                kind = "dW_transposed" if len(shape) == 2 else "conv_channel_swap"
                words = "transposed" if len(shape) == 2 else f"with axes {i} and {j} exchanged"
                yield Layout(kind, words, _swapped(i, j))
    for axis in long:
        for shift in (-1, 1):
            words = f"off by one along axis {axis}"
            yield Layout("rolled_rows", words, _rolled(axis, shift))
    for axis in long:
        words = f"in reverse order along axis {axis}"
        yield Layout("flipped", words, _flipped(axis))
    if len(long) > 2:
        last = ", ".join(map(str, long[-2:]))
        words = f"in reverse order along axes {last}"
        yield Layout("flipped", words, _flipped(*long[-2:]))
    if len(long) > 1:
        words = "in reverse order along every axis"
        yield Layout("flipped", words, _flipped(*long))
    for name, gradient in gradients.items():
        if name != block.name and gradient.shape == shape:
            yield Layout("blocks_swapped", other=name)


def _swapped(i: int, j: int) -> Move:
    return lambda array: np.swapaxes(array, i, j)


def _rolled(axis: int, shift: int) -> Move:
    return lambda array: np.roll(array, shift, axis=axis)


def _flipped(*axes: int) -> Move:
    return lambda array: np.flip(array, axis=axes)
