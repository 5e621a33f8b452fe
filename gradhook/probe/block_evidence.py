"""The evidence of a block: its probes along a few directions of its own, which later ones add to.

A block of at most as many elements as directions is probed element by element, which is exact.

What stands out is looked at again.  A shorter step tells which of two measurements is wrong about
its error.  A longer one, over many stairs of a loss that is rounded, tells noise that was not
reckoned with.

A backward pass rounds too, and where terms cancel (a bias before a normalisation, on data of 1e-8)
all that it returns may be rounding.  So, before a mismatch at a displaced point counts, the
gradients are called twice more, each a few roundings away along its own random direction of all
blocks, ``x + t·s·v`` with ``t = min(1e-3, max(1e-15, 2·noise/|f|))``; the larger change is the
error.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from gradhook._types import Array
from gradhook.difference import Backward, Estimate, Forward
from gradhook.difference.base import Samples
from gradhook.difference.search import DISAGREE, LOST, pair, sharp
from gradhook.errors import NonFiniteLossError
from gradhook.evaluation.directions import Coordinate, Direction, random_direction, seeded
from gradhook.evaluation.workspace import Line
from gradhook.objective.parameters import norm
from gradhook.probe.prober import UNLIMITED, Budget, LineParts, Prober
from gradhook.probe.steps import LONGEST_STEP
from gradhook.report.format import count
from gradhook.verdict.evidence import BlockEvidence, Location, Probe, describe

SHORTER = 30.0
"""How much shorter the step is with which a slope is measured again."""

WIDE = (1e-2, 1e-1)
"""Distances over which a slope is that of many stairs, in units of the blocks' scales, the second
for numbers as coarse as float16's."""

CLOSE = 0.1
"""Share of a mismatch, or of a slope, up to which that over a long step is the one measured."""

PART = 0.01
"""Share of the noise that would have made a mismatch which a single jump must be: that of a sum is
made of many."""

SHORTEST_WAY, HALVINGS = 0.25, 5
"""How short a way is looked at for a jump, in units of a block's own rounding; and over how many of
the last halvings it must stay, where on a smooth line a 32nd is left."""

FARTHEST, NEAREST, CALLS = 1e-3, 1e-15, 2
"""Bounds on how far away, in units of the blocks' scales, and how often gradients are called."""


def gather(
    prober: Prober,
    name: str,
    *,
    probes: int,
    budget: Budget = UNLIMITED,
    elements: Sequence[Probe] | None = None,
) -> BlockEvidence:
    """Probe a block along so many directions, or take probes of its ``elements`` that were made.

    As long as nothing stands out the budget counts, and one direction less does once it is spent.
    """
    gradient = prober.gradients[name]
    spoiled = "" if math.isfinite(prober.norms[name]) else _where(name, ~np.isfinite(gradient))
    evidence = BlockEvidence(
        name,
        gradient.size,
        prober.norms[name],
        prober.scales[name],
        spoiled=spoiled,
        kinked=name in prober.kinked,
        analytic_error=prober.evaluator.rounding.get(name, 0.0),
    )
    if spoiled or not gradient.size:
        return evidence
    if elements is not None:
        values = np.array([p.slope.value for p in elements]).reshape(gradient.shape)
        measured = replace(evidence, probes=tuple(elements), exact=True, elements=values)
        return concluded(prober, measured)
    if prober.carried_on and prober.steps.knows(name) and not prober.steps.pair_suffices(name):
        probes = 1  # a sharp one, at the cost of two pairs
    exact = gradient.size <= probes
    found: list[Probe] = []
    for k in range(gradient.size if exact else probes):
        calm = all(p.z <= 1 for p in found)
        spent = calm and budget.left < (2 if prober.steps.pair_suffices(name) else 4)
        if spent and not exact and 0 < len(found) >= probes - 1:
            break
        direction = Coordinate(k) if exact else direction_of(prober, name, k)
        allowed = budget if calm else UNLIMITED
        found.append(prober.probe(name, direction, sharp=False, budget=allowed))
        if found[-1].slope.kink and prober.carried_on and not exact:
            break  # at a tie further directions cross it too
    return concluded(prober, replace(evidence, probes=tuple(found), exact=exact))


def _where(name: str, mask: Array) -> str:
    """The elements of a mask in words: a box that they fill, or the first and how many more."""
    if not mask.any():  # a norm can overflow where every element is finite
        return ""
    where = np.argwhere(mask)
    corners = zip(where.min(axis=0).tolist(), where.max(axis=0).tolist(), strict=True)
    box = tuple(slice(first, last + 1) for first, last in corners)
    full = bool(mask[box].all())
    if not full:
        box = tuple(slice(i, i + 1) for i in where[0].tolist())
    said = describe(Location(name, mask.shape, (box,)))
    return said if full else f"{said} and {count(len(where) - 1, 'other element')}"


def directions_of(prober: Prober, evidence: BlockEvidence) -> list[Direction]:
    """The directions along which a block's probes were measured, in order."""
    name, exact = evidence.name, evidence.exact
    indices = range(len(evidence.probes))
    return [Coordinate(k) if exact else direction_of(prober, name, k) for k in indices]


def direction_of(prober: Prober, name: str, k: int) -> Direction:
    """The k-th direction of a block."""
    block = prober.evaluator.workspace.names.index(name)
    one_sided = isinstance(prober.method, (Forward, Backward))
    seed = seeded(prober.seed, 3, block, k)
    return random_direction(prober.gradients[name].size, seed, one_sided=one_sided)


def concluded(prober: Prober, evidence: BlockEvidence) -> BlockEvidence:
    """The evidence, with what all its probes say together."""
    if any(p.slope.kink for p in evidence.probes):
        prober.kinked.add(evidence.name)
    unmoved = bool(evidence.probes) and all(
        p.slope.value == 0.0 and p.slope.gap == 0.0 for p in evidence.probes
    )
    return replace(evidence, unmoved=unmoved)


def measure_again(prober: Prober, evidence: BlockEvidence, which: Sequence[int]) -> BlockEvidence:
    """Measure along some of the directions again, and widen errors that this contradicts.

    For blocks probed element by element, where no further direction can tell a wrong gradient from
    several kinks inside one step, for blocks that fail among kinks, and for single probes that
    stand out.
    """
    name, measured = evidence.name, list(evidence.probes)
    directions = directions_of(prober, evidence)
    scale = prober.scales[name]
    usual = prober.steps.step(name, sharp=True)
    for index in which:
        before = measured[index]
        # A pair is held against the step of sharp probes, everything else against a shorter one,
        # unless noise makes more than about the error of before there.
        error, step = before.slope.error, before.slope.step
        least = LOST * prober.noise / (2 * error) if error else 0.0
        step = min(max(step / SHORTER, least), step / 2)
        if not evidence.exact and usual > 2 * before.slope.step:
            step = usual
        with prober.line((name, directions[index], 1.0)) as line:
            after = sharp(line, prober.loss, min(step, LONGEST_STEP * scale), prober.noise)
        slope = _reconciled(before.slope, after, kinks=evidence.meets_kinks)
        measured[index] = Probe(before.analytic, slope)
    return concluded(prober, replace(evidence, probes=tuple(measured)))


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
        if probe.slope.kink:
            with prober.line((evidence.name, direction, 1.0)) as line:
                nearer = pair(line, prober.loss, probe.slope.step / SHORTER, prober.noise)
            smooth = abs(probe.slope.gap) / SHORTER
            if not abs(abs(nearer.gap) - smooth) <= nearer.round_off + smooth / 2:
                return False
    return True


def hidden_noise(prober: Prober, parts: LineParts, probe: Probe) -> float:
    """The noise that a probe along a line was made among without knowing; 0 if nothing says so.

    A loss that is rounded, or computes a part of itself in coarse numbers, moves in stairs: it is
    constant, or as fine as float64, between points that lie close.  A long step has another slope
    then, or sees further than a short one, and on the way the line jumps.
    """
    scale = min(prober.scales[name] / weight for name, _, weight in parts)
    rounding = max(prober.rounding(name) / weight for name, _, weight in parts)
    at_zero, noise, near = prober.loss, prober.noise, probe.slope
    with prober.line(*parts) as line:
        seen = Samples(line)
        for far in (wide * scale for wide in WIDE):
            with contextlib.suppress(NonFiniteLossError):
                across = (seen(far) - seen(-far)) / (2 * far)
                if probe.z > DISAGREE and abs(across - near.value) <= CLOSE * abs(probe.residual):
                    continue  # the mismatch is there over a long step too
                slope = sharp(seen, at_zero, far, noise)
                apart = abs(slope.value - near.value)
                sharper = DISAGREE * slope.error < near.error
                if sharper or apart > DISAGREE * (slope.error + near.error):
                    jump = _jump(seen, far, SHORTEST_WAY * rounding)
                    if jump > max(DISAGREE * noise, PART * apart * near.step):
                        return max(jump, apart * near.step)
                if apart <= CLOSE * max(abs(slope.value), abs(near.value)):
                    break  # of stairs too high even for that way another slope would be seen
    return 0.0


def _jump(line: Samples, far: float, least: float) -> float:
    """How far a line leaves the slope that it begins with at once, on its way to ``far``; else 0.

    The way is halved towards what leaves it most, down to the length ``least``.  On a smooth line,
    and at a kink, that is halved along; across the edge of a stair it stays.
    """
    slope = (line(least) - line(0.0)) / least if least else 0.0
    begin, end = 0.0, far
    found = []
    while end - begin > least:
        middle = (begin + end) / 2
        if not begin < middle < end:  # no number lies between
            break
        halves = [(begin, middle), (middle, end)]
        left = [abs(line(b) - line(a) - slope * (b - a)) for a, b in halves]
        begin, end = halves[left[1] > left[0]]
        found.append(max(left))
    stays = len(found) > HALVINGS and found[-1] > found[-1 - HALVINGS] / HALVINGS
    return found[-1] if stays else 0.0


def with_analytic_error(
    prober: Prober, evidence: dict[str, BlockEvidence]
) -> dict[str, BlockEvidence]:
    """The evidence with the rounding of the analytic gradients; none where they raise nearby."""
    changes = _changes(prober)
    return {
        name: replace(e, analytic_error=max(e.analytic_error, changes[name]))
        for name, e in evidence.items()
    }


def joint_analytic_error(prober: Prober, names: Collection[str] | None = None) -> float:
    """The same of all blocks together, or those named, each in units of its scale."""
    changes = _changes(prober).items()
    return math.hypot(*(prober.scales[n] * c for n, c in changes if names is None or n in names))


def _changes(prober: Prober) -> dict[str, float]:
    """How much each gradient changes a few roundings away, a norm."""
    evaluator, size = prober.evaluator, max(abs(prober.loss), prober.ordinary)
    distance = min(FARTHEST, max(NEAREST, 2 * prober.noise / size if size else 0.0))
    changes = dict.fromkeys(prober.gradients, 0.0)

    def call() -> float:
        loss, there = evaluator.loss_and_gradients()
        for name in changes.keys() & there.keys():
            change = norm(there[name] - prober.gradients[name])
            changes[name] = max(changes[name], change if math.isfinite(change) else 0.0)
        return loss

    for k in range(CALLS):  # where the end of the domain is that near, nothing is known
        with Line(evaluator.workspace, prober.all_blocks(seeded(prober.seed, 12, k)), call) as line:
            line(distance)
    return changes
