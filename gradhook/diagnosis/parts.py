"""Which part of a block is wrong, when the fault is neither in a few elements nor everywhere.

A part that code treats by itself is seldom drawn at random: entries whose gradient is zero, weights
of one sign, a triangle, half of an axis, a range of one unrolled vector.  Each of these natural
splits is tried by one derivative along a direction that is zero inside the part: if everything
outside agrees, the fault lies inside.  Ranges are found by their ends, along each axis in turn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array, Box
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import say
from gradhook.evaluation.directions import (
    Coordinate,
    Direction,
    Part,
    cut,
    masked,
    random_direction,
    size_of,
    whole,
)
from gradhook.report.format import LONGEST_NAME, block_name, gradient_name
from gradhook.verdict.evidence import Location, Probe, describe

__all__ = ["WrongPart", "find_part", "joined", "worst_element"]

FINE = 0.02
"""Error of a probe that looks for a part, as a share of the block's residual."""

ONE_BY_ONE = 16
"""Elements up to which a block is measured one by one."""

DRAWN = 4
"""Slices drawn along an axis, one from each quarter: any range of half of it leaves one right."""

INTERVALS = 8
"""Into which an axis is cut when a range is looked for."""

LARGEST_MASK = 2_000_000
"""Elements up to which masks are made."""

TRIED = 4
"""Elements that are tried until one stands out of its error."""


@dataclass(frozen=True, slots=True, eq=False)
class WrongPart:
    """A part of a block that is wrong, all else of the block being right.

    Args:
        mask: True inside; the block's shape.
        words: The part in words.
        gradient: How its gradient is called.
        everything: Whether it is no part that stands apart: all of the block, or scattered over it.
        boxes: The part as boxes, where it is some.
    """

    mask: Array
    words: str
    gradient: str = ""
    everything: bool = False
    boxes: tuple[Box, ...] = ()


def find_part(mismatch: Mismatch, name: str) -> WrongPart | None:
    """The part of a spread fault that is wrong; ``None`` where it could not be told.

    Args:
        mismatch: The setting.
        name: The block.
    """
    return _Splits(mismatch, name).find()


class _Splits:
    """The natural splits of one block."""

    def __init__(self, mismatch: Mismatch, name: str) -> None:
        self.mismatch, self.name = mismatch, name
        self.block = mismatch.blocks[name]
        self.shape, self.size = self.block.shape, self.block.gradient.size
        self.resolved = mismatch.options.tolerance.resolved
        self.rounding = mismatch.options.tolerance.rounding
        self.residual = self.block.residual_norm
        self.count = 0
        mismatch.enter()

    def find(self) -> WrongPart | None:
        """The first that holds, the smallest of several masks."""
        if self.size > LARGEST_MASK or not self.residual > 0:
            return None
        if self.size <= ONE_BY_ONE:
            return self._by_element()
        found = self._mask()
        # A triangle may hold half of the rows; a mask that code made is what it is.
        if found is not None and not (self.is_triangle(found.mask) and self.mismatch.budget.left):
            return found
        boxes = self._box()
        if found is not None and not (boxes and _holds_fewer(boxes, found.mask)):
            return found
        if boxes is None:
            return None
        if boxes and sum(map(size_of, boxes)) < self.size:
            mask = _mask_of(boxes, self.shape)
            if self.is_right(~mask) and self.is_right(~mask):
                return WrongPart(mask, *self._named(tuple(boxes)), boxes=tuple(boxes))
            return None
        return self._all_or_scattered()

    def _by_element(self) -> WrongPart | None:
        if self.mismatch.budget.left < 3 * self.size:
            return None
        wrong = np.zeros(self.size, dtype=bool)
        for index in range(self.size):
            probe = self._probe(Coordinate(index), 1 / self.size)
            wrong[index] = self._stands_out(probe)
        mask = wrong.reshape(self.shape)
        count = int(wrong.sum())
        if not count:
            return None
        if count == self.size:
            return WrongPart(mask, say("all_of", block=self._shown), everything=True)
        boxes = tuple(tuple(slice(int(i), int(i) + 1) for i in at) for at in np.argwhere(mask))
        for part, words, gradient in self._natural():
            if np.array_equal(part, mask) and count > 1:
                return WrongPart(mask, words, gradient, everything=self._is_all_alive(mask))
        return WrongPart(mask, *self._named(boxes), boxes=boxes)

    def _named(self, boxes: tuple[Box, ...]) -> tuple[str, str]:
        """Boxes in words, of the block and of its gradient."""
        boxes = joined(boxes)
        block, gradient = self.name, gradient_name(self.name)
        return describe(Location(block, self.shape, boxes)), describe(
            Location(gradient, self.shape, boxes)
        )

    def _mask(self) -> WrongPart | None:
        """The smallest natural part outside of which everything is right."""
        best: WrongPart | None = None
        for mask, words, gradient in self._natural():
            inside = int(np.count_nonzero(mask))
            if best is not None and inside >= np.count_nonzero(best.mask):
                continue
            if self.mismatch.budget.left < 8:
                break
            if self.is_right(~mask) and self.is_right(~mask) and not self.is_right(mask):
                best = WrongPart(mask, words, gradient, everything=self._is_all_alive(mask))
        return best

    def _is_all_alive(self, mask: Array) -> bool:
        """Whether a part is the whole but for elements without gradient that need none."""
        return bool(np.array_equal(mask, self.block.gradient != 0))

    def _natural(self) -> Iterator[tuple[Array, str, str]]:
        """Parts that code treats by themselves, with words for the block and for its gradient."""
        seen: list[Array] = []
        given = np.asarray(self.mismatch.evaluator.workspace.tree.blocks[self.name])
        a, w = self.block.gradient, self.block.values
        candidates = [*self._triangles(), ("zero_gradient", a == 0), ("nonzero_gradient", a != 0)]
        candidates += [("negative", w < 0), ("positive", w > 0)]
        if given.shape == self.shape:
            candidates += [("zero", given == 0), ("nonzero", given != 0)]
        for said, mask in candidates:
            count = int(np.count_nonzero(mask))
            if 0 < count < self.size and not any(np.array_equal(mask, each) for each in seen):
                seen.append(mask)
                words = {"count": f"{count:,}", "size": f"{self.size:,}"}
                gradient = say(f"where_{said}", block=gradient_name(self.name), **words)
                yield mask, say(f"where_{said}", block=self._shown, **words), gradient

    def is_triangle(self, mask: Array) -> bool:
        """Whether a mask is one of those about the diagonal."""
        return any(np.array_equal(mask, triangle) for _, triangle in self._triangles())

    def _triangles(self) -> Iterator[tuple[str, Array]]:
        if len(self.shape) != 2 or min(self.shape) < 2:
            return
        ones = np.ones(self.shape, dtype=bool)
        lower, strictly = np.tril(ones), np.tril(ones, -1)
        yield "above", ~lower
        yield "on_and_above", ~strictly
        yield "under", strictly
        yield "on_and_under", lower
        yield "diagonal", lower & ~strictly
        yield "off_diagonal", ~(lower & ~strictly)

    def _box(self) -> list[Box] | None:
        """Ranges along the axes; the whole block where none; ``None`` where the budget ended."""
        boxes = [whole(self.shape)]
        for axis in range(len(self.shape)):
            found: list[Box] = []
            for box in boxes:
                ranges = self._ranges(box, axis)
                if ranges is None:
                    return None
                found += [cut(box, axis, first, last) for first, last in ranges]
            boxes = found
        return boxes

    def _ranges(self, box: Box, axis: int) -> list[tuple[int, int]] | None:
        """Ranges of an axis inside a box that are wrong: all of it where none stands apart."""
        start, stop = box[axis].start, box[axis].stop
        length = stop - start
        if length < 4:
            return [(start, stop)]
        if self.mismatch.budget.left < 4 * DRAWN:
            return None
        random = np.random.default_rng(self.mismatch.seed(16, self.name, axis))
        edges = np.linspace(start, stop, DRAWN + 1).astype(int)
        drawn = [int(random.integers(lo, hi)) for lo, hi in itertools.pairwise(edges)]
        if all(self._slice_is_wrong(box, axis, index) for index in drawn):
            return [(start, stop)]
        edges = np.unique(np.linspace(start, stop, min(INTERVALS, length) + 1).astype(int))
        found: list[tuple[int, int]] = []
        for lo, hi in itertools.pairwise(edges):
            more = self._inside(box, axis, int(lo), int(hi))
            if more is None:
                return None
            found += more
        joined: list[tuple[int, int]] = []
        for first, last in found:
            if joined and joined[-1][1] == first:
                joined[-1] = (joined[-1][0], last)
            else:
                joined.append((first, last))
        return joined

    def _inside(self, box: Box, axis: int, start: int, stop: int) -> list[tuple[int, int]] | None:
        """The wrong ranges of an interval, which ends are found for by halving."""
        if self.mismatch.budget.left < 16:
            return None
        if not self._part_is_wrong(cut(box, axis, start, stop)):
            return []
        if stop - start == 1:
            return [(start, stop)]
        ends = [self._slice_is_wrong(box, axis, index) for index in (start, stop - 1)]
        if all(ends):
            return [(start, stop)]
        if not any(ends):
            middle = (start + stop) // 2
            halves = [self._inside(box, axis, start, middle), self._inside(box, axis, middle, stop)]
            return None if None in halves else [r for half in halves for r in half or ()]
        # One end is wrong: halve to where it stops.
        lo, hi = start, stop - 1
        while hi - lo > 1:
            middle = (lo + hi) // 2
            if self._slice_is_wrong(box, axis, middle) is ends[0]:
                lo = middle
            else:
                hi = middle
        return [(start, hi)] if ends[0] else [(hi, stop)]

    def _slice_is_wrong(self, box: Box, axis: int, index: int) -> bool:
        return self._part_is_wrong(cut(box, axis, index, index + 1))

    def _part_is_wrong(self, box: Box) -> bool:
        self.count += 1
        seed = self.mismatch.seed(17, self.name, self.count)
        part = Part(random_direction(self.size, seed), self.shape, box)
        return self._stands_out(self._probe(part, part.size / self.size))

    def _all_or_scattered(self) -> WrongPart | None:
        """All of it, unless elements drawn say that only some are wrong."""
        random = np.random.default_rng(self.mismatch.seed(18, self.name))
        drawn = random.choice(self.size, size=min(6, self.size), replace=False)
        if self.mismatch.budget.left < 4 * len(drawn):
            return None
        probes = [self._probe(Coordinate(int(i)), 1 / self.size) for i in drawn]
        wrong = [self._stands_out(p) for p in probes]
        everything = np.ones(self.shape, dtype=bool)
        if all(wrong):
            return WrongPart(everything, say("all_of", block=self._shown), everything=True)
        found = say("scattered", block=self._shown, wrong=sum(wrong), drawn=len(drawn))
        return WrongPart(everything, found, everything=True) if any(wrong) else None

    def is_right(self, mask: Array) -> bool:
        """Whether both derivatives agree along a fresh direction inside a mask."""
        self.count += 1
        seed = self.mismatch.seed(15, self.name, self.count)
        direction = masked(random_direction(self.size, seed), mask)
        probe = self._probe(direction, max(1, int(np.count_nonzero(mask))) / self.size)
        allowed = self.resolved * self._error(probe)
        seen = allowed < 0.3 * self.residual * math.sqrt(np.count_nonzero(mask) / self.size)
        return bool(abs(probe.residual) <= allowed and seen)

    def _probe(self, direction: Direction, share: float) -> Probe:
        return self.mismatch.probe(self.block, direction, FINE * math.sqrt(share), share=share)

    def _error(self, probe: Probe) -> float:
        return probe.slope.error + self.rounding * float(np.linalg.norm(self.block.gradient))

    def _stands_out(self, probe: Probe) -> bool:
        return abs(probe.residual) > self.resolved * self._error(probe)

    @property
    def _shown(self) -> str:
        return block_name(self.name, LONGEST_NAME)


def _holds_fewer(boxes: Sequence[Box], mask: Array) -> bool:
    return sum(map(size_of, boxes)) < int(np.count_nonzero(mask))


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
    gradient is largest, or the weight, most faults show; where the fault was located, inside of it.

    Args:
        mismatch: The setting.
        name: The block.
        where: What a search found, if it did.
        mask: The part that is wrong, where it is one.
    """
    block, tolerance = mismatch.blocks[name], mismatch.options.tolerance
    inside = np.ones(block.shape, dtype=bool) if mask is None else mask
    if where is not None and where.boxes:
        inside = _mask_of(where.boxes, block.shape)
    kept = np.flatnonzero(inside)
    if not len(kept):
        return {}
    a, w = np.abs(block.gradient).ravel()[kept], np.abs(block.values).ravel()[kept]
    random = np.random.default_rng(mismatch.seed(19, name))
    tried = [int(kept[np.argmax(a)]), int(kept[np.argmax(w)])]
    tried += [int(i) for i in random.choice(kept, size=min(TRIED, len(kept)), replace=False)]
    mismatch.enter()
    share = 1 / block.gradient.size
    wanted = tolerance.explained * math.sqrt(share)
    for index in list(dict.fromkeys(tried))[:TRIED]:
        if mismatch.budget.left < 4:
            break
        probe = mismatch.probe(block, Coordinate(index), wanted, share=share)
        if probe.z > tolerance.resolved:
            return {tuple(int(i) for i in np.unravel_index(index, block.shape)): probe}
    return {}


def _mask_of(boxes: Sequence[Box], shape: tuple[int, ...]) -> Array:
    mask = np.zeros(shape, dtype=bool)
    for box in boxes:
        mask[box] = True
    return mask
