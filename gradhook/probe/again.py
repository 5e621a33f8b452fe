"""Slopes measured again, at one other step, where one of two measurements must be wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from gradhook.difference.base import Estimate
from gradhook.difference.formulas import Pair, Sharp
from gradhook.difference.search import DISAGREE, LOST
from gradhook.probe.block_evidence import concluded, directions_of
from gradhook.probe.prober import Prober
from gradhook.probe.steps import LONGEST_STEP
from gradhook.verdict.evidence import BlockEvidence, Probe

__all__ = ["bends", "measure_again"]

SHORTER = 30.0
"""How much shorter the step is with which a slope is measured again."""


def measure_again(prober: Prober, evidence: BlockEvidence, which: Sequence[int]) -> BlockEvidence:
    """Measure along some of the directions again, and widen errors that this contradicts.

    For blocks probed element by element, where no further direction can tell a wrong gradient from
    several kinks inside one step, for blocks that fail among kinks, and for single probes that
    stand out.

    Args:
        prober: At the point of the evidence.
        evidence: The block's probes.
        which: Positions of those to measure again.
    """
    name, measured = evidence.name, list(evidence.probes)
    directions = directions_of(prober, evidence)
    scale = prober.scales[name]
    usual = prober.steps.step(name, sharp=True)
    for index in which:
        before = measured[index]
        # A pair is held against the step of sharp probes, everything else against a short one.
        step = _shorter(before.slope, prober.noise)
        if not evidence.exact and usual > 2 * before.slope.step:
            step = usual
        with prober.line(name, directions[index]) as line:
            after = Sharp()(line, prober.loss, min(step, LONGEST_STEP * scale), prober.noise)
        slope = _reconciled(before.slope, after, kinks=evidence.meets_kinks)
        measured[index] = Probe(before.analytic, slope)
    return concluded(prober, replace(evidence, probes=tuple(measured)))


def _shorter(slope: Estimate, noise: float) -> float:
    """A step that is shorter, unless noise makes more than about the error of before there."""
    least = LOST * noise / (2 * slope.error) if slope.error else 0.0
    return min(max(slope.step / SHORTER, least), slope.step / 2)


def _reconciled(before: Estimate, after: Estimate, *, kinks: bool) -> Estimate:
    """What two measurements say together."""
    apart = abs(after.value - before.value)
    if apart > after.error + before.error:  # one of the two is wrong about its error
        slope = min(before, after, key=lambda estimate: estimate.step)
        return replace(slope, error=slope.error + apart)
    if kinks and after.step < before.step and math.isfinite(after.error):
        # No longer step errs by less than a shorter one, unless two errors cancel there; but noise
        # that was not seen grows as the step shrinks.
        grown = DISAGREE * before.error * before.step / after.step
        if after.truncation > max(LOST * after.round_off, grown):
            return replace(before, error=after.truncation)
    return before


def bends(prober: Prober, evidence: BlockEvidence) -> bool:
    """Whether one-sided slopes come together as the step shrinks, where kinks were suspected.

    They do on a smooth line that no step was short enough for; at a kink they stay apart.
    """
    for probe, direction in zip(evidence.probes, directions_of(prober, evidence), strict=True):
        if not probe.slope.kink:
            continue
        with prober.line(evidence.name, direction) as line:
            nearer = Pair()(line, prober.loss, probe.slope.step / SHORTER, prober.noise)
        smooth = abs(probe.slope.gap) / SHORTER
        if not abs(abs(nearer.gap) - smooth) <= nearer.round_off + smooth / 2:
            return False
    return True
