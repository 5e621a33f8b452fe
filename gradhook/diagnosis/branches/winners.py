"""Which branch each element takes in a NumPy operation that chooses.

A *pattern* is a list of equally shaped arrays of truth values or small integers, made from the
operation's arguments before it runs.  An element takes the same branch twice when every array of
the pattern says the same of it.  ``np.maximum(a, b)`` has the pattern ``[a > b, a < b]``, so that a
tie is a branch of its own; ``np.max`` has the position of the winner, a sort the order, a median
the side on which each element lies.  Told are maximum, minimum, ``<``, ``<=``, ``>``, ``>=``, abs,
sign, clip, median, max, min, argmax, argmin, sort and argsort; ``where`` and masks show in the
comparison that steers them, and other operations have no pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array

__all__ = ["OPERATIONS", "Pattern", "pattern", "tied"]

Pattern: TypeAlias = list[Array]


def pattern(operation: str, *arguments: Any, **keywords: Any) -> Pattern:
    """The branches that a function, method or ufunc takes for these arguments, plain arrays.

    Example:
        >>> import numpy as np
        >>> from gradhook.diagnosis.branches.winners import pattern
        >>> [side.tolist() for side in pattern("maximum", 0, np.array([-1.0, 0.0, 2.0]))]
        [[True, False, False], [False, False, True]]
        >>> (winners,) = pattern("max", np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
        >>> winners.tolist()
        [1, 0]
    """
    sides = OPERATIONS[operation][0](*arguments, **keywords)
    return [np.atleast_1d(side) for side in sides]


def tied(operation: str, *arguments: Any, **keywords: Any) -> Array:
    """Where an operation that chooses does so among operands that are equal to the bit.

    Raises:
        KeyError: The operation chooses nothing: not ``==``, ``!=`` and ``where`` itself either, for
            code that asks for equality treats the point apart.

    Example:
        >>> import numpy as np
        >>> from gradhook.diagnosis.branches.winners import tied
        >>> tied("maximum", 0, np.array([-1.0, 0.0, 2.0])).tolist()
        [False, True, False]
        >>> tied("max", np.array([[1.0, 1.0], [4.0, 3.0]]), axis=1).tolist()
        [True, False]
    """
    return np.atleast_1d(OPERATIONS[operation][1](*arguments, **keywords))


def _equal(a: Any, b: Any, *_: Any, **__: Any) -> Array:
    return np.asarray(np.equal(a, b))


def _zero(a: Any, *_: Any, **__: Any) -> Array:
    return np.asarray(np.equal(a, 0))


def _at_a_bound(*arguments: Any, **keywords: Any) -> Array:
    sides = _clip(*arguments, **keywords)  # [a > low, a < low, a > high, a < high]
    pairs = zip(sides[::2], sides[1::2], strict=True)
    return np.asarray(np.logical_or.reduce([~above & ~below for above, below in pairs]))


def _several(choose: Callable[..., Array], axis: int | None = None) -> Callable[..., Array]:
    """Whether several operands are what a function chooses."""
    default = axis

    def several(a: Any, axis: Any = default, *_: Any, **__: Any) -> Array:
        chosen = choose(a, axis=axis, keepdims=True)
        return np.asarray(np.count_nonzero(np.equal(a, chosen), axis=axis) > 1)

    return several


def _neighbours(a: Any, axis: Any = -1, *_: Any, **__: Any) -> Array:
    values, along = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.equal(np.diff(np.sort(values, axis=along), axis=along), 0)


def _sides(a: Any, b: Any, *_: Any, **__: Any) -> Pattern:
    return [np.greater(a, b), np.less(a, b)]


def _sign(a: Any, *_: Any, **__: Any) -> Pattern:
    return _sides(a, 0)


def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **keywords: Any
) -> Pattern:
    low, high = keywords.get("min", a_min), keywords.get("max", a_max)
    return [side for bound in (low, high) if bound is not None for side in _sides(a, bound)]


def _extreme(upwards: bool, axis: int | None = None) -> Callable[..., Pattern]:
    default, worst = axis, -np.inf if upwards else np.inf

    def winner(
        a: Any, axis: Any = default, *_: Any, initial: Any = None, where: Any = True, **__: Any
    ) -> Pattern:
        values = np.where(np.isnan(a) | ~np.asarray(where), worst, a)
        if axis is None:
            values, axis = values.reshape(-1), -1
        axes = axis if isinstance(axis, tuple) else (axis,)
        values = np.moveaxis(values, axes, range(-len(axes), 0))
        values = values.reshape(*values.shape[: values.ndim - len(axes)], -1)
        if initial is not None:  # one more candidate
            values = np.concatenate([values, np.full((*values.shape[:-1], 1), initial)], axis=-1)
        return [values.argmax(axis=-1) if upwards else values.argmin(axis=-1)]

    return winner


def _order(a: Any, axis: Any = -1, *_: Any, **__: Any) -> Pattern:
    return [np.argsort(a, axis=axis, kind="stable")]


def _median(a: Any, axis: Any = None, *_: Any, **__: Any) -> Pattern:
    return _sides(a, np.median(a, axis=axis, keepdims=True))


_EXTREMES = {np.maximum: True, np.fmax: True, np.minimum: False, np.fmin: False}

_ORDERINGS = (np.greater, np.greater_equal, np.less, np.less_equal)

OPERATIONS: dict[str, tuple[Callable[..., Pattern], Callable[..., Array]]] = {
    **dict.fromkeys((u.__name__ for u in _EXTREMES), (_sides, _equal)),
    **{
        f"{u.__name__}.reduce": (_extreme(up, axis=0), _several(np.max if up else np.min, axis=0))
        for u, up in _EXTREMES.items()
    },
    **{u.__name__: (lambda a, b, u=u, **_: [u(a, b)], _equal) for u in _ORDERINGS},
    **dict.fromkeys(("absolute", "fabs", "sign"), (_sign, _zero)),
    "clip": (_clip, _at_a_bound),
    "median": (_median, _several(np.median)),
    **dict.fromkeys(("max", "amax", "argmax"), (_extreme(True), _several(np.max))),
    **dict.fromkeys(("min", "amin", "argmin"), (_extreme(False), _several(np.min))),
    **dict.fromkeys(("sort", "argsort"), (_order, _neighbours)),
}
"""Of every operation that chooses, by name: its pattern, and where its operands are equal."""
