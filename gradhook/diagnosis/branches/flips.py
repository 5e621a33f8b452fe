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
from dataclasses import dataclass

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
        One ``Branch`` per operation and line, in call order.
    """
    theirs = _by_place(after)
    found: list[Branch] = []
    for place, choices in _by_place(before).items():
        pairs = zip(choices, theirs.get(place, ()), strict=False)
        flipped = [
            each for each in (here.flips(there) for here, there in pairs) if each is not None
        ]
        count = sum(int(np.count_nonzero(each)) for each in flipped)
        if count:
            operation, path, line = place
            source = linecache.getline(path, line).strip()
            size = sum(each.size for each in flipped)
            found.append(Branch(operation, _shown(path), line, source, count, size))
    return tuple(found)


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
