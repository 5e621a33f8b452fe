"""The residual of a block as seen in parts of it, along a direction kept inside each.

``⟨v, r⟩ = ⟨v_A, r⟩ + ⟨v_B, r⟩`` for the halves A and B of a part: what one half shows, the other
lacks, and often needs no evaluation.  A few slices or elements drawn at random tell whether the
fault is spread over a part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array, Box
from gradhook.evaluation.directions import Direction, Part, RandomDirection, cut, size_of
from gradhook.probe.prober import Prober
from gradhook.verdict.evidence import Probe

__all__ = ["MARGIN", "SAMPLE", "Piece", "Residuals", "Seen"]

SAMPLE, SPREAD_SLICES = 8, 3
"""Random slices measured where both halves are wrong, and how many wrong ones mean "spread"."""

SURELY_APART = 6
"""Slices that are all right, of such a sample, after which the fault is followed."""

SMALL_AXIS, ALL_WRONG = 16, 4
"""An axis up to this length is followed unless so many slices, drawn first, are all wrong."""

MARGIN = 10.0
"""How far a residual should stand out of its error, where it is to be split."""

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

    def length(self, axis: int) -> int:
        """Number of slices along an axis."""
        return int(self.box[axis].stop - self.box[axis].start)


class Residuals:
    """Measures residuals of one block.

    Args:
        prober: At the point, with the switches.
        name: The block.
        gradient: Its analytic gradient.
        resolved: Multiple of its own error that a residual must exceed to stand out.
        rounding: Rounding of the analytic slope, relative to the gradient's norm.
        seed: Seed of samples.
    """

    def __init__(
        self,
        prober: Prober,
        name: str,
        gradient: Array,
        *,
        resolved: float,
        rounding: float,
        seed: int,
    ) -> None:
        self._prober = prober
        self.name = name
        self.gradient = gradient
        self._resolved = resolved
        self._rounding = rounding * float(np.linalg.norm(gradient))
        self._random = np.random.default_rng(seed)

    def seen(self, probe: Probe) -> Seen:
        """What a probe shows."""
        return Seen(probe.residual, probe.slope.error + self._rounding)

    def stands_out(self, seen: Seen) -> bool:
        """Whether a residual is one, beyond its error."""
        return abs(seen.residual) > self._resolved * seen.error

    def along(self, direction: Direction, *, share: float = 1.0, wanted: float = 0.0) -> Seen:
        """Measure along a direction that moves a share of the elements."""
        return self.seen(self.probe(direction, share=share, wanted=wanted))

    def probe(self, direction: Direction, *, share: float, wanted: float) -> Probe:
        """Both derivatives along such a direction, to an error ``wanted``."""
        return self._prober.along([(self.name, direction, 1.0)], share=share, wanted=wanted)

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
        small = count <= SMALL_AXIS
        enough = min(ALL_WRONG, count) if small else SPREAD_SLICES
        wanted = abs(piece.seen.residual) / (TELLING_SLICE * math.sqrt(count))
        wrong = 0
        order = self._random.permutation(count)[: enough if small else SAMPLE]
        for tried, i in enumerate(order, start=1):
            box = cut(piece.box, axis, first + int(i), first + int(i) + 1)
            if self.stands_out(self._inside(direction, box, wanted)):
                wrong += 1
            elif small or (wrong == 0 and tried >= SURELY_APART):
                return False
            if wrong >= enough:
                return True
        return False

    def is_everywhere(self, direction: RandomDirection, piece: Piece) -> bool:
        """Whether three random elements of a part are all wrong."""
        wanted = abs(piece.seen.residual) / (TELLING_SLICE * math.sqrt(size_of(piece.box)))
        for _ in range(min(SPREAD_SLICES, size_of(piece.box))):
            element = tuple(
                slice(i, i + 1)
                for i in (int(self._random.integers(s.start, s.stop)) for s in piece.box)
            )
            if not self.stands_out(self._inside(direction, element, wanted)):
                return False
        return True

    def _inside(self, direction: RandomDirection, box: Box, wanted: float) -> Seen:
        part = Part(direction, self.gradient.shape, box)
        return self.along(part, share=part.size / self.gradient.size, wanted=wanted)
