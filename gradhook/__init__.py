"""Is this gradient the gradient of this loss?  gradhook answers that one question.

A training-loop callback and a debugging hook for people who write backward passes by hand.  Start
with ``GradCheckCallback`` in a loop, or ``check_gradients`` for one check.

Everything is loaded when it is first named: importing a package for a debug flag that is off must
not slow a program's start.
"""

import importlib
from typing import TYPE_CHECKING

from gradhook._bare_checkout import map_integrations

if TYPE_CHECKING:
    from gradhook import difference as difference
    from gradhook import errors as errors
    from gradhook import schedules as schedules
    from gradhook import sinks as sinks
    from gradhook import testing as testing
    from gradhook._callback import GradCheckCallback as GradCheckCallback
    from gradhook._check import check_gradients as check_gradients
    from gradhook._debug import debug as debug
    from gradhook._layer_check import layer_check as layer_check
    from gradhook._objective import Objective as Objective
    from gradhook._penalty import L1 as L1
    from gradhook._penalty import L2 as L2
    from gradhook._switches import Switch as Switch
    from gradhook._types import Tolerance as Tolerance
    from gradhook._types import Verdict as Verdict
    from gradhook.errors import GradCheckWarning as GradCheckWarning
    from gradhook.errors import GradhookError as GradhookError
    from gradhook.errors import GradientMismatchError as GradientMismatchError
    from gradhook.errors import UnreadParametersError as UnreadParametersError
    from gradhook.report import CAUSE_KINDS as CAUSE_KINDS
    from gradhook.report import Cause as Cause
    from gradhook.report import Report as Report

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
    "layer_check",
    "schedules",
    "sinks",
    "testing",
]

HOMES = {
    "CAUSE_KINDS": "report",
    "Cause": "report",
    "GradCheckCallback": "_callback",
    "GradCheckWarning": "errors",
    "GradhookError": "errors",
    "GradientMismatchError": "errors",
    "L1": "_penalty",
    "L2": "_penalty",
    "Objective": "_objective",
    "Report": "report",
    "Switch": "_switches",
    "Tolerance": "_types",
    "UnreadParametersError": "errors",
    "Verdict": "_types",
    "check_gradients": "_check",
    "debug": "_debug",
    "layer_check": "_layer_check",
}
"""The module of each public name that is not a module itself."""

map_integrations()


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'gradhook' has no attribute {name!r}")
    module = importlib.import_module(f"gradhook.{HOMES.get(name, name)}")
    found = getattr(module, name) if name in HOMES else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
