"""What can be a parameter: an array of finite, real floating-point numbers.

Anything else is refused when it arrives, because what a check would make of it is worse: integers
truncate every step to nothing, a masked entry has no derivative, ``*`` of a ``numpy.matrix`` is
another operation.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np

from gradhook._types import kind_of
from gradhook.errors import LossTypeError, ParameterError, ParameterTypeError

__all__ = ["as_complex", "as_loss", "is_masked", "refuse_unsuitable"]

PARAMETER_FORMS = (
    "parameters are an array, a mapping, list or tuple of arrays, or a function without arguments "
    "that returns one of these"
)


def is_masked(value: object) -> bool:
    """Whether a value is a masked array; ``numpy.ma`` is slow to load, and not loaded for this."""
    masked: type | tuple[()] = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
    return isinstance(value, masked)


def refuse_unsuitable(name: str, leaf: Any) -> None:
    """Refuse what no derivative can be taken with respect to, and say what to do about it."""
    if leaf is None:
        raise ParameterTypeError(f"parameter {name!r} is None: leave it out of the parameters")
    if is_masked(leaf):
        raise ParameterTypeError(
            f"parameter {name!r} is a masked array, whose masked entries have no gradient; pass a "
            "plain array"
        )
    if isinstance(leaf, np.matrix):
        raise ParameterTypeError(
            f"parameter {name!r} is a numpy.matrix, whose * is a matrix product; pass "
            "numpy.asarray(...)"
        )
    try:
        array = np.asarray(leaf)
    except Exception as error:
        raise ParameterTypeError(
            f"parameter {name!r} is {kind_of(leaf)}, which is not an array: {error}"
        ) from error
    if array.dtype.kind in "biuc":
        raise ParameterTypeError(
            f"parameter {name!r} has dtype {array.dtype}; a derivative needs real floating-point "
            "numbers: convert it, for example with numpy.asarray(..., dtype=float), or give the "
            "real and the imaginary part as two arrays"
        )
    if array.dtype.kind != "f":
        raise ParameterTypeError(
            f"parameter {name!r} is {kind_of(leaf)} of dtype {array.dtype}, not an array of "
            f"numbers; {PARAMETER_FORMS}"
        )
    # A sum is finite only if every entry is, unless it overflows; only then is the slow test worth
    # its memory.  Copies are float64, which a longer number may not fit.
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
        wrong = ~np.isfinite(array.astype(np.float64))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ParameterError(
            f"parameter {name!r} holds {np.count_nonzero(wrong)} value(s) that are NaN or infinite "
            f"in float64 (first at index {first}); no derivative exists there: has training "
            "diverged?"
        )


def as_loss(value: Any, what: str = "loss") -> float:
    """Read a loss: a real number or any array of size one; anything else is refused."""
    return float(_number(value, what, "fiu"))


def as_complex(value: Any) -> complex:
    """Read a loss that may be complex, as the complex step gives it."""
    return complex(_number(value, "loss", "fiuc"))


def _number(value: Any, what: str, kinds: str) -> Any:
    must = f"the {what} must be one real number; the function returned"
    if value is None:
        raise LossTypeError(f"{must} None: has it a return statement?")
    if isinstance(value, tuple):
        raise LossTypeError(
            f"{must} a tuple of {len(value)}: a function that returns (loss, gradients) is passed "
            "as loss_and_gradients=, or alone, without gradient="
        )
    kind, array = kind_of(value), None
    with contextlib.suppress(Exception):
        array = np.asarray(value)
    if array is None or is_masked(value) or array.dtype.kind not in kinds:
        of = "" if array is None or isinstance(value, np.generic) else f" of dtype {array.dtype}"
        raise LossTypeError(f"{must} {kind}{of}")
    if array.size != 1:
        raise LossTypeError(
            f"{must} {kind} of shape {array.shape}: sum or average over the samples before "
            "returning it"
        )
    return array.reshape(()).item()
