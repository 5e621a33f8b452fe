"""Gradients whose numbers are right and stand in the wrong place.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.hypothesis import Hypothesis, Trials, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import OUT
from gradhook.diagnosis.wrong_block import Prediction, fit

__all__ = ["Misplaced"]

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""

LEAST_SIZE = 16
"""Elements of a block from which on a layout is looked for beside a penalty: what a transposition
leaves of smaller ones, 1 number of 2 x 2 and 3 of 3 x 3, a penalty may fit by accident."""


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
        self.predicted, self.found = predicted, found

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        swaps: dict[str, str] = {}
        for name in names:
            for kind, gradient, found in itertools.islice(_layouts(mismatch, name), 1):
                other, predicted = found.get("other", ""), {name: gradient}
                if not other:
                    yield cls("laid_out", kind, predicted, **found)
                elif other not in mismatch.blocks:
                    yield cls("returned_for_another", kind, predicted, other=other)
                elif swaps.get(other) == name:
                    kind = "bn_swapped" if mismatch.blocks[name].is_vector else kind
                    yield cls("exchanged", kind, {other: mismatch.gradients[name]} | predicted)
                else:
                    swaps[name] = other

    def refute(self, mismatch: Mismatch) -> Trials:
        return (confirm(mismatch, self),)


def _layouts(mismatch: Mismatch, name: str) -> Iterator[tuple[str, Array, dict[str, str]]]:
    """Every layout that holds on the probes: its kind, what it predicts, and how that is said."""
    block, tolerance = mismatch.blocks[name], mismatch.options.tolerance
    for kind, how, move in _moves(block.shape):
        # Beside it a multiple of a penalty may be added, by one that is right.
        few = block.is_vector or block.values.size < LEAST_SIZE
        bases = () if few else (block.values, np.sign(block.values))
        for terms in ((), *((basis - move(basis),) for basis in bases)):
            prediction = Prediction(block, move(block.gradient), terms)
            found = fit([prediction], tolerance)
            if found is not None:
                words = {"how": how, "besides": OUT if terms else ""}
                yield kind, prediction.at(found.coefficients), words
    for other, gradient in mismatch.gradients.items():
        if other == name or gradient.shape != block.shape:
            continue
        # Nothing at all is no layout of something.
        much = np.linalg.norm(gradient) >= MUCH * np.linalg.norm(block.gradient)
        if much and fit([Prediction(block, gradient)], tolerance) is not None:
            yield "blocks_swapped", gradient, {"other": other}
