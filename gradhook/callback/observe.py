"""One check inside somebody's training, which no check may end.

The first one is preceded by a self-test, and raises what is wrong with the set-up.  From the second
on everything was once found in order, and whatever keeps a check from being made, gradhook's own
fault or an exception of the user's, is a report that decides nothing and says why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradhook._types import Verdict
from gradhook.check.check import check, selftest
from gradhook.check.generic_point import no_longer_read
from gradhook.check.reading import read_once
from gradhook.errors import InternalError, RestoreError, UnreadParametersError
from gradhook.objective.batch import as_batch
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import Tree
from gradhook.options import Options
from gradhook.report import BlockReport, Report

__all__ = ["observe"]


def observe(
    objective: Objective, options: Options, batch: Any, *, step: int, call: str, first: bool
) -> tuple[Report, str]:
    """Return a check's report, and why it could not be made, empty if it was."""
    __tracebackhide__ = True
    try:
        if first and (failures := selftest()):
            raise InternalError(f"gradhook's self-test failed: {'; '.join(failures)}")
        return check(objective, options, as_batch(batch), step=step, call=call), ""
    except RestoreError:
        raise
    except Exception as error:
        if first and not isinstance(error, InternalError):
            raise
        blocks, why = _blocks(objective), f"not checked: {type(error).__name__}: {error}"
        if isinstance(error, InternalError):
            why = f"{error}; training goes on unchecked, please report it"
        elif isinstance(error, UnreadParametersError):
            why = f"{', '.join(blocks)}: {no_longer_read(list(blocks))}"
    undecided = {
        name: BlockReport(
            name, np.shape(leaf), str(np.asarray(leaf).dtype), Verdict.INCONCLUSIVE, sentence=why
        )
        for name, leaf in blocks.items()
    }
    report = Report(
        Verdict.INCONCLUSIVE,
        False,
        undecided,
        notes=(why,),
        seed=options.seed,
        effort=options.effort,
        tolerance=options.tolerance,
        step=step,
        call=call,
    )
    return report, why


def _blocks(objective: Objective) -> dict[str, Any]:
    try:
        with read_once(objective) as present:
            return Tree.of(present.parameters).blocks
    except RestoreError:
        raise
    except Exception:  # they may be the reason why nothing was checked
        return {}
