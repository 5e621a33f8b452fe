"""One check inside somebody's training, which no fault of the checker's may end.

The first is preceded by a self-test.  If gradhook itself fails, there or in a check, the report
decides nothing and says so, and the training that is observed goes on.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Verdict
from gradhook.check.check import check
from gradhook.check.selftest import selftest
from gradhook.errors import GradhookError, InternalError
from gradhook.objective.batch import as_batch
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import Tree
from gradhook.options import Options
from gradhook.report import BlockReport, Report

__all__ = ["Observed", "observe"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a check.

    Args:
        report: The report.
        fault: Whether gradhook itself failed.
    """

    report: Report
    fault: bool = False


def observe(
    objective: Objective,
    options: Options,
    batch: Any,
    *,
    step: int,
    first_steps: dict[str, float],
    first: bool,
) -> Observed:
    """Make a check, or say why it could not be finished.

    Args:
        objective: What is checked.
        options: The check's options.
        batch: What the objective takes besides the parameters.
        step: Number of finished updates.
        first_steps: Where the search for a step begins; kept from check to check.
        first: Whether it is the first check, before which the tester is tested.

    Raises:
        Exception: Whatever is the user's and no fault of gradhook's.
    """
    try:
        if first and (failures := selftest()):
            raise InternalError(f"gradhook's self-test failed: {'; '.join(failures)}")
        report = check(objective, options, as_batch(batch), step=step, first_steps=first_steps)
    except InternalError as error:
        return Observed(_undecided(objective, options, step, str(error)), fault=True)
    return Observed(report)


def _undecided(objective: Objective, options: Options, step: int, why: str) -> Report:
    """The report of a check that gradhook itself could not finish."""
    leaves: dict[str, Any] = {}
    with contextlib.suppress(GradhookError):  # the weights of an object are found by running it
        leaves = Tree.of(objective.parameters).blocks
    blocks = {
        name: BlockReport(
            name, np.shape(leaf), str(np.asarray(leaf).dtype), Verdict.INCONCLUSIVE, sentence=why
        )
        for name, leaf in leaves.items()
    }
    return Report(
        Verdict.INCONCLUSIVE,
        False,
        blocks,
        notes=(f"{why}; training goes on unchecked, please report it",),
        seed=options.seed,
        effort=options.effort,
        tolerance=options.tolerance,
        step=step,
        call=options.call(options.seed),
    )
