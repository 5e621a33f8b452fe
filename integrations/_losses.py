"""Losses that adapters check in place of those that they find.

A random cotangent makes a number of a vector so that its Jacobian can be checked.  With ``u``
constant, the gradient of ``⟨u, y(x)⟩`` is ``Jᵀu``: right for almost every ``u`` only if the whole
Jacobian is right.

The cross-entropy of the from-scratch books adds 1e-7 to the probabilities.  Their gradient is that
of ``-log(y)``, and right code is off by 1e-7 / y, which is much for a digit that is mistaken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["NOTE", "cotangent", "left_out"]

NOTE = "cross-entropy checked as -log(y): the book's adds 1e-7 to y, and its gradient does not"


def cotangent(shape: int | tuple[int, ...]) -> Any:
    """Return entries of either sign between 0.5 and 1.5, so that no output is scaled away.

    Args:
        shape: Shape of the output; equal ones give equal cotangents, because a check compares
            losses.

    Example:
        >>> from gradhook.integrations._losses import cotangent
        >>> bool((abs(cotangent((7, 3))) >= 0.5).all())
        True
    """
    random = np.random.default_rng(0)
    return random.choice([-1.0, 1.0], shape) * random.uniform(0.5, 1.5, shape)


def left_out(layer: Any, loss: Any) -> float:
    """``-log(y)`` less the book's cross-entropy, where a layer has computed just that, else 0.

    Args:
        layer: The last layer, which keeps probabilities ``y`` and labels ``t``.
        loss: What it returned.

    Example:
        >>> from types import SimpleNamespace
        >>> import numpy as np
        >>> from gradhook.integrations._losses import left_out
        >>> layer = SimpleNamespace(y=np.array([[0.5, 0.5]]), t=np.array([1]))
        >>> round(left_out(layer, -np.log(0.5 + 1e-7)), 9), left_out(layer, 3.0)
        (2e-07, 0.0)
    """
    y, t = getattr(layer, "y", None), getattr(layer, "t", None)
    if y is None or t is None or not isinstance(loss, float):
        return 0.0
    if np.ndim(y) != 2 or not np.all(np.isfinite(y)):
        return 0.0
    chosen = y[np.arange(len(y)), np.argmax(t, axis=1) if np.size(t) == np.size(y) else t]
    books = -np.log(chosen + 1e-7).sum() / len(y)
    if not np.isclose(loss, books, rtol=1e-12, atol=0) or not np.all(chosen > 0):
        return 0.0
    return float(-np.log(chosen).sum() / len(y) - books)
