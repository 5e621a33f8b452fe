"""Which functions a pickle can hold: those that another process finds by their name."""

from __future__ import annotations

import functools
import types
from typing import Any

__all__ = ["is_picklable"]


def is_picklable(thing: Any) -> bool:
    """Whether a function, or a list of some, can be pickled; of anything else it is assumed.

    Example:
        >>> from gradhook._pickling import is_picklable
        >>> is_picklable(print), is_picklable(lambda: None)
        (True, False)
    """
    if isinstance(thing, (list, tuple)):
        return all(map(is_picklable, thing))
    if isinstance(thing, functools.partial):
        return all(map(is_picklable, (thing.func, *thing.args, *thing.keywords.values())))
    if isinstance(thing, types.MethodType):
        return is_picklable(thing.__self__)
    return not (isinstance(thing, types.FunctionType) and "<" in thing.__qualname__)
