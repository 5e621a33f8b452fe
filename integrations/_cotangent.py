"""A random cotangent, which makes a number of a vector so that its Jacobian can be checked.

With ``u`` constant, the gradient of ``⟨u, y(x)⟩`` is ``Jᵀu``: right for almost every ``u`` only if
the whole Jacobian is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cotangent"]


def cotangent(shape: int | tuple[int, ...]) -> Any:
    """Return entries of either sign between 0.5 and 1.5, so that no output is scaled away.

    Args:
        shape: Shape of the output; equal ones give equal cotangents, because a check compares
            losses.

    Example:
        >>> from gradhook.integrations._cotangent import cotangent
        >>> bool((abs(cotangent((7, 3))) >= 0.5).all())
        True
    """
    random = np.random.default_rng(0)
    return random.choice([-1.0, 1.0], shape) * random.uniform(0.5, 1.5, shape)
