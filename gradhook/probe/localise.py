"""Where in a block the gradient is wrong, in a number of evaluations that grows like its logarithm.

Adaptive group testing.  Take the probe with the largest residual and *keep its direction*: a
direction ``v`` kept inside one half of a block splits the residual exactly, ``⟨v, r⟩ = ⟨v_A, r⟩ +
⟨v_B, r⟩``, so one derivative tells both halves, and a residual that stands out cannot be lost on
the way down.  (With fresh signs in each half an exchanged pair of entries is lost every second
time.)  The step grows as fewer elements move, so that the error falls along with the residual.

Blocks are searched along each axis in turn, and then inside what was found: a wrong column is one
slice of the second axis, and no slice of the first.  Where both halves are wrong both are
followed, unless a sample of slices says that most are wrong: then the fault is spread along that
axis and is not chased.  What is left outside is confirmed right along a fresh direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._directions import Box, Direction, Element, Part, Spread, within, without
from gradhook._types import Array
from gradhook.probe.blocks import Prober
from gradhook.probe.directions import seeded, spread
from gradhook.probe.evidence import BlockEvidence, Location, Probe

__all__ = ["Budget", "boxes_of", "locate"]

SAMPLE, SPREAD_OUT = 8, 3
"""Random slices measured where both halves are wrong, and how many wrong ones mean "spread"."""

SURELY_APART = 6
"""Slices that are all right, of such a sample, after which the fault is followed."""

SMALL_AXIS, ALL_WRONG = 16, 4
"""An axis up to this length is followed unless so many slices, drawn first, are all wrong."""

MARGIN = 10.0
"""How far a residual should stand out of its error, where it is to be split."""

TELLING = 5.0
"""How far that of a typical slice should, where slices are sampled."""

PIECES = 64
"""Wrong slices beyond which a fault counts as spread along an axis."""

ROUNDS = 4
"""How often what lies outside of what was found is searched again."""


class Budget:
    """Loss evaluations that may be spent.

    Args:
        spent: Returns how many have been made so far.
        most: How many more may be made.
    """

    def __init__(self, spent: Callable[[], int], most: int) -> None:
        self._spent = spent
        self._end = spent() + most

    @property
    def left(self) -> int:
        """Evaluations left, never below zero."""
        return max(0, self._end - self._spent())


def locate(
    prober: Prober,
    evidence: BlockEvidence,
    gradient: Array,
    *,
    resolved: float,
    rounding: float,
    budget: Budget,
    seed: int,
) -> Location:
    """Find the wrong parts of a block whose mismatch stands out.

    Args:
        prober: At the point, with the switches, of the evidence.
        evidence: The block's probes, at least one of which stands out.
        gradient: The analytic gradient; the block's shape.
        resolved: Multiple of its own error that a residual must exceed to stand out.
        rounding: Rounding of the analytic slope, relative to the gradient's norm.
        budget: What may be spent.
        seed: Seed of fresh directions and of samples.
    """
    if evidence.exact:
        return _by_element(evidence, gradient, resolved=resolved, rounding=rounding)
    search = _Search(prober, evidence.name, gradient, resolved, rounding, budget, seed)
    directions = prober.directions(evidence)
    best = max(range(len(directions)), key=lambda k: evidence.probes[k].standing)
    direction = directions[best]
    assert isinstance(direction, Spread)
    return search.run(direction, evidence.probes[best])


def boxes_of(wrong: Array) -> tuple[Box, ...]:
    """Wrong elements as few boxes: slices or single elements; none if most are wrong."""
    count = int(np.count_nonzero(wrong))
    if 2 * count > wrong.size or wrong.ndim == 0:
        return ()
    positions = np.argwhere(wrong)
    for axis in range(wrong.ndim):
        slices = np.unique(positions[:, axis])
        if 2 * count > len(slices) * wrong.size // wrong.shape[axis] and wrong.ndim > 1:
            full = tuple(slice(0, n) for n in wrong.shape)
            return tuple(_cut(full, axis, int(i), int(i) + 1) for i in slices)
    return tuple(tuple(slice(int(i), int(i) + 1) for i in where) for where in positions)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The residual along a direction kept inside a box, measured there or known as a difference."""

    residual: float
    error: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the block, and what was seen of it along the parent's direction."""

    box: Box
    seen: _Seen

    def length(self, axis: int) -> int:
        return int(self.box[axis].stop - self.box[axis].start)


class _Search:
    """The search of one block."""

    def __init__(
        self,
        prober: Prober,
        name: str,
        gradient: Array,
        resolved: float,
        rounding: float,
        budget: Budget,
        seed: int,
    ) -> None:
        self._prober = prober
        self._name = name
        self._gradient = gradient
        self._resolved = resolved
        self._rounding = rounding * float(np.linalg.norm(gradient))
        self._budget = budget
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._whole: Box = tuple(slice(0, n) for n in gradient.shape)

    def run(self, direction: Spread, probe: Probe) -> Location:
        found: list[_Piece] = []
        complete = False
        seen = self._as_seen(probe)
        if not self._can_be_split(seen):
            seen = self._measure(direction, 1.0, wanted=0.0)
            if not self._can_be_split(seen):
                return Location(self._name, self._gradient.shape, complete=False)
        for round_ in range(ROUNDS):
            pieces = self._pieces(direction, seen)
            found += pieces
            if not pieces:
                break
            # Everything outside, along a fresh direction.
            fresh = spread(self._gradient.size, seeded(self._seed, 7, round_))
            direction = without(fresh, self._gradient.shape, [piece.box for piece in found])
            seen = self._measure(direction, 1.0, wanted=0.0)
            complete = not self._stands_out(seen)
            if complete or self._budget.left < 2 * SAMPLE:
                break
        if not found:
            return Location(self._name, self._gradient.shape)
        return self._concluded(found, complete)

    def _pieces(self, direction: Spread, whole: _Seen) -> list[_Piece]:
        """The wrong parts along one direction; none where it is spread over the block."""
        pieces = [_Piece(self._whole, whole)]
        for axis in range(self._gradient.ndim):
            pieces = [each for piece in pieces for each in self._slices(direction, piece, axis)]
            undivided = pieces[0].box == self._whole
            if (
                undivided
                and axis + 2 < self._gradient.ndim
                and self._is_everywhere(direction, pieces[0])
            ):
                return []
        if pieces[0].box == self._whole:
            return []
        # An axis along which the fault is spread in the whole block may tell inside of a part.
        for axis in range(self._gradient.ndim - 1):
            inner: list[_Piece] = []
            for piece in pieces:
                spread_out = piece.length(axis) == 1 or self._is_everywhere(direction, piece)
                inner += [piece] if spread_out else self._slices(direction, piece, axis)
            pieces = inner
        return pieces

    def _slices(self, direction: Spread, piece: _Piece, axis: int) -> list[_Piece]:
        """The wrong slices of a part along an axis; the part itself where it is spread along it."""
        if piece.length(axis) == 1:
            return [piece]
        found: list[_Piece] = []
        open_: list[_Piece] = [piece]
        branches = 0
        while open_:
            each = open_.pop()
            if each.length(axis) == 1 or self._budget.left < 4:
                found.append(each)
                continue
            wrong = [half for half in self._halves(direction, each, axis) if self._wrong(half)]
            if not wrong:  # too small to be followed: the last that stood out is what is known
                found.append(each)
                continue
            branches += len(wrong) == 2
            # One branching is a pair; a second one may be anything.
            if branches == 2 and len(wrong) == 2 and self._is_spread(direction, piece, axis):
                return [piece]
            open_ += wrong
            if len(found) + len(open_) > PIECES:
                return [piece]
        return found

    def _halves(self, direction: Spread, piece: _Piece, axis: int) -> list[_Piece]:
        whole = piece.seen
        first, last = piece.box[axis].start, piece.box[axis].stop
        middle = (first + last) // 2
        boxes = [_cut(piece.box, axis, first, middle), _cut(piece.box, axis, middle, last)]
        wanted = abs(whole.residual) / MARGIN
        left = self._inside(direction, boxes[0], wanted)
        right = _Seen(whole.residual - left.residual, whole.error + left.error)
        # Unless the left half alone explains what is seen, the right one is worth a look of its own
        # where the difference says too little.
        sure = abs(right.residual) > MARGIN * right.error
        if not sure and (self._stands_out(right) or not self._stands_out(left)):
            right = self._inside(direction, boxes[1], wanted)
        return [_Piece(boxes[0], left), _Piece(boxes[1], right)]

    def _is_spread(self, direction: Spread, piece: _Piece, axis: int) -> bool:
        """Whether most slices are wrong, going by a sample."""
        first, count = piece.box[axis].start, piece.length(axis)
        small = count <= SMALL_AXIS
        enough = min(ALL_WRONG, count) if small else SPREAD_OUT
        wanted = abs(piece.seen.residual) / (TELLING * math.sqrt(count))
        wrong = 0
        order = self._random.permutation(count)[: enough if small else SAMPLE]
        for tried, i in enumerate(order, start=1):
            box = _cut(piece.box, axis, first + int(i), first + int(i) + 1)
            if self._stands_out(self._inside(direction, box, wanted)):
                wrong += 1
            elif small or (wrong == 0 and tried >= SURELY_APART):
                return False
            if wrong >= enough:
                return True
        return False

    def _is_everywhere(self, direction: Spread, piece: _Piece) -> bool:
        """Whether three random elements of a part are all wrong."""
        wanted = abs(piece.seen.residual) / (TELLING * math.sqrt(_size(piece.box)))
        for _ in range(min(SPREAD_OUT, _size(piece.box))):
            element = tuple(
                slice(i, i + 1)
                for i in (int(self._random.integers(s.start, s.stop)) for s in piece.box)
            )
            if not self._stands_out(self._inside(direction, element, wanted)):
                return False
        return True

    def _concluded(self, found: Sequence[_Piece], complete: bool) -> Location:
        shape = self._gradient.shape
        elements: dict[tuple[int, ...], Probe] = {}
        squares = np.zeros(2)  # of the residual and of the numerical gradient
        larger = [piece for piece in found if _size(piece.box) > 1]
        for piece in found:
            if _size(piece.box) > 1 or self._budget.left < 2:
                continue
            where = tuple(each.start for each in piece.box)
            index = int(np.ravel_multi_index(where, shape))
            probe = self._prober.along(
                [(self._name, Element(index), 1.0)],
                share=1 / self._gradient.size,
                wanted=abs(piece.seen.residual) / MARGIN**2,
            )
            elements[where] = probe
            squares += np.square([probe.residual, probe.slope.value])
        if larger:
            boxes = [piece.box for piece in larger]
            fresh = within(spread(self._gradient.size, seeded(self._seed, 8)), shape, boxes)
            share = sum(_size(box) for box in boxes) / self._gradient.size
            wanted = abs(larger[0].seen.residual) / MARGIN
            probe = self._prober.along([(self._name, fresh, 1.0)], share=share, wanted=wanted)
            squares += np.square([probe.residual, probe.slope.value])
        inside = [self._gradient[piece.box].ravel() for piece in found]
        return Location(
            self._name,
            shape,
            tuple(piece.box for piece in found),
            residual_norm=math.sqrt(squares[0]),
            analytic_norm=float(np.linalg.norm(np.concatenate(inside))),
            numerical_norm=math.sqrt(squares[1]),
            elements=elements,
            complete=complete,
        )

    def _inside(self, direction: Spread, box: Box, wanted: float) -> _Seen:
        part = Part(direction, self._gradient.shape, box)
        return self._measure(part, part.size / self._gradient.size, wanted=wanted)

    def _measure(self, direction: Direction, share: float, *, wanted: float) -> _Seen:
        parts = [(self._name, direction, 1.0)]
        return self._as_seen(self._prober.along(parts, share=share, wanted=wanted))

    def _as_seen(self, probe: Probe) -> _Seen:
        return _Seen(probe.residual, probe.slope.error + self._rounding)

    def _stands_out(self, seen: _Seen) -> bool:
        return abs(seen.residual) > self._resolved * seen.error

    def _can_be_split(self, seen: _Seen) -> bool:
        return abs(seen.residual) > 2 * MARGIN * seen.error

    def _wrong(self, piece: _Piece) -> bool:
        return self._stands_out(piece.seen)


def _by_element(
    evidence: BlockEvidence, gradient: Array, *, resolved: float, rounding: float
) -> Location:
    """What is wrong of a block that was measured element by element."""
    shape = gradient.shape
    floor = rounding * evidence.analytic_norm
    wrong = np.array(
        [abs(p.residual) > resolved * (p.slope.error + floor) for p in evidence.probes]
    ).reshape(shape)
    boxes = boxes_of(wrong)
    residual = np.array([p.residual for p in evidence.probes]).reshape(shape)
    numerical = np.array([p.slope.value for p in evidence.probes]).reshape(shape)
    inside = np.zeros(shape, dtype=bool)
    for box in boxes:
        inside[box] = True
    elements = {
        tuple(int(i) for i in where): evidence.probes[int(np.ravel_multi_index(where, shape))]
        for where in np.argwhere(wrong & inside)
        if boxes and all(_size(box) == 1 for box in boxes)
    }
    if not boxes:
        return Location(evidence.name, shape)
    return Location(
        evidence.name,
        shape,
        boxes,
        residual_norm=float(np.linalg.norm(residual[inside])),
        analytic_norm=float(np.linalg.norm(gradient[inside])),
        numerical_norm=float(np.linalg.norm(numerical[inside])),
        elements=elements,
    )


def _cut(box: Box, axis: int, first: int, last: int) -> Box:
    return (*box[:axis], slice(first, last), *box[axis + 1 :])


def _size(box: Box) -> int:
    return math.prod(each.stop - each.start for each in box)
