"""Which branch each element takes in a NumPy operation that chooses.

A *pattern* is a list of equally shaped arrays of truth values or small integers, made from the
operation's arguments before it runs.  An element takes the same branch twice when every array of
the pattern says the same of it.  ``np.maximum(a, b)`` has the pattern ``[a > b, a < b]``, so that a
tie is a branch of its own; ``np.max`` has the position of the winner, a sort the order, a median
the side on which each element lies.  Operations that choose nothing have no pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array

__all__ = ["Pattern", "chooses", "pattern", "tied"]

Pattern: TypeAlias = list[Array]


def chooses(operation: str) -> bool:
    """Whether an operation takes a branch for each element.

    Example:
        >>> from gradhook.diagnosis.branches.winners import chooses
        >>> chooses("maximum"), chooses("maximum.reduce"), chooses("add")
        (True, True, False)
    """
    return operation in _PATTERNS


def pattern(operation: str, *arguments: Any, **keywords: Any) -> Pattern:
    """The branches that an operation takes for these arguments.

    Args:
        operation: Name of a function, method or ufunc; a ufunc's method after a dot
            (``"maximum.reduce"``).
        *arguments: What it is called with; plain arrays.
        **keywords: Likewise.

    Raises:
        KeyError: The operation chooses nothing.

    Example:
        >>> import numpy as np
        >>> from gradhook.diagnosis.branches.winners import pattern
        >>> [side.tolist() for side in pattern("maximum", 0, np.array([-1.0, 0.0, 2.0]))]
        [[True, False, False], [False, False, True]]
        >>> [
        ...     winner.tolist()
        ...     for winner in pattern("max", np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
        ... ]
        [[1, 0]]
    """
    sides = _PATTERNS[operation](*arguments, **keywords)
    return [np.atleast_1d(side) for side in sides]


def tied(operation: str, *arguments: Any, **keywords: Any) -> Array | None:
    """Where an operation orders or selects among operands that are equal to the bit.

    Only of operations that have a kink there: maximum, minimum, ``<``, ``<=``, ``>``, ``>=``, abs,
    sign, clip, median, max, min, argmax, argmin, sort and argsort; ``None`` for any other.  ``==``,
    ``!=`` and ``where`` itself tell of no kink: code that asks for equality treats the point apart.

    Example:
        >>> import numpy as np
        >>> from gradhook.diagnosis.branches.winners import tied
        >>> tied("maximum", 0, np.array([-1.0, 0.0, 2.0])).tolist()
        [False, True, False]
        >>> tied("max", np.array([[1.0, 1.0], [4.0, 3.0]]), axis=1).tolist()
        [True, False]
        >>> tied("where", np.array([True])) is None
        True
    """
    rule = _TIES.get(operation)
    return None if rule is None else np.atleast_1d(rule(*arguments, **keywords))


def _equal(a: Any, b: Any, *_: Any, **__: Any) -> Array:
    return np.asarray(np.equal(a, b))


def _zero(a: Any, *_: Any, **__: Any) -> Array:
    return np.asarray(np.equal(a, 0))


def _at_a_bound(*arguments: Any, **keywords: Any) -> Array:
    sides = _clip(*arguments, **keywords)  # [a > low, a < low, a > high, a < high]
    pairs = zip(sides[::2], sides[1::2], strict=True)
    return np.asarray(np.logical_or.reduce([~above & ~below for above, below in pairs]))


def _winners(upwards: bool, axis: int | None = None) -> Callable[..., Array]:
    default = axis

    def several(a: Any, axis: Any = default, *_: Any, **__: Any) -> Array:
        best = (np.max if upwards else np.min)(a, axis=axis, keepdims=True)
        return np.asarray(np.count_nonzero(np.equal(a, best), axis=axis) > 1)

    return several


def _middles(a: Any, axis: Any = None, *_: Any, **__: Any) -> Array:
    middle = np.median(a, axis=axis, keepdims=True)
    return np.asarray(np.count_nonzero(np.equal(a, middle), axis=axis) > 1)


def _neighbours(a: Any, axis: Any = -1, *_: Any, **__: Any) -> Array:
    values, along = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.equal(np.diff(np.sort(values, axis=along), axis=along), 0)


def _sides(a: Any, b: Any, *_: Any, **__: Any) -> Pattern:
    return [np.greater(a, b), np.less(a, b)]


def _sign(a: Any, *_: Any, **__: Any) -> Pattern:
    return _sides(a, 0)


def _outer(a: Any, b: Any, **_: Any) -> Pattern:
    return _sides(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)


def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **keywords: Any
) -> Pattern:
    low, high = keywords.get("min", a_min), keywords.get("max", a_max)
    return [side for bound in (low, high) if bound is not None for side in _sides(a, bound)]


def _where(condition: Any, x: Any = None, y: Any = None) -> Pattern:
    chosen = np.asarray(condition).astype(bool)
    shape = np.broadcast_shapes(chosen.shape, np.shape(x), np.shape(y))
    return [np.broadcast_to(chosen, shape)]


def _conditions(conditions: Any) -> Pattern:
    return [np.asarray(c).astype(bool) for c in np.broadcast_arrays(*conditions)]


def _select(condlist: Any, *_: Any, **__: Any) -> Pattern:
    return _conditions(condlist)


def _piecewise(x: Any, condlist: Any, *_: Any, **__: Any) -> Pattern:
    single = np.ndim(condlist) == np.ndim(x) and not isinstance(condlist, (list, tuple))
    return _conditions([condlist] if single else condlist)


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


def _spread(a: Any, axis: Any = None, *_: Any, **__: Any) -> Pattern:
    return _extreme(True)(a, axis) + _extreme(False)(a, axis)


def _running(ufunc: np.ufunc) -> Callable[..., Pattern]:
    return lambda a, axis=0, **_: [np.not_equal(a, ufunc.accumulate(a, axis=axis))]


def _order(a: Any, axis: Any = -1, *_: Any, **__: Any) -> Pattern:
    return [np.argsort(a, axis=axis, kind="stable")]


def _partition(a: Any, kth: Any, axis: Any = -1, *_: Any, **__: Any) -> Pattern:
    values, along = (np.ravel(a), 0) if axis is None else (a, axis)
    apart = np.partition(values, kth, axis=along)
    return [s for k in np.ravel(kth) for s in _sides(values, np.take(apart, [k], axis=along))]


def _median(function: Callable[..., Any]) -> Callable[..., Pattern]:
    return lambda a, axis=None, *_, **__: _sides(a, function(a, axis=axis, keepdims=True))


def _quantile(function: Callable[..., Any]) -> Callable[..., Pattern]:
    def sides(a: Any, q: Any, axis: Any = None, *_: Any, **__: Any) -> Pattern:
        cuts = [function(a, one, axis=axis, keepdims=True) for one in np.ravel(q)]
        return [side for cut in cuts for side in _sides(a, cut)]

    return sides


def _norm(x: Any, ord: Any = None, *_: Any, **__: Any) -> Pattern:
    return _sign(x) if ord in (1, np.inf, -np.inf) else []


_COMPARISONS = (
    *(np.greater, np.greater_equal, np.less),
    *(np.less_equal, np.equal, np.not_equal),
)

_EXTREMES = {np.maximum: True, np.fmax: True, np.minimum: False, np.fmin: False}

_PATTERNS: dict[str, Callable[..., Pattern]] = {
    **dict.fromkeys((u.__name__ for u in _EXTREMES), _sides),
    **{f"{u.__name__}.outer": _outer for u in _EXTREMES},
    **{f"{u.__name__}.reduce": _extreme(up, axis=0) for u, up in _EXTREMES.items()},
    **{f"{u.__name__}.accumulate": _running(u) for u in _EXTREMES},
    **{u.__name__: lambda a, b, u=u, **_: [u(a, b)] for u in _COMPARISONS},
    **{f"{u.__name__}.outer": lambda a, b, u=u, **_: [u.outer(a, b)] for u in _COMPARISONS},
    **dict.fromkeys(("absolute", "fabs", "sign", "signbit", "heaviside"), _sign),
    "copysign": lambda a, b, **_: _sign(b),
    "clip": _clip,
    "where": _where,
    "select": _select,
    "piecewise": _piecewise,
    **dict.fromkeys(("max", "amax", "nanmax", "argmax", "nanargmax"), _extreme(True)),
    **dict.fromkeys(("min", "amin", "nanmin", "argmin", "nanargmin"), _extreme(False)),
    "ptp": _spread,
    **dict.fromkeys(("sort", "argsort"), _order),
    **dict.fromkeys(("partition", "argpartition"), _partition),
    **{f.__name__: _median(f) for f in (np.median, np.nanmedian)},
    **{
        f.__name__: _quantile(f)
        for f in (np.quantile, np.percentile, np.nanquantile, np.nanpercentile)
    },
    "searchsorted": lambda a, v, *_, **__: [np.searchsorted(a, v)],
    "digitize": lambda x, bins, *_, **__: [np.digitize(x, bins)],
    "interp": lambda x, xp, *_, **__: [np.searchsorted(xp, x)],
    "linalg.norm": _norm,
}

_ORDERINGS = (np.greater, np.greater_equal, np.less, np.less_equal)

_TIES: dict[str, Callable[..., Array]] = {
    **dict.fromkeys((u.__name__ for u in (*_EXTREMES, *_ORDERINGS)), _equal),
    **dict.fromkeys(("absolute", "fabs", "sign"), _zero),
    "clip": _at_a_bound,
    "median": _middles,
    **{f"{u.__name__}.reduce": _winners(up, axis=0) for u, up in _EXTREMES.items()},
    **dict.fromkeys(("max", "amax", "argmax"), _winners(True)),
    **dict.fromkeys(("min", "amin", "argmin"), _winners(False)),
    **dict.fromkeys(("sort", "argsort"), _neighbours),
}
