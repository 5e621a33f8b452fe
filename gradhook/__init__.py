"""gradhook answers one question: *is this gradient the gradient of this loss?*

A training-loop callback and a debugging hook for people who write backward passes by hand.  Start
with ``GradCheckCallback`` in a loop, or ``check_gradients`` for one check.
"""

from gradhook import difference, errors, schedules
from gradhook._bare_checkout import map_integrations
from gradhook._callback import GradCheckCallback
from gradhook._check import check_gradients
from gradhook._debug import debug
from gradhook._objective import Objective
from gradhook._penalty import L1, L2
from gradhook._switches import Switch
from gradhook._types import Tolerance, Verdict
from gradhook.errors import (
    GradCheckWarning,
    GradhookError,
    GradientMismatchError,
    UnreadParametersError,
)
from gradhook.report import CAUSE_KINDS, Cause, Report

__all__ = [
    "CAUSE_KINDS",
    "L1",
    "L2",
    "Cause",
    "GradCheckCallback",
    "GradCheckWarning",
    "GradhookError",
    "GradientMismatchError",
    "Objective",
    "Report",
    "Switch",
    "Tolerance",
    "UnreadParametersError",
    "Verdict",
    "check_gradients",
    "debug",
    "difference",
    "errors",
    "schedules",
    "sinks",
    "testing",
]

map_integrations()


def __getattr__(name: str) -> object:
    # Sinks and the catalogue are loaded when they are first named.
    if name in ("sinks", "testing"):
        import importlib

        return importlib.import_module(f"gradhook.{name}")
    raise AttributeError(f"module 'gradhook' has no attribute {name!r}")
