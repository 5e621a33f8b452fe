"""Which functions a pickle can hold: those that another process finds by their name.

A copy in the same process can hold any, so it must not go by way of a pickle.
"""

from __future__ import annotations

import copy
import functools
import types
from typing import Any, Self

__all__ = ["CopiedWhole", "is_picklable"]


def is_picklable(thing: Any) -> bool:
    """Whether a function, or a list of some, can be pickled; of anything else it is assumed.

    Example:
        >>> from gradhook.callback.pickling import is_picklable
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


class CopiedWhole:
    """An object whose copies hold all that it holds, whatever becomes of it in a pickle."""

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin
