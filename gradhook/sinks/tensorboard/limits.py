"""The two limits as runs of their own, which draw a line each in every block's card.

A chart's axis fits what it shows: alone, the rounding errors of a perfect gradient fill the chart
and look like a rise.  Between two lines that stand still they lie flat, and on the right side.

The runs belong to the folder and not to a run in it, so that five runs are seven lines and not
fifteen.  Every process adds a file to them; where several write the same point, the line stays as
it is.  They hold nothing but the cards of blocks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection

from gradhook._types import Tolerance
from gradhook.sinks.files import append
from gradhook.sinks.tensorboard.event_file import Summary, new_file
from gradhook.sinks.tensorboard.scalars import MAIN

__all__ = ["Limits", "rule"]


class Limits:
    """The lines "wrong above" and "right below" in a folder of runs.

    Args:
        logdir: The folder of runs.
    """

    def __init__(self, logdir: str) -> None:
        self._logdir = logdir
        self._files: dict[str, str] = {}

    def write(self, tags: Collection[str], tolerance: Tolerance, step: int) -> None:
        """Draw both lines on to a step.

        Limits other than the usual ones are runs of their own, named by their logarithm too.

        Args:
            tags: Tags of the blocks.
            tolerance: The limits.
            step: Training step.

        Raises:
            OSError: A folder or file cannot be made or written.
        """
        if not tags:
            return
        usual = Tolerance()
        for name, limit, other in (
            ("wrong above", tolerance.fail, usual.fail),
            ("right below", tolerance.warn, usual.warn),
        ):
            run = name if limit == other else f"{name} {math.log10(limit):.3g}"
            # Whoever tidies up the folder may take away what those still going share.
            new = not os.path.exists(self._files.get(run, ""))
            if new:
                self._files[run] = new_file(os.path.join(self._logdir, run))
            summary = Summary()
            for tag in tags:
                title, description = rule(tag, tolerance)
                value = math.log10(limit)
                summary.scalar(f"{MAIN}/{tag}", value, title=title, description=description)
            # Two points make a line, in a run of one check too.
            for each in (step, step + 1) if new else (step,):
                append(self._files[run], summary.record(each))


def rule(tag: str, tolerance: Tolerance) -> tuple[str, str]:
    """Return a block's title and description, which say how its card is read.

    Example:
        >>> from gradhook import Tolerance
        >>> title, description = rule("W1", Tolerance())
        >>> title
        'W1: wrong above −4, right below −6'
    """
    limits = f"wrong above {_shown(tolerance.fail)}, right below {_shown(tolerance.warn)}"
    return f"{tag}: {limits}", (
        f"log10 of the ratio; {limits}. The ratio is ‖a − n‖ / (‖a‖ + ‖n‖), *a* the analytic and "
        "*n* the numerical gradient. A triangle, or no point: not judged here."
    )


def _shown(limit: float) -> str:
    return f"{math.log10(limit):.3g}".replace("-", "−")
