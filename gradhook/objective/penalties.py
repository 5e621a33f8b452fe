"""Penalties that a training loop adds to its gradients and not to its loss.

A loop that writes ``dW += c * W`` after the backward pass follows the gradient of ``loss + c/2 *
sum(W**2)``.  To check it, that term must be added to the loss.  ``L2`` and ``L1`` do so for the
blocks that their patterns name; any function ``penalty(parameters, *batch) -> float`` does too.
"""

from __future__ import annotations

import fnmatch
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradhook._types import Array, Batch
from gradhook.errors import OptionError
from gradhook.objective.calls import by_name
from gradhook.objective.parameters import Tree

__all__ = ["L1", "L2", "Added", "Penalty", "split_penalty", "sum_of"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Penalty:
    """What the penalties by name have in common: a coefficient and the blocks that they weigh."""

    coefficient: float
    patterns: tuple[str, ...]

    def __init__(self, coefficient: float, *patterns: str) -> None:
        number = isinstance(coefficient, numbers.Real) and not isinstance(coefficient, bool)
        if not (number and math.isfinite(coefficient)):
            raise OptionError(
                f"a penalty's coefficient must be a finite number, got {coefficient!r}"
            )
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise OptionError(f"a penalty's patterns are strings such as 'W*', got {patterns!r}")
        object.__setattr__(self, "coefficient", float(coefficient))
        object.__setattr__(self, "patterns", patterns or ("*",))

    def weighs(self, name: str) -> bool:
        """Whether a block is among those that it weighs."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    def __repr__(self) -> str:
        patterns = () if self.patterns == ("*",) else self.patterns
        return f"{type(self).__name__}({', '.join(map(repr, (self.coefficient, *patterns)))})"

    def _chosen(self, blocks: Mapping[str, Array]) -> list[Array]:
        chosen = [
            np.asanyarray(values, dtype=np.result_type(values, np.float64))
            for name, values in blocks.items()
            if self.weighs(name)
        ]
        if not chosen:
            raise OptionError(
                f"no block matches the penalty's patterns {', '.join(self.patterns)}; blocks are "
                f"{', '.join(blocks)}"
            )
        return chosen


Added: TypeAlias = Penalty | Callable[..., Any]
"""A penalty that is added to the loss: ``L1``, ``L2``, or ``penalty(parameters, *batch)``."""


def split_penalty(given: Any) -> tuple[list[Any], list[Added]]:
    """The switches of the user's own in what an option holds, and what is added to the loss."""
    items = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    return [i for i in items if not callable(i)], [i for i in items if callable(i)]


def sum_of(
    penalties: list[Added], tree: Tree, names: tuple[str, ...]
) -> Callable[[Any, Batch], Any]:
    """Penalties as one function of the parameters, as the user holds them, and the batch."""

    def one(penalty: Any, parameters: Any, batch: Batch) -> Any:
        if isinstance(penalty, (L1, L2)):
            return penalty(tree.like(parameters))
        positional, keywords = by_name(names, batch)
        return penalty(parameters, *positional, **keywords)

    return lambda parameters, batch: sum(one(p, parameters, batch) for p in penalties)


class L2(Penalty):
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

    def __call__(self, blocks: Mapping[str, Array]) -> Any:
        """Return the penalty of blocks given by name; analytic where they are complex."""
        flat = (w.reshape(-1) for w in self._chosen(blocks))
        return 0.5 * self.coefficient * sum(np.dot(w, w).item() for w in flat)


class L1(Penalty):
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

    def __call__(self, blocks: Mapping[str, Array]) -> Any:
        """Return the penalty of blocks given by name; analytic off zero where they are complex."""
        return self.coefficient * sum(
            np.sum(np.where(w.real < 0, -w, w)).item() for w in self._chosen(blocks)
        )
