"""One setting revisited, to find out why blocks are wrong there.

A scene holds what was measured of the wrong blocks and can measure more: sharper probes of one
block, fresh ones along which an explanation must hold, and the same with something changed (a
switch off, other rows, one block replaced), where the fault may vanish.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._directions import Element, Part, Spread, masked
from gradhook._evaluate import Evaluator
from gradhook._options import Options
from gradhook._parameters import each_leaf
from gradhook._settings import Measured
from gradhook._small import SEARCH, is_apart
from gradhook._switches import BoundSwitch, SwitchState
from gradhook._types import Array, Batch, Blocks
from gradhook.probe.blocks import Prober
from gradhook.probe.directions import seeded, spread
from gradhook.probe.evidence import Location, Probe
from gradhook.probe.localise import Budget, locate
from gradhook.verdict.wrong import WrongBlock

__all__ = ["Changed", "Scene"]

SHARPER = 5
"""Probes drawn of a block whose first ones are too coarse to tell one cause from another."""

FEW = 3
"""Wrong parts that are named wherever most of the gradient lives."""

SHORT = 8
"""Elements up to which a block is measured one by one."""

SLICES = 4
"""Slices of a block that are probed one by one."""

FRESH = 2
"""Probes that an explanation must meet which it was not fitted on."""

TELLING = 30.0
"""How far a derivative must stand out of its error for a vanished fault to mean anything."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a changed setting gave.

    Args:
        loss: The loss there.
        gradients: The analytic gradients there.
        probes: Joint probes over the wrong blocks, along fresh directions.
    """

    loss: float
    gradients: Blocks
    probes: tuple[Probe, ...]


class Scene:
    """A setting with wrong blocks.

    Args:
        evaluator: Calls the objective.
        measured: What was measured there.
        wrong: Names of the wrong blocks.
        right: Names of those judged right, there or elsewhere.
        order: All blocks in forward order.
        options: The check's options.
        budget: What may be spent.
        free: Switches that the user did not name but the functions have.
        elsewhere: The analytic gradients at other points, where they are kept.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        measured: Measured,
        wrong: Sequence[str],
        right: frozenset[str],
        order: Sequence[str],
        options: Options,
        budget: Budget,
        free: Sequence[BoundSwitch] = (),
        elsewhere: Sequence[Blocks] = (),
    ) -> None:
        self.evaluator = evaluator
        self.measured = measured
        self.gradients = measured.gradients
        self.right = right
        self.order = order
        self.options = options
        self.budget = budget
        self.free = free
        self.elsewhere = elsewhere
        self._locations: dict[str, Location] = {}
        self.enter()
        self.blocks = {name: self._block(name) for name in wrong}

    def enter(self) -> None:
        """Go to the setting."""
        self.evaluator.workspace.move(self.measured.setting.moves)
        self.evaluator.switches = list(self.measured.setting.switches)

    def located(self, name: str) -> Location:
        """Where in a block the gradient is wrong; searched once, with a budget of its own."""
        if name not in self._locations:
            self.enter()
            evidence, tolerance = self.measured.evidence[name], self.options.tolerance
            found = locate(
                self.measured.prober,
                evidence,
                self.gradients[name],
                resolved=tolerance.resolved,
                rounding=tolerance.rounding,
                budget=Budget(lambda: self.evaluator.evaluations, SEARCH),
                seed=self.options.seed + 11,
            )
            # Where most of its gradient lives it is wrong: that is no part.
            if len(found.boxes) > FEW and not is_apart(found, evidence, tolerance.few):
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
    ) -> bool:
        """Whether fresh probes are met by the numerical gradients predicted.

        Args:
            predicted: By block.
            inside: By block, elements that the prediction says nothing about; all others by
                default.
        """
        outside = {n: ~mask for n, mask in (inside or {}).items()}
        weights = self._weights(list(predicted))
        if self.budget.left < 4 * FRESH:
            return False
        for k in range(FRESH):
            parts = self._fresh(list(predicted), weights, k, outside)
            probe = self._probe(self.measured.prober, parts, math.sqrt(len(predicted)))
            expected = math.fsum(w * v.dot(predicted[n]) for n, v, w in parts)
            size = math.fsum(abs(w) * float(np.linalg.norm(predicted[n])) for n, _, w in parts)
            tolerance = self.options.tolerance
            off = abs(probe.slope.value - expected)
            allowed = probe.slope.error + 1e-13 * size
            # Each block counts one, by the weights.
            if not (
                off <= tolerance.resolved * allowed
                and off + allowed <= tolerance.explained * 3 * math.sqrt(len(predicted))
            ):
                return False
        return True

    def wrong_slices(self, name: str, axis: int, which: Array) -> Array:
        """Those of a few slices of a block in which both derivatives differ."""
        if len(which) == 0 or len(which) > SLICES or self.budget.left < 4 * len(which):
            return which[:0]
        block = self.blocks[name]
        shape, size = block.shape, block.gradient.size
        order = self.evaluator.workspace.names.index(name)
        whole = spread(size, seeded(self.options.seed, 13, order))
        found = []
        for index in which:
            box = tuple(slice(0, n) for n in shape)
            box = (*box[:axis], slice(int(index), int(index) + 1), *box[axis + 1 :])
            part = Part(whole, shape, box)
            share = part.size / size
            wanted = self.options.tolerance.explained * block.residual_norm / math.sqrt(len(which))
            probe = self.measured.prober.along([(name, part, 1.0)], share=share, wanted=wanted)
            if probe.standing > self.options.tolerance.resolved:
                found.append(int(index))
        return np.array(found, dtype=np.intp)

    def at(
        self,
        names: Sequence[str],
        *,
        switches: Sequence[tuple[BoundSwitch, SwitchState]] | None = None,
        batch: Batch | None = None,
        values: Mapping[str, Array] | None = None,
        probes: int = FRESH,
    ) -> Changed | None:
        """Measure the blocks with something changed; ``None`` where that is outside the domain.

        Args:
            names: Blocks that the joint probes move.
            switches: Other switches.
            batch: Another batch.
            values: Blocks that are replaced, none of ``names``.
            probes: How many.
        """
        evaluator = self.evaluator
        if self.budget.left < 1 + 4 * probes:
            return None
        with self._changed(switches, batch, values), contextlib.suppress(Exception):
            loss, gradients = evaluator.loss_and_gradients()
            finite = all(np.all(np.isfinite(gradients[name])) for name in names)
            if not (math.isfinite(loss) and finite):
                return None
            prober = Prober(
                evaluator,
                loss=loss,
                gradients=gradients,
                seed=self.options.seed,
                like=self.measured.prober,
            )
            weights = self._weights(names)
            seen = []
            for k in range(probes):
                parts = self._fresh(names, weights, FRESH + k, {})
                seen.append(self._probe(prober, parts, math.sqrt(len(names))))
            return Changed(loss, gradients, tuple(seen))
        return None

    def by_element(self, name: str) -> WrongBlock:
        """A short block measured element by element; the block as it is where that costs much."""
        block = self.blocks[name]
        size = block.gradient.size
        if block.exact or size > SHORT or self.budget.left < 4 * size:
            return block
        self.enter()  # the caller may stand elsewhere
        wanted = self.options.tolerance.explained * block.residual_norm / 3
        along = self.measured.prober.along
        elements = [Element(i) for i in range(size)]
        probes = [along([(name, e, 1.0)], share=1 / size, wanted=wanted) for e in elements]
        return WrongBlock.of(name, block.gradient, block.values, elements, probes, exact=True)

    def vanishes(
        self, changed: Changed | None, names: Sequence[str], *, additive: bool = False
    ) -> bool:
        """Whether both derivatives agree there, along directions that would show the fault.

        Args:
            changed: What was measured with something changed.
            names: The blocks that moved.
            additive: Whether the change takes a term away and leaves the others as they were; then
                the fault would show with its own size, and else in proportion to the derivative.
        """
        if changed is None:
            return False
        tolerance = self.options.tolerance
        share = min(self._share(name) for name in names)
        for probe in changed.probes:
            value, error = probe.slope.value, probe.slope.error
            if abs(probe.residual) > tolerance.resolved * error + 1e-12 * abs(value):
                return False
            if additive:
                # By the weights of a joint probe each block's residual is one.
                if not error <= 3 * tolerance.explained * math.sqrt(len(names)):
                    return False
            elif not abs(value) > max(TELLING, 1 / (10 * tolerance.explained * share)) * error:
                return False
        return bool(changed.probes)

    def extended(self, name: str, count: int) -> WrongBlock:
        """A block with at least ``count`` numbers measured, where the budget allows it."""
        block = self.blocks[name]
        missing = count - block.count
        if missing > 0 and not block.exact and self.budget.left >= 4 * missing:
            self.blocks[name] = self._probed(block, missing, keep=True)
        return self.blocks[name]

    def _share(self, name: str) -> float:
        """``‖r‖ / (‖a‖ + ‖n‖)``, at most 1."""
        return max(1e-12, min(1.0, self.measured.judgements[name].comparison.ratio or 1.0))

    def _block(self, name: str) -> WrongBlock:
        evidence, prober = self.measured.evidence[name], self.measured.prober
        gradient = self.gradients[name]
        values = self.evaluator.workspace.values(name)
        directions = prober.directions(evidence)
        block = WrongBlock.of(
            name, gradient, values, directions, evidence.probes, exact=evidence.exact
        )
        tolerance = self.options.tolerance
        typical = block.residual_norm
        coarse = np.sqrt(np.mean(block.errors**2)) if block.count else math.inf
        if evidence.exact or coarse <= tolerance.explained * typical / 3:
            return block
        if self.budget.left < 4 * SHARPER:
            return block
        return self._probed(block, SHARPER, keep=False)

    def _probed(self, block: WrongBlock, count: int, *, keep: bool) -> WrongBlock:
        """A block with fresh probes, beside those that it has or in their place."""
        order = self.evaluator.workspace.names.index(block.name)
        seeds = [seeded(self.options.seed, 9, order, k) for k in range(count)]
        fresh = [spread(block.gradient.size, seed) for seed in seeds]
        wanted = self.options.tolerance.explained * block.residual_norm / 3
        prober = self.measured.prober
        probes = [prober.along([(block.name, v, 1.0)], wanted=wanted) for v in fresh]
        more = WrongBlock.of(block.name, block.gradient, block.values, fresh, probes, exact=False)
        return block.joined(more) if keep else more

    def _weights(self, names: Sequence[str]) -> dict[str, float]:
        """Weights at which every block's residual counts alike."""
        sizes = {name: self.blocks[name].residual_norm for name in names}
        return {name: 1 / size if size > 0 else 1.0 for name, size in sizes.items()}

    def _fresh(
        self,
        names: Sequence[str],
        weights: Mapping[str, float],
        k: int,
        outside: Mapping[str, Array],
    ) -> list[tuple[str, Spread, float]]:
        order = self.evaluator.workspace.names
        parts = []
        for name in names:
            size = self.blocks[name].gradient.size
            direction = spread(size, seeded(self.options.seed, 12, order.index(name), k))
            if name in outside:
                direction = masked(direction, outside[name])
            parts.append((name, direction, weights[name]))
        return parts

    def _probe(
        self, prober: Prober, parts: Sequence[tuple[str, Spread, float]], typical: float
    ) -> Probe:
        wanted = self.options.tolerance.explained * typical / 3
        return prober.along(parts, wanted=wanted)

    @contextlib.contextmanager
    def _changed(
        self,
        switches: Sequence[tuple[BoundSwitch, SwitchState]] | None,
        batch: Batch | None,
        values: Mapping[str, Array] | None,
    ) -> Iterator[None]:
        evaluator, before = self.evaluator, self.evaluator.batch
        try:
            if switches is not None:
                evaluator.switches = list(switches)
            if batch is not None:
                evaluator.batch = batch
            for name, array in (values or {}).items():
                evaluator.workspace.overwrite({name: array})
            yield
        finally:
            evaluator.batch = before
            for name in values or {}:
                evaluator.workspace.write(name)
            self.enter()
