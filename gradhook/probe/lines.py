"""Slopes along lines through the workspace's present point, with its present switches.

A line moves one block, or several at once, along a direction.  The first probe of a block is sharp
and teaches the curvature of the loss there; the following ones need two evaluations at the step
that balances that curvature against the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gradhook.difference.base import Slope
from gradhook.difference.slopes import PAIR_ROUNDS, SHARP_ROUNDS, pair_slope, sharp_slope
from gradhook.errors import NonFiniteLossError
from gradhook.evaluation.directions import Direction, Element
from gradhook.evaluation.line import Line
from gradhook.probe.budget import FEWEST_ROUNDS, affordable
from gradhook.probe.evidence import Probe
from gradhook.probe.footing import Footing
from gradhook.probe.goals import ENOUGH, FAIR, ROUGH, SHARP, SHARPEST
from gradhook.probe.steps import LONGEST_STEP

__all__ = ["LineProber"]


class LineProber(Footing):
    """Measures slopes at the workspace's present point, with its present switches."""

    def element(self, name: str, index: int) -> Probe:
        """A sharp probe of one element."""
        return self._probe(name, Element(index), sharp=True)

    def slope_again(self, name: str, direction: Direction, before: Slope, step: float) -> Slope:
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

        def good(slope: Slope) -> bool:
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
    ) -> Slope:
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

    def _by_method(self, line: Callable[[float], float], scale: float) -> Slope:
        assert self._method is not None
        try:
            # Methods assume that a displacement of one is natural, so they see the line in units of
            # the scale.
            estimate = self._method(lambda t: line(t * scale), noise=self.noise)
        except NonFiniteLossError:
            return Slope(math.nan, math.inf, math.nan)
        return Slope(estimate.value / scale, estimate.error / scale, estimate.step * scale)
