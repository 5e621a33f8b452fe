"""Is this gradient the gradient of this loss?  gradhook answers that one question.

A training-loop callback and a debugging hook for people who write backward passes by hand.  Start
with ``GradCheckCallback`` in a loop, or ``check_gradients`` for one check.

Everything is loaded when it is first named: importing a package for a debug flag that is off must
not slow a program's start.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradhook import difference as difference
    from gradhook import errors as errors
    from gradhook import schedules as schedules
    from gradhook import sinks as sinks
    from gradhook import testing as testing
    from gradhook._types import Tolerance as Tolerance
    from gradhook._types import Verdict as Verdict
    from gradhook.callback.callback import GradCheckCallback as GradCheckCallback
    from gradhook.callback.clock import debug as debug
    from gradhook.check.check import check_gradients as check_gradients
    from gradhook.check.check import layer_check as layer_check
    from gradhook.errors import GradCheckWarning as GradCheckWarning
    from gradhook.errors import GradhookError as GradhookError
    from gradhook.errors import GradientMismatchError as GradientMismatchError
    from gradhook.errors import UnreadParametersError as UnreadParametersError
    from gradhook.objective.objective import Objective as Objective
    from gradhook.objective.switches import L1 as L1
    from gradhook.objective.switches import L2 as L2
    from gradhook.objective.switches import Switch as Switch
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
    "CAUSE_KINDS": "report.causes",
    "Cause": "report.causes",
    "GradCheckCallback": "callback.callback",
    "GradCheckWarning": "errors",
    "GradhookError": "errors",
    "GradientMismatchError": "errors",
    "L1": "objective.switches",
    "L2": "objective.switches",
    "Objective": "objective.objective",
    "Report": "report.records",
    "Switch": "objective.switches",
    "Tolerance": "_types",
    "UnreadParametersError": "errors",
    "Verdict": "_types",
    "check_gradients": "check.check",
    "debug": "callback.clock",
    "layer_check": "check.check",
}
"""The module of each public name that is not a module itself."""

ADAPTERS = "gradhook.integrations"


def _map_integrations() -> None:
    """Map ``gradhook.integrations`` to the folder beside this package, unless the package holds it.

    The adapters lie in the folder ``integrations/`` beside the core and ship as
    ``gradhook.integrations``.  A wheel holds them under that name, and an editable install brings
    setuptools' own mapping; a checkout that is merely on ``sys.path`` has neither.  Adding the
    checkout to ``gradhook.__path__`` would also make ``gradhook.gradhook`` importable, a second
    copy of every class.  So one name is mapped to one folder, by a finder.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    finder = _IntegrationsFinder(os.path.dirname(package))
    installed = os.path.isdir(os.path.join(package, "integrations"))
    if not installed and finder not in sys.meta_path:
        # First, so that core and adapters come from one tree even where another is installed.
        sys.meta_path.insert(0, finder)


class _IntegrationsFinder:
    """Finds ``gradhook.integrations`` in one checkout, and nothing else."""

    def __init__(self, checkout: str) -> None:
        self.checkout = checkout

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _IntegrationsFinder) and other.checkout == self.checkout

    __hash__ = None  # type: ignore[assignment]  # compared, never kept in a set

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is; ``None`` for any other name, and where there is none."""
        return PathFinder.find_spec(fullname, [self.checkout]) if fullname == ADAPTERS else None


_map_integrations()


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'gradhook' has no attribute {name!r}")
    module = importlib.import_module(f"gradhook.{HOMES.get(name, name)}")
    found = getattr(module, name) if name in HOMES else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
