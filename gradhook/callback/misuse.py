"""Hooks called as those of other libraries are: one sentence with the type and the remedy.

It is the same whether the callback checks or not, for a call that only works while the debug flag
is off would break the first run in which somebody looks for a bug.
"""

from __future__ import annotations

import inspect
import numbers
from typing import Any

import numpy as np

from gradhook.errors import HookCallError

__all__ = ["refuse_misuse"]


def refuse_misuse(hook: str, step: Any, misplaced: tuple[Any, ...]) -> None:
    """Refuse what a hook was handed by position and cannot be a step.

    Args:
        hook: Name of the hook.
        step: What stands where the step belongs; ``None`` for nothing.
        misplaced: What stands behind it.

    Raises:
        HookCallError: Something stands where only a step may, or behind it.

    Example:
        >>> from gradhook.callback.misuse import refuse_misuse
        >>> refuse_misuse("on_step_end", 3, ())
    """
    strays = [*([] if step is None or _may_count(step) else [step]), *misplaced]
    if not strays:
        return
    if any(inspect.isroutine(stray) for stray in strays):
        raise HookCallError(
            "GradCheckCallback was called with a function, but it is no decorator: write check = "
            "GradCheckCallback(loss_and_gradients, params) beside the loop and call "
            "check.on_step_end(step, batch=(X, y)) in it"
        )
    takes = "" if hook == "on_train_begin" else "step, "
    name = "check" if hook == "__call__" else f"check.{hook}"
    kinds = ", ".join(type(stray).__name__ for stray in strays)
    none = " (GradCheckCallback is no decorator of loss functions)" if hook == "__call__" else ""
    raise HookCallError(
        f"{name}() got {kinds} by position: pass the batch by keyword, "
        f"{name}({takes}batch=(X, y)), and leave out trainers, models and logs{none}"
    )


def _may_count(step: Any) -> bool:
    """Whether the clock can say more of it: a number, or what was meant for one."""
    if isinstance(step, (numbers.Number, np.generic, str)):
        return True
    return getattr(step, "shape", None) == () and hasattr(step, "__index__")
