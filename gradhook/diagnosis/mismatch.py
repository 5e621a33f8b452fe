"""The blocks that are wrong in one setting, revisited to find out why.

A mismatch holds what was measured of the wrong blocks and can measure more: sharper probes of one
block, its elements or slices one by one, and fresh probes along which an explanation must hold.

It can also be seen again with something changed: a switch off, other rows, one block replaced.
Both derivatives are measured anew along directions that would show the fault.  Where they agree the
fault lies in what was changed; where they do not, or where the change leaves the loss's domain,
nothing is learned.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack

import numpy as np

from gradhook._types import Array, Batch, Blocks, Tolerance
from gradhook.diagnosis.wrong_block import PRODUCT_ROUNDING, WrongBlock
from gradhook.errors import BatchError
from gradhook.evaluation.directions import Direction, Move, masked, random_direction, seeded
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import nearby
from gradhook.objective.batch import cut, sample_count
from gradhook.objective.switches import BoundSwitch, Role, SwitchState
from gradhook.options import Options
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.localise import locate
from gradhook.probe.prober import Budget, Prober
from gradhook.probe.setting import EnteredSetting, Setting, SettingResult, outside_domain
from gradhook.verdict.evidence import Location, Probe, beside, is_apart

if TYPE_CHECKING:
    from gradhook.diagnosis.layers import Layers

Parts: TypeAlias = Sequence[tuple[str, Direction, float]]
"""What a joint probe moves: block, direction and weight."""

Turned: TypeAlias = Sequence[tuple[BoundSwitch, SwitchState]]

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


SHRUNK = 0.7
"""How much smaller blocks are at another point, by which what depends on their norms differs."""

ANOTHER_POINT = 0.05
"""How far another point lies, in units of each block's scale, where none was drawn."""

TELLING_DERIVATIVE = 30.0
"""How far a derivative must stand out of its error for a vanished fault to mean anything."""


class Variation(TypedDict, total=False):
    """What is changed of a setting; what is left out, or ``None``, stays."""

    switches: Turned | None
    batch: Batch | None
    values: Mapping[str, Array] | None  # blocks that are replaced
    moves: Mapping[str, Move] | None  # displacements from the current point


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """What a changed setting gave."""

    gradients: Blocks  # the analytic gradients there
    probes: tuple[Probe, ...]  # joint probes over the wrong blocks, along fresh directions
    parts: tuple[Parts, ...] = ()  # what each probe moved: block, direction, weight
    values: Blocks = field(default_factory=dict)  # the blocks there
    loss: float = math.nan  # the loss there

    def meets(self, mismatch: Mismatch, predicted: Mapping[str, Array]) -> bool:
        """Whether the numerical gradients are these, by block, along every probe."""
        for probe, parts in zip(self.probes, self.parts, strict=True):
            unit = max(1.0, abs(probe.residual) / math.sqrt(len(parts)))
            if not is_met(probe, parts, predicted, mismatch.options.tolerance, unit):
                return False
        return bool(self.probes)


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
    whole: Batch | None = None  # what the rows were drawn from; ``None`` where they are all
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
        missing = count - len(block.slopes)
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
        coarse = np.sqrt(np.mean(block.errors**2)) if block.slopes.size else math.inf
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

    def revisit(
        self,
        names: Sequence[str],
        *,
        probes: int = FRESH,
        within: Mapping[str, Array] | None = None,
        **change: Unpack[Variation],
    ) -> Changed | None:
        """Measure blocks with something changed, and come back; ``None`` outside the domain.

        None of the blocks that the joint probes move may be one that is replaced.  ``within``
        holds, by block, the elements that they move, where these are not all.
        """
        evaluator = self.evaluator
        if self.budget.left < 1 + 4 * probes:
            return None
        with self.changed(**change) as setting, contextlib.suppress(Exception):
            loss, gradients = evaluator.loss_and_gradients()
            if outside_domain(loss, {name: gradients[name] for name in names}):
                return None
            entered = EnteredSetting(evaluator, setting, self.options.seed, loss, gradients)
            prober = Prober(entered, like=self.measured.prober)
            parts = [self.fresh(names, FRESH + k, within) for k in range(probes)]
            seen = [self.joint(prober, each) for each in parts]
            there = {name: evaluator.workspace.values(name) for name in names}
            return Changed(gradients, tuple(seen), tuple(parts), there, loss)
        return None

    @contextlib.contextmanager
    def changed(self, **change: Unpack[Variation]) -> Iterator[Setting]:
        """Stand in the setting with something changed, and come back to it."""
        evaluator = self.evaluator
        given: dict[str, Any] = {key: value for key, value in change.items() if value is not None}
        values = given.pop("values", {})
        setting = replace(self.measured.setting, **given)
        try:
            setting.enter(evaluator)
            if values:
                evaluator.workspace.overwrite(values)
            yield setting
        finally:
            for name in values:
                evaluator.workspace.write(name)
            self.enter()

    def losses(self, changes: Sequence[Variation]) -> list[float] | None:
        """The loss with one change after the other; ``None`` where not all can be evaluated."""
        if self.budget.left < len(changes):
            return None
        found: list[float] = []
        for change in changes:
            with self.changed(**change), contextlib.suppress(Exception):
                found.append(self.evaluator.loss())
        finite = len(found) == len(changes) and all(map(math.isfinite, found))
        return found if finite else None

    def vanishes(
        self, seen: Changed | None, names: Sequence[str], *, additive: bool = False
    ) -> bool:
        """Whether both derivatives agree there, along directions that would show the fault.

        Where the change takes a term away and leaves the others as they were, the fault would show
        with its own size, and else in proportion to the derivative.
        """
        if seen is None:
            return False
        tolerance = self.options.tolerance
        ratios = [self.measured.judgements[name].comparison.ratio or 1.0 for name in names]
        share = max(1e-12, min(1.0, *ratios))
        telling = max(TELLING_DERIVATIVE, 1 / (10 * tolerance.explained * share))
        for probe, parts in zip(seen.probes, seen.parts, strict=True):
            value, error = abs(probe.slope.value), probe.slope.error
            # By the weights of a joint probe each block's residual is one.
            shows = (
                error <= 3 * tolerance.explained * math.sqrt(len(names))
                if additive
                else value > telling * error
            )
            sizes = (w * float(np.linalg.norm(seen.gradients[name])) for name, _, w in parts)
            aside = beside(share, 1.0, tolerance) * math.hypot(*sizes)
            allowed = tolerance.resolved * error + aside
            if not shows or abs(probe.residual) > allowed:
                return False
        return bool(seen.probes)

    def without(self, role: Role) -> Iterator[Turned]:
        """The mismatch's switches with those of a role turned off, one after the other."""
        turned = list(self.measured.setting.switches)
        for k, (switch, state) in enumerate(turned):
            if switch.role == role and state != "off" and not switch.always_off:
                yield [*turned[:k], (switch, "off"), *turned[k + 1 :]]
        for switch in self.free:
            if switch.role == role and not switch.always_off:
                yield [*turned, (switch, "off")]

    def at_other_weights(self, names: Sequence[str], *, probes: int = FRESH) -> Changed | None:
        """Measure blocks at another point, drawn anew; they are smaller there, their norms too."""
        moves, seed = self.measured.setting.moves, self.options.seed
        if moves:
            there: Mapping[str, Move] = {
                name: replace(move, seed=seeded(move.seed, 14), factor=SHRUNK * move.factor)
                for name, move in moves.items()
            }
        else:
            arrays, fixed = self.evaluator.workspace.arrays, self.options.fixed
            there = nearby(arrays, distance=ANOTHER_POINT, fixed=fixed, seed=seeded(seed, 14))
        return self.revisit(names, probes=probes, moves=there)

    def on_every_row(self) -> Changed | None:
        """The gradients on the whole batch; ``None`` where the rows are all, or it cannot be."""
        whole = self.context.whole
        return None if whole is None else self.revisit([], batch=whole, probes=0)

    def with_rows(self, rows: Sequence[int] | Array) -> Batch | None:
        """The batch cut to some rows, or with rows repeated; ``None`` where it cannot be cut."""
        if self.rows < 2 or self.options.subset is not None:
            return None
        batch, axis = self.evaluator.batch, self.options.sample_axis
        return cut(batch, np.asarray(rows), self.rows, axis)

    def with_item(self, position: int, item: Array, batch: Batch | None = None) -> Batch:
        """The mismatch's batch, or another, with one item in place of the one that stands there."""
        batch = self.evaluator.batch if batch is None else batch
        return (*batch[:position], item, *batch[position + 1 :])


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
    sizes = [abs(w) * float(np.linalg.norm(predicted[n])) for n, _, w in parts]
    aside = math.hypot(*(beside(unit, size, tolerance) for size in sizes))
    off = abs(probe.slope.value - expected)
    allowed = probe.slope.error + PRODUCT_ROUNDING * math.fsum(sizes) + aside
    most = tolerance.explained * 3 * math.sqrt(len(parts)) * unit
    return off <= tolerance.resolved * allowed and off + allowed <= most
