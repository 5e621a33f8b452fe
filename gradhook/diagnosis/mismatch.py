"""The blocks that are wrong in one setting, revisited to find out why.

A mismatch holds what was measured of the wrong blocks and can measure more: sharper probes of one
block, its elements or slices one by one, and fresh probes along which an explanation must hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.wrong_block import WrongBlock
from gradhook.evaluation.directions import (
    Coordinate,
    Part,
    RandomDirection,
    masked,
    random_direction,
    seeded,
)
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.parameters import each_leaf
from gradhook.objective.switches import BoundSwitch
from gradhook.options import Options
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.budget import Budget
from gradhook.probe.localise import locate
from gradhook.probe.prober import Prober
from gradhook.probe.result import SettingResult

if TYPE_CHECKING:
    from gradhook.diagnosis.layers import Layers
from gradhook.verdict.evidence import Location, Probe, is_apart

__all__ = ["FRESH", "Context", "Mismatch"]

SHARPER_PROBES = 5
"""Probes drawn of a block whose first ones are too coarse to tell one cause from another."""

FEW_PARTS = 3
"""Wrong parts that are named wherever most of the gradient lives."""

SHORT_BLOCK = 8
"""Elements up to which a block is measured one by one."""

SLICES = 4
"""Slices of a block that are probed one by one."""

LOCATING = 300
"""Evaluations that the search inside one block may take, beside its natural splits."""

EXPLAINING = 400
"""Loss evaluations that where and why may take in one check."""

MEASURED_ELEMENTS = 3
"""Elements that are measured of those of which something is said."""

FRESH = 2
"""Probes that an explanation must meet which it was not fitted on."""


@dataclass(slots=True)
class Context:
    """What all mismatches of a check share.

    Args:
        evaluator: Calls the objective.
        options: The check's options.
        measured: What every setting said.
        right: Names of the blocks judged right, as far as the wrong ones were resolved.
        order: All blocks in forward order.
        free: Switches that the user did not name but the functions have.
        batch_rows: Rows of the whole batch, of which some were drawn; 0 where all were.

    Attributes:
        budget: What may be spent.
        layers: What lies below what, once it was measured.
    """

    evaluator: Evaluator
    options: Options
    measured: Sequence[SettingResult]
    right: frozenset[str]
    order: Sequence[str]
    free: Sequence[BoundSwitch] = ()
    batch_rows: int = 0
    budget: Budget = field(init=False)
    layers: Layers | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(lambda: self.evaluator.evaluations, EXPLAINING)

    def layers_of(self, mismatch: Mismatch) -> Layers:
        """The layers, measured once in a check."""
        if self.layers is None:
            from gradhook.diagnosis.layers import measure_layers  # which takes a mismatch

            self.layers = measure_layers(mismatch)
        return self.layers


class Mismatch:
    """Blocks that are wrong in one setting.

    Args:
        context: What all mismatches of the check share.
        measured: What was measured in the setting.
        wrong: Names of the wrong blocks.
    """

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

    @property
    def elsewhere(self) -> list[Blocks]:
        """The analytic gradients at other points, where they are kept."""
        return [
            m.gradients
            for m in self.context.measured
            if m.setting.moves is not self.measured.setting.moves
            and set(self.blocks) <= set(m.gradients)
        ]

    def seen_at_another_point(self, names: Sequence[str]) -> Mismatch | None:
        """The same blocks where another setting shows all of them wrong; ``None`` if none does."""
        moves = self.measured.setting.moves
        others = (m for m in self.context.measured if m.setting.moves is not moves)
        other = next((m for m in others if all(map(m.shows_wrong, names))), None)
        return None if other is None else Mismatch(self.context, other, names)

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
                resolved=tolerance.resolved,
                rounding=tolerance.rounding,
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
        axis = self.options.sample_axis
        for item in each_leaf(self.evaluator.batch):
            shape = getattr(item, "shape", ())
            if -len(shape) <= axis < len(shape):
                return int(shape[axis])
        return 0

    def confirms(
        self, predicted: Mapping[str, Array], inside: Mapping[str, Array] | None = None
    ) -> bool | None:
        """Whether fresh probes are met by the numerical gradients predicted.

        ``None`` where the budget does not allow them.

        Args:
            predicted: By block.
            inside: By block, elements that the prediction says nothing about; all others by
                default.
        """
        outside = {n: ~mask for n, mask in (inside or {}).items()}
        tolerance, count = self.options.tolerance, math.sqrt(len(predicted))
        if self.budget.left < 4 * FRESH:
            return None
        for k in range(FRESH):
            parts = self.fresh(list(predicted), k, outside)
            probe = self.joint(self.measured.prober, parts)
            expected = math.fsum(w * v.dot(predicted[n]) for n, v, w in parts)
            size = math.fsum(abs(w) * float(np.linalg.norm(predicted[n])) for n, _, w in parts)
            off = abs(probe.slope.value - expected)
            allowed = probe.slope.error + 1e-13 * size
            # Each block counts one, by the weights.
            if not (
                off <= tolerance.resolved * allowed
                and off + allowed <= tolerance.explained * 3 * count
            ):
                return False
        return True

    def fresh(
        self, names: Sequence[str], k: int, outside: Mapping[str, Array] | None = None
    ) -> list[tuple[str, RandomDirection, float]]:
        """A fresh direction in some blocks, weighted so that every block's residual counts one.

        Args:
            names: The blocks.
            k: Which direction.
            outside: By block, the elements to which it is confined.
        """
        order = self.evaluator.workspace.names
        parts = []
        for name in names:
            block = self.blocks[name]
            seed = seeded(self.options.seed, 12, order.index(name), k)
            direction = random_direction(block.gradient.size, seed)
            if outside and name in outside:
                direction = masked(direction, outside[name])
            size = block.residual_norm
            parts.append((name, direction, 1 / size if size > 0 else 1.0))
        return parts

    def joint(self, prober: Prober, parts: Sequence[tuple[str, RandomDirection, float]]) -> Probe:
        """A probe along what ``fresh`` gave, at the prober's point."""
        wanted = self.options.tolerance.explained * math.sqrt(len(parts)) / 3
        return prober.along(parts, wanted=wanted)

    def wrong_slices(self, name: str, axis: int, which: Array) -> Array:
        """Those of a few slices of a block in which both derivatives differ."""
        if len(which) == 0 or len(which) > SLICES or self.budget.left < 4 * len(which):
            return which[:0]
        block = self.blocks[name]
        shape, size = block.shape, block.gradient.size
        order = self.evaluator.workspace.names.index(name)
        whole = random_direction(size, seeded(self.options.seed, 13, order))
        found = []
        for index in which:
            box = tuple(slice(0, n) for n in shape)
            box = (*box[:axis], slice(int(index), int(index) + 1), *box[axis + 1 :])
            part = Part(whole, shape, box)
            share = part.size / size
            wanted = self.options.tolerance.explained * block.residual_norm / math.sqrt(len(which))
            probe = self.measured.prober.along([(name, part, 1.0)], share=share, wanted=wanted)
            if probe.z > self.options.tolerance.resolved:
                found.append(int(index))
        return np.array(found, dtype=np.intp)

    def by_element(self, name: str) -> WrongBlock:
        """A short block measured element by element; the block as it is where that costs much."""
        block = self.blocks[name]
        size = block.gradient.size
        if block.exact or size > SHORT_BLOCK or self.budget.left < 4 * size:
            return block
        self.enter()  # the caller may stand elsewhere
        wanted = self.options.tolerance.explained * block.residual_norm / 3
        along = self.measured.prober.along
        elements = [Coordinate(i) for i in range(size)]
        probes = [along([(name, e, 1.0)], share=1 / size, wanted=wanted) for e in elements]
        return WrongBlock.of(name, block.gradient, block.values, elements, probes, exact=True)

    def is_larger(self, name: str, among: Array) -> bool:
        """Whether the analytic gradient has an element further from 0 than the numerical one.

        A few are measured of those asked for; of none it is false.

        Args:
            name: The block.
            among: True where an element may be drawn; the block's shape.
        """
        block, order = self.blocks[name], self.evaluator.workspace.names.index(name)
        random = np.random.default_rng(seeded(self.options.seed, 22, order))
        drawn = random.permutation(np.flatnonzero(among))[:MEASURED_ELEMENTS]
        if self.budget.left < 4 * len(drawn):
            return False
        self.enter()
        share = 1 / block.gradient.size
        wanted = self.options.tolerance.explained * block.residual_norm * math.sqrt(share)
        for i in drawn:
            element = [(name, Coordinate(int(i)), 1.0)]
            probe = self.measured.prober.along(element, share=share, wanted=wanted)
            size = probe.slope.value * math.copysign(1.0, probe.analytic)
            if size + self.options.tolerance.resolved * probe.slope.error < abs(probe.analytic):
                return True
        return False

    def extended(self, name: str, count: int) -> WrongBlock:
        """A block with at least ``count`` numbers measured, where the budget allows it."""
        block = self.blocks[name]
        missing = count - block.count
        if missing > 0 and not block.exact and self.budget.left >= 4 * missing:
            self.blocks[name] = self._probed(block, missing, keep=True)
        return self.blocks[name]

    def _block(self, name: str) -> WrongBlock:
        evidence, prober = self.measured.evidence[name], self.measured.prober
        gradient = self.gradients[name]
        values = self.evaluator.workspace.values(name)
        directions = directions_of(prober, evidence)
        block = WrongBlock.of(
            name, gradient, values, directions, evidence.probes, exact=evidence.exact
        )
        tolerance = self.options.tolerance
        typical = block.residual_norm
        coarse = np.sqrt(np.mean(block.errors**2)) if block.count else math.inf
        if evidence.exact or coarse <= tolerance.explained * typical / 3:
            return block
        if self.budget.left < 4 * SHARPER_PROBES:
            return block
        return self._probed(block, SHARPER_PROBES, keep=False)

    def _probed(self, block: WrongBlock, count: int, *, keep: bool) -> WrongBlock:
        """A block with fresh probes, beside those that it has or in their place."""
        order = self.evaluator.workspace.names.index(block.name)
        seeds = [seeded(self.options.seed, 9, order, k) for k in range(count)]
        fresh = [random_direction(block.gradient.size, seed) for seed in seeds]
        wanted = self.options.tolerance.explained * block.residual_norm / 3
        prober = self.measured.prober
        probes = [prober.along([(block.name, v, 1.0)], wanted=wanted) for v in fresh]
        more = WrongBlock.of(block.name, block.gradient, block.values, fresh, probes, exact=False)
        return block.joined(more) if keep else more
