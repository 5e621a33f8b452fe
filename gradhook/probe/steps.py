"""What probing learns of a loss, and the step of the next probe from it.

The first probe of a block is sharp: it looks for its step, beginning where the last block's search
ended, in units of the block's scale.  On the way it sees the curvature ``|phi''|``, and from then
on a pair of evaluations at

    h  =  sqrt(4 * noise / |phi''|)

balances truncation, ``h * |phi''| / 2``, against the noise, ``2 * noise / h``.  Whether a pair
suffices, and when a probe may stop, goes by the noise and by the slopes seen so far.  Nothing here
evaluates, and nothing sees an analytic gradient: a step chosen because the two agree would prove
nothing.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from gradhook.difference.base import Estimate
from gradhook.difference.noise import COARSE, Noise
from gradhook.difference.search import LOST

JOINT = "\0"
"""Stands for all blocks among names of blocks; of these one may be empty."""

FIRST_STEP = 1e-5
"""First step, in units of a block's scale: near the cube root of float64's epsilon, which is
best for a smooth loss."""

SHORTEST_FIRST_STEP = 1e-7
"""Shortest step at which a block is first probed, whatever the last block needed."""

LONGEST_STEP = 0.1
"""Longest step, in units of a block's scale."""

SHORTEST_STEP = 1e-9
"""Shortest step that a pair starts with, in units of a block's scale."""

NEGLIGIBLE = 1e-5
"""Error, as a share of an ordinary block's slope, at which a slope that is zero within it needs no
further round."""


FINEST, FAIR, ENOUGH, ROUGH = (1e-7, 3.0), (1e-6, 3.0), (1e-5, 10.0), (1e-4, 30.0)
"""Relative errors at which an estimate needs no further round, each with the multiple of the best
one that the noise allows, which serves where that is more: of a sharp estimate, of a pair, of one
that noise limits, and of one that is judged by and no more, where evaluations have run out."""


class Steps:
    """Chooses steps, and learns from what they give.

    The scale of ``JOINT``, along which each block moves by its own, is 1.  What an ordinary block
    does, its slope times its scale, is ``typical``: a first guess, later the largest seen.
    """

    def __init__(
        self, noise: Noise, *, loss: float, scales: Mapping[str, float], typical: float = 0.0
    ) -> None:
        self.noise = noise.level
        self.allowance = noise.allowance
        self.coarse = noise.coarse
        self._contrast = noise.contrast or abs(loss) or 1.0
        self._relative_noise: float = min(1.0, noise.level / self._contrast)
        self.scales = {JOINT: 1.0, **scales}
        self.typical = typical
        # What the first probe of a block taught, its step and ``|phi''|``; and the largest slope.
        self._learned: dict[str, Estimate] = {}
        # Step of the last sharp probe, by its block's scale: the next block's first, and of a block
        # that kinks drove to shorter ones; half way to these, in powers of ten.  At first the cube
        # root of noise over contrast: best for a smooth loss that varies by as much.
        best = self._relative_noise ** (1 / 3)
        self._relative_step = float(min(LONGEST_STEP / 4, max(FIRST_STEP, best)))

    def copied(self) -> Steps:
        """The same, to learn by itself from here on."""
        steps = copy.copy(self)
        steps._learned = dict(self._learned)
        return steps

    def carried_on(self, *, growth: float, scales: Mapping[str, float]) -> Steps:
        """Steps elsewhere, where the loss is ``growth`` times as large and scales are others."""
        steps = self.copied()
        # Rounding grows in proportion to the loss.
        steps.noise = self.noise * max(1.0, growth)
        steps.scales = {JOINT: 1.0, **scales}
        steps.typical = 0.0
        # Of a block that has been brought up from next to nothing the step is looked for anew.
        steps._learned = {
            name: known
            for name, known in self._learned.items()
            if not self.scales[name] <= known.step / SHORTEST_STEP < steps.scales[name]
        }
        return steps

    def noisier(self, noise: float, loss: float) -> Steps:
        """Steps that begin anew at a loss which is noisier than it seemed."""
        coarse = noise > COARSE * max(abs(loss), self._contrast)
        return Steps(Noise(noise, coarse, self._contrast), loss=loss, scales=self.scales)

    def knows(self, name: str) -> bool:
        """Whether the block has been probed."""
        return name in self._learned

    def has_moved(self, name: str) -> bool:
        """Whether the loss has been seen to move with the block."""
        return self.knows(name) and self._learned[name].value > 0.0

    def step(self, name: str, *, sharp: bool) -> float:
        """Where a sharp probe of a block begins to look for its step, or the step of a pair.

        Along several blocks at once the shortest of their steps is the one that suits all.
        """
        if name == JOINT and self._learned:
            return min(known.step / self.scales[n] for n, known in self._learned.items())
        known = self._learned.get(name)
        if known is None:
            return self._relative_step * self.scales[name]
        return known.step if sharp else self.pair_step(name)

    def pair_step(self, name: str) -> float:
        """Where ``2·noise/h`` and ``h·|phi''|/2`` balance, for the curvature seen in this block."""
        known, scale = self._learned[name], self.scales[name]
        balanced = math.sqrt(4 * self.noise / known.curvature) if known.curvature > 0 else math.inf
        return float(min(max(balanced, SHORTEST_STEP * scale), known.step))

    def pair_suffices(self, name: str) -> bool:
        """Whether a pair at that step can be expected to be fair, going by the slopes seen."""
        known = self._learned.get(name)
        return known is not None and bool(
            2 * self.noise / self.pair_step(name) <= self._at_best(FAIR) * known.value
        )

    def good(self, name: str, goal: tuple[float, float]) -> Callable[[Estimate], bool]:
        """Whether an estimate of a slope needs no further round.

        Its error is held against the slope, or against the largest seen in the block where that is
        larger.
        """
        relative, scale = self._at_best(goal), self.scales[name]
        seen = self._learned[name].value if name in self._learned else 0.0

        def good(slope: Estimate) -> bool:
            size = max(abs(slope.value), seen)
            negligible = (
                abs(slope.value) <= 3 * slope.error
                and slope.error <= NEGLIGIBLE * self.typical / scale
            )
            return slope.error <= relative * size or negligible

        return good

    def learn(self, name: str, slope: Estimate) -> None:
        """Take up the slope of a block."""
        if not math.isfinite(slope.value):
            return
        known, scale, size = self._learned.get(name), self.scales[name], abs(slope.value)
        self.typical = max(self.typical, scale * size)
        if known is not None:
            self._learned[name] = replace(known, value=max(known.value, size))
        elif self._driven(slope, scale):
            # Nothing is known of the curvature elsewhere.
            self._learned[name] = Estimate(size, slope.error, self._relative_step * scale)
        else:
            self._learned[name] = replace(slope, value=size)

    def pass_on(self, name: str, slope: Estimate) -> None:
        """Let the next block begin with the step that a sharp probe came to."""
        scale = self.scales[name]
        found = slope.step / scale
        if self._driven(slope, scale):
            found = math.sqrt(found * self._relative_step)  # kinks may be denser along that block
        self._relative_step = max(found, SHORTEST_FIRST_STEP)

    def _driven(self, slope: Estimate, scale: float) -> bool:
        """Whether kinks drove the step down, rather than a curvature that is seen at its end.

        A sharp step below two of the shortest pair's was driven there by kinks, unless a curvature
        that explains it stands out of the noise there.
        """
        bends = abs(slope.gap) > LOST * 2 * self.noise / slope.step
        return slope.kink or (slope.step < 2 * SHORTEST_STEP * scale and not bends)

    def _at_best(self, goal: tuple[float, float]) -> float:
        """The relative error wanted, or the goal's multiple of the best that the noise allows.

        ``h**2 + noise/h`` of a loss that varies by its contrast over one unit is least near
        ``(noise/contrast)**(2/3)``.
        """
        return float(max(goal[0], goal[1] * self._relative_noise ** (2 / 3)))
