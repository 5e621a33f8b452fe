"""Probing one setting: every block along a few directions, or element by element.

A block of at most as many elements as directions is probed element by element, which is exact.
What was measured of a block is its evidence, which later probes add to, or make anew where an
element is in doubt.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from gradhook.difference import Backward, Forward
from gradhook.difference.base import Estimate
from gradhook.difference.noise_table import Noise
from gradhook.difference.slopes import DISAGREE, LOST, pair_slope
from gradhook.difference.stairs import STAIR
from gradhook.evaluation.directions import Direction, Element, random_direction, seeded
from gradhook.evaluation.line import Line
from gradhook.probe.line_prober import LineProber
from gradhook.probe.noise_level import hidden_noise, outstands
from gradhook.probe.steps import JOINT
from gradhook.verdict.evidence import BlockEvidence, Probe

__all__ = ["Prober"]

SHORTER = 30.0
"""How much shorter the step is with which a slope is measured again."""


class Prober(LineProber):
    """Measures blocks at the workspace's present point, with its present switches."""

    # All elements of blocks, where they were measured beforehand.
    _elements: Mapping[str, Sequence[Probe]] = MappingProxyType({})

    def size(self, name: str) -> int:
        """Number of a block's elements, 0 where its gradient is not finite."""
        return self._gradients[name].size if math.isfinite(self.norms[name]) else 0

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a block."""
        return self._gradients[name].shape

    def take_elements(self, name: str, probes: Sequence[Probe]) -> None:
        """Take up probes of all elements of a block, measured already, maybe without gradients."""
        if self._workspace.arrays[name].dtype.itemsize >= 8:  # else of the steps really taken
            analytic = self._gradients[name].reshape(-1).tolist()
            pairs = zip(analytic, probes, strict=True)
            probes = [Probe(value, probe.slope) for value, probe in pairs]
        self._elements = {**self._elements, name: probes}

    def block(
        self,
        name: str,
        *,
        probes: int,
        least: int = 1,
        granted: float = math.inf,
        exhaustive: bool = False,
    ) -> BlockEvidence:
        """Probe a block along ``probes`` directions, or every element of it.

        Where nothing stands out, ``least`` directions do once so many evaluations as are
        ``granted`` have been made.
        """
        gradient = self._gradients[name]
        whole = math.isfinite(self.norms[name])
        spoiled = 0 if whole else int(np.count_nonzero(~np.isfinite(gradient)))
        evidence = BlockEvidence(
            name,
            gradient.size,
            self.norms[name],
            self.scales[name],
            spoiled=spoiled,
            kinked=name in self._kinked,
        )
        if spoiled or not gradient.size:
            return evidence
        if self._further and self._steps.knows(name) and not self._steps.pair_suffices(name):
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
            calm = all(p.z <= 1 for p in measured)
            left = granted - self.evaluations if calm else math.inf
            if left < self._cost(name) and not exact and len(measured) >= least:
                break
            measured.append(self._probe(name, direction, sharp=exhaustive, left=left))
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
        """Measure along some of the directions again, and widen errors that this contradicts.

        For blocks probed element by element, where no further direction can tell a wrong gradient
        from several kinks inside one step, for blocks that fail among kinks, and for single probes
        that stand out.
        """
        name, measured = evidence.name, list(evidence.probes)
        directions = self.directions(evidence)
        usual = self._steps.first(name, self.scales[name])
        for index in which:
            before = measured[index]
            # A pair is held against the step of sharp probes, everything else against a short one.
            step = self._shorter(before.slope)
            if not evidence.exact and usual > 2 * before.slope.step:
                step = usual
            after = self.slope_again(name, directions[index], before.slope, step)
            apart = abs(after.value - before.slope.value)
            if apart > after.error + before.slope.error:  # one of the two is wrong about its error
                slope = min(before.slope, after, key=lambda s: s.step)
                measured[index] = Probe(before.analytic, replace(slope, error=slope.error + apart))
            elif (
                evidence.meets_kinks
                and after.step < before.slope.step
                and math.isfinite(after.error)
            ):
                # No longer step errs by less than a shorter one, unless two errors cancel there;
                # but noise that was not seen grows as the step shrinks.
                noisy = 2 * self.noise / after.step
                truncation = after.error - noisy
                grown = DISAGREE * before.slope.error * before.slope.step / after.step
                if truncation > max(LOST * noisy, grown):
                    slope = replace(before.slope, error=truncation)
                    measured[index] = Probe(before.analytic, slope)
        return self._concluded(replace(evidence, probes=tuple(measured)))

    def _shorter(self, slope: Estimate) -> float:
        """A step that is shorter, unless noise makes more than about the error of before there."""
        least = LOST * self.noise / (2 * slope.error) if slope.error else 0.0
        return min(max(slope.step / SHORTER, least), slope.step / 2)

    def hidden_noise(self, evidence: BlockEvidence) -> Noise | None:
        """The noise along a block's largest mismatch, if the setting's table has not seen it."""
        scale = self.scales[evidence.name]
        with self._largest_mismatch(evidence) as (line, probe):
            return hidden_noise(line, probe, at_zero=self.loss, scale=scale, noise=self.noise)

    def outstands(self, evidence: BlockEvidence, noise: float) -> bool:
        """Whether a block's largest mismatch is beyond this noise over a long step too."""
        with self._largest_mismatch(evidence) as (line, probe):
            return outstands(line, probe, scale=self.scales[evidence.name], noise=noise)

    def joint(self, left: float) -> tuple[Probe, dict[str, float]]:
        """One probe along a direction over all blocks, each at its own scale.

        Args:
            left: Evaluations that may be made; at least a pair is.

        Returns:
            The probe, in units of loss per unit of all scales, and the analytic share ``⟨a_b,
            v_b⟩·s_b`` of each block.
        """
        parts = [
            (n, self._direction(n, 0), s) for n, s in self.scales.items() if self._gradients[n].size
        ]
        shares = {n: s * v.dot(self._gradients[n]) for n, v, s in parts}
        with Line(self._workspace, parts, self._evaluator.loss) as line:
            if left < 4:  # the noise was dear to measure
                step = self._steps.first(JOINT, 1.0)
                slope = pair_slope(
                    line, self.loss, noise=self.noise, step=step, good=lambda _: True, rounds=1
                )
            else:
                slope = self._sharp(line, JOINT, 1.0, left, least=1)
        self._steps.keep(JOINT, slope, 1.0)
        return Probe(math.fsum(shares.values()), self._with_rounding(slope, parts)), shares

    def directions(self, evidence: BlockEvidence) -> list[Direction]:
        """The directions along which a block's probes were measured, in order."""
        count = len(evidence.probes)
        if evidence.exact:
            return [Element(i) for i in range(count)]
        return [self._direction(evidence.name, k) for k in range(count)]

    def least_cost(self) -> int:
        """Evaluations that one probe of each block takes at least."""
        arrays = self._workspace.arrays
        return sum(self._cost(name) for name, array in arrays.items() if array.size)

    def forget_gradients(self) -> None:
        """Let go of the analytic gradients; what was learned of noise and steps stays."""
        self._gradients = {}

    def _cost(self, name: str) -> int:
        """Evaluations that another probe takes at least."""
        return 2 if self._steps.knows(name) and self._steps.pair_suffices(name) else 4

    def _direction(self, name: str, k: int) -> Direction:
        block = self._workspace.names.index(name)
        one_sided = isinstance(self._method, (Forward, Backward))
        seed = seeded(self._seed, 3, block, k)
        return random_direction(self._gradients[name].size, seed, one_sided=one_sided)

    @contextlib.contextmanager
    def _largest_mismatch(self, evidence: BlockEvidence) -> Iterator[tuple[Line, Probe]]:
        # Of the probes that stand out beyond their error: noise makes the others.
        size = [abs(p.residual) if p.z > STAIR else 0.0 for p in evidence.probes]
        k = max(range(len(size)), key=size.__getitem__)
        parts = [(evidence.name, self.directions(evidence)[k], 1.0)]
        with Line(self._workspace, parts, self._evaluator.loss) as line:
            yield line, evidence.probes[k]

    def _concluded(self, evidence: BlockEvidence) -> BlockEvidence:
        if any(p.slope.kink for p in evidence.probes):
            self._kinked.add(evidence.name)
        unmoved = bool(evidence.probes) and all(
            p.slope.value == 0.0 and p.slope.gap == 0.0 for p in evidence.probes
        )
        return replace(evidence, unmoved=unmoved)
