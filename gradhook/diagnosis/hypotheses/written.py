"""Gradients of which too little was written, or the right numbers in the wrong place.

What is zero may be rightly so (a pixel that is black in every row, a word that the batch does not
use), so each zero slice is looked at before it is named.  A limit is a number that someone chose,
at this point and at others: elements at one limit are wrong and all others right.

Transposed, off by one, reversed, or returned for another block: moved back, the analytic gradient
is the numerical one, and nothing is left to be fitted but a penalty that was added rightly.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, Trials, confirm, in_turn
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, OUT
from gradhook.diagnosis.wrong_block import (
    SAME_FIT,
    SAME_GRADIENT,
    Fitted,
    Prediction,
    WrongBlock,
    fit,
    is_vector,
)
from gradhook.evaluation.directions import Coordinate, mask_of

SHORT_BLOCK = 8
"""Elements up to which a block is measured one by one."""

NAMED_SLICES = 5
"""Slices that are named one by one."""

Transform = Callable[[Array], Array]
"""Of an array of a block's shape, into another."""

ON_EVERY_ROW = "on the whole batch"

ROWS_ALONE = 3
"""Rows that are looked at one by one."""

MUCH = 1e-2
"""Share of its own norm that another block's gradient must have to be found in its place."""

FEW_VALUES = 3
"""Different sizes that elements may have in a gradient of signs or counts."""

LEAST_SIZE = 16
"""Elements of a block from which on a layout is looked for beside a penalty: what a transposition
leaves of smaller ones, 1 number of 2 x 2 and 3 of 3 x 3, a penalty may fit by accident."""


class Disconnected(Hypothesis):
    """Gradients of zero although the loss depends on the blocks."""

    family, kind, said = "D", "disconnected", "disconnected"
    words = "exactly zero there too", "not zero"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        integers, zero = mismatch.evaluator.integer_gradients, []
        for name in names:
            block = mismatch.blocks[name]
            if np.any(block.gradient) or name in integers:
                continue
            alone = Prediction(block, None, (block.values,))
            if fit([alone], mismatch.options.tolerance):
                continue  # a penalty that is missing where nothing else acts
            if not _may_cancel(mismatch, block):
                zero.append(name)
        if zero:
            yield cls(zero)

    def refute(self, mismatch: Mismatch) -> Trials:
        seen = mismatch.at_other_weights(self.blocks, probes=0)
        if seen is None:
            return ()
        places = [(AT_OTHER_WEIGHTS, seen)]
        # A sum that is zero but for rounding may happen to be zero, but not time and again.
        for row in range(min(mismatch.rows, ROWS_ALONE)):
            batch = mismatch.with_rows([row])
            seen = None if batch is None else mismatch.revisit([], batch=batch, probes=0)
            places += [(f"on row {row} alone", seen)] if seen else []
        seen = mismatch.on_every_row()
        places += [(ON_EVERY_ROW, seen)] if seen else []
        for where, seen in places:
            kept = tuple(name for name in self.blocks if self.holds(seen.gradients[name]))
            if not kept:
                return (Trial(where, self.words[True], refuted=True),)
            self.blocks = kept
        return (Trial(AT_OTHER_WEIGHTS, self.words[False]),)

    def holds(self, gradient: Array) -> bool:
        return not np.any(gradient)


def _may_cancel(mismatch: Mismatch, block: WrongBlock) -> bool:
    """Whether the gradient of a bias may be zero because it is summed over the wrong axis.

    The gradients of hinge scores are whole numbers over the rows and sum to zero over the classes;
    those of a softmax leave rounding behind.  A corner of an image may be dead.
    """
    before = [mismatch.gradients[n] for n in mismatch.order[: mismatch.order.index(block.name)]]
    weights = [gradient for gradient in before if not is_vector(gradient.shape)]
    if not is_vector(block.shape) or (weights and weights[-1].ndim > 2):
        return is_vector(block.shape)
    if block.name != mismatch.order[-1]:
        return False
    if block.gradient.size > SHORT_BLOCK or mismatch.budget.left < 4 * SHORT_BLOCK:
        return False
    wanted, size = mismatch.options.tolerance.explained / 3, block.gradient.size
    elements = [mismatch.probe(block, Coordinate(i), wanted, share=1 / size) for i in range(size)]
    counts = max(1, mismatch.rows) * np.array([probe.slope.value for probe in elements])
    allowed = 3 * max(1, mismatch.rows) * np.array([probe.slope.error for probe in elements]) + 1e-6
    cancels = abs(np.sum(counts)) <= np.sum(allowed)
    return bool(cancels and np.all(np.abs(counts - np.rint(counts)) <= allowed))


class CutToIntegers(Disconnected):
    """A gradient that was written into an integer array."""

    kind, said, support = "integer_buffer", "integer_buffer", "an integer dtype"
    words = "whole numbers there too", "not whole"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        integers = mismatch.evaluator.integer_gradients
        if cut := [name for name in names if name in integers]:
            yield cls(cut)

    def holds(self, gradient: Array) -> bool:
        return bool(np.all(np.mod(gradient, 1) == 0))


class ZeroSlices(Hypothesis):
    """A block that is wrong in some slices along an axis, as a search found, and zero there."""

    family, said = "W", "zero_slices"

    def __init__(self, block: WrongBlock, axis: int, empty: Array) -> None:
        self.blocks = (block.name,)
        self.kind = "last_row_missing" if axis == 0 else "last_column_missing"
        first, last = int(np.min(empty)), int(np.max(empty))
        named = f"{first}:{last + 1}" if last - first + 1 == len(empty) else "…"
        named = str(first) if len(empty) == 1 else named
        index = ", ".join(named if i == axis else ":" for i in range(block.gradient.ndim))
        self.where = f"{block.name}[{index}]"
        some = ", ".join(str(int(i)) for i in empty[:NAMED_SLICES])
        some += ", …" if len(empty) > NAMED_SLICES else ""
        what = ("row", "column")[axis] if block.gradient.ndim == 2 else "slice"
        what = f"{what} {some} is" if len(empty) == 1 else f"{what}s {some} are"
        written = bool(np.any(np.take(block.gradient, empty, axis=axis)))
        self._slices = axis, empty, written
        held = "a multiple of the weights, as a penalty alone makes" if written else "zero"
        self.found = {"part": self.where, "what": f"{what} {held}"}

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            block, location = mismatch.blocks[name], mismatch.located(name)
            wrong = mask_of(block.shape, location.boxes)
            for axis, length in enumerate(block.shape if location.complete else ()):
                slices = np.moveaxis(wrong, axis, 0).reshape(length, -1)
                some = np.flatnonzero(np.all(slices, axis=1))
                whole = slices.shape[1] > 1 and 0 < np.count_nonzero(slices) == slices[some].size
                if whole and np.all(np.isin(some, _empty_slices(block, axis))):
                    yield cls(block, axis, some)
                    break

    def refute(self, mismatch: Mismatch) -> Trials:
        name, (axis, empty, written) = self.blocks[0], self._slices
        seen = None if written else mismatch.on_every_row()
        if seen is not None and np.any(np.take(seen.gradients[name], empty, axis=axis)):
            return (Trial(ON_EVERY_ROW, "not zero", refuted=True),)
        return (Trial(f"a search through {name}", "all else is right"),)


def _empty_slices(block: WrongBlock, axis: int) -> Array:
    """Slices that hold no data term: zero, or a multiple of the weights that all of them share."""
    a, w = (
        np.moveaxis(x, axis, 0).reshape(block.shape[axis], -1)
        for x in (block.gradient, block.values)
    )
    zero = np.flatnonzero(~np.any(a, axis=1))
    if len(zero) or a.shape[1] < 2:
        return zero
    for basis in (w, np.sign(w)):
        with np.errstate(all="ignore"):
            factors = np.sum(a * basis, axis=1) / np.sum(basis * basis, axis=1)
            left = np.linalg.norm(a - factors[:, None] * basis, axis=1)
            alike = left <= SAME_GRADIENT * np.linalg.norm(a, axis=1)
        if np.any(alike) and np.ptp(factors[alike]) <= SAME_FIT * np.max(np.abs(factors[alike])):
            return np.flatnonzero(alike)
    return zero


class Unmoved(Hypothesis):
    """Gradients that are the same, to the bit, at other weights and on other rows."""

    family, kind, said, by_elimination = "C", "stale_cache", "unmoved", True

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        # Signs, counts and constants may well stay.
        sizes = np.concatenate([np.abs(mismatch.gradients[name]).ravel() for name in names])
        if len(np.unique(sizes)) > max(FEW_VALUES, len(sizes) / 2):
            yield cls(names)

    def refute(self, mismatch: Mismatch) -> Trials:
        rows = mismatch.with_rows(range(mismatch.rows // 2))
        on_rows = None if rows is None else mismatch.revisit([], batch=rows, probes=0)
        if on_rows is None:
            return ()
        seen = mismatch.at_other_weights([], probes=0)
        places = [on_rows, *([] if seen is None else [seen])]
        stays = all(
            np.array_equal(each.gradients[name], mismatch.gradients[name])
            for each in places
            for name in self.blocks
        )
        out = f"the gradient {'stays' if stays and seen else 'changes'}"
        return (Trial("other weights, and half of the rows", out, refuted=not (stays and seen)),)


class Clipped(Hypothesis):
    """Blocks that are wrong only where their gradient stands at one limit."""

    family, kind, said = "M", "clipped", "clipped"

    def __init__(self, mismatch: Mismatch, top: float, names: Sequence[str]) -> None:
        self.blocks, self.top = tuple(names), top
        self.masks = {name: np.abs(mismatch.gradients[name]) == top for name in names}
        self.inside = {n: mask for n, mask in self.masks.items() if not np.all(mask)}
        self.predicted = {name: mismatch.gradients[name] for name in self.inside}
        self.support = "wrong only where the gradient has its largest size"
        self.found = {
            "top": f"{top:.6g}",
            "many": sum(int(np.count_nonzero(mask)) for mask in self.masks.values()),
            "size": sum(mask.size for mask in self.masks.values()),
        }

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        tops = {name: _largest(mismatch.gradients[name]) for name in names}
        for top in dict.fromkeys(tops.values()):
            found = cls(mismatch, top, [name for name in names if tops[name] == top])
            several = any(np.count_nonzero(mask) > 1 for mask in found.masks.values())
            chosen = float(f"{top:.3g}") == top  # a number that someone chose
            if top > 0 and (several or chosen):
                yield found

    def refute(self, mismatch: Mismatch) -> Trials:
        return in_turn(lambda: confirm(mismatch, self), lambda: self._at_another_point(mismatch))

    def _at_another_point(self, mismatch: Mismatch) -> Trial | None:
        seen = mismatch.at_other_weights([], probes=0)
        # Gradients that are the same everywhere, as a hinge's are, tell nothing.
        here = mismatch.gradients
        if seen is None or all(np.array_equal(seen.gradients[n], here[n]) for n in self.blocks):
            return None
        tops = [_largest(seen.gradients[name]) for name in self.blocks]
        same, beyond = tops.count(self.top), sum(top > self.top for top in tops)
        out = f"the same limit in {same} of {len(tops)} blocks, none beyond it"
        out = f"elements beyond the limit in {beyond} blocks" if beyond else out
        return Trial(AT_OTHER_WEIGHTS, out, refuted=bool(beyond or not same))


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))


class _Layout(NamedTuple):
    """What makes the numerical gradient of a block out of an analytic one."""

    kind: str
    name: str
    source: str  # the block whose gradient it is made of
    move: Transform = np.asarray
    how: str = ""  # the move in words
    penalty: Transform | None = None  # of the weights, where the multiple that was added is right

    def terms(self, values: Blocks) -> tuple[Array, ...]:
        """What a coefficient is fitted to."""
        if self.penalty is None:
            return ()
        basis = self.penalty(values[self.name])
        return (basis - self.move(basis),)

    def at(self, gradients: Blocks, values: Blocks, coefficients: Sequence[float]) -> Array:
        """The numerical gradient at these gradients and weights."""
        terms = zip(coefficients, self.terms(values), strict=True)
        return sum((c * term for c, term in terms), start=self.move(gradients[self.source]))


class Misplaced(Hypothesis):
    """A block whose gradient is laid out wrongly, or a pair of which each holds the other's."""

    family = "W"

    def __init__(self, said: str, layouts: Sequence[tuple[_Layout, Fitted]], **found: str) -> None:
        self.said, self.kind, self.found = said, layouts[0][0].kind, found
        if said == "exchanged" and is_vector(layouts[0][1].prediction.block.shape):
            self.kind = "bn_swapped"
        self.support = "its numbers are right and stand in the wrong place"
        self.blocks = tuple(layout.name for layout, _ in layouts)
        self.predicted = {layout.name: fitted.predicted for layout, fitted in layouts}
        self._layouts = layouts

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        swaps: dict[str, tuple[_Layout, Fitted]] = {}
        for name in names:
            best = min(_layouts(mismatch, name), key=lambda found: found[1].misfit, default=None)
            if best is None:
                continue
            layout, other = best[0], best[0].source
            if other == name:
                besides = OUT if layout.penalty else ""
                yield cls("laid_out", [best], how=layout.how, besides=besides)
            elif other not in mismatch.blocks:
                yield cls("returned_for_another", [best], other=other)
            elif other in swaps and swaps[other][0].source == name:
                yield cls("exchanged", [swaps[other], best])
            else:
                swaps[name] = best

    def refute(self, mismatch: Mismatch) -> Trials:
        return in_turn(lambda: confirm(mismatch, self), lambda: self._at_another_point(mismatch))

    def _at_another_point(self, mismatch: Mismatch) -> Trial | None:
        """Move the gradients there as here: a few numbers may stand in an order by accident."""
        seen = mismatch.at_other_weights(self.blocks)
        if seen is None:
            return None
        made = {
            layout.name: layout.at(seen.gradients, seen.values, fitted.coefficients)
            for layout, fitted in self._layouts
        }
        same = seen.meets(mismatch, made)
        out = "the same layout" if same else "another layout"
        return Trial(AT_OTHER_WEIGHTS, out, refuted=not same)


def _layouts(mismatch: Mismatch, name: str) -> Iterator[tuple[_Layout, Fitted]]:
    """Every layout that holds on the probes, with what was fitted."""
    block, tolerance = mismatch.blocks[name], mismatch.options.tolerance
    # Beside it a multiple of a penalty may be added, by one that is right.
    few = is_vector(block.shape) or block.values.size < LEAST_SIZE
    tried = [
        _Layout(kind, name, name, move, how, penalty)
        for kind, how, move in _moves(block.shape)
        for penalty in (None, *(() if few else (np.asarray, np.sign)))
    ]
    # Nothing at all is no layout of something.
    least = MUCH * np.linalg.norm(block.gradient)
    tried += [
        _Layout("blocks_swapped", name, other)
        for other, gradient in mismatch.gradients.items()
        if other != name and gradient.shape == block.shape and np.linalg.norm(gradient) >= least
    ]
    values = {name: block.values}
    for layout in tried:
        base = layout.move(mismatch.gradients[layout.source])
        for found in fit([Prediction(block, base, layout.terms(values))], tolerance).values():
            # A multiple that does not stand out of its error was not added.
            numbers = zip(found.coefficients, found.errors, strict=True)
            if all(abs(c) > tolerance.resolved * error for c, error in numbers):
                yield layout, found


def _moves(shape: tuple[int, ...]) -> Iterator[tuple[str, str, Transform]]:
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
