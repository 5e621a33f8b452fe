"""Gradients whose numbers stand in the wrong place, or that the layer above passes down wrongly.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.

What a layer passes down depends on its own block.  A transpose or a flip that was forgotten does
nothing to a block that is symmetric under it, so the fault vanishes there.  At a block of zeros
only the path around the layer is left, whose gradient may be lost or counted twice.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import revisit, vanishing, without
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, Trials, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import OUT, blocks_listed
from gradhook.diagnosis.wrong_block import Prediction, fit, is_vector

__all__ = ["Misplaced", "PathAround", "Symmetric"]

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""

LEAST_SIZE = 16
"""Elements of a block from which on a layout is looked for beside a penalty: what a transposition
leaves of smaller ones, 1 number of 2 x 2 and 3 of 3 x 3, a penalty may fit by accident."""

FORGOTTEN = {
    "W_not_transposed": "multiplied by it where its transpose belongs (or the reverse)",
    "conv_no_flip": "the kernel is flipped on the way back, or not flipped where it should be",
}
"""What a block that is right once it is symmetric says of the way back."""

AROUND = {
    0.0: ("skip_missing", "the gradient of the path around it is lost"),
    2.0: ("double_count", "the gradient of the path around it is counted twice"),
}
"""Kind and words by the factor that is left where the layer's own block is zero."""


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
                    kind = "bn_swapped" if is_vector(gradient.shape) else kind
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
        few = is_vector(block.shape) or block.values.size < LEAST_SIZE
        bases = () if few else (block.values, np.sign(block.values))
        for terms in ((), *((basis - move(basis),) for basis in bases)):
            prediction = Prediction(block, move(block.gradient), terms)
            for found in fit([prediction], tolerance).values():
                words = {"how": how, "besides": OUT if terms else ""}
                yield kind, found.predicted, words
    for other, gradient in mismatch.gradients.items():
        if other == name or gradient.shape != block.shape:
            continue
        # Nothing at all is no layout of something.
        much = np.linalg.norm(gradient) >= MUCH * np.linalg.norm(block.gradient)
        if much and fit([Prediction(block, gradient)], tolerance):
            yield "blocks_swapped", gradient, {"other": other}


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


def _above(mismatch: Mismatch, names: Sequence[str]) -> str | None:
    """The right block next above the wrong ones; ``None`` where a right weight lies below them."""
    order = list(mismatch.order)
    last = max(order.index(name) for name in names)
    below = [mismatch.gradients[name].shape for name in order[:last] if name in mismatch.right]
    if not all(map(is_vector, below)):
        return None
    return next((name for name in order[last + 1 :] if name in mismatch.right), None)


class Symmetric(Hypothesis):
    """Blocks that are right once the block above them is made symmetric."""

    family, said = "W", "symmetric"

    def __init__(self, names: Sequence[str], above: str, kind: str, mirrored: Array) -> None:
        self.blocks, self.above, self.kind = tuple(names), above, kind
        self.where = f"what the layer of {above} passes down"
        self.found = {"above": above, "how": FORGOTTEN[kind]}
        self._mirrored = mirrored

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        above = _above(mismatch, names)
        if above is None:
            return
        values = mismatch.evaluator.workspace.values(above)
        if values.ndim == 2 and values.shape[0] == values.shape[1]:
            yield cls(names, above, "W_not_transposed", values.T)
        elif values.ndim == 4:
            yield cls(names, above, "conv_no_flip", values[:, :, ::-1, ::-1])

    def refute(self, mismatch: Mismatch) -> Trials:
        values = mismatch.evaluator.workspace.values(self.above)
        half = {self.above: (values + self._mirrored) / 2}
        tried = f"{self.above} made symmetric"
        return (vanishing(mismatch, self.blocks, tried, values=half),)


class PathAround(Hypothesis):
    """Blocks below a path around a layer, whose gradient is lost or counted twice."""

    family, kind, said, confidence = "A", "skip_missing", "path_around", "family"

    def __init__(self, names: Sequence[str], above: str) -> None:
        self.blocks, self.above = tuple(names), above
        self.where = f"the join below {above}"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        above = _above(mismatch, names)
        if above is not None and np.any(mismatch.evaluator.workspace.values(above)):
            yield cls(names, above)

    def refute(self, mismatch: Mismatch) -> Trials:
        # A penalty would add the same to both.
        plain = next(without(mismatch, "penalty"), None)
        zero = np.zeros_like(mismatch.evaluator.workspace.values(self.above))
        seen = revisit(mismatch, self.blocks, switches=plain, values={self.above: zero})
        if seen is None:
            return ()
        tried = f"{self.above} set to zero"
        if any(abs(probe.slope.value) <= 100 * probe.slope.error for probe in seen.probes):
            return (Trial(tried, "nothing passes around it", refuted=True),)
        slopes = [(p.analytic, p.slope.value, p.slope.error) for p in seen.probes]
        fits = (all(abs(a - f * n) <= 1e-9 * abs(n) + 5 * e for a, n, e in slopes) for f in AROUND)
        factor = next(itertools.compress(AROUND, fits), None)
        if factor is None:
            return (Trial(tried, "the gradient is neither lost nor doubled", refuted=True),)
        self.kind, how = AROUND[factor]
        self.found = {"above": self.above, "how": how}
        trial = Trial(tried, f"the gradient is {factor:g} times the numerical one")
        others = [name for name in mismatch.blocks if name not in self.blocks]
        if others:  # what a wrong block passes down is no fault of the path
            zeros = {name: np.zeros(mismatch.blocks[name].shape) for name in others}
            tried = f"{blocks_listed(others)} set to zero"
            other = vanishing(mismatch, self.blocks, tried, stays=True, values=zeros)
            if other is not None and other.refuted:
                return (trial, other)
        return (trial,)
