"""Why a block was doubted: the source lines at which its loss bends.

After a mismatch or a kink the block's most doubtful probe is run once more, at ``x ± h·v``, with
arrays that note which branch NumPy takes for each element.  What flips in between goes into the
report.  It explains and decides nothing, and a check without doubts never comes here.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradhook.diagnosis.branches.flips import trace
from gradhook.diagnosis.branches.traced_array import traced
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.line import Line
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.result import SettingResult
from gradhook.report.blocks import Branch
from gradhook.verdict.evidence import Probe

__all__ = ["trace_branches"]

MOST_BLOCKS = 3
"""Blocks that are traced, at two loss evaluations each."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    """The probe of a block that is worth tracing, and how large its doubt is."""

    size: float
    name: str
    measured: SettingResult
    index: int


def trace_branches(
    evaluator: Evaluator, measured: Sequence[SettingResult], coverage: list[str]
) -> dict[str, tuple[Branch, ...]]:
    """Trace the most doubtful probe of each block that met a mismatch or a kink.

    Args:
        evaluator: Anywhere, and left there.
        measured: What every setting said.
        coverage: Gets a sentence where operations were too large to be traced.

    Returns:
        The branches that flip, for the blocks at which any does; of at most ``MOST_BLOCKS``.
    """
    worst: dict[str, _Doubt] = {}
    for doubt in _doubts(measured):
        if doubt.name not in worst or doubt.size > worst[doubt.name].size:
            worst[doubt.name] = doubt
    chosen = sorted(worst.values(), key=lambda doubt: doubt.size, reverse=True)[:MOST_BLOCKS]
    if not chosen:
        return {}
    found: dict[str, tuple[Branch, ...]] = {}
    with evaluator.aside():
        for doubt in chosen:
            with contextlib.suppress(Exception):  # an explanation that fails is none
                found[doubt.name] = _traced(evaluator, doubt, coverage)
    return {name: branches for name, branches in found.items() if branches}


def _doubts(measured: Sequence[SettingResult]) -> Iterator[_Doubt]:
    for setting in measured:
        for name, judgement in setting.judgements.items():
            if not judgement.doubted:
                continue
            for index, probe in enumerate(setting.evidence[name].probes):
                if math.isfinite(probe.slope.value) and probe.slope.step > 0:
                    yield _Doubt(_size(probe), name, setting, index)


def _size(probe: Probe) -> float:
    """How far apart the one-sided slopes are, or may be, relative to the derivatives."""
    doubt = max(abs(probe.slope.gap), probe.slope.error)
    size = abs(probe.slope.value) + abs(probe.analytic)
    return doubt / size if size else math.inf if doubt else 0.0


def _traced(evaluator: Evaluator, doubt: _Doubt, coverage: list[str]) -> tuple[Branch, ...]:
    measured, prober = doubt.measured, doubt.measured.prober
    evidence = measured.evidence[doubt.name]
    slope = evidence.probes[doubt.index].slope
    direction = directions_of(prober, evidence)[doubt.index]
    measured.setting.enter(evaluator)
    loss = functools.partial(evaluator.loss, dress=traced)
    with Line(evaluator.workspace, [(doubt.name, direction, 1.0)], loss) as line:
        seen = trace(line, slope.step)
    if seen is None:
        return ()
    apart = abs((seen.high - seen.low) / (2 * slope.step) - slope.value)
    # Code that behaves otherwise when it is handed these arrays explains nothing; nan compares so.
    if not apart <= slope.error + 2 * prober.noise / slope.step:
        return ()
    if seen.left_out:
        coverage.append(
            f"{seen.left_out} operation(s) on very large arrays were left out of the branch trace"
        )
    return seen.branches
