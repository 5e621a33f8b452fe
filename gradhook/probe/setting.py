"""Settings: points with their rows and switches, and the states that all switches take together.

The main setting is the generic point with dropout off and the penalty as given.  Further ones each
look at something that the main one cannot see: the point where the user stands, dropout's own
backward pass (its mask frozen by common random numbers), the data term that a large penalty would
mask, the penalty that hides behind a small coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gradhook._types import Batch, Blocks
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.parameters import all_finite
from gradhook.objective.switches import BoundSwitch, SwitchState

__all__ = ["EnteredSetting", "Setting", "Switchboard", "outside_domain"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A point with its rows and switches."""

    name: str  # as the report calls it
    moves: Mapping[str, Move]  # from the current point; empty for the current point
    batch: Batch
    switches: tuple[tuple[BoundSwitch, SwitchState], ...] = ()  # every one, and how it is turned

    def enter(self, evaluator: Evaluator) -> None:
        """Let the evaluator call the objective in this setting."""
        evaluator.workspace.move(self.moves)
        evaluator.batch = self.batch
        evaluator.switches = list(self.switches)


@dataclass(frozen=True, slots=True)
class EnteredSetting:
    """A setting that the evaluator is in, with what the functions gave there."""

    evaluator: Evaluator
    setting: Setting
    seed: int  # of the directions
    loss: float
    gradients: Blocks


def outside_domain(loss: float, gradients: Blocks | None = None) -> bool:
    """Whether a loss, or any gradient, is NaN or infinite."""
    return not math.isfinite(loss) or any(
        not all_finite(gradient) for gradient in (gradients or {}).values()
    )


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Every switch of a check, and what states they take together.

    Dropout is off and penalties are on unless a setting says otherwise.
    """

    dropouts: tuple[BoundSwitch, ...]
    penalties: tuple[BoundSwitch, ...]

    @classmethod
    def of(cls, switches: Iterable[BoundSwitch]) -> Switchboard:
        """Sort switches by their role."""
        roles: dict[str, list[BoundSwitch]] = {"dropout": [], "penalty": []}
        for switch in switches:
            roles[switch.role].append(switch)
        return cls(*map(tuple, roles.values()))

    def states(
        self, *, dropout: SwitchState = "off", penalty: Mapping[str, SwitchState] | None = None
    ) -> tuple[tuple[BoundSwitch, SwitchState], ...]:
        """How every switch is turned; ``penalty`` names those that are not simply on."""
        chosen = penalty or {}
        return (
            *((switch, dropout) for switch in self.dropouts),
            *((switch, chosen.get(switch.name, "on")) for switch in self.penalties),
        )
