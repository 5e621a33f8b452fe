"""The blocks that are wrong in one setting, revisited to find out why.

A mismatch holds what was measured of the wrong blocks and can measure more: sharper probes of one
block, its elements or slices one by one, and fresh probes along which an explanation must hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gradhook._types import Array, Batch, Tolerance
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.errors import BatchError
from gradhook.evaluation.directions import Direction, masked, random_direction, seeded
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.batch import sample_count
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.localise import locate
from gradhook.probe.prober import Budget, Prober
from gradhook.probe.setting import SettingResult
from gradhook.verdict.evidence import Location, Probe, is_apart

if TYPE_CHECKING:
    from gradhook.diagnosis.layers import Layers

__all__ = ["FRESH", "TWO_NUMBERS", "Context", "Mismatch", "Parts", "is_met", "rows_of"]

Parts: TypeAlias = Sequence[tuple[str, Direction, float]]
"""What a joint probe moves: block, direction and weight."""

SHARPER_PROBES = 5
"""Probes drawn of a block whose first ones are too coarse to tell one cause from another."""

FEW_PARTS = 3
"""Wrong parts that are named wherever most of the gradient lives."""

LOCATING = 300
"""Evaluations that the search inside one block may take, beside its natural splits."""

TWO_NUMBERS = 4
"""Loss evaluations that are kept for the two numbers of each wrong block."""

FRESH = 2
"""Probes that an explanation must meet which it was not fitted on."""


@dataclass(slots=True)
class Context:
    """What all mismatches of a check share."""

    evaluator: Evaluator
    options: Options
    measured: Sequence[SettingResult]  # what every setting said
    right: frozenset[str]  # as far as the wrong ones were resolved
    order: Sequence[str]  # all blocks in forward order
    budget: Budget  # what may be spent on where and why
    free: Sequence[BoundSwitch]  # switches that the user did not name but the functions have
    layers: Layers | None = None  # once they were measured

    def layers_of(self, mismatch: Mismatch) -> Layers:
        """The layers, measured once in a check."""
        if self.layers is None:
            from gradhook.diagnosis.layers import measure_layers  # which takes a mismatch

            self.layers = measure_layers(mismatch)
        return self.layers


class Mismatch:
    """Blocks that are wrong in one setting."""

    def __init__(self, context: Context, measured: SettingResult, wrong: Sequence[str]) -> None:
        self.context = context
        self.evaluator = context.evaluator
        self.options = context.options
        self.right = context.right
        self.order = context.order
        self.budget = context.budget
        self.free = context.free
        self.measured = measured
        self.gradients = measured.gradients
        self._locations: dict[str, Location] = {}
        self.enter()
        self.blocks = {name: self._block(name) for name in wrong}

    def enter(self) -> None:
        """Go to the setting."""
        self.measured.setting.enter(self.evaluator)

    def located(self, name: str) -> Location:
        """Where in a block the gradient is wrong; searched once."""
        if name not in self._locations:
            self.enter()
            evidence, tolerance = self.measured.evidence[name], self.options.tolerance
            found = locate(
                self.measured.prober,
                evidence,
                self.gradients[name],
                tolerance=tolerance,
                budget=Budget(lambda: self.evaluator.evaluations, min(LOCATING, self.budget.left)),
                seed=self.options.seed + 11,
            )
            # Where most of its gradient lives it is wrong: that is no part.
            if len(found.boxes) > FEW_PARTS and not is_apart(found, evidence, tolerance.few):
                found = Location(name, found.shape)
            self._locations[name] = found
        return self._locations[name]

    @property
    def rows(self) -> int:
        """Rows of the batch; 0 where it has none."""
        return rows_of(self.evaluator.batch, self.options.sample_axis)

    def fresh(
        self, names: Sequence[str], k: int, outside: Mapping[str, Array] | None = None
    ) -> Parts:
        """The ``k``-th fresh direction in some blocks, so that every block's residual counts one.

        ``outside`` holds, by block, the elements to which it is confined.
        """
        parts = []
        for name in names:
            block = self.blocks[name]
            direction = random_direction(block.gradient.size, self.seed(12, name, k))
            if outside and name in outside:
                direction = masked(direction, outside[name])
            size = block.residual_norm
            parts.append((name, direction, 1 / size if size > 0 else 1.0))
        return parts

    def joint(self, prober: Prober, parts: Parts) -> Probe:
        """A probe along what ``fresh`` gave, at the prober's point."""
        wanted = self.options.tolerance.explained * math.sqrt(len(parts)) / 3
        return prober.along(parts, wanted=wanted)

    def seed(self, purpose: int, name: str, *more: int) -> int:
        """A seed for a block, of a stream that no other purpose draws from."""
        order = self.evaluator.workspace.names.index(name)
        return seeded(self.options.seed, purpose, order, *more)

    def probe(
        self, block: WrongBlock, direction: Direction, wanted: float, *, share: float = 1.0
    ) -> Probe:
        """A block probed along a direction, here.

        ``wanted`` is the error at which it is sharp enough, in units of the block's residual, and
        ``share`` that of the elements that the direction moves.
        """
        moved = [(block.name, direction, 1.0)]
        return self.measured.prober.along(moved, share=share, wanted=wanted * block.residual_norm)

    def extended(self, name: str, count: int) -> WrongBlock:
        """A block with at least ``count`` numbers measured, where the budget allows it."""
        block = self.blocks[name]
        missing = count - block.count
        if missing > 0 and not block.exact and self.budget.left >= 4 * missing:
            self.blocks[name] = block.joined(self._probed(block, missing))
        return self.blocks[name]

    def _block(self, name: str) -> WrongBlock:
        """A block as the setting measured it, or sharper where that tells no cause from another."""
        evidence = self.measured.evidence[name]
        block = WrongBlock.of(
            name,
            self.gradients[name],
            self.evaluator.workspace.values(name),
            directions_of(self.measured.prober, evidence),
            evidence.probes,
            exact=evidence.exact,
        )
        coarse = np.sqrt(np.mean(block.errors**2)) if block.count else math.inf
        sharp = coarse <= self.options.tolerance.explained * block.residual_norm / 3
        if evidence.exact or sharp or self.budget.left < 4 * SHARPER_PROBES:
            return block
        return self._probed(block, SHARPER_PROBES)

    def _probed(self, block: WrongBlock, count: int) -> WrongBlock:
        """The block measured along directions of its own."""
        name, size = block.name, block.gradient.size
        fresh = [random_direction(size, self.seed(9, name, k)) for k in range(count)]
        wanted = self.options.tolerance.explained / 3
        probes = [self.probe(block, v, wanted) for v in fresh]
        return WrongBlock.of(name, block.gradient, block.values, fresh, probes, exact=False)


def rows_of(batch: Batch, axis: int) -> int:
    """Rows of a batch; 0 where it has none."""
    try:
        return sample_count(batch, axis) or 0
    except BatchError:
        return 0


def is_met(
    probe: Probe,
    parts: Parts,
    predicted: Mapping[str, Array],
    tolerance: Tolerance,
    unit: float = 1.0,
) -> bool:
    """Whether a joint probe is met by the numerical gradients predicted.

    Each block counts one unit, by the weights; that is 1 at the mismatch itself.
    """
    expected = math.fsum(w * v.dot(predicted[n]) for n, v, w in parts)
    size = math.fsum(abs(w) * float(np.linalg.norm(predicted[n])) for n, _, w in parts)
    off, allowed = abs(probe.slope.value - expected), probe.slope.error + 1e-13 * size
    most = tolerance.explained * 3 * math.sqrt(len(parts)) * unit
    return off <= tolerance.resolved * allowed and off + allowed <= most
