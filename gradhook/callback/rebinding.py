"""Whether training still moves the arrays that are checked.

``theta = theta - rate * gradient`` makes a new array each time, and whoever was handed the first
one goes on looking at it: it passes for ever.  Blocks that hold the same bytes at two checks, with
steps between and a gradient at the first that should have moved them, were left behind; or they are
frozen, or wait their turn.  What is said of them belongs to the run and stands beside the report,
not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from gradhook.check.guarded import moving_blocks
from gradhook.check.reading import read
from gradhook.errors import RestoreError
from gradhook.objective.batch import as_batch
from gradhook.objective.holders import holds
from gradhook.objective.objective import Objective
from gradhook.options import Options

__all__ = ["Rebinding"]


class Rebinding:
    """Compares the bytes of all blocks from check to check.

    Attributes:
        brought: Whether a hook has brought the parameters since the last look.
        warning: What is to be warned about now; empty for nothing.
        unsaid: The newest that was found and not warned about, with its step.
    """

    def __init__(self) -> None:
        self.brought = False
        self.warning = self.unsaid = ""
        self._batch: Any = None  # of the last look
        self._before: tuple[int, dict[str, bytes]] | None = None  # step and digests
        self._in_a_row = 0
        self._told = False
        self._named: set[str] = set()

    def begin_anew(self) -> None:
        """Compare with no check of an earlier training, which may have begun at the same values."""
        self._before, self.unsaid = None, ""

    def look_at(self, step: int, objective: Objective, options: Options, batch: Any) -> str:
        """Say which blocks training has left behind, as ``look`` does.

        What keeps it from being seen is no reason to end the training.

        Raises:
            RestoreError: Something could not be put back.
        """
        earlier, self._batch = self._batch, batch
        brought, self.brought = self.brought, False
        if holds(objective.parameters):
            return ""  # an object is read anew each time
        try:
            with read(objective, options, as_batch(batch)) as given:
                said = self.look(
                    step,
                    given.tree.blocks,
                    brought=brought,
                    moving=lambda: moving_blocks(objective, options, as_batch(earlier)),
                )
        except RestoreError:
            raise
        except Exception:  # the batch of then may be gone
            return ""
        if said:
            self.unsaid = "" if self.warning else f"step {step}: {said}"
        return said

    def look(
        self,
        step: int,
        blocks: Mapping[str, Any],
        *,
        brought: bool,
        moving: Callable[[], Collection[str]],
    ) -> str:
        """Say which blocks training has left behind; empty if none is seen to be.

        ``brought`` tells whether a hook brought the parameters since the last check.  ``moving``
        gives the blocks that the gradient of the earlier batch should have moved, and is called
        only where one stands still.
        """
        self.warning = ""
        arrays = {name: np.asarray(leaf) for name, leaf in blocks.items()}
        now = {
            name: hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
            for name, array in arrays.items()
        }
        earlier, self._before = self._before, (step, now)
        if earlier is None:
            return ""
        if brought or step <= earlier[0]:
            self._in_a_row = 0
            return ""
        since, before = earlier
        filled = [name for name, array in arrays.items() if array.size]
        still = [name for name in filled if before.get(name) == now[name]]
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
            it = "it" if len(still) == 1 else "them"
            return (
                f"{', '.join(still)} stood still from step {since} to step {step} under a "
                f"gradient that should move {it}: frozen, or rebound?"
            )
        self._in_a_row += 1
        said = (
            f"no parameter has moved from step {since} to step {step}, under a gradient that "
            f"should move them: {REMEDY}"
        )
        if self._in_a_row > 1 and not self._told:
            self._told = True
            self.warning = said
        return said


REMEDY = (
    "the loop seems to rebind its arrays (theta = theta - ...), and the checks look at those that "
    "it left behind. Pass them to the hook, on_step_end(step, batch=..., parameters=theta), or to "
    "the callback as a function, parameters=lambda: theta. A network that is frozen, or waits its "
    "turn, looks the same"
)
