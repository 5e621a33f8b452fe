"""Probing one setting: every block along a few directions, or element by element.

The first direction of a block is measured sharply and teaches the curvature of the loss there; the
following ones need two evaluations at the step that balances that curvature against the noise.  A
block of at most as many elements as directions is probed element by element, which is exact.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradhook._directions import Direction, Element
from gradhook._evaluate import Evaluator
from gradhook._line import Line
from gradhook._parameters import norm
from gradhook._types import Blocks
from gradhook.difference import Backward, Forward, Method
from gradhook.errors import NonFiniteLossError
from gradhook.probe.directions import seeded, spread
from gradhook.probe.evidence import BlockEvidence, Probe, Slope
from gradhook.probe.hidden import hidden_noise
from gradhook.probe.noise import Noise, measure_noise
from gradhook.probe.points import typical_scale
from gradhook.probe.slopes import pair_slope, sharp_slope

__all__ = ["Knowledge", "Prober"]

FIRST_STEP = 1e-5
"""First step, in units of a block's scale: near the cube root of float64's epsilon, which is
best for a smooth loss."""

SHORTEST_FIRST_STEP = 1e-7
"""Shortest step at which a block is first probed, whatever the last block needed."""

LONGEST_STEP = 0.1
"""Longest step, in units of a block's scale."""

SHORTEST_STEP = 1e-9
"""Shortest step that a pair starts with, in units of a block's scale."""

KINKS_BELOW = 2e-9
"""A sharp step below this, in units of a block's scale, was driven there by kinks."""

SHARP = 1e-7
"""Relative error at which a sharp estimate needs no further round."""

ENOUGH = 1e-5
"""Relative error at which an estimate that noise limits is left as it is."""

NEARBY = 1e-4
"""Length, in units of the scales, of a line that stays inside a domain whose end is near."""

JOINT = ""
"""Stands for all blocks among names of blocks."""

FAIR = 1e-6
"""Relative error at which a pair needs no further round."""

SMALLER = 0.1
"""Size of the loss, relative to the main setting's, below which its noise is measured anew."""

NEGLIGIBLE = 1e-5
"""Error, as a share of an ordinary block's slope, at which a slope that is zero within it needs no
further round."""


@dataclass(frozen=True, slots=True)
class _Learned:
    """What the first probe of a block taught: its step, ``|phi''|`` and the largest slope seen."""

    step: float
    curvature: float
    slope: float


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What probing has taught so far, of steps and sizes.

    Args:
        learned: What the first probe of each block taught.
        relative_step: Step of the last sharp probe, in units of its block's scale.
        typical: The largest numerical slope seen, times its block's scale.
    """

    learned: dict[str, _Learned]
    relative_step: float
    typical: float

    @classmethod
    def joined(cls, several: Sequence[Knowledge]) -> Knowledge:
        """The steps of the first and the largest slopes of all."""
        first = several[0]
        learned = {
            name: replace(known, slope=max(e.learned.get(name, known).slope for e in several))
            for name, known in first.learned.items()
        }
        return cls(learned, first.relative_step, max(each.typical for each in several))


class Prober:
    """Measures slopes at the workspace's present point, with its present switches.

    Args:
        evaluator: Calls the objective.
        loss: The loss at the point.
        gradients: The analytic gradients there.
        seed: Seed of the directions.
        method: A difference method that the user chose, instead of the probes described above.
        like: The prober of an earlier setting, whose noise and curvatures serve as first guesses,
            so that no block needs a sharp probe again; ``None`` measures the noise.
        elsewhere: The loss at another point, a first guess of what it varies by.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        loss: float,
        gradients: Blocks,
        seed: int,
        method: Method | None = None,
        like: Prober | None = None,
        elsewhere: float = math.nan,
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
        if like is not None and abs(loss) < SMALLER * abs(like.loss):
            like = None  # of another size, so its noise and steps would mislead
        if like is None:
            measured = self._measured_noise(elsewhere)
            self.noise, self.coarse = measured.level, measured.coarse
            contrast = measured.contrast or abs(loss) or 1.0
            self._relative_noise: float = min(1.0, self.noise / contrast)
        else:
            # Rounding grows in proportion to the loss.
            growth = abs(loss) / max(abs(like.loss), sys.float_info.min)
            self.noise, self.coarse = like.noise * max(1.0, growth), like.coarse
            self._relative_noise = like._relative_noise
        self._further = like is not None
        self._learned: dict[str, _Learned] = dict(like._learned) if like else {}
        # Step of the last sharp probe in units of its block's scale: where the next block starts.
        self._relative_step: float = like._relative_step if like else self._guessed_step()
        # The largest numerical slope seen, times its block's scale: what an ordinary block does.
        self._typical = 0.0
        self._elements: dict[str, list[Probe]] = {}
        self._first_steps = dict(evaluator.first_steps)

    @classmethod
    def resumed(cls, evaluator: Evaluator, state: dict[str, Any]) -> Prober:
        """A prober with another's ``state``, for slopes alone: it has no analytic gradients."""
        prober = cls.__new__(cls)
        prober.__dict__.update(state)
        prober._evaluator, prober._workspace = evaluator, evaluator.workspace
        arrays = prober._workspace.arrays
        prober._gradients = {n: np.broadcast_to(0.0, array.shape) for n, array in arrays.items()}
        return prober

    @property
    def state(self) -> dict[str, Any]:
        """Everything but the evaluator, its arrays and the gradients."""
        without = ("_evaluator", "_workspace", "_gradients", "_elements")
        return {name: value for name, value in vars(self).items() if name not in without}

    @property
    def evaluations(self) -> int:
        """Loss evaluations that its evaluator has made."""
        return self._evaluator.evaluations

    @property
    def knowledge(self) -> Knowledge:
        """What has been learned so far; may be set back."""
        return Knowledge(dict(self._learned), self._relative_step, self._typical)

    @knowledge.setter
    def knowledge(self, known: Knowledge) -> None:
        self._learned = dict(known.learned)
        self._relative_step, self._typical = known.relative_step, known.typical

    def size(self, name: str) -> int:
        """Number of a block's elements, 0 where its gradient is not finite."""
        return self._gradients[name].size if math.isfinite(self.norms[name]) else 0

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a block."""
        return self._gradients[name].shape

    def textbook(self, name: str, index: int, eps: float) -> float:
        """The plain two-sided difference of one element, at a fixed ``eps``."""
        parts = [(name, Element(index), 1.0)]
        with Line(self._workspace, parts, self._evaluator.loss) as line:
            return float((line(eps) - line(-eps)) / (2 * eps))

    def element(self, name: str, index: int) -> Probe:
        """A sharp probe of one element."""
        return self._probe(name, Element(index), sharp=True)

    def take_elements(self, name: str, probes: Sequence[Probe]) -> None:
        """Take up probes of all elements of a block, measured already, maybe without gradients."""
        if self._workspace.arrays[name].dtype.itemsize < 8:
            self._elements[name] = list(probes)  # of the steps really taken
            return
        analytic = self._gradients[name].reshape(-1).tolist()
        pairs = zip(analytic, probes, strict=True)
        self._elements[name] = [Probe(value, probe.slope) for value, probe in pairs]

    @property
    def ordinary(self) -> float:
        """``max over blocks c of s_c·‖a_c‖``, from the finite analytic gradients."""
        return max(
            (self.scales[n] * size for n, size in self.norms.items() if math.isfinite(size)),
            default=0.0,
        )

    def block(self, name: str, *, probes: int, exhaustive: bool = False) -> BlockEvidence:
        """Probe a block along ``probes`` directions, or every element of it."""
        gradient = self._gradients[name]
        whole = math.isfinite(self.norms[name])
        spoiled = 0 if whole else int(np.count_nonzero(~np.isfinite(gradient)))
        evidence = BlockEvidence(
            name, gradient.size, self.norms[name], self.scales[name], spoiled=spoiled
        )
        if spoiled or not gradient.size:
            return evidence
        if self._further and name in self._learned and not self._pair_suffices(name):
            probes = 1  # a sharp one, at the cost of two pairs
        exact = exhaustive or gradient.size <= probes
        directions: list[Direction] = (
            [Element(i) for i in range(gradient.size)]
            if exact
            else [self._direction(name, k) for k in range(probes)]
        )
        measured: list[Probe] = []
        if exhaustive and name in self._elements:
            measured += self._elements[name]
            directions = []
        for direction in directions:
            measured.append(self._probe(name, direction, sharp=exhaustive))
            if measured[-1].slope.kink and self._further and not exact:
                break  # at a tie further directions cross it too
        elements = (
            np.array([p.slope.value for p in measured]).reshape(gradient.shape)
            if exhaustive
            else None
        )
        return self._concluded(
            replace(evidence, probes=tuple(measured), exact=exact, elements=elements)
        )

    def more(self, evidence: BlockEvidence, probes: int, *, sharp: bool = False) -> BlockEvidence:
        """Probe a block along further directions, sharply or in pairs where these suffice."""
        measured = list(evidence.probes)
        for k in range(len(measured), len(measured) + probes):
            direction = self._direction(evidence.name, k)
            measured.append(self._probe(evidence.name, direction, sharp=sharp))
        return self._concluded(replace(evidence, probes=tuple(measured)))

    def again(self, evidence: BlockEvidence, which: Sequence[int]) -> BlockEvidence:
        """Measure some elements again with a step 30 times shorter, and keep the sharper estimate.

        For blocks probed element by element, where no further direction can tell a wrong gradient
        from several kinks inside one step.
        """
        measured = list(evidence.probes)
        scale = self.scales[evidence.name]
        for index in which:
            before = measured[index]
            parts = [(evidence.name, Element(index), 1.0)]
            with Line(self._workspace, parts, self._evaluator.loss) as line:
                after = sharp_slope(
                    line,
                    self.loss,
                    noise=self.noise,
                    step=before.slope.step / 30,
                    longest=LONGEST_STEP * scale,
                    good=self._good(SHARP, scale, abs(before.slope.value)),
                    rounds=1,
                )
            apart = abs(after.value - before.slope.value)
            if apart > after.error + before.slope.error:  # one of the two is wrong about its error
                slope = min(before.slope, after, key=lambda s: s.step)
                measured[index] = Probe(before.analytic, replace(slope, error=slope.error + apart))
        return self._concluded(replace(evidence, probes=tuple(measured)))

    def hidden_noise(self, evidence: BlockEvidence) -> Noise | None:
        """The noise along a block's largest mismatch, if the setting's table has not seen it."""
        k = max(range(len(evidence.probes)), key=lambda k: evidence.probes[k].standing)
        parts = [(evidence.name, self.directions(evidence)[k], 1.0)]
        with Line(self._workspace, parts, self._evaluator.loss) as line:
            return hidden_noise(
                line,
                evidence.probes[k],
                at_zero=self.loss,
                scale=self.scales[evidence.name],
                noise=self.noise,
            )

    def coarsen(self, noise: Noise) -> None:
        """Take up a larger noise, and forget the steps found with the smaller one."""
        growth = noise.level / max(self.noise, sys.float_info.min)
        self._relative_noise = min(1.0, self._relative_noise * growth)
        self.noise, self.coarse = noise.level, self.coarse or noise.coarse
        self._learned, self._first_steps, self._elements = {}, {}, {}
        self._relative_step, self._typical = self._guessed_step(), 0.0

    def joint(self) -> tuple[Probe, dict[str, float]]:
        """One probe along a direction over all blocks, each at its own scale.

        Returns:
            The probe, in units of loss per unit of all scales, and the analytic share ``⟨a_b,
            v_b⟩·s_b`` of each block.
        """
        parts = [
            (n, self._direction(n, 0), s) for n, s in self.scales.items() if self._gradients[n].size
        ]
        shares = {n: s * v.dot(self._gradients[n]) for n, v, s in parts}
        with Line(self._workspace, parts, self._evaluator.loss) as line:
            slope = self._sharp(line, 1.0, None, JOINT)
        self._remember(JOINT, slope, 1.0)
        return Probe(math.fsum(shares.values()), slope), shares

    def forget_gradients(self) -> None:
        """Let go of the analytic gradients; what was learned of noise and steps stays."""
        self._gradients = {}

    def directions(self, evidence: BlockEvidence) -> list[Direction]:
        """The directions along which a block's probes were measured, in order."""
        count = len(evidence.probes)
        if evidence.exact:
            return [Element(i) for i in range(count)]
        return [self._direction(evidence.name, k) for k in range(count)]

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
            min(self._step(name, sharp=sharp) / weight for name, _, weight in parts) / grown
            for sharp in (False, True)
        )
        longest = min(LONGEST_STEP * self.scales[name] / weight for name, _, weight in parts)

        def good(slope: Slope) -> bool:
            return slope.error <= wanted

        with Line(self._workspace, parts, self._evaluator.loss) as line:
            if 2 * self.noise / min(pair, longest) <= wanted:
                step = min(pair, longest)
                slope = pair_slope(line, self.loss, noise=self.noise, step=step, good=good)
            else:
                step = min(sharp, longest)
                slope = sharp_slope(
                    line, self.loss, noise=self.noise, step=step, longest=step, good=good
                )
            analytic = math.fsum(weight * v.dot(self._gradients[n]) for n, v, weight in parts)
            coarse = any(self._workspace.arrays[n].dtype.itemsize < 8 for n, _, _ in parts)
            if coarse and math.isfinite(slope.value):
                analytic = line.slope_taken(self._gradients, slope.step)
        return Probe(analytic, slope)

    def _step(self, name: str, *, sharp: bool) -> float:
        known = self._learned.get(name)
        if known is None:
            return self._relative_step * self.scales[name]
        return known.step if sharp else self._pair_step(name)

    def _direction(self, name: str, k: int) -> Direction:
        block = self._workspace.names.index(name)
        one_sided = isinstance(self._method, (Forward, Backward))
        seed = seeded(self._seed, 3, block, k)
        return spread(self._gradients[name].size, seed, one_sided=one_sided)

    def _probe(self, name: str, direction: Direction, *, sharp: bool) -> Probe:
        scale = self.scales[name]
        parts = [(name, direction, 1.0)]
        known = self._learned.get(name)
        with Line(
            self._workspace, parts, self._evaluator.loss, self._evaluator.complex_loss
        ) as line:
            if self._method is not None:
                slope = self._by_method(line, scale)
            elif sharp or known is None or not self._pair_suffices(name):
                slope = self._sharp(line, scale, known, name)
                if not slope.kink and slope.step >= KINKS_BELOW * scale:
                    self._relative_step = max(slope.step / scale, SHORTEST_FIRST_STEP)
            else:
                slope = pair_slope(
                    line,
                    self.loss,
                    noise=self.noise,
                    step=self._pair_step(name),
                    good=self._good(self._at_best(FAIR, 3.0), scale, known.slope),
                )
            analytic = direction.dot(self._gradients[name])
            if self._workspace.arrays[name].dtype.itemsize < 8 and math.isfinite(slope.value):
                analytic = line.slope_taken({name: self._gradients[name]}, slope.step)
        self._learn(name, slope, known)
        return Probe(analytic, slope)

    def _learn(self, name: str, slope: Slope, known: _Learned | None) -> None:
        if not math.isfinite(slope.value):
            return
        self._typical = max(self._typical, self.scales[name] * abs(slope.value))
        if known is None and (slope.kink or slope.step < KINKS_BELOW * self.scales[name]):
            # A kink drove the step down: nothing is known of the curvature elsewhere.
            step = self._relative_step * self.scales[name]
            self._learned[name] = _Learned(step, math.nan, abs(slope.value))
        elif known is None:
            self._learned[name] = _Learned(slope.step, slope.curvature, abs(slope.value))
            self._remember(name, slope, self.scales[name])
        else:
            self._learned[name] = replace(known, slope=max(known.slope, abs(slope.value)))

    def _pair_step(self, name: str) -> float:
        """Where ``2·noise/h`` and ``h·|phi''|/2`` balance, for the curvature seen in this block."""
        known, scale = self._learned[name], self.scales[name]
        balanced = math.sqrt(4 * self.noise / known.curvature) if known.curvature > 0 else math.inf
        return float(min(max(balanced, SHORTEST_STEP * scale), known.step))

    def _pair_suffices(self, name: str) -> bool:
        """Whether a pair at that step can be expected to be fair, going by the slopes seen."""
        fair = self._at_best(FAIR, 3.0)
        return bool(2 * self.noise / self._pair_step(name) <= fair * self._learned[name].slope)

    def _at_best(self, wanted: float, margin: float) -> float:
        """A relative error wanted, or a multiple of the best that the noise allows.

        ``h**2 + noise/h`` of a loss that varies by its contrast over one unit is least near
        ``(noise/contrast)**(2/3)``.
        """
        return float(max(wanted, margin * self._relative_noise ** (2 / 3)))

    def _remember(self, name: str, slope: Slope, scale: float) -> None:
        """Let later checks begin with the step found; they measure its error all the same."""
        if math.isfinite(slope.error) and not slope.kink:
            self._evaluator.first_steps[name] = max(slope.step / scale, SHORTEST_FIRST_STEP)

    def _sharp(
        self, line: Callable[[float], float], scale: float, known: _Learned | None, name: str
    ) -> Slope:
        first = self._first_steps.get(name, self._relative_step)
        return sharp_slope(
            line,
            self.loss,
            noise=self.noise,
            step=known.step if known else first * scale,
            longest=LONGEST_STEP * scale,
            good=self._good(self._at_best(SHARP, 3.0), scale, known.slope if known else 0.0),
            enough=self._good(self._at_best(ENOUGH, 10.0), scale, known.slope if known else 0.0),
            grow=known is None,
        )

    def _good(self, relative: float, scale: float, seen: float) -> Callable[[Slope], bool]:
        def good(slope: Slope) -> bool:
            size = max(abs(slope.value), seen)
            negligible = (
                abs(slope.value) <= 3 * slope.error
                and slope.error <= NEGLIGIBLE * self._typical / scale
            )
            return slope.error <= relative * size or negligible

        return good

    def _by_method(self, line: Callable[[float], float], scale: float) -> Slope:
        assert self._method is not None
        try:
            # Methods assume that a displacement of one is natural, so they see the line in units of
            # the scale.
            estimate = self._method(lambda t: line(t * scale), noise=self.noise)
        except NonFiniteLossError:
            return Slope(math.nan, math.inf, math.nan)
        return Slope(estimate.value / scale, estimate.error / scale, estimate.step * scale)

    def _guessed_step(self) -> float:
        """The cube root of noise over contrast: best for a smooth loss that varies by as much."""
        return float(min(LONGEST_STEP / 4, max(FIRST_STEP, self._relative_noise ** (1 / 3))))

    def _measured_noise(self, elsewhere: float) -> Noise:
        parts = [
            (n, spread(a.size, seeded(self._seed, 4, i)), self.scales[n])
            for i, (n, a) in enumerate(self._workspace.arrays.items())
            if a.size
        ]
        with Line(self._workspace, parts, self._evaluator.loss) as line:
            # Where the domain ends close by, a shorter way may stay inside it.
            with contextlib.suppress(NonFiniteLossError):
                return measure_noise(line, at_zero=self.loss, elsewhere=elsewhere)
            with contextlib.suppress(NonFiniteLossError):
                return measure_noise(lambda t: line(t * NEARBY), at_zero=self.loss)
        return Noise(sys.float_info.epsilon * abs(self.loss), coarse=False)

    def _concluded(self, evidence: BlockEvidence) -> BlockEvidence:
        unmoved = bool(evidence.probes) and all(
            p.slope.value == 0.0 and p.slope.gap == 0.0 for p in evidence.probes
        )
        return replace(evidence, unmoved=unmoved)
