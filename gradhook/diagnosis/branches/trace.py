"""What the loss chooses beside a point: the source lines at which it bends, and exact ties.

After a mismatch or a kink the block's most doubtful probe is run once more, at ``x - h·v`` and
``x + h·v``, with arrays that note which branch NumPy takes for each element.  The k-th execution of
an operation at a line in one is compared with the k-th in the other: an element whose winner
differs has *flipped*, so the operation has a kink between the two points, and the report says so.
It explains and decides nothing; code that leaves NumPy only makes the list shorter, and a check
without doubts never comes here.

One-sided slopes that differ tell of a kink at a point; where several cancel, as in
``relu(x) - relu(-x)``, they agree.  Then the loss is evaluated at ``-h``, ``0`` and ``+h`` along
the direction in doubt, with only the moved block dressed: an operation that orders or selects among
operands which are equal to the bit at 0, and move apart with the displacement, has a kink just
there.  A threshold near the point is none, and neither is a maximum that is subtracted from what it
is the maximum of.
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

from gradhook.diagnosis.branches.recording import Choice, Recording, is_traced, recording, traced
from gradhook.evaluation.directions import Direction
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.workspace import Line
from gradhook.probe.block_evidence import directions_of
from gradhook.probe.setting import Setting, SettingResult
from gradhook.report.blocks import Branch
from gradhook.verdict.evidence import Probe

MOST_BLOCKS = 3
"""Blocks that are traced, at two loss evaluations each."""

DISTANCE = 1e-9
"""``h`` of ties, in units of the block's scale: nearer than any threshold that is not at the
point."""


def trace_branches(
    evaluator: Evaluator, measured: Sequence[SettingResult], coverage: list[str]
) -> dict[str, tuple[Branch, ...]]:
    """Trace the most doubtful probe of each block that met a mismatch or a kink.

    ``coverage`` gets a sentence where operations were too large to be traced.  Returned are the
    branches that flip, for the blocks at which any does; of at most ``MOST_BLOCKS``.
    """
    worst: dict[str, tuple[float, SettingResult, int]] = {}
    for setting in measured:
        for name, judgement in setting.judgements.items():
            for index, probe in enumerate(setting.evidence[name].probes):
                if judgement.doubted and math.isfinite(probe.slope.value) and probe.slope.step > 0:
                    doubt = _doubt(probe), setting, index
                    worst[name] = max(worst.get(name, doubt), doubt, key=lambda each: each[0])
    found: dict[str, tuple[Branch, ...]] = {}
    for name in sorted(worst, key=lambda each: -worst[each][0])[:MOST_BLOCKS]:
        with evaluator.aside(), contextlib.suppress(Exception):  # an explanation that fails is none
            found[name] = _traced(evaluator, *worst[name][1:], name, coverage)
    return {name: branches for name, branches in found.items() if branches}


def _doubt(probe: Probe) -> float:
    """How far apart the one-sided slopes are, or may be, relative to the derivatives."""
    doubt = max(abs(probe.slope.gap), probe.slope.error)
    size = abs(probe.slope.value) + abs(probe.analytic)
    return doubt / size if size else math.inf if doubt else 0.0


def _traced(
    evaluator: Evaluator, measured: SettingResult, index: int, name: str, coverage: list[str]
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

    Returned are the slope, the branches that flip, one for each operation and line in call order,
    and how many operations were too large.
    """
    (low, before), (high, after) = _recorded(line, (-step, step))
    theirs = _by_place(after)
    found: list[Branch] = []
    for place, choices in _by_place(before).items():
        pairs = zip(choices, theirs.get(place, ()), strict=False)
        flipped = [each for here, there in pairs if (each := here.flips(there)) is not None]
        count = sum(int(np.count_nonzero(each)) for each in flipped)
        if count:
            operation, path, line_number = place
            source = linecache.getline(path, line_number).strip()
            size = sum(each.size for each in flipped)
            found.append(Branch(operation, _shown(path), line_number, source, count, size))
    left_out = max(before.left_out, after.left_out)
    return (high - low) / (2 * step), tuple(found), left_out


def _recorded(
    line: Callable[[float], float], steps: Sequence[float]
) -> Iterator[tuple[float, Recording]]:
    """The values of a line of traced arrays, each with what was chosen on the way."""
    for step in steps:
        with recording() as made:
            value = line(step)
        yield value, made


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


def look_for_ties(
    evaluator: Evaluator, setting: Setting, name: str, direction: Direction, scale: float
) -> bool | None:
    """Whether operands tie at a setting's point along a direction of one block of this scale.

    ``None`` where none was seen to, and the loss that came back was no longer traced, so that some
    may have been missed.
    """
    workspace, h = evaluator.workspace, DISTANCE * scale
    array = None if workspace.in_place else workspace.arrays[name]
    loss = functools.partial(evaluator.loss, dress=functools.partial(traced, of=array))
    seen: list[Recording] = []
    traceable = True
    try:
        with evaluator.aside():
            setting.enter(evaluator)
            with Line(workspace, [(name, direction, 1.0)], loss) as line:
                for value, made in _recorded(line, (-h, 0.0, h)):
                    returned = evaluator.returned
                    whole = isinstance(returned, float) and float(returned) in made.floats
                    whole = (whole or is_traced(returned)) and not made.left_out
                    traceable = traceable and whole and math.isfinite(value)
                    seen.append(made)
    except Exception:  # code that does not work on such arrays tells nothing
        return None
    return True if _ties(*seen) else False if traceable else None


def _ties(below: Recording, here: Recording, above: Recording) -> bool:
    """Whether operands that are equal at the point move apart on one side of it."""
    for low, middle, high in zip(below.choices, here.choices, above.choices, strict=False):
        for beside in (low, high):
            if middle.ties is None or beside.ties is None:
                continue
            if middle.ties.shape == beside.ties.shape and np.any(middle.ties & ~beside.ties):
                return True
    return False
