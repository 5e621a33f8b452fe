"""Where in a block the gradient is wrong, in a number of evaluations that grows like its logarithm.

Adaptive group testing.  Take the probe with the largest residual and *keep its direction*: a
direction ``v`` kept inside one half of a block splits the residual exactly, ``⟨v, r⟩ = ⟨v_A, r⟩ +
⟨v_B, r⟩``, so one derivative tells both halves, what one half shows the other lacks, and a residual
that stands out cannot be lost on the way down.  (With fresh signs in each half an exchanged pair of
entries is lost every second time.)  The step grows as fewer elements move, so that the error falls
along with the residual.

A single wrong slice needs no halving: weighted by their positions along an axis, all slices
together show its position times what it shows unweighted (the ratio of moments by which sparse
Fourier transforms find a lone coefficient: H. Hassanieh, P. Indyk, D. Katabi, E. Price, "Nearly
optimal sparse Fourier transform", STOC 2012).  Where the slices so told hold all of the residual,
the others are right.

Blocks are searched along each axis in turn, and then inside what was found: a wrong column is one
slice of the second axis, and no slice of the first.  Where both halves are wrong both are
followed, unless a sample of slices says that most are wrong: then the fault is spread along that
axis and is not chased.  What is left outside is confirmed right along a fresh direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradhook._types import Array, Box, Tolerance
from gradhook.evaluation.directions import (
    Coordinate,
    Direction,
    Part,
    RandomDirection,
    cut,
    mask_of,
    masked,
    random_direction,
    seeded,
    size_of,
    whole,
)
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.prober import Budget, Prober
from gradhook.verdict.evidence import (
    DIRECTIONS,
    BlockEvidence,
    Location,
    Norms,
    Probe,
    beside,
)

MOST_SLICES = 64
"""Wrong slices beyond which a fault counts as spread along an axis."""

ROUNDS = 4
"""How often what lies outside of what was found is searched again."""

SAMPLE, SPREAD_SLICES = 8, 3
"""Random slices measured where both halves are wrong, and how many wrong ones mean "spread"."""

SMALL_AXIS, ALL_WRONG = 16, 4
"""An axis up to this length is followed unless so many slices, drawn first, are all wrong."""

MARGIN = 10.0
"""How far a residual should stand out of its error, where it is to be split."""

WORTH_TWO = 4
"""By how much fewer slices a moment must tell, where it is asked for: two halvings as well."""

TELLING_SLICE = 5.0
"""How far that of a typical slice should, where slices are sampled."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The residual along a direction kept inside a box, measured there or known as a difference."""

    residual: float
    error: float

    @property
    def can_be_split(self) -> bool:
        """Whether its halves can be told from their errors."""
        return abs(self.residual) > 2 * MARGIN * self.error


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the block, and what was seen of it along the parent's direction."""

    box: Box
    seen: Seen
    several: bool = False  # whether more than one of its slices is wrong

    def length(self, axis: int) -> int:
        """Number of slices along an axis."""
        return int(self.box[axis].stop - self.box[axis].start)


def locate(
    prober: Prober,
    evidence: BlockEvidence,
    gradient: Array,
    *,
    tolerance: Tolerance,
    budget: Budget,
    seed: int,
) -> Location:
    """Find the wrong parts of a block whose mismatch stands out.

    Of the tolerance ``resolved`` is the multiple of its own error that a residual must exceed to
    stand out, and ``rounding`` that of the analytic slope, relative to the gradient's norm.
    """
    if evidence.exact:
        return locate_by_element(evidence, gradient, tolerance=tolerance)
    search = Search(prober, evidence.name, gradient, tolerance, budget, seed)
    directions = directions_of(prober, evidence)
    best = max(range(len(directions)), key=lambda k: evidence.probes[k].z)
    direction = directions[best]
    assert isinstance(direction, RandomDirection)
    return search.run(direction, evidence.probes[best])


@dataclass(slots=True, eq=False)
class Search:
    """The search of one block; ``seed`` is that of fresh directions and of samples."""

    prober: Prober
    name: str
    gradient: Array
    tolerance: Tolerance
    budget: Budget
    seed: int
    _size: float = field(init=False)
    _beside: float = field(init=False, default=0.0)
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._size = float(np.linalg.norm(self.gradient))
        self._random = np.random.default_rng(self.seed)

    def run(self, direction: RandomDirection, probe: Probe) -> Location:
        """Find the wrong parts, beginning with a probe that was made along a direction."""
        found: list[Piece] = []
        complete = False
        self._beside = beside(abs(probe.residual), self._size, self.tolerance)
        seen = self.seen(probe)
        if not seen.can_be_split:
            seen = self.seen(self.along(direction))
            if not seen.can_be_split:
                return Location(self.name, self.gradient.shape, complete=False)
        for round_ in range(ROUNDS):
            pieces = self._pieces(direction, seen)
            found += pieces
            if not pieces:
                break
            # Everything outside, along a fresh direction.
            fresh = random_direction(self.gradient.size, seeded(self.seed, 7, round_))
            told = mask_of(self.gradient.shape, [piece.box for piece in found])
            direction = masked(fresh, ~told)
            seen = self.seen(self.along(direction))
            complete = not self.stands_out(seen)
            if complete or self.budget.left < 2 * SAMPLE:
                break
        if not found:
            return Location(self.name, self.gradient.shape)
        return self._concluded(found, complete)

    def _pieces(self, direction: RandomDirection, seen: Seen) -> list[Piece]:
        """The wrong parts along one direction; none where it is spread over the block."""
        everything, axes = whole(self.gradient.shape), self.gradient.ndim
        pieces = [Piece(everything, seen)]
        for box in self._unwritten():
            alone = self._alone(direction, pieces[0], box)
            if alone is not None and self.is_everywhere(direction, alone):
                return [alone]
        for axis in range(axes):
            pieces = [each for piece in pieces for each in self._slices(direction, piece, axis)]
            undivided = pieces[0].box == everything
            if undivided and axis + 2 < axes and self.is_everywhere(direction, pieces[0]):
                return []
        if pieces[0].box == everything:
            return []
        # An axis along which the fault is spread in the whole block may tell inside of a part.
        for axis in range(axes - 1):
            inner: list[Piece] = []
            for piece in pieces:
                single = piece.length(axis) == 1
                spread_out = single or self.is_everywhere(direction, piece)
                inner += [piece] if spread_out else self._slices(direction, piece, axis)
            pieces = inner
        return pieces

    def _unwritten(self) -> Iterator[Box]:
        """Neighbouring slices along an axis whose gradient is zero, beside others where it is not.

        Only where to look first goes by the gradient: a bound of a loop often leaves some out.
        """
        for axis, length in enumerate(self.gradient.shape if self.gradient.ndim > 1 else ()):
            slices = np.moveaxis(self.gradient, axis, 0).reshape(length, -1)
            empty = np.flatnonzero(~slices.any(axis=1))
            if 0 < empty.size < length and empty[-1] - empty[0] < empty.size:
                everything = whole(self.gradient.shape)
                yield cut(everything, axis, int(empty[0]), int(empty[-1]) + 1)

    def _alone(self, direction: RandomDirection, piece: Piece, box: Box) -> Piece | None:
        """A part of a part, where it holds all that is seen of it."""
        inside = self._inside(direction, box, abs(piece.seen.residual) / MARGIN)
        outside = Seen(piece.seen.residual - inside.residual, piece.seen.error + inside.error)
        found = self.stands_out(inside) and not self.stands_out(outside)
        return Piece(box, inside) if found else None

    def _slices(self, direction: RandomDirection, piece: Piece, axis: int) -> list[Piece]:
        """The wrong slices of a part along an axis; the part itself where it is spread along it."""
        if piece.length(axis) == 1:
            return [piece]
        found: list[Piece] = []
        open_: list[Piece] = [piece]
        branches = 0
        while open_:
            each = self._narrowed(direction, open_.pop(), axis)
            if each.length(axis) == 1 or self.budget.left < 4:
                found.append(each)
                continue
            halves = self.halves(direction, each, axis)
            wrong = [half for half in halves if self.stands_out(half.seen)]
            if not wrong:  # too small to be followed: the last that stood out is what is known
                found.append(each)
                continue
            if len(wrong) == 1:
                wrong = [replace(wrong[0], several=each.several)]
            branches += len(wrong) == 2
            # One branching is a pair; a second one may be anything.
            again = len(wrong) == branches == 2
            if again and self.is_spread(direction, piece, axis):
                return [piece]
            open_ += wrong
            if len(found) + len(open_) > MOST_SLICES:
                return [piece]
        return found

    def _narrowed(self, direction: RandomDirection, piece: Piece, axis: int) -> Piece:
        """The slices that hold a single wrong one; the part itself where these are hardly fewer."""
        while not piece.several and self.budget.left >= 8:
            length, seen = piece.length(axis), piece.seen
            # Two probes must save more than two halvings.
            if WORTH_TWO * (1 + 4 * length * seen.error / abs(seen.residual)) > length:
                break
            moment = self._inside(direction, piece.box, seen.error, rising=axis)
            if not math.isfinite(moment.residual):
                break
            at = moment.residual / seen.residual
            off = (moment.error + abs(at) * seen.error) / abs(seen.residual)
            first = max(0, math.ceil((at - off) * length - 0.5))
            last = min(length, math.floor((at + off) * length + 0.5))
            alone = None
            if 0 < WORTH_TWO * (last - first) <= length:
                start = piece.box[axis].start
                box = cut(piece.box, axis, start + first, start + last)
                alone = self._alone(direction, piece, box)
            piece = alone or replace(piece, several=True)
        return piece

    def _concluded(self, found: Sequence[Piece], complete: bool) -> Location:
        shape, size = self.gradient.shape, self.gradient.size
        elements: dict[tuple[int, ...], Probe] = {}
        larger = [piece for piece in found if size_of(piece.box) > 1]
        for piece in found:
            if size_of(piece.box) == 1 and self.budget.left >= 2:
                where = tuple(each.start for each in piece.box)
                element = Coordinate(int(np.ravel_multi_index(where, shape)))
                wanted = abs(piece.seen.residual) / MARGIN**2
                elements[where] = self.along(element, share=1 / size, wanted=wanted)
        probes = list(elements.values())
        if larger:
            boxes = [piece.box for piece in larger]
            fresh = masked(random_direction(size, seeded(self.seed, 8)), mask_of(shape, boxes))
            share = sum(map(size_of, boxes)) / size
            wanted = abs(larger[0].seen.residual) / MARGIN
            probes.append(self.along(fresh, share=share, wanted=wanted))
        inside = np.concatenate([self.gradient[piece.box].ravel() for piece in found])
        norms = Norms(
            math.hypot(*(probe.residual for probe in probes)),
            float(np.linalg.norm(inside)),
            math.hypot(*(probe.slope.value for probe in probes)),
        )
        wrong = tuple(piece.box for piece in found)
        return Location(self.name, shape, wrong, norms, elements=elements, complete=complete)

    def seen(self, probe: Probe, share: float = 1.0) -> Seen:
        """What a probe shows that moves a share of the elements."""
        rounding = self.tolerance.rounding * self._size + self._beside * math.sqrt(share)
        return Seen(probe.residual, probe.slope.error + rounding)

    def stands_out(self, seen: Seen) -> bool:
        """Whether a residual is one, beyond its error."""
        return abs(seen.residual) > self.tolerance.resolved * seen.error

    def along(self, direction: Direction, *, share: float = 1.0, wanted: float = 0.0) -> Probe:
        """Probe along a direction that moves a share of the elements."""
        return self.prober.along([(self.name, direction, 1.0)], share=share, wanted=wanted)

    def halves(self, direction: RandomDirection, piece: Piece, axis: int) -> list[Piece]:
        """Both halves of a part along an axis."""
        whole = piece.seen
        first, last = piece.box[axis].start, piece.box[axis].stop
        middle = (first + last) // 2
        boxes = [cut(piece.box, axis, first, middle), cut(piece.box, axis, middle, last)]
        wanted = abs(whole.residual) / MARGIN
        left = self._inside(direction, boxes[0], wanted)
        right = Seen(whole.residual - left.residual, whole.error + left.error)
        # Unless the left half alone explains what is seen, the right one is worth a look of its own
        # where the difference says too little.
        sure = abs(right.residual) > MARGIN * right.error
        if not sure and (self.stands_out(right) or not self.stands_out(left)):
            right = self._inside(direction, boxes[1], wanted)
        return [Piece(boxes[0], left), Piece(boxes[1], right)]

    def is_spread(self, direction: RandomDirection, piece: Piece, axis: int) -> bool:
        """Whether most slices along an axis are wrong, going by a sample."""
        first, count = piece.box[axis].start, piece.length(axis)
        wanted = abs(piece.seen.residual) / (TELLING_SLICE * math.sqrt(count))
        small = count <= SMALL_AXIS
        enough = min(ALL_WRONG, count) if small else SPREAD_SLICES
        order = self._random.permutation(count)[: enough if small else SAMPLE].tolist()
        boxes = (cut(piece.box, axis, first + i, first + i + 1) for i in order)
        drawn = (self.stands_out(self._inside(direction, box, wanted)) for box in boxes)
        return sum(drawn) >= enough

    def is_everywhere(self, direction: RandomDirection, piece: Piece) -> bool:
        """Whether three random elements of a part are all wrong."""
        size = size_of(piece.box)
        wanted = abs(piece.seen.residual) / (TELLING_SLICE * math.sqrt(size))
        for _ in range(min(SPREAD_SLICES, size)):
            drawn = [int(self._random.integers(s.start, s.stop)) for s in piece.box]
            element = tuple(slice(i, i + 1) for i in drawn)
            if not self.stands_out(self._inside(direction, element, wanted)):
                return False
        return True

    def _inside(
        self, direction: RandomDirection, box: Box, wanted: float, rising: int | None = None
    ) -> Seen:
        part = Part(direction, self.gradient.shape, box, rising)
        share = part.size / self.gradient.size
        return self.seen(self.along(part, share=share, wanted=wanted), share)


def locate_by_element(
    evidence: BlockEvidence, gradient: Array, *, tolerance: Tolerance
) -> Location:
    """What is wrong of a block that was measured element by element."""
    shape, probes = gradient.shape, evidence.probes
    together = math.hypot(*(probe.residual for probe in probes))
    floor = tolerance.rounding * evidence.analytic_norm
    floor += beside(together, evidence.analytic_norm, tolerance) / math.sqrt(evidence.size)
    numbers = [(p.residual, p.slope.value, p.slope.error + floor) for p in probes]
    residual, numerical, error = np.array(numbers).T.reshape(3, *shape)
    wrong = np.abs(residual) > tolerance.resolved * error
    boxes = _boxes_of(wrong)
    if not boxes:
        return Location(evidence.name, shape)
    inside, single = mask_of(shape, boxes), all(size_of(box) == 1 for box in boxes)
    places = zip(*(axis.tolist() for axis in np.nonzero(wrong)), strict=True) if single else ()
    elements = {where: probes[int(np.ravel_multi_index(where, shape))] for where in places}
    norms = [float(np.linalg.norm(each[inside])) for each in (residual, gradient, numerical)]
    return Location(evidence.name, shape, boxes, Norms(*norms), elements=elements)


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
