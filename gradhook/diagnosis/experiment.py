"""A mismatch seen again with something changed: a switch off, other rows, one block replaced.

Both derivatives are measured anew along directions that would show the fault.  Where they agree the
fault lies in what was changed; where they do not, or where the change leaves the loss's domain,
nothing is learned.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypedDict, Unpack

import numpy as np

from gradhook._types import Array, Batch, Blocks
from gradhook.diagnosis.hypothesis import Trial
from gradhook.diagnosis.mismatch import FRESH, Mismatch, Parts, is_met
from gradhook.evaluation.directions import Move, seeded
from gradhook.evaluation.points import nearby
from gradhook.objective.batch import cut
from gradhook.objective.switches import BoundSwitch, Role, SwitchState
from gradhook.probe.prober import Prober
from gradhook.probe.setting import EnteredSetting, Setting, outside_domain
from gradhook.verdict.evidence import Probe

__all__ = [
    "Changed",
    "Turned",
    "Variation",
    "at_other_weights",
    "changed",
    "losses",
    "revisit",
    "vanishes",
    "vanishing",
    "with_rows",
    "without",
]

Turned: TypeAlias = Sequence[tuple[BoundSwitch, SwitchState]]

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


def revisit(
    mismatch: Mismatch,
    names: Sequence[str],
    *,
    probes: int = FRESH,
    within: Mapping[str, Array] | None = None,
    **change: Unpack[Variation],
) -> Changed | None:
    """Measure blocks with something changed, and come back; ``None`` outside the domain.

    None of the blocks that the joint probes move may be one that is replaced.  ``within`` holds, by
    block, the elements that they move, where these are not all.
    """
    evaluator = mismatch.evaluator
    if mismatch.budget.left < 1 + 4 * probes:
        return None
    with changed(mismatch, **change) as setting, contextlib.suppress(Exception):
        loss, gradients = evaluator.loss_and_gradients()
        if outside_domain(loss, {name: gradients[name] for name in names}):
            return None
        entered = EnteredSetting(evaluator, setting, mismatch.options.seed, loss, gradients)
        prober = Prober(entered, like=mismatch.measured.prober)
        parts = [mismatch.fresh(names, FRESH + k, within) for k in range(probes)]
        seen = [mismatch.joint(prober, each) for each in parts]
        there = {name: evaluator.workspace.values(name) for name in names}
        return Changed(gradients, tuple(seen), tuple(parts), there, loss)
    return None


@contextlib.contextmanager
def changed(mismatch: Mismatch, **change: Unpack[Variation]) -> Iterator[Setting]:
    """Stand in the setting with something changed, and come back to it."""
    evaluator = mismatch.evaluator
    given: dict[str, Any] = {key: value for key, value in change.items() if value is not None}
    values = given.pop("values", {})
    setting = replace(mismatch.measured.setting, **given)
    try:
        setting.enter(evaluator)
        if values:
            evaluator.workspace.overwrite(values)
        yield setting
    finally:
        for name in values:
            evaluator.workspace.write(name)
        mismatch.enter()


def losses(mismatch: Mismatch, changes: Sequence[Variation]) -> list[float] | None:
    """The loss with one change after the other; ``None`` where not all can be evaluated."""
    if mismatch.budget.left < len(changes):
        return None
    found: list[float] = []
    for change in changes:
        with changed(mismatch, **change), contextlib.suppress(Exception):
            found.append(mismatch.evaluator.loss())
    finite = len(found) == len(changes) and all(map(math.isfinite, found))
    return found if finite else None


def vanishes(
    mismatch: Mismatch, seen: Changed | None, names: Sequence[str], *, additive: bool = False
) -> bool:
    """Whether both derivatives agree there, along directions that would show the fault.

    Where the change takes a term away and leaves the others as they were, the fault would show with
    its own size, and else in proportion to the derivative.
    """
    if seen is None:
        return False
    tolerance = mismatch.options.tolerance
    ratios = [mismatch.measured.judgements[name].comparison.ratio or 1.0 for name in names]
    share = max(1e-12, min(1.0, *ratios))
    telling = max(TELLING_DERIVATIVE, 1 / (10 * tolerance.explained * share))
    for probe in seen.probes:
        value, error = abs(probe.slope.value), probe.slope.error
        # By the weights of a joint probe each block's residual is one.
        shows = (
            error <= 3 * tolerance.explained * math.sqrt(len(names))
            if additive
            else value > telling * error
        )
        if not shows or abs(probe.residual) > tolerance.resolved * error + 1e-12 * value:
            return False
    return bool(seen.probes)


def vanishing(
    mismatch: Mismatch,
    names: Sequence[str],
    tried: str,
    *,
    stays: bool = False,
    **change: Unpack[Variation],
) -> Trial | None:
    """Whether the difference vanishes with something changed, or stays, where it should.

    ``None`` where it cannot be seen.  ``tried`` is the change in words.
    """
    seen = revisit(mismatch, names, **change)
    if seen is None:
        return None
    gone = vanishes(mismatch, seen, names)
    out = f"the difference vanishes{' too' if stays else ''}" if gone else "the difference stays"
    return Trial(tried, out, refuted=gone is stays)


def without(mismatch: Mismatch, role: Role) -> Iterator[Turned]:
    """The mismatch's switches with those of a role turned off, one after the other."""
    turned = list(mismatch.measured.setting.switches)
    for k, (switch, state) in enumerate(turned):
        if switch.role == role and state != "off" and not switch.always_off:
            yield [*turned[:k], (switch, "off"), *turned[k + 1 :]]
    for switch in mismatch.free:
        if switch.role == role and not switch.always_off:
            yield [*turned, (switch, "off")]


def at_other_weights(
    mismatch: Mismatch, names: Sequence[str], *, probes: int = FRESH
) -> Changed | None:
    """Measure blocks at another point, drawn anew; they are smaller there, their norms too."""
    moves, seed = mismatch.measured.setting.moves, mismatch.options.seed
    if moves:
        there: Mapping[str, Move] = {
            name: replace(move, seed=seeded(move.seed, 14), factor=SHRUNK * move.factor)
            for name, move in moves.items()
        }
    else:
        arrays, fixed = mismatch.evaluator.workspace.arrays, mismatch.options.fixed
        there = nearby(arrays, distance=ANOTHER_POINT, fixed=fixed, seed=seeded(seed, 14))
    return revisit(mismatch, names, probes=probes, moves=there)


def with_rows(mismatch: Mismatch, rows: Sequence[int] | Array) -> Batch | None:
    """The batch cut to some of its rows, or with rows repeated; ``None`` where it cannot be cut."""
    if mismatch.rows < 2 or mismatch.options.subset is not None:
        return None
    batch, axis = mismatch.evaluator.batch, mismatch.options.sample_axis
    return cut(batch, np.asarray(rows), mismatch.rows, axis)
