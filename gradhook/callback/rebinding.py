"""Whether training still moves the arrays that are checked.

``theta = theta - rate * gradient`` makes a new array each time, and whoever was handed the first
one goes on looking at it: it passes for ever.  Blocks that hold the same bytes at two checks, with
steps between and a gradient at the first that should have moved them, were left behind; or they are
frozen, or wait their turn.  What is said of them belongs to the run and stands beside the report,
not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array

__all__ = ["Rebinding"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an earlier check saw."""

    step: int
    digests: Mapping[str, bytes]


class Rebinding:
    """Compares the bytes of all blocks from check to check.

    Attributes:
        warning: What is to be warned about now; empty for nothing.
    """

    def __init__(self) -> None:
        self.warning = ""
        self._before: _Seen | None = None
        self._in_a_row = 0
        self._told = False
        self._named: set[str] = set()

    def look(
        self,
        step: int,
        blocks: Mapping[str, Any],
        *,
        brought: bool,
        moving: Callable[[], Collection[str]],
    ) -> str:
        """Say which blocks training has left behind; empty if none is seen to be.

        Args:
            step: Number of finished updates.
            blocks: The arrays that are checked, by name.
            brought: Whether a hook brought the parameters since the last check.
            moving: Gives the blocks that the gradient of the earlier batch should have moved;
                called only where one stands still.
        """
        self.warning = ""
        arrays = {name: np.asarray(leaf) for name, leaf in blocks.items()}
        before, self._before = self._before, _Seen(step, _digests(arrays))
        if before is None or brought or step <= before.step:
            self._in_a_row = 0
            return ""
        now = self._before.digests
        filled = [name for name, array in arrays.items() if array.size]
        still = [name for name in filled if before.digests.get(name) == now[name]]
        whole = len(still) == len(filled)
        if not whole:
            self._in_a_row = 0
            still = [name for name in still if name not in self._named]
        if not still:
            return ""
        moving_ones = moving()
        still = [name for name in still if name in moving_ones]
        if not still:
            self._in_a_row = 0
            return ""
        if not whole:
            self._named.update(still)
            return (
                f"{', '.join(still)} stood still from step {before.step} to step {step} under a "
                f"gradient that should move {_it(still)}: frozen, or rebound?"
            )
        self._in_a_row += 1
        said = (
            f"no parameter has moved from step {before.step} to step {step}, under a gradient that "
            "should move them"
        )
        if self._in_a_row > 1 and not self._told:
            self._told = True
            self.warning = f"{said}: {REMEDY}"
        return f"{said}: {REMEDY}"


REMEDY = (
    "the loop seems to rebind its arrays (theta = theta - ...), and the checks look at those that "
    "it left behind. Pass them to the hook, on_step_end(step, batch=..., parameters=theta), or to "
    "the callback as a function, parameters=lambda: theta. A network that is frozen, or waits its "
    "turn, looks the same"
)


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _digests(arrays: Mapping[str, Array]) -> dict[str, bytes]:
    return {
        name: hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
        for name, array in arrays.items()
    }
