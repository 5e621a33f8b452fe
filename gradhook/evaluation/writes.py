"""Writes of the user's functions to what they are handed: seen once at each new point, and undone.

Fingerprints before and after every call would read every parameter twice more.  So at each new
point, where other code may run, one call of each kind is watched; once a write has been seen,
copies are made before every call and written back after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from gradhook._types import Batch, Blocks
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.arrays import fingerprint
from gradhook.guard.guard import Guard

__all__ = ["Before", "Kind", "Writes"]

Kind: TypeAlias = Literal["loss", "gradients"]
"""Kinds of calls."""


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """How things stood before a call.

    Args:
        marks: Fingerprints of the parameters, where this call is watched.
        copies: Copies of the parameters, where writes are known and will be undone.
    """

    marks: dict[str, object] | None
    copies: Blocks | None


class Writes:
    """Watches calls for writes to their arguments.

    Args:
        workspace: The arrays that the functions read.
        guard: Knows how the batch was.

    Attributes:
        parameters: Blocks that a call was seen to write to, in the user's order.
        batch: Whether a call was seen to write to the batch.
        undo: Whether what a call writes to its parameters is undone after every one.
    """

    def __init__(self, workspace: Workspace, guard: Guard) -> None:
        self.parameters: list[str] = []
        self.batch = False
        self.undo = False
        self._workspace = workspace
        self._guard = guard
        self.watch()

    def watch(self) -> None:
        """Watch the next call of each kind."""
        self._unwatched: set[Kind] = {"loss", "gradients"}

    def before(self, kind: Kind) -> Before:
        """See how things stand before a call."""
        marks: dict[str, object] | None = None
        if kind in self._unwatched and not self._workspace.displaced:
            self._unwatched.discard(kind)
            marks = {name: fingerprint(a) for name, a in self._workspace.arrays.items()}
        return Before(marks, self._workspace.copies() if self.undo else None)

    def after(self, before: Before, container: Any, batch: Batch) -> None:
        """See what the call wrote to, and undo it.

        Args:
            before: How things stood before it.
            container: The parameters as the call was handed them.
            batch: The rows.
        """
        if before.marks is not None:
            self._see(before.marks, container, batch)
        if before.copies is not None:
            self._workspace.overwrite(before.copies)

    def note(self, names: Iterable[str]) -> None:
        """Take up blocks that were written to."""
        known = {*self.parameters, *names}
        self.undo = bool(known)
        self.parameters = [name for name in self._workspace.names if name in known]

    def _see(self, marks: dict[str, object], container: Any, batch: Batch) -> None:
        workspace = self._workspace
        wrote = {n for n, a in workspace.arrays.items() if fingerprint(a) != marks[n]}
        with contextlib.suppress(Exception):  # the container may be past reading
            wrote |= workspace.replaced(container)
        for name in wrote:
            workspace.write(name)
        self.note(wrote)
        for item in batch:
            record = self._guard.record_of(item) if isinstance(item, np.ndarray) else None
            self.batch = self.batch or (record is not None and record.changed())
