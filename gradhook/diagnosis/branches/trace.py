"""Why a block was doubted: the source lines at which its loss bends.

After a mismatch or a kink the block's most doubtful probe is run once more, at ``x - h·v`` and
``x + h·v``, with arrays that note which branch NumPy takes for each element.  The k-th execution of
an operation at a line in one is compared with the k-th in the other: an element whose winner
differs has *flipped*, so the operation has a kink between the two points, and the report says so.
It explains and decides nothing; code that leaves NumPy only makes the list shorter, and a check
without doubts never comes here.
"""

from __future__ import annotations

import contextlib
import functools
import linecache
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradhook.diagnosis.branches.recording import Choice, Recording, recording
from gradhook.diagnosis.branches.traced_array import traced
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.line import Line
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.result import SettingResult
from gradhook.report.blocks import Branch
from gradhook.verdict.evidence import Probe

__all__ = ["flips", "trace", "trace_branches"]

MOST_BLOCKS = 3
"""Blocks that are traced, at two loss evaluations each."""


def trace_branches(
    evaluator: Evaluator, measured: Sequence[SettingResult], coverage: list[str]
) -> dict[str, tuple[Branch, ...]]:
    """Trace the most doubtful probe of each block that met a mismatch or a kink.

    ``coverage`` gets a sentence where operations were too large to be traced.  Returned are the
    branches that flip, for the blocks at which any does; of at most ``MOST_BLOCKS``.
    """
    doubts = sorted(_doubts(measured), key=lambda doubt: doubt[0], reverse=True)
    worst: dict[str, tuple[SettingResult, int]] = {}
    for _, name, setting, index in doubts:
        worst.setdefault(name, (setting, index))
    found: dict[str, tuple[Branch, ...]] = {}
    for name, (setting, index) in list(worst.items())[:MOST_BLOCKS]:
        with evaluator.aside(), contextlib.suppress(Exception):  # an explanation that fails is none
            found[name] = _traced(evaluator, setting, name, index, coverage)
    return {name: branches for name, branches in found.items() if branches}


def _doubts(
    measured: Sequence[SettingResult],
) -> Iterator[tuple[float, str, SettingResult, int]]:
    """How doubtful each probe is that is worth tracing, with its block, setting and number."""
    for setting in measured:
        for name, judgement in setting.judgements.items():
            if not judgement.doubted:
                continue
            for index, probe in enumerate(setting.evidence[name].probes):
                if math.isfinite(probe.slope.value) and probe.slope.step > 0:
                    yield _size(probe), name, setting, index


def _size(probe: Probe) -> float:
    """How far apart the one-sided slopes are, or may be, relative to the derivatives."""
    doubt = max(abs(probe.slope.gap), probe.slope.error)
    size = abs(probe.slope.value) + abs(probe.analytic)
    return doubt / size if size else math.inf if doubt else 0.0


def _traced(
    evaluator: Evaluator, measured: SettingResult, name: str, index: int, coverage: list[str]
) -> tuple[Branch, ...]:
    prober, evidence = measured.prober, measured.evidence[name]
    slope = evidence.probes[index].slope
    direction = directions_of(prober, evidence)[index]
    measured.setting.enter(evaluator)
    loss = functools.partial(evaluator.loss, dress=traced)
    with Line(evaluator.workspace, [(name, direction, 1.0)], loss) as line:
        seen, branches, left_out = trace(line, slope.step)
    # Code that behaves otherwise when it is handed these arrays explains nothing; nan compares so.
    if not abs(seen - slope.value) <= slope.error + 2 * prober.noise / slope.step:
        return ()
    if left_out:
        coverage.append(
            f"{left_out} operation(s) on very large arrays were left out of the branch trace"
        )
    return branches


def trace(line: Callable[[float], float], step: float) -> tuple[float, tuple[Branch, ...], int]:
    """Evaluate a line of traced arrays at ``±step`` and compare what was chosen.

    Returned are the slope, the branches that flip, and how many operations were too large.
    """
    with recording() as before:
        low = line(-step)
    with recording() as after:
        high = line(step)
    left_out = max(before.left_out, after.left_out)
    return (high - low) / (2 * step), flips(before, after), left_out


def flips(before: Recording, after: Recording) -> tuple[Branch, ...]:
    """The operations of which some elements take another branch in the second recording.

    One ``Branch`` per operation and line, in call order.
    """
    theirs = _by_place(after)
    found: list[Branch] = []
    for place, choices in _by_place(before).items():
        pairs = zip(choices, theirs.get(place, ()), strict=False)
        flipped = [each for here, there in pairs if (each := here.flips(there)) is not None]
        count = sum(int(np.count_nonzero(each)) for each in flipped)
        if count:
            operation, path, line = place
            source = linecache.getline(path, line).strip()
            size = sum(each.size for each in flipped)
            found.append(Branch(operation, _shown(path), line, source, count, size))
    return tuple(found)


def _by_place(seen: Recording) -> dict[tuple[str, str, int], list[Choice]]:
    places: dict[tuple[str, str, int], list[Choice]] = defaultdict(list)
    for choice in seen.choices:
        places[choice.operation, choice.path, choice.line].append(choice)
    return places


def _shown(path: str) -> str:
    """A path, or the name that a notebook's users know a cell by: ``Cell In[5]``."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = shell.compile.format_code_name(path) if shell is not None else None
    return " ".join(named) if named else path
