"""What is known where slopes are to be measured: scales, norms, noise, and steps to begin with.

At a further setting noise and steps are those of the main one, unless the loss is of another size.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Self

import numpy as np

from gradhook._types import Blocks
from gradhook.difference import Method
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import typical_scale
from gradhook.objective.parameters import norm
from gradhook.probe.joint_noise import joint_noise
from gradhook.probe.steps import Knowledge, Steps

__all__ = ["Footing"]

SMALLER = 0.1
"""Size and steepness of the loss, relative to the main setting's, below which its noise is measured
anew."""


class Footing:
    """The workspace's present point, with its present switches, as probing finds it.

    Args:
        evaluator: Calls the objective.
        loss: The loss at the point.
        gradients: The analytic gradients there.
        seed: Seed of the directions.
        method: A difference method that the user chose, instead of gradhook's probes.
        like: The prober of an earlier setting, whose noise and curvatures serve as first guesses,
            so that no block needs a sharp probe again, unless the loss is of another size; ``None``
            measures the noise.
        elsewhere: The loss at another point, a first guess of what it varies by.
        most: Evaluations that measuring the noise should keep to.

    Attributes:
        scales: The blocks' scales, in the parameters' units.
        norms: The norms of the analytic gradients.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        loss: float,
        gradients: Blocks,
        seed: int,
        method: Method | None = None,
        like: Footing | None = None,
        elsewhere: float = math.nan,
        most: float = math.inf,
    ) -> None:
        self._evaluator = evaluator
        self._workspace = evaluator.workspace
        self._gradients = gradients
        self._seed = seed
        self._method = method
        self.scales = {
            name: self._workspace.scale(name) or typical_scale(array.shape)
            for name, array in self._workspace.arrays.items()
        }
        self.norms = {name: norm(g) for name, g in gradients.items()}
        self.loss = loss
        self._main = like is None
        self._further = False
        # Blocks of which kinks spoiled a probe, and those that moved the loss at another point.
        self._kinked: set[str] = set()
        self._moved: set[str] = set()
        self._steps: Steps
        growth = math.nan
        if like is not None:
            self._kinked |= like._kinked
            self._moved = {name for name in self.scales if like._steps.has_moved(name)}
            growth = abs(loss) / max(abs(like.loss), sys.float_info.min)
            # A loss that passes through zero is as steep there as elsewhere; one that is smaller
            # altogether is measured anew.  All that the analytic gradients decide is whose noise
            # counts, the larger one where they are too large.
            steepness = self.ordinary / (like.ordinary or math.inf)
            self._further = max(growth, steepness) >= SMALLER
            if self._further:
                self._steps = like._steps.carried_on(growth=growth, scales=self.scales)
                return
        before = None
        if like is not None:
            # A loss that is rounded as a whole has a noise in proportion to its size.
            before = like.noise * (min(1.0, growth) if like.coarse else 1.0)
        noise = joint_noise(
            evaluator,
            self.scales,
            loss=loss,
            seed=seed,
            elsewhere=elsewhere,
            before=before,
            most=most,
        )
        self._steps = Steps(noise, loss=loss, scales=self.scales, found=evaluator.first_steps)
        if like is not None:
            self._steps.expect(growth * like.knowledge.typical)

    @classmethod
    def resumed(cls, evaluator: Evaluator, state: dict[str, Any]) -> Self:
        """A prober with another's ``state``, for slopes alone: it has no analytic gradients."""
        prober = cls.__new__(cls)
        prober.__dict__.update(state)
        prober._evaluator, prober._workspace = evaluator, evaluator.workspace
        arrays = evaluator.workspace.arrays.items()
        prober._gradients = {n: np.broadcast_to(0.0, array.shape) for n, array in arrays}
        return prober

    @property
    def state(self) -> dict[str, Any]:
        """Everything but the evaluator, its arrays, the gradients and elements measured."""
        without = ("_evaluator", "_workspace", "_gradients", "_elements")
        return {name: value for name, value in vars(self).items() if name not in without}

    @property
    def ordinary(self) -> float:
        """``max over blocks c of s_c·‖a_c‖``, from the finite analytic gradients."""
        return max(
            (self.scales[n] * size for n, size in self.norms.items() if math.isfinite(size)),
            default=0.0,
        )

    @property
    def evaluations(self) -> int:
        """Loss evaluations that its evaluator has made."""
        return self._evaluator.evaluations

    @property
    def noise(self) -> float:
        """Absolute noise in one evaluation, in units of loss."""
        return self._steps.noise

    @property
    def coarse(self) -> bool:
        """Whether that is more than float64's rounding."""
        return self._steps.coarse

    @property
    def knowledge(self) -> Knowledge:
        """What has been learned so far; may be set back."""
        return self._steps.knowledge

    @knowledge.setter
    def knowledge(self, known: Knowledge) -> None:
        self._steps.knowledge = known
