"""Slopes along lines through the workspace's present point, with its present switches.

A line moves one block, or several at once, along a direction.  The first probe of a block is sharp
and teaches the curvature of the loss there; the following ones need two evaluations at the step
that balances that curvature against the noise.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from gradhook._types import Blocks
from gradhook.difference import Method
from gradhook.difference.base import Estimate
from gradhook.difference.slopes import PAIR_ROUNDS, SHARP_ROUNDS, pair_slope, sharp_slope
from gradhook.errors import NonFiniteLossError
from gradhook.evaluation.directions import Direction, Element
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.line import Line
from gradhook.evaluation.points import typical_scale
from gradhook.objective.parameters import norm
from gradhook.probe.budget import FEWEST_ROUNDS, affordable
from gradhook.probe.noise_level import joint_noise
from gradhook.probe.steps import (
    ENOUGH,
    FAIR,
    LONGEST_STEP,
    ROUGH,
    SHARP,
    SHARPEST,
    Knowledge,
    Steps,
)
from gradhook.verdict.evidence import Probe

__all__ = ["Footing", "LineProber"]


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
        self._steps = Steps(noise, loss=loss, scales=self.scales)
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


class LineProber(Footing):
    """Measures slopes at the workspace's present point, with its present switches."""

    def element(self, name: str, index: int) -> Probe:
        """A sharp probe of one element."""
        return self._probe(name, Element(index), sharp=True)

    def slope_again(
        self, name: str, direction: Direction, before: Estimate, step: float
    ) -> Estimate:
        """A sharp slope along a direction whose slope is known, at one other step."""
        scale = self.scales[name]
        with Line(self._workspace, [(name, direction, 1.0)], self._evaluator.loss) as line:
            return sharp_slope(
                line,
                self.loss,
                noise=self.noise,
                step=step,
                longest=LONGEST_STEP * scale,
                good=self._steps.good(name, scale, SHARPEST, seen=abs(before.value)),
                rounds=1,
            )

    def textbook(self, name: str, index: int, eps: float) -> float:
        """The plain two-sided difference of one element, at a fixed ``eps``."""
        with Line(self._workspace, [(name, Element(index), 1.0)], self._evaluator.loss) as line:
            return float((line(eps) - line(-eps)) / (2 * eps))

    def along(
        self,
        parts: Sequence[tuple[str, Direction, float]],
        *,
        share: float = 1.0,
        wanted: float = 0.0,
    ) -> Probe:
        """Probe along any direction, with a step that grows as fewer elements move.

        Takes two evaluations where these can be expected to reach the error wanted, else four.

        Args:
            parts: Block, direction and weight, for each block that moves.
            share: Share of the elements of these blocks that the directions move.
            wanted: Error at which no further round is needed.
        """
        grown = math.sqrt(share * len(parts))
        pair, sharp = (
            min(self._steps.step(name, sharp=sharp) / weight for name, _, weight in parts) / grown
            for sharp in (False, True)
        )
        longest = min(LONGEST_STEP * self.scales[name] / weight for name, _, weight in parts)

        def good(slope: Estimate) -> bool:
            return slope.error <= wanted

        with Line(self._workspace, parts, self._evaluator.loss) as line:
            if 2 * self.noise / min(pair, longest) <= wanted:
                h = min(pair, longest)
                slope = pair_slope(line, self.loss, noise=self.noise, step=h, good=good)
            else:
                h = min(sharp, longest)
                slope = sharp_slope(line, self.loss, noise=self.noise, step=h, longest=h, good=good)
            analytic = math.fsum(weight * v.dot(self._gradients[n]) for n, v, weight in parts)
            coarse = any(self._workspace.arrays[n].dtype.itemsize < 8 for n, _, _ in parts)
            if coarse and math.isfinite(slope.value):
                analytic = line.slope_taken(self._gradients, slope.step)
        return Probe(analytic, slope)

    def _probe(
        self, name: str, direction: Direction, *, sharp: bool, left: float = math.inf
    ) -> Probe:
        """Probe one block, with so many evaluations ``left`` as long as nothing stands out."""
        if not self._steps.has_moved(name) and name not in self._moved:
            left = math.inf  # all other probes of the block will begin where this one ends
        parts, scale, evaluator = [(name, direction, 1.0)], self.scales[name], self._evaluator
        with Line(self._workspace, parts, evaluator.loss, evaluator.complex_loss) as line:
            if self._method is not None:
                slope = self._by_method(line, scale)
            elif sharp or not self._steps.pair_suffices(name):
                slope = self._sharp(line, name, scale, left)
                self._steps.pass_on(slope, scale)
            else:
                slope = pair_slope(
                    line,
                    self.loss,
                    noise=self.noise,
                    step=self._steps.pair_step(name),
                    good=self._steps.good(name, scale, FAIR),
                    rounds=affordable(left / 2, PAIR_ROUNDS),
                )
            analytic = direction.dot(self._gradients[name])
            if self._workspace.arrays[name].dtype.itemsize < 8 and math.isfinite(slope.value):
                analytic = line.slope_taken({name: self._gradients[name]}, slope.step)
        self._steps.learn(name, slope)
        return Probe(analytic, slope)

    def _sharp(
        self,
        line: Callable[[float], float],
        name: str,
        scale: float,
        left: float,
        *,
        least: int = FEWEST_ROUNDS,
    ) -> Estimate:
        goal = SHARP if left >= 4 else ENOUGH if self._main else ROUGH
        return sharp_slope(
            line,
            self.loss,
            noise=self.noise,
            step=self._steps.first(name, scale),
            longest=LONGEST_STEP * scale,
            good=self._steps.good(name, scale, goal),
            enough=self._steps.good(name, scale, ENOUGH),
            rounds=affordable(left / 4, SHARP_ROUNDS, least=least),
            grow=not self._steps.knows(name),
        )

    def _by_method(self, line: Callable[[float], float], scale: float) -> Estimate:
        assert self._method is not None
        try:
            # Methods assume that a displacement of one is natural, so they see the line in units of
            # the scale.
            estimate = self._method(lambda t: line(t * scale), noise=self.noise)
        except NonFiniteLossError:
            return Estimate(math.nan, math.inf, math.nan)
        return Estimate(estimate.value / scale, estimate.error / scale, estimate.step * scale)


SMALLER = 0.1
"""Size and steepness of the loss, relative to the main setting's, below which its noise is measured
anew."""
