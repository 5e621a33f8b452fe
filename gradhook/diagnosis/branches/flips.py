"""Which source lines decide differently on the two sides of a step.

Two evaluations of the loss are recorded through ``probe.traced``, at ``x - h·v`` and ``x + h·v``.
The k-th execution of an operation at a line in one is compared with the k-th in the other: an
element whose winner differs has *flipped*, so the operation has a kink between the two points.
This explains a verdict and takes no part in it; code that leaves NumPy only makes the list shorter.
"""

from __future__ import annotations

import linecache
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gradhook.diagnosis.branches.recording import Choice, Recording, recording
from gradhook.report.blocks import Branch

__all__ = ["Trace", "flips", "trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen on both sides of a step.

    Args:
        low: The loss at ``x - h·v``.
        high: The loss at ``x + h·v``.
        branches: Operations some of whose elements flip in between, in call order.
        left_out: Operations that were too large to be recorded.
    """

    low: float
    high: float
    branches: tuple[Branch, ...]
    left_out: int = 0


def trace(line: Callable[[float], float], step: float) -> Trace | None:
    """Evaluate a line at ``±step`` and compare what was chosen.

    Args:
        line: The loss along a direction, of arrays made by ``probe.traced.traced``.
        step: ``h``, in units of ``t``.

    Returns:
        What was seen; ``None`` where anything at all went wrong.

    Example:
        >>> import numpy as np
        >>> from gradhook.diagnosis.branches.flips import trace
        >>> from gradhook.diagnosis.branches.traced_array import traced
        >>> x = np.array([-1.0, 0.0, 2.0])
        >>> (branch,) = trace(lambda t: np.maximum(0, traced(x + t)).sum(), 1e-3).branches
        >>> branch.operation, branch.flips, branch.size
        ('maximum', 1, 3)
    """
    try:
        with recording() as before:
            low = line(-step)
        with recording() as after:
            high = line(step)
        left_out = max(before.left_out, after.left_out)
        return Trace(low, high, flips(before, after), left_out)
    except Exception:  # an explanation that fails is none
        return None


def flips(before: Recording, after: Recording) -> tuple[Branch, ...]:
    """The operations of which some elements take another branch in the second recording.

    Args:
        before: One recording.
        after: The other.

    Returns:
        One ``Branch`` per operation and line, in call order.  A comparison on the same line as the
        ``where`` that it steers is told once.
    """
    theirs = _by_place(after)
    found: list[_Line] = []
    for place, choices in _by_place(before).items():
        line = _Line(*place)
        for here, there in zip(choices, theirs.get(place, ()), strict=False):
            line.add(here, there)
        if line.flips:
            found = [earlier for earlier in found if not earlier.steers(line)]
            found.append(line)
    return tuple(line.branch() for line in found)


@dataclass(slots=True)
class _Line:
    """An operation at a line, over all of its executions."""

    operation: str
    path: str
    line: int
    flips: int = 0
    size: int = 0
    flipped: list[tuple[tuple[int, ...], bytes]] = field(default_factory=list)

    def add(self, here: Choice, there: Choice) -> None:
        flipped = here.flips(there)
        if flipped is None:
            return
        self.size += flipped.size
        if flipped.any():
            positions = np.flatnonzero(flipped)
            self.flips += positions.size
            self.flipped.append((here.shape, positions.tobytes()))

    def steers(self, later: _Line) -> bool:
        """Whether another operation on the same line flips the very same elements."""
        place = (self.path, self.line) == (later.path, later.line)
        return place and self.flipped == later.flipped

    def branch(self) -> Branch:
        source = linecache.getline(self.path, self.line).strip()
        return Branch(self.operation, _shown(self.path), self.line, source, self.flips, self.size)


def _by_place(seen: Recording) -> dict[tuple[str, str, int], list[Choice]]:
    places = defaultdict(list)
    for choice in seen.choices:
        places[choice.operation, choice.path, choice.line].append(choice)
    return dict(places)


def _shown(path: str) -> str:
    """A path, or the name that a notebook's users know a cell by: ``Cell In[5]``."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = shell.compile.format_code_name(path) if shell is not None else None
    return " ".join(named) if named else path
