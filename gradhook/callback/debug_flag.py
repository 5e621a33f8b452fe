"""The debug flag: checks run only when someone asks for them.

An explicit argument counts most, then ``with gradhook.debug():``, then the environment variable
``GRADHOOK``; otherwise checks are off.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

from gradhook.errors import OptionError

__all__ = ["debug", "is_enabled"]

VARIABLE = "GRADHOOK"
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")

_debugging: ContextVar[bool | None] = ContextVar("gradhook_debugging", default=None)


@contextlib.contextmanager
def debug(enabled: bool = True) -> Iterator[None]:
    """Turn checks on (or off) for every callback built inside the block, in its thread.

    Args:
        enabled: Whether callbacks built inside check.

    Raises:
        OptionError: ``enabled`` is no boolean.

    Example:
        >>> import numpy as np, gradhook
        >>> def f(x):
        ...     return x @ x, 2 * x
        >>> with gradhook.debug():
        ...     check = gradhook.GradCheckCallback(f, np.ones(3), batch=())
        >>> check.enabled
        True
    """
    if not isinstance(enabled, bool):
        raise OptionError(f"debug() takes True or False, got {enabled!r}")
    token = _debugging.set(enabled)
    try:
        yield
    finally:
        _debugging.reset(token)


def is_enabled(enabled: bool | None) -> bool:
    """Decide the flag: the argument, then ``debug()``, then ``GRADHOOK``, then off."""
    if enabled is not None:
        if not isinstance(enabled, bool):
            raise OptionError(f"enabled must be True, False or None, got {enabled!r}")
        return enabled
    if (asked := _debugging.get()) is not None:
        return asked
    value = os.environ.get(VARIABLE, "").strip().lower()
    if value and value not in (*YES, *NO):
        raise OptionError(
            f"the environment variable {VARIABLE} is {value!r}; it must be one of "
            f"{', '.join(YES)} or {', '.join(NO)}"
        )
    return value in YES
