"""A loss as the user's function returns it, read as one real number."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradhook.errors import LossTypeError

__all__ = ["as_complex", "as_loss"]


def as_loss(value: Any, what: str = "loss") -> float:
    """Read a loss: a real number or any array of size one.

    Args:
        value: What the user's function returned.
        what: What the message calls it.

    Raises:
        LossTypeError: It is something else.
    """
    try:
        array = np.asarray(value)
    except Exception as error:
        raise LossTypeError(_not_one_number(value, what)) from error
    masked = isinstance(value, np.ma.MaskedArray)
    if array.size != 1 or array.dtype.kind not in "fiu" or masked:
        raise LossTypeError(_not_one_number(value, what))
    return float(array.reshape(()).item())


def as_complex(value: Any, what: str = "loss") -> complex:
    """Read a loss that may be complex, as the complex step gives it.

    Raises:
        LossTypeError: It is not one number.
    """
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiuc":
        raise LossTypeError(_not_one_number(value, what))
    return complex(array.reshape(()).item())


def _not_one_number(value: Any, what: str) -> str:
    must = f"the {what} must be one real number; the function returned"
    if value is None:
        return f"{must} None: has it a return statement?"
    if isinstance(value, tuple):
        return (
            f"{must} a tuple of {len(value)}: a function that returns (loss, gradients) is passed "
            "as loss_and_gradients="
        )
    kind = type(value).__name__
    if not (isinstance(value, (np.ndarray, np.generic)) and value.size > 1):
        return f"{must} a {kind}" + (f" of dtype {value.dtype}" if hasattr(value, "dtype") else "")
    return (
        f"{must} a {kind} of shape {value.shape}: sum or average over the samples before returning "
        "it"
    )
