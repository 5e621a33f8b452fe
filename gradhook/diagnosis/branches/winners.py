"""Which branch each element takes in a NumPy operation that chooses.

A *pattern* is a list of equally shaped arrays of truth values or small integers, made from the
operation's arguments before it runs.  An element takes the same branch twice when every array of
the pattern says the same of it.  ``np.maximum(a, b)`` has the pattern ``[a > b, a < b]``, so that a
tie is a branch of its own; ``np.max`` has the position of the winner, a sort the order, a median
the side on which each element lies.  Told are maximum, minimum, ``<``, ``<=``, ``>``, ``>=``, abs,
sign, clip, median, max, min, argmax, argmin, sort and argsort; ``where`` and masks show in the
comparison that steers them.  ``==`` and ``!=`` have no pattern: code that asks for equality treats
the point apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array

__all__ = ["OPERATIONS", "Chosen", "chosen"]

Chosen: TypeAlias = tuple[list[Array], Array]
"""A pattern, and where operands are equal to the bit."""


def chosen(operation: str, *arguments: Any, **keywords: Any) -> Chosen:
    """What a function, method or ufunc chooses for these arguments, plain arrays.

    Raises:
        KeyError: The operation chooses nothing.

    Example:
        >>> import numpy as np
        >>> from gradhook.diagnosis.branches.winners import chosen
        >>> sides, ties = chosen("maximum", 0, np.array([-1.0, 0.0, 2.0]))
        >>> [side.tolist() for side in sides], ties.tolist()
        ([[True, False, False], [False, False, True]], [False, True, False])
        >>> (winners,), ties = chosen("max", np.array([[1.0, 1.0], [4.0, 3.0]]), axis=1)
        >>> winners.tolist(), ties.tolist()
        ([0, 0], [True, False])
    """
    sides, ties = OPERATIONS[operation](*arguments, **keywords)
    return [np.atleast_1d(side) for side in sides], np.atleast_1d(ties)


def _against(a: Any, b: Any, *_: Any, **__: Any) -> Chosen:
    above, below = np.greater(a, b), np.less(a, b)
    return [above, below], ~(above | below)


def _against_zero(a: Any, *_: Any, **__: Any) -> Chosen:
    return _against(a, 0)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **keywords: Any) -> Chosen:
    bounds = keywords.get("min", a_min), keywords.get("max", a_max)
    against = [_against(a, bound) for bound in bounds if bound is not None]
    sides = [side for both, _ in against for side in both]
    return sides, np.logical_or.reduce([ties for _, ties in against])


def _extreme(upwards: bool, axis: int | None = None) -> Callable[..., Chosen]:
    default, worst = axis, -np.inf if upwards else np.inf

    def winner(
        a: Any, axis: Any = default, *_: Any, initial: Any = None, where: Any = True, **__: Any
    ) -> Chosen:
        values = np.where(np.isnan(a) | ~np.asarray(where), worst, a)
        if axis is None:
            values, axis = values.reshape(-1), -1
        axes = axis if isinstance(axis, tuple) else (axis,)
        values = np.moveaxis(values, axes, range(-len(axes), 0))
        values = values.reshape(*values.shape[: values.ndim - len(axes)], -1)
        if initial is not None:  # one more candidate
            values = np.concatenate([values, np.full((*values.shape[:-1], 1), initial)], axis=-1)
        best = values.argmax(axis=-1) if upwards else values.argmin(axis=-1)
        equal = values == np.take_along_axis(values, best[..., None], axis=-1)
        return [best], np.count_nonzero(equal, axis=-1) > 1

    return winner


def _order(a: Any, axis: Any = -1, *_: Any, **__: Any) -> Chosen:
    values, along = (np.ravel(a), 0) if axis is None else (a, axis)
    ties = np.equal(np.diff(np.sort(values, axis=along), axis=along), 0)
    return [np.argsort(values, axis=along, kind="stable")], ties


def _median(a: Any, axis: Any = None, *_: Any, **__: Any) -> Chosen:
    sides, equal = _against(a, np.median(a, axis=axis, keepdims=True))
    return sides, np.asarray(np.count_nonzero(equal, axis=axis) > 1)


OPERATIONS: dict[str, Callable[..., Chosen]] = {
    **dict.fromkeys(("maximum", "fmax", "minimum", "fmin"), _against),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal"), _against),
    **dict.fromkeys(("absolute", "fabs", "sign"), _against_zero),
    "clip": _clip,
    "median": _median,
    **dict.fromkeys(("max", "amax", "argmax"), _extreme(True)),
    **dict.fromkeys(("min", "amin", "argmin"), _extreme(False)),
    **dict.fromkeys(("maximum.reduce", "fmax.reduce"), _extreme(True, axis=0)),
    **dict.fromkeys(("minimum.reduce", "fmin.reduce"), _extreme(False, axis=0)),
    **dict.fromkeys(("sort", "argsort"), _order),
}
"""Every operation that chooses, by name."""
