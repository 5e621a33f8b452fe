"""Penalties that a training loop adds to its gradients and not to its loss.

A loop that writes ``dW += c * W`` after the backward pass follows the gradient of ``loss + c/2 *
sum(W**2)``.  To check it, that term must be added to the loss.  ``L2`` and ``L1`` do so for the
blocks that their patterns name; any function ``penalty(parameters, *batch) -> float`` does too.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradhook._types import Array
from gradhook.errors import OptionError

__all__ = ["L1", "L2"]


@dataclass(frozen=True, slots=True, init=False)
class _Penalty:
    coefficient: float
    patterns: tuple[str, ...]

    def __init__(self, coefficient: float, *patterns: str) -> None:
        if isinstance(coefficient, bool) or not isinstance(coefficient, (int, float)):
            raise OptionError(f"a penalty's coefficient must be a number, got {coefficient!r}")
        if not math.isfinite(coefficient):
            raise OptionError(f"a penalty's coefficient must be finite, got {coefficient!r}")
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise OptionError(f"a penalty's patterns are strings such as 'W*', got {patterns!r}")
        object.__setattr__(self, "coefficient", float(coefficient))
        object.__setattr__(self, "patterns", patterns or ("*",))

    def _chosen(self, blocks: Mapping[str, Array]) -> list[Array]:
        chosen = [
            values
            for name, values in blocks.items()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)
        ]
        if not chosen:
            raise OptionError(
                f"no block matches the penalty's patterns {', '.join(self.patterns)}; blocks are "
                f"{', '.join(blocks)}"
            )
        return chosen


@dataclass(frozen=True, slots=True, init=False)
class L2(_Penalty):
    """``c/2 * sum(w**2)`` over the blocks whose names match, added to the loss only.

    Args:
        coefficient: ``c``, in units of loss per squared unit of the parameter.
        patterns: Shell patterns of block names; every block if none is given.

    Raises:
        OptionError: The coefficient is not a finite number, or no block matches when it is used.

    Example:
        >>> import numpy as np
        >>> from gradhook import L2
        >>> L2(0.1, "W*")({"W1": np.array([3.0, 4.0]), "b1": np.array([9.0])})
        1.25
    """

    __init__ = _Penalty.__init__

    def __call__(self, blocks: Mapping[str, Array]) -> float:
        """Return the penalty of float64 blocks given by name."""
        return 0.5 * self.coefficient * sum(float(np.vdot(w, w)) for w in self._chosen(blocks))


@dataclass(frozen=True, slots=True, init=False)
class L1(_Penalty):
    """``c * sum(|w|)`` over the blocks whose names match, added to the loss only.

    Args:
        coefficient: ``c``, in units of loss per unit of the parameter.
        patterns: Shell patterns of block names; every block if none is given.

    Raises:
        OptionError: The coefficient is not a finite number, or no block matches when it is used.

    Example:
        >>> import numpy as np
        >>> from gradhook import L1
        >>> L1(0.5)({"W": np.array([-3.0, 4.0])})
        3.5
    """

    __init__ = _Penalty.__init__

    def __call__(self, blocks: Mapping[str, Array]) -> float:
        """Return the penalty of float64 blocks given by name."""
        return self.coefficient * sum(float(np.abs(w).sum()) for w in self._chosen(blocks))
