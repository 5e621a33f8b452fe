"""What NumPy chose during one evaluation of the loss: the operations, in call order, and where.

Each operation that chooses is kept with its pattern of winners, and with the line of the user's
code that asked for it.  Two recordings of the same code are compared
operation by operation.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import sysconfig
import types
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.branches.winners import OPERATIONS, chosen
from gradhook.errors import PACKAGE

__all__ = ["Choice", "Recording", "now_recording", "recording"]

LARGEST_OPERATION = 10**7
"""Elements of an operation beyond which it is left out."""

MOST_BYTES = 1 << 28
"""Memory for the patterns of one recording; what comes later is left out."""

_THIS = (lambda: None).__code__.co_filename
_OURS = (_THIS, os.path.join(os.path.dirname(_THIS), "traced_array.py"))


@dataclass(frozen=True, slots=True)
class Choice:
    """One execution of an operation that chooses, with the line of the user's that asked for it.

    The ties, where operands are equal to the bit, are ``None`` where that tells of no kink.
    """

    operation: str
    path: str
    line: int
    sides: list[Array]
    ties: Array | None = None

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
            if _extent(arguments) > LARGEST_OPERATION or self._bytes > MOST_BYTES:
                self.left_out += 1
                return
            with np.errstate(all="ignore"):
                sides, ties = chosen(operation, *arguments, **keywords)
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


@contextlib.contextmanager
def recording() -> Iterator[Recording]:
    """Record what operations on traced arrays choose, in this thread, until the block ends."""
    made = Recording()
    token = _active.set(made)
    try:
        yield made
    finally:
        _active.reset(token)


def now_recording() -> Recording | None:
    """The recording that is being made in this thread."""
    return _active.get()


_active: ContextVar[Recording | None] = ContextVar("gradhook_branches", default=None)


def _extent(arguments: Any) -> int:
    shapes = [np.shape(a) for a in arguments if isinstance(a, np.ndarray)]
    try:
        return math.prod(np.broadcast_shapes(*shapes))
    except ValueError:  # they are not combined element by element
        return max(map(math.prod, shapes))


def _asked_at() -> tuple[str, int]:
    """File and line of the innermost frame of the user's own code, else of a library's."""
    frame: types.FrameType | None = sys._getframe(2)
    nearest = ("", 0)
    while frame is not None:
        path, line = frame.f_code.co_filename, frame.f_lineno
        own = path.startswith(PACKAGE)
        if own and path not in _OURS:  # what called the loss, or a penalty of ours
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
