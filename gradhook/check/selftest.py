"""The tester, tested: one gradient known to be right, one known to be wrong, before any report.

Checkers that always pass have been published more than once.  Where either comes out otherwise, or
leaves a trace, nothing that a callback would say can be trusted, and it says so instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradhook._types import Array, Verdict
from gradhook.check.check import check
from gradhook.guard.generators import global_streams
from gradhook.objective.objective import Objective
from gradhook.options import Options

__all__ = ["selftest"]


def selftest() -> list[str]:
    """Check a right and a wrong gradient; returns what went wrong, one sentence each."""
    x = np.array([0.3, -0.7, 1.1, 0.4, -0.2])
    before, (stream, _) = x.tobytes(), global_streams()
    right, wrong = _verdict(x, 1.0), _verdict(x, 1.01)
    failures = []
    if right is not Verdict.PASS:
        failures.append(f"a right gradient was judged {right}")
    if wrong is not Verdict.FAIL:
        failures.append(f"a gradient that is 1 % too long was judged {wrong}")
    if x.tobytes() != before:
        failures.append("the parameters were not put back")
    if stream.changed():
        failures.append("NumPy's random stream was drawn from")
    return failures


def _verdict(x: Array, factor: float) -> Verdict:
    def loss(*_: Any) -> float:
        return float(np.sum(np.sin(x) * x))

    def gradients(*_: Any) -> Array:
        return factor * (np.cos(x) * x + np.sin(x))

    objective = Objective(parameters=x, loss=loss, gradients=gradients, form="in_place")
    return check(objective, Options(effort="quick"), ()).verdict
