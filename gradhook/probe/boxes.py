"""Parts of a block as boxes: a slice for each axis."""

from __future__ import annotations

import math

from gradhook._types import Box

__all__ = ["cut", "size_of", "whole"]


def whole(shape: tuple[int, ...]) -> Box:
    """All of a block."""
    return tuple(slice(0, n) for n in shape)


def cut(box: Box, axis: int, first: int, last: int) -> Box:
    """The part of a box from ``first`` to ``last`` along an axis."""
    return (*box[:axis], slice(first, last), *box[axis + 1 :])


def size_of(box: Box) -> int:
    """Number of elements in a box."""
    return math.prod(each.stop - each.start for each in box)
