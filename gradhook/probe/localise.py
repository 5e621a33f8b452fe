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
from collections.abc import Sequence

import numpy as np

from gradhook._types import Array, Box
from gradhook.evaluation.directions import (
    Coordinate,
    RandomDirection,
    cut,
    random_direction,
    seeded,
    size_of,
    whole,
    within,
    without,
)
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.budget import Budget
from gradhook.probe.prober import Prober
from gradhook.probe.residuals import MARGIN, SAMPLE, Piece, Residuals, Seen
from gradhook.verdict.evidence import DIRECTIONS, BlockEvidence, Location, Norms, Probe

__all__ = ["locate", "locate_by_element"]

MOST_SLICES = 64
"""Wrong slices beyond which a fault counts as spread along an axis."""

ROUNDS = 4
"""How often what lies outside of what was found is searched again."""


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
        return locate_by_element(evidence, gradient, resolved=resolved, rounding=rounding)
    residuals = Residuals(
        prober, evidence.name, gradient, resolved=resolved, rounding=rounding, seed=seed
    )
    directions = directions_of(prober, evidence)
    best = max(range(len(directions)), key=lambda k: evidence.probes[k].z)
    direction = directions[best]
    assert isinstance(direction, RandomDirection)
    return _Search(residuals, budget, seed).run(direction, evidence.probes[best])


class _Search:
    """The search of one block."""

    def __init__(self, residuals: Residuals, budget: Budget, seed: int) -> None:
        self._residuals = residuals
        self._gradient = residuals.gradient
        self._budget = budget
        self._seed = seed
        self._whole = whole(residuals.gradient.shape)

    def run(self, direction: RandomDirection, probe: Probe) -> Location:
        found: list[Piece] = []
        complete = False
        seen = self._residuals.seen(probe)
        if not seen.can_be_split:
            seen = self._residuals.along(direction)
            if not seen.can_be_split:
                return Location(self._residuals.name, self._gradient.shape, complete=False)
        for round_ in range(ROUNDS):
            pieces = self._pieces(direction, seen)
            found += pieces
            if not pieces:
                break
            # Everything outside, along a fresh direction.
            fresh = random_direction(self._gradient.size, seeded(self._seed, 7, round_))
            direction = without(fresh, self._gradient.shape, [piece.box for piece in found])
            seen = self._residuals.along(direction)
            complete = not self._residuals.stands_out(seen)
            if complete or self._budget.left < 2 * SAMPLE:
                break
        if not found:
            return Location(self._residuals.name, self._gradient.shape)
        return self._concluded(found, complete)

    def _pieces(self, direction: RandomDirection, seen: Seen) -> list[Piece]:
        """The wrong parts along one direction; none where it is spread over the block."""
        pieces = [Piece(self._whole, seen)]
        for axis in range(self._gradient.ndim):
            pieces = [each for piece in pieces for each in self._slices(direction, piece, axis)]
            undivided = pieces[0].box == self._whole
            if (
                undivided
                and axis + 2 < self._gradient.ndim
                and self._residuals.is_everywhere(direction, pieces[0])
            ):
                return []
        if pieces[0].box == self._whole:
            return []
        # An axis along which the fault is spread in the whole block may tell inside of a part.
        for axis in range(self._gradient.ndim - 1):
            inner: list[Piece] = []
            for piece in pieces:
                single = piece.length(axis) == 1
                spread_out = single or self._residuals.is_everywhere(direction, piece)
                inner += [piece] if spread_out else self._slices(direction, piece, axis)
            pieces = inner
        return pieces

    def _slices(self, direction: RandomDirection, piece: Piece, axis: int) -> list[Piece]:
        """The wrong slices of a part along an axis; the part itself where it is spread along it."""
        if piece.length(axis) == 1:
            return [piece]
        found: list[Piece] = []
        open_: list[Piece] = [piece]
        branches = 0
        while open_:
            each = open_.pop()
            if each.length(axis) == 1 or self._budget.left < 4:
                found.append(each)
                continue
            halves = self._residuals.halves(direction, each, axis)
            wrong = [half for half in halves if self._residuals.stands_out(half.seen)]
            if not wrong:  # too small to be followed: the last that stood out is what is known
                found.append(each)
                continue
            branched = len(wrong) == 2
            branches += branched
            # One branching is a pair; a second one may be anything.
            again = branched and branches == 2
            if again and self._residuals.is_spread(direction, piece, axis):
                return [piece]
            open_ += wrong
            if len(found) + len(open_) > MOST_SLICES:
                return [piece]
        return found

    def _concluded(self, found: Sequence[Piece], complete: bool) -> Location:
        shape = self._gradient.shape
        elements: dict[tuple[int, ...], Probe] = {}
        squares = np.zeros(2)  # of the residual and of the numerical gradient
        larger = [piece for piece in found if size_of(piece.box) > 1]
        for piece in found:
            if size_of(piece.box) > 1 or self._budget.left < 2:
                continue
            where = tuple(each.start for each in piece.box)
            index = int(np.ravel_multi_index(where, shape))
            wanted = abs(piece.seen.residual) / MARGIN**2
            share = 1 / self._gradient.size
            probe = self._residuals.probe(Coordinate(index), share=share, wanted=wanted)
            elements[where] = probe
            squares += np.square([probe.residual, probe.slope.value])
        if larger:
            boxes = [piece.box for piece in larger]
            fresh = within(
                random_direction(self._gradient.size, seeded(self._seed, 8)), shape, boxes
            )
            share = sum(size_of(box) for box in boxes) / self._gradient.size
            wanted = abs(larger[0].seen.residual) / MARGIN
            probe = self._residuals.probe(fresh, share=share, wanted=wanted)
            squares += np.square([probe.residual, probe.slope.value])
        inside = [self._gradient[piece.box].ravel() for piece in found]
        return Location(
            self._residuals.name,
            shape,
            tuple(piece.box for piece in found),
            Norms(
                math.sqrt(squares[0]),
                float(np.linalg.norm(np.concatenate(inside))),
                math.sqrt(squares[1]),
            ),
            elements=elements,
            complete=complete,
        )


def locate_by_element(
    evidence: BlockEvidence, gradient: Array, *, resolved: float, rounding: float
) -> Location:
    """What is wrong of a block that was measured element by element."""
    shape = gradient.shape
    floor = rounding * evidence.analytic_norm
    wrong = np.array(
        [abs(p.residual) > resolved * (p.slope.error + floor) for p in evidence.probes]
    ).reshape(shape)
    boxes = _boxes_of(wrong)
    if not boxes:
        return Location(evidence.name, shape)
    residual = np.array([p.residual for p in evidence.probes]).reshape(shape)
    numerical = np.array([p.slope.value for p in evidence.probes]).reshape(shape)
    inside = np.zeros(shape, dtype=bool)
    for box in boxes:
        inside[box] = True
    elements = {
        tuple(int(i) for i in where): evidence.probes[int(np.ravel_multi_index(where, shape))]
        for where in np.argwhere(wrong & inside)
        if all(size_of(box) == 1 for box in boxes)
    }
    return Location(
        evidence.name,
        shape,
        boxes,
        Norms(*(float(np.linalg.norm(each[inside])) for each in (residual, gradient, numerical))),
        elements=elements,
    )


def _boxes_of(wrong: Array) -> tuple[Box, ...]:
    """Wrong elements as few boxes: slices or single elements; none if all, or most of many, are."""
    count = int(np.count_nonzero(wrong))
    most = 2 * count > wrong.size
    if count == wrong.size or (most and wrong.size > DIRECTIONS):
        return ()
    positions = np.argwhere(wrong)
    for axis in range(wrong.ndim):
        slices = np.unique(positions[:, axis])
        if 2 * count > len(slices) * wrong.size // wrong.shape[axis] and wrong.ndim > 1:
            full = whole(wrong.shape)
            return tuple(cut(full, axis, int(i), int(i) + 1) for i in slices)
    return tuple(tuple(slice(int(i), int(i) + 1) for i in where) for where in positions)
