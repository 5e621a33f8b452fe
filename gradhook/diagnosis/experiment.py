"""A scene seen again with something changed: a switch off, other rows, one block replaced.

Both derivatives are measured anew along directions that would show the fault.  Where they agree the
fault lies in what was changed; where they do not, or where the change leaves the loss's domain,
nothing is learned.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array, Batch, Blocks
from gradhook.diagnosis.case import FRESH, Scene
from gradhook.objective.switches import BoundSwitch, Role, SwitchState
from gradhook.probe.prober import Prober
from gradhook.verdict.evidence import Probe

__all__ = ["Changed", "revisit", "vanishes", "without"]

TELLING = 30.0
"""How far a derivative must stand out of its error for a vanished fault to mean anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """What a changed setting gave.

    Args:
        gradients: The analytic gradients there.
        probes: Joint probes over the wrong blocks, along fresh directions.
    """

    gradients: Blocks
    probes: tuple[Probe, ...]


def revisit(
    scene: Scene,
    names: Sequence[str],
    *,
    switches: Sequence[tuple[BoundSwitch, SwitchState]] | None = None,
    batch: Batch | None = None,
    values: Mapping[str, Array] | None = None,
    probes: int = FRESH,
) -> Changed | None:
    """Measure blocks with something changed; ``None`` where that is outside the domain.

    Args:
        scene: The setting, to which the evaluator comes back.
        names: Blocks that the joint probes move.
        switches: Other switches.
        batch: Another batch.
        values: Blocks that are replaced, none of ``names``.
        probes: How many.
    """
    evaluator = scene.evaluator
    if scene.budget.left < 1 + 4 * probes:
        return None
    with _changed(scene, switches, batch, values or {}), contextlib.suppress(Exception):
        loss, gradients = evaluator.loss_and_gradients()
        finite = all(np.all(np.isfinite(gradients[name])) for name in names)
        if not (math.isfinite(loss) and finite):
            return None
        prober = Prober(
            evaluator,
            loss=loss,
            gradients=gradients,
            seed=scene.options.seed,
            like=scene.measured.prober,
        )
        seen = [scene.joint(prober, scene.fresh(names, FRESH + k)) for k in range(probes)]
        return Changed(gradients, tuple(seen))
    return None


@contextlib.contextmanager
def _changed(
    scene: Scene,
    switches: Sequence[tuple[BoundSwitch, SwitchState]] | None,
    batch: Batch | None,
    values: Mapping[str, Array],
) -> Iterator[None]:
    evaluator = scene.evaluator
    try:
        if switches is not None:
            evaluator.switches = list(switches)
        if batch is not None:
            evaluator.batch = batch
        for name, array in values.items():
            evaluator.workspace.overwrite({name: array})
        yield
    finally:
        for name in values:
            evaluator.workspace.write(name)
        scene.enter()


def vanishes(
    scene: Scene, changed: Changed | None, names: Sequence[str], *, additive: bool = False
) -> bool:
    """Whether both derivatives agree there, along directions that would show the fault.

    Args:
        scene: The setting, where they do not.
        changed: What was measured with something changed, if anything was.
        names: The blocks that moved.
        additive: Whether the change takes a term away and leaves the others as they were; then the
            fault would show with its own size, and else in proportion to the derivative.
    """
    if changed is None:
        return False
    tolerance = scene.options.tolerance
    share = min(_share(scene, name) for name in names)
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


def _share(scene: Scene, name: str) -> float:
    """``‖r‖ / (‖a‖ + ‖n‖)``, at most 1."""
    return max(1e-12, min(1.0, scene.measured.judgements[name].comparison.ratio or 1.0))


def without(scene: Scene, role: Role) -> Iterator[list[tuple[BoundSwitch, SwitchState]]]:
    """The scene's switches with those of a role turned off, one after the other.

    Args:
        scene: The setting.
        role: What is turned off.
    """
    turned = list(scene.measured.setting.switches)
    for k, (switch, state) in enumerate(turned):
        if switch.role == role and state != "off" and not switch.always_off:
            yield [*turned[:k], (switch, "off"), *turned[k + 1 :]]
    for switch in scene.free:
        if switch.role == role and not switch.always_off:
            yield [*turned, (switch, "off")]
