"""Which part of a block is wrong, when the fault is neither in a few elements nor everywhere.

A part that code treats by itself is seldom drawn at random: entries whose gradient is zero, weights
of one sign, a triangle, half of an axis, a range of one unrolled vector.  Each of these natural
splits is tried by one derivative along a direction that is zero inside the part: if everything
outside agrees, the fault lies inside.  Ranges are found by their ends, along each axis in turn.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array, Box
from gradhook.diagnosis.mismatch import TWO_NUMBERS, Mismatch
from gradhook.diagnosis.sentences import say
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.evaluation.directions import (
    Coordinate,
    Direction,
    Part,
    RandomDirection,
    cut,
    mask_of,
    masked,
    random_direction,
    size_of,
    whole,
)
from gradhook.probe.prober import Budget
from gradhook.report.format import LONGEST_NAME, block_name
from gradhook.verdict.evidence import Location, Probe, describe

FINE = 0.02
"""Error of a probe that looks for a part, as a share of the block's residual."""

ONE_BY_ONE = 16
"""Elements up to which a block is measured one by one."""

DRAWN = 4
"""Slices drawn along an axis, one from each quarter: any range of half of it leaves one right."""

INTERVALS = 8
"""Into which an axis is cut when a range is looked for."""

LARGEST_MASK = 2_000_000
"""Elements up to which masks are made, and kept for a picture."""

TRIED = 4
"""Elements that are tried until one stands out of its error."""


@dataclass(frozen=True, slots=True, eq=False)
class WrongPart:
    """A part of a block that is wrong, all else of the block being right."""

    mask: Array  # true inside; the block's shape
    words: str  # the part in words
    everything: bool = False  # whether it is all of the block, or scattered over it


class _BudgetSpentError(Exception):
    """There are too few evaluations left for what comes next."""


def find_part(mismatch: Mismatch, name: str) -> WrongPart | None:
    """The part of a spread fault that is wrong; ``None`` where it could not be told."""
    with contextlib.suppress(_BudgetSpentError):
        return _Splits(mismatch, name).find()
    return None


class _Splits:
    def __init__(self, mismatch: Mismatch, name: str) -> None:
        self.mismatch, self.name = mismatch, name
        self.block = mismatch.blocks[name]
        self.shape, self.size = self.block.shape, self.block.gradient.size
        self.residual = self.block.residual_norm
        self.shown = block_name(name, LONGEST_NAME)
        self.count = 0
        mismatch.enter()

    def find(self) -> WrongPart | None:
        """The first that holds, the smallest of several masks."""
        if self.size > LARGEST_MASK or not self.residual > 0:
            return None
        if self.size <= ONE_BY_ONE:
            return self._by_element()
        found = self._mask()
        if found is not None and self.shape[0] == self.shape[-1]:
            return found
        try:
            boxes = self._boxes()
        except _BudgetSpentError:
            return found
        covered = sum(map(size_of, boxes))
        # A triangle of what is not square may hold half of the rows.
        if found is not None and not 0 < covered < int(np.count_nonzero(found.mask)):
            return found
        if not 0 < covered < self.size:
            return self._all_or_scattered()
        mask = mask_of(self.shape, boxes)
        if self.is_right(~mask) and self.is_right(~mask):
            return WrongPart(mask, describe(Location(self.name, self.shape, joined(boxes))))
        return None

    def _need(self, evaluations: int) -> None:
        if self.mismatch.budget.left < evaluations:
            raise _BudgetSpentError

    def _by_element(self) -> WrongPart | None:
        self._need(3 * self.size)
        wrong = [self._is_wrong(Coordinate(i), 1 / self.size) for i in range(self.size)]
        mask = np.reshape(wrong, self.shape)
        count = sum(wrong)
        if not count:
            return None
        if count == self.size:
            return WrongPart(mask, say("all_of", block=self.shown), everything=True)
        for part in self._natural():
            if np.array_equal(part.mask, mask) and count > 1:
                return part
        boxes = [tuple(slice(int(i), int(i) + 1) for i in at) for at in np.argwhere(mask)]
        return WrongPart(mask, describe(Location(self.name, self.shape, joined(boxes))))

    def _mask(self) -> WrongPart | None:
        """The smallest natural part outside of which everything is right."""
        best: WrongPart | None = None
        for part in self._natural():
            mask = part.mask
            if best is not None and np.count_nonzero(mask) >= np.count_nonzero(best.mask):
                continue
            if self.mismatch.budget.left < 8:
                break
            if self.is_right(~mask) and self.is_right(~mask) and not self.is_right(mask):
                best = part
        return best

    def _natural(self) -> Iterator[WrongPart]:
        seen: list[Array] = []
        a, w = self.block.gradient, self.block.values
        candidates = {"zero_gradient": a == 0, "nonzero_gradient": a != 0}
        candidates |= {"negative": w < 0, "positive": w > 0}
        if len(self.shape) == 2 and min(self.shape) > 1:
            lower, strictly = (np.tri(*self.shape, k, dtype=bool) for k in (0, -1))
            candidates |= {"above": ~lower, "on_and_above": ~strictly, "under": strictly}
            candidates |= {"on_and_under": lower, "diagonal": lower & ~strictly}
            candidates["off_diagonal"] = ~lower | strictly
        for said, mask in candidates.items():
            count = int(np.count_nonzero(mask))
            if 0 < count < self.size and not any(np.array_equal(mask, each) for each in seen):
                seen.append(mask)
                counts = {"count": f"{count:,}", "size": f"{self.size:,}"}
                words = say(f"where_{said}", block=self.shown, **counts)
                # Elements without gradient may need none: all others are everything.
                yield WrongPart(mask, words, everything=bool(np.array_equal(mask, a != 0)))

    def _boxes(self) -> Sequence[Box]:
        """Ranges along the axes; the whole block where none stands apart."""
        boxes: Sequence[Box] = [whole(self.shape)]
        for axis in range(len(self.shape)):
            boxes = joined([each for box in boxes for each in self._ranges(box, axis)])
        return boxes

    def _ranges(self, box: Box, axis: int) -> Iterator[Box]:
        """Ranges of an axis inside a box that are wrong: all of it where none stands apart."""
        start, stop = box[axis].start, box[axis].stop
        if stop - start < 4:
            yield box
            return
        self._need(4 * DRAWN)
        random = np.random.default_rng(self.mismatch.seed(16, self.name, axis))
        drawn = [int(random.integers(lo, hi)) for lo, hi in _cuts(start, stop, DRAWN)]
        if all(self._slice_is_wrong(box, axis, index) for index in drawn):
            yield box
            return
        for lo, hi in _cuts(start, stop, min(INTERVALS, stop - start)):
            yield from self._inside(box, axis, lo, hi)

    def _inside(self, box: Box, axis: int, start: int, stop: int) -> Iterator[Box]:
        """The wrong ranges of an interval, which ends are found for by halving."""
        self._need(16)
        if not self._box_is_wrong(cut(box, axis, start, stop)):
            return
        ends = (start, stop - 1)
        if stop - start == 1 or all(self._slice_is_wrong(box, axis, index) for index in ends):
            yield cut(box, axis, start, stop)
            return
        middle = (start + stop) // 2
        yield from self._inside(box, axis, start, middle)
        yield from self._inside(box, axis, middle, stop)

    def _slice_is_wrong(self, box: Box, axis: int, index: int) -> bool:
        return self._box_is_wrong(cut(box, axis, index, index + 1))

    def _box_is_wrong(self, box: Box) -> bool:
        part = Part(self._direction(17), self.shape, box)
        return self._is_wrong(part, part.size / self.size)

    def _direction(self, purpose: int) -> RandomDirection:
        self.count += 1
        return random_direction(self.size, self.mismatch.seed(purpose, self.name, self.count))

    def _all_or_scattered(self) -> WrongPart | None:
        """All of it, unless elements drawn say that only some are wrong."""
        random = np.random.default_rng(self.mismatch.seed(18, self.name))
        drawn = random.choice(self.size, size=min(6, self.size), replace=False)
        self._need(4 * len(drawn))
        wrong = [self._is_wrong(Coordinate(int(i)), 1 / self.size) for i in drawn]
        if not any(wrong):
            return None
        words = say("scattered", block=self.shown, wrong=sum(wrong), drawn=len(drawn))
        words = say("all_of", block=self.shown) if all(wrong) else words
        return WrongPart(np.ones(self.shape, dtype=bool), words, everything=True)

    def is_right(self, mask: Array) -> bool:
        """Whether both derivatives agree along a fresh direction inside a mask."""
        count = int(np.count_nonzero(mask))
        probe, allowed = self._probe(masked(self._direction(15), mask), max(1, count) / self.size)
        seen = allowed < 0.3 * self.residual * math.sqrt(count / self.size)
        return bool(abs(probe.residual) <= allowed and seen)

    def _is_wrong(self, direction: Direction, share: float) -> bool:
        probe, allowed = self._probe(direction, share)
        return abs(probe.residual) > allowed

    def _probe(self, direction: Direction, share: float) -> tuple[Probe, float]:
        return _probe(self.mismatch, self.block, direction, FINE, share)


def _probe(
    mismatch: Mismatch, block: WrongBlock, direction: Direction, fine: float, share: float
) -> tuple[Probe, float]:
    """A probe that moves a share of the elements, and the residual that means nothing there."""
    tolerance = mismatch.options.tolerance
    probe = mismatch.probe(block, direction, fine * math.sqrt(share), share=share)
    rounding = tolerance.rounding * float(np.linalg.norm(block.gradient))
    aside = block.beside(tolerance) * math.sqrt(share)
    return probe, tolerance.resolved * (probe.slope.error + rounding + aside)


def _cuts(start: int, stop: int, number: int) -> Iterator[tuple[int, int]]:
    """The range cut into a number of parts of about one length."""
    return itertools.pairwise(map(int, np.linspace(start, stop, number + 1).astype(int)))


def joined(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """The same boxes, those that touch along one axis and are alike along the others as one."""
    found: list[Box] = []
    for box in sorted(boxes, key=lambda each: [(part.start, part.stop) for part in each]):
        for axis in range(len(box)):
            last = found[-1] if found else None
            if last is None or last[axis].stop != box[axis].start:
                continue
            if all(last[i] == box[i] for i in range(len(box)) if i != axis):
                found[-1] = cut(last, axis, last[axis].start, box[axis].stop)
                break
        else:
            found.append(box)
    return tuple(found)


def worst_element(
    mismatch: Mismatch, name: str, where: Location | None, mask: Array | None
) -> dict[tuple[int, ...], Probe]:
    """Measure one element that is wrong, for people to see; empty where none of those tried is.

    Nobody knows the worst element of a large block without measuring all.  Where the analytic
    gradient is largest, or the weight, or where the gradient is zero beside others that are not,
    most faults show; where the fault was located, or is known to lie in a part, inside of it.
    """
    block, tolerance = mismatch.blocks[name], mismatch.options.tolerance
    inside = np.ones(block.shape, dtype=bool) if mask is None else mask
    if where is not None and where.boxes:
        inside = mask_of(block.shape, where.boxes)
    kept = np.flatnonzero(inside)
    if not len(kept):
        return {}
    a, w = np.abs(block.gradient).ravel()[kept], np.abs(block.values).ravel()[kept]
    random = np.random.default_rng(mismatch.seed(19, name))
    tried = [int(kept[np.argmax(a)]), int(kept[np.argmax(w)])]
    tried += [int(i) for i in random.permutation(kept[a == 0])[:1]]
    tried += [int(i) for i in random.choice(kept, size=min(TRIED, len(kept)), replace=False)]
    mismatch.enter()
    share = 1 / block.gradient.size
    budget = Budget(lambda: mismatch.evaluator.evaluations, TWO_NUMBERS)
    for index in list(dict.fromkeys(tried))[:TRIED]:
        if not budget.left and mismatch.budget.left < 4:
            break
        probe, allowed = _probe(mismatch, block, Coordinate(index), tolerance.explained, share)
        if abs(probe.residual) > allowed:
            return {tuple(int(i) for i in np.unravel_index(index, block.shape)): probe}
    return {}
