"""Arrays that note which branch is taken wherever NumPy chooses, and that change nothing.

``Traced`` is an ``ndarray`` without data of its own: a view.  Through ``__array_ufunc__`` and
``__array_function__`` every NumPy operation on it comes by here, has its choices noted, and is then
carried out by NumPy on the plain arrays, so that the result is the same to the bit.  Results are
traced in turn.  While nothing is recorded a traced array gives plain ones.  Single numbers taken
out of a traced array are traced too, because a loop over samples compares one number at a time.
What leaves NumPy (``np.asarray``, ``float``, compiled code) leaves the trace.

Each operation that chooses is kept in call order with its pattern of winners, and with the line of
the user's code that asked for it.  Two recordings of the same code are compared operation by
operation.  A *pattern* is a list of equally shaped arrays of truth values or small integers, made
from the operation's arguments before it runs.  An element takes the same branch twice when every
array of the pattern says the same of it.  ``np.maximum(a, b)`` has the pattern ``[a > b, a < b]``,
so that a tie is a branch of its own; ``np.max`` has the position of the winner, a sort the order, a
median the side on which each element lies.  Told are maximum, minimum, ``<``, ``<=``, ``>``,
``>=``, abs, sign, clip, median, max, min, argmax, argmin, sort and argsort; ``where`` and masks
show in the comparison that steers them.  ``==`` and ``!=`` have no pattern: code that asks for
equality treats the point apart.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.errors import PACKAGE

LARGEST_OPERATION = 10**7
"""Elements of an operand beyond which an operation is left out."""

MOST_BYTES = 1 << 28
"""Memory for the patterns of one recording; what comes later is left out."""

Chosen: TypeAlias = tuple[list[Array], Array]
"""A pattern, and where operands are equal to the bit."""

_THIS = (lambda: None).__code__.co_filename


@dataclass(frozen=True, slots=True)
class Choice:
    """One execution of an operation that chooses, with the line of the user's that asked for it."""

    operation: str
    path: str
    line: int
    sides: list[Array]
    ties: Array | None = None  # operands equal to the bit; ``None`` where that tells of no kink

    def flips(self, other: Choice) -> Array | None:
        """Which elements take another branch in ``other``; ``None`` if they cannot be compared."""
        if [side.shape for side in self.sides] != [side.shape for side in other.sides]:
            return None
        pairs = zip(self.sides, other.sides, strict=True)
        flipped: Array = np.logical_or.reduce([one != two for one, two in pairs])
        return flipped


@dataclass(slots=True)
class Recording:
    """What was chosen, in call order."""

    choices: list[Choice] = field(default_factory=list)  # the operations that chose
    left_out: int = 0  # how many more there were, too large to be kept
    # Numbers that left the trace as plain floats: a loss is often returned as one.
    floats: set[float] = field(default_factory=set)
    _bytes: int = 0
    _extremes: list[tuple[Array, Any, int]] = field(default_factory=list)
    _sizes: list[tuple[Any, int]] = field(default_factory=list)

    def note(self, operation: str, arguments: Any, keywords: dict[str, Any]) -> None:
        """Note what an operation is about to choose; what cannot be told is left out."""
        if operation not in OPERATIONS:
            return
        with contextlib.suppress(Exception):  # the operation itself may refuse these arguments
            largest = max(getattr(each, "size", 1) for each in arguments)
            if largest > LARGEST_OPERATION or self._bytes > MOST_BYTES:
                self.left_out += 1
                return
            with np.errstate(all="ignore"):
                sides, ties = OPERATIONS[operation](*arguments, **keywords)
                sides, ties = [np.atleast_1d(side) for side in sides], np.atleast_1d(ties)
            if sides and sides[0].size:
                self._bytes += sum(side.nbytes for side in sides)
                self.choices.append(Choice(operation, *_asked_at(), sides, ties))

    def note_result(self, operation: str, arguments: Any, result: Any) -> None:
        """Note what makes a tie no evidence of a kink.

        A maximum that is subtracted from what it is the maximum of, the shift of a softmax, leaves
        the loss as it is, and always ties at zero-initialised heads.  An absolute value that is
        held against a threshold, as before a series near zero, only chooses a formula.
        """
        if operation in EXTREMES and self.choices and self.choices[-1].operation == operation:
            if isinstance(arguments[0], np.ndarray):
                self._extremes.append((arguments[0], result, len(self.choices) - 1))
        elif operation == "subtract" and len(arguments) >= 2:
            for array, extreme, index in self._extremes:
                shifted = _same_memory(arguments[0], array) and arguments[0].shape == array.shape
                if shifted and _same_number(arguments[1], extreme):
                    self._no_evidence(index)
        elif operation in SIZES and self.choices and self.choices[-1].operation == operation:
            self._sizes.append((result, len(self.choices) - 1))
        elif operation in ORDERINGS:
            for size, index in self._sizes:
                if any(_same_number(argument, size) for argument in arguments[:2]):
                    self._no_evidence(index)

    def _no_evidence(self, index: int) -> None:
        self.choices[index] = replace(self.choices[index], ties=None)


EXTREMES = ("max", "amax", "maximum.reduce", "min", "amin", "minimum.reduce")
SIZES, ORDERINGS = ("absolute", "fabs"), ("less", "less_equal", "greater", "greater_equal")


def _same_memory(one: Any, other: Any) -> bool:
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return arrays and one.ctypes.data == other.ctypes.data


def _same_number(one: Any, found: Any) -> bool:
    """Whether an operand is the result found, maybe with another shape."""
    if isinstance(one, np.ndarray) and isinstance(found, np.ndarray):
        return one.size == found.size and _same_memory(one, found)
    return np.size(one) == 1 and np.size(found) == 1 and float(one) == float(found)


active: ContextVar[Recording | None] = ContextVar("gradhook_branches", default=None)
"""The recording that is being made in this thread."""


@contextlib.contextmanager
def recording() -> Iterator[Recording]:
    """Record what operations on traced arrays choose, in this thread, until the block ends."""
    made = Recording()
    token = active.set(made)
    try:
        yield made
    finally:
        active.reset(token)


def _asked_at() -> tuple[str, int]:
    """File and line of the innermost frame of the user's own code, else of a library's."""
    frame: types.FrameType | None = sys._getframe(2)
    nearest = ("", 0)
    while frame is not None:
        path, line = frame.f_code.co_filename, frame.f_lineno
        own = path.startswith(PACKAGE)
        if own and path != _THIS:  # what called the loss, or a penalty of ours
            return nearest if nearest[1] else (path, line)
        if not (own or path.startswith(_libraries())):
            return path, line
        if not own and not nearest[1] and not path.startswith(_libraries()[0]):
            nearest = path, line
        frame = frame.f_back
    return nearest


@functools.cache
def _libraries() -> tuple[str, ...]:
    """Folders of installed code, NumPy's own first."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    found = (sysconfig.get_path(kind) for kind in kinds)
    return (os.path.dirname(np.__file__), *(path for path in found if path))


def _against(a: Any, b: Any, *_: Any, **__: Any) -> Chosen:
    above, below = np.greater(a, b), np.less(a, b)
    return [above, below], ~(above | below)


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
    **dict.fromkeys(("absolute", "fabs", "sign"), lambda a, *_, **__: _against(a, 0)),
    "clip": _clip,
    "median": _median,
    **dict.fromkeys(("max", "amax", "argmax"), _extreme(True)),
    **dict.fromkeys(("min", "amin", "argmin"), _extreme(False)),
    **dict.fromkeys(("maximum.reduce", "fmax.reduce"), _extreme(True, axis=0)),
    **dict.fromkeys(("minimum.reduce", "fmin.reduce"), _extreme(False, axis=0)),
    **dict.fromkeys(("sort", "argsort"), _order),
}
"""Every operation that chooses, by name."""


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
