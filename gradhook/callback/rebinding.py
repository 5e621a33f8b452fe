"""Whether training still moves the arrays that are checked.

``theta = theta - rate * gradient`` makes a new array each time, and whoever was handed the first
one goes on looking at it: it passes for ever.  Blocks that hold the same bytes at two checks, with
steps between and a gradient at the first that should have moved them, were left behind; or they
are frozen, or wait their turn.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from gradhook.check.guarded import moving_blocks
from gradhook.check.reading import read
from gradhook.errors import RestoreError
from gradhook.objective.batch import as_batch
from gradhook.objective.holders import holds
from gradhook.objective.objective import Objective
from gradhook.options import Options

REMEDY = (
    "the loop seems to rebind its arrays (theta = theta - ...), and the checks look at those that "
    "it left behind. Pass them to the hook, on_step_end(step, batch=..., parameters=theta), or to "
    "the callback as a function, parameters=lambda: theta. A network that is frozen, or waits its "
    "turn, looks the same"
)


class Rebinding:
    """Compares the bytes of all blocks from check to check."""

    def __init__(self) -> None:
        self.brought = False  # whether a hook has brought the parameters since the last look
        self._in_a_row = 0
        self._told = False
        self._named: set[str] = set()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Compare with no check of an earlier training, which may have begun at the same values."""
        self._batch: Any = None  # of the last look
        self._before: tuple[int, dict[str, bytes]] = (0, {})  # step and digests
        self.unsaid = ""  # the newest that was found and not warned about, with its step

    def look(
        self, step: int, objective: Objective, options: Options, batch: Any
    ) -> tuple[str, bool]:
        """Say which blocks training has left behind, and whether it is time to warn."""
        earlier, self._batch = self._batch, batch
        brought, self.brought = self.brought, False
        if holds(objective.parameters):
            return "", False  # an object is read anew each time
        since, before = self._before
        try:
            with read(objective, options, as_batch(batch)) as given:
                now = {
                    name: hashlib.blake2b(np.ascontiguousarray(leaf).data, digest_size=16).digest()
                    for name, leaf in given.tree.blocks.items()
                }
                self._before = step, now
                comparable = step > since and not brought
                still = [n for n in now if comparable and before.get(n) == now[n]]
                whole = len(still) == len(now)
                new = [name for name in still if whole or name not in self._named]
                if new:
                    moving = moving_blocks(objective, options, as_batch(earlier))
                    new = [name for name in new if name in moving]
        except RestoreError:
            raise
        except Exception:  # the batch of then may be gone
            return "", False
        if before:
            self._in_a_row = self._in_a_row + 1 if whole and new else 0
        if not new:
            return "", False
        loud = whole and self._in_a_row > 1 and not self._told
        self._told = self._told or loud
        if whole:
            said = (
                f"no parameter has moved from step {since} to step {step}, under a gradient that "
                f"should move them: {REMEDY}"
            )
        else:
            self._named.update(new)
            said = (
                f"{', '.join(new)} stood still from step {since} to step {step} under a gradient "
                f"that should move {'it' if len(new) == 1 else 'them'}: frozen, or rebound?"
            )
        self.unsaid = "" if loud else f"step {step}: {said}"
        return said, loud
