"""Arrays that note which branch is taken wherever NumPy chooses, and that change nothing.

``Traced`` is an ``ndarray`` without data of its own: a view.  Through ``__array_ufunc__`` and
``__array_function__`` every NumPy operation on it comes by here, has its choices noted by
``recording``, and is then carried out by NumPy on the plain arrays, so that the result is the
same to the bit.  Results are traced in turn.  While nothing is recorded a traced array gives plain
ones.  Single numbers taken out of a traced array are traced too, because a loop over samples
compares one number at a time.

What leaves NumPy (``np.asarray``, ``float``, compiled code) leaves the trace.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.branches.recording import active

__all__ = ["Traced", "is_traced", "traced"]


def traced(thing: Any, *, of: Array | None = None) -> Any:
    """A traced view of a float array, also inside lists, tuples and dictionaries.

    Anything else is returned as it is, arrays of other types and subclasses included, and what
    shares no memory with ``of``, where that is given.
    """
    if type(thing) is np.ndarray and thing.dtype.kind == "f":
        return thing.view(Traced) if of is None or np.may_share_memory(thing, of) else thing
    return _inside(thing, functools.partial(traced, of=of))


def is_traced(thing: Any) -> bool:
    """Whether a value came out of operations on traced arrays."""
    return isinstance(thing, (Traced, _Number))


def _applied_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    return _applied(name, getattr(ufunc, method), inputs, keywords)


class Traced(np.ndarray[Any, Any]):
    """A view of an array whose operations are recorded; see the module's description."""

    __slots__ = ()
    __array_priority__ = 1.0  # so that plain.dot(traced) is traced

    __array_ufunc__ = _applied_ufunc

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        return _applied(function.__name__, function, arguments, keywords)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return found if active.get() is None else _dressed(found, {})

    def __float__(self) -> float:
        return _left(float(self.view(np.ndarray).item()))

    def item(self, *index: Any) -> Any:
        """``ndarray.item``; a number that leaves the trace."""
        found = self.view(np.ndarray).item(*index)
        return _left(found) if isinstance(found, float) else found

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _recorded(owner: type, name: str, operation: str) -> Callable[..., Any]:
    plain = getattr(owner, name)

    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        return _applied(operation, plain, (self, *arguments), keywords)

    method.__name__, method.__doc__ = name, f"``{owner.__name__}.{name}``, recorded."
    return method


# Methods that choose, and are not carried out by a ufunc or would lose their name on the way.
for _name in ("max", "min", "argmax", "argmin", "clip", "sort", "argsort", "dot"):
    setattr(Traced, _name, _recorded(np.ndarray, _name, _name))


class _Number(np.float64):
    """A number out of a traced array, whose arithmetic stays traced."""

    __slots__ = ()
    __hash__ = np.float64.__hash__
    __array_ufunc__ = _applied_ufunc

    def __float__(self) -> float:
        return _left(np.float64.__float__(self))

    def item(self, *index: Any) -> float:
        """``float64.item``; a number that leaves the trace."""
        return _left(np.float64.__float__(self))


def _left(number: float) -> float:
    """Note a number that leaves the trace."""
    seen = active.get()
    if seen is not None:
        seen.floats.add(number)
    return number


_ARITHMETIC = ("add", "sub", "mul", "truediv", "pow")
_OPERATORS = {
    **dict.fromkeys((*_ARITHMETIC, *(f"r{name}" for name in _ARITHMETIC), "neg", "pos"), ""),
    "abs": "absolute",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
}
for _name, _operation in _OPERATORS.items():
    setattr(_Number, f"__{_name}__", _recorded(np.float64, f"__{_name}__", _operation))


def _applied(
    operation: str, function: Callable[..., Any], arguments: Any, keywords: dict[str, Any]
) -> Any:
    """Carry out an operation on the plain arrays; while recording, trace what it returns."""
    originals: dict[int, Any] = {}

    def bare(thing: Any) -> Any:
        plain = _bare(thing)
        if isinstance(plain, np.ndarray):
            originals[id(plain)] = thing
        return plain if plain is not thing else _inside(thing, bare)

    plain, options = tuple(map(bare, arguments)), {k: bare(v) for k, v in keywords.items()}
    seen = active.get()
    if seen is not None:
        seen.note(operation, plain, options)
    result = function(*plain, **options)
    if seen is None:
        return originals.get(id(result), result)
    seen.note_result(operation, plain, result)
    return _dressed(result, originals)


def _bare(thing: Any) -> Any:
    if isinstance(thing, Traced):
        return thing.view(np.ndarray)
    return np.float64(thing) if isinstance(thing, _Number) else thing


def _dressed(result: Any, originals: dict[int, Any]) -> Any:
    """A result as traced; an argument that came back (``out=``, a view) as what was passed."""
    if id(result) in originals:
        return originals[id(result)]
    if type(result) is np.ndarray and result.dtype.kind in "fb":
        return result.view(Traced)
    if type(result) is np.float64:
        return _Number(result)
    return _inside(result, lambda item: _dressed(item, originals))


def _inside(thing: Any, change: Callable[[Any], Any]) -> Any:
    """A list, tuple or dictionary with its items changed; anything else as it is."""
    if type(thing) in (list, tuple):
        return type(thing)(map(change, thing))
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return type(thing)(*map(change, thing))
    if type(thing) is dict:
        return {key: change(item) for key, item in thing.items()}
    return thing
