"""Whole numbers: what counts as one wherever a step, a count or a seed is asked for."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["as_integer"]


def as_integer(value: Any) -> int | None:
    """Return a Python or NumPy integer as ``int``, and ``None`` for anything else.

    Booleans and floats are something else, ``3.0`` included: a float where a step is counted is a
    mistake somewhere else in the loop.
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
