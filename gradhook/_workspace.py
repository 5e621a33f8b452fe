"""The arrays that the objective reads during a check, and the only module that writes to them.

A ``Workspace`` holds float64 copies for a functional objective, the user's own arrays for an
in-place one.  It never undoes a step by subtracting it.  Every write starts from saved bytes:
``x + h * v`` is computed from the source array each time, so coming back to ``x`` is a copy and
exact.  Writes go in chunks that stay in the processor's cache, and a point other than the current
one is made again from its seed, so that a check of ten million weights holds no second model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradhook._directions import CHUNK, Direction, Element, Move, Part, Spread
from gradhook._parameters import Tree, float64_copy, rms
from gradhook._state import same_bytes
from gradhook._ties import overlaps_itself
from gradhook._types import Array, Blocks
from gradhook.errors import ParameterError, RestoreError

__all__ = ["Workspace"]


class Workspace:
    """The arrays that the objective reads during a check, and the only writer to them.

    Args:
        tree: The user's parameters.
        in_place: Whether to work in the user's own arrays.

    Raises:
        ParameterError: In place: an array is not a writable ``numpy.ndarray``, or overlaps itself or
            others in a way that no view spans.
    """

    def __init__(self, tree: Tree, *, in_place: bool) -> None:
        self.tree = tree
        self.in_place = in_place
        if in_place:
            _refuse_unwritable(tree)
            self._live: Blocks = dict(tree.blocks)
            self._sources: Blocks = {n: np.array(a, copy=True) for n, a in self._live.items()}
            self.arrays: Blocks = dict(self._live)
        else:
            self._live = {}
            self._sources = {name: np.asarray(leaf) for name, leaf in tree.blocks.items()}
            self.arrays = {name: float64_copy(leaf) for name, leaf in tree.blocks.items()}
        # In place: what the containers are to hold.
        self._held: dict[str, Any] = dict(tree.leaves)
        self.moves: Mapping[str, Move] = {}

    @property
    def names(self) -> list[str]:
        """Block names in the user's order."""
        return list(self.arrays)

    @property
    def is_float64(self) -> bool:
        """Whether every working array is float64 (or finer)."""
        return all(a.dtype.itemsize >= 8 for a in self.arrays.values())

    def container(self) -> Any:
        """The parameters as the objective's functions take them: the user's container, or one like it of copies."""
        return self.tree.root if self.in_place else self.tree.rebuild(self.arrays)

    def leaves(self) -> Blocks:
        """The working arrays by the names in the container, of which several may be one block."""
        return self.tree.spread(self.arrays)

    def install(self) -> None:
        """Make the user's containers hold the working arrays again, should the user's code have replaced them."""
        if not self.in_place:
            return
        for name, place in self.tree.places.items():
            if place.container is not None and place.container[place.key] is not self._held[name]:
                place.container[place.key] = self._held[name]

    def upcast(self) -> bool:
        """In place: let the containers hold float64 arrays instead of coarser ones; ``False`` if they cannot."""
        coarse = [name for name, array in self._live.items() if array.dtype.itemsize < 8]
        leaves = [name for name in self.tree.leaves if self.tree.block_of(name) in coarse]
        if (
            not coarse
            or any(tie.positions and tie.block in coarse for tie in self.tree.ties)
            or any(not isinstance(self.tree.places[n].container, (dict, list)) for n in leaves)
        ):
            return False
        for name in coarse:
            self.arrays[name] = float64_copy(self._sources[name])
        self._held.update({name: self.arrays[self.tree.block_of(name)] for name in leaves})
        self.install()
        return True

    def downcast(self) -> None:
        """Undo ``upcast``."""
        self.arrays.update(self._live)
        self._held = dict(self.tree.leaves)
        self.install()

    def move(self, moves: Mapping[str, Move]) -> None:
        """Go to another point; an empty mapping is where the user stands."""
        changed = [n for n in self.names if self.moves.get(n) is not moves.get(n)]
        self.moves = moves
        for name in changed:
            self.write(name)

    def write(self, name: str, direction: Direction | None = None, step: float = 0.0) -> None:
        """Write ``x + step * v`` to one block, from saved bytes; ``x`` itself without a direction."""
        target = self.arrays[name]
        if isinstance(direction, Element):
            index = direction.index
            target.flat[index] = self.entry(name, index) + step
            return
        if isinstance(direction, Part):
            target[direction.box] = self._inside(name, direction) + step * direction.values()
            return
        flat = target.reshape(-1) if target.flags.c_contiguous else None
        if name not in self.moves and direction is None:
            target[...] = self._sources[name]
            return
        for start, base in self.base(name):
            stop = start + base.size
            if isinstance(direction, Spread):
                base += (direction.table * step)[direction.codes[start:stop]]
            if flat is not None:
                flat[start:stop] = base
            else:
                target.flat[start:stop] = base

    def entry(self, name: str, index: int) -> float:
        """One entry of a block at the present point, in the working dtype."""
        value = self._sources[name].flat[index]
        if name in self.moves:
            start = index - index % CHUNK
            value = next(b for s, b in self.base(name) if s == start)[index - start]
        return float(value)

    def _inside(self, name: str, part: Part) -> Array:
        """The block at the present point inside a box, in float64 (or finer); the box's shape."""
        source, move = self._sources[name], self.moves.get(name)
        dtype = source.dtype if source.dtype.itemsize > 8 else np.dtype(np.float64)
        values = source[part.box].astype(dtype)
        if move is not None:
            codes = np.random.Generator(np.random.SFC64(move.seed)).bytes(source.size)
            table = np.frombuffer(codes, dtype=np.uint8).reshape(source.shape)[part.box]
            values = values * move.table[table] if move.how == "multiply" else values + move.table[table]
        return values

    def values(self, name: str) -> Array:
        """A copy of one block at the present point; the block's shape."""
        return np.concatenate([b.copy() for _, b in self.base(name)] or [np.empty(0)]).reshape(
            self.arrays[name].shape
        )

    def scale(self, name: str) -> float:
        """RMS of one block as it stands in the working array."""
        return rms(self.arrays[name])

    def untouched(self, name: str) -> bool:
        """Whether a block holds the present point to the bit."""
        if name not in self.moves and self.arrays[name].dtype == self._sources[name].dtype:
            return same_bytes(self.arrays[name], self._sources[name])
        flat = self.arrays[name].ravel()
        return all(
            same_bytes(flat[s : s + b.size], b.astype(flat.dtype)) for s, b in self.base(name)
        )

    def copies(self) -> Blocks:
        """Copies of the working arrays as they stand, for ``overwrite``."""
        return {name: array.copy() for name, array in self.arrays.items()}

    def overwrite(self, saved: Blocks) -> None:
        """Write back what ``copies`` gave."""
        for name, array in saved.items():
            self.arrays[name][...] = array

    def restore(self) -> None:
        """Put the user's arrays and containers back to the bit; does nothing for copies.

        Raises:
            RestoreError: An array could not be put back.
        """
        self.moves = {}
        if not self.in_place:
            return
        self.downcast()
        for name, array in self._live.items():
            if not same_bytes(array, self._sources[name]):
                array[...] = self._sources[name]
            if not same_bytes(array, self._sources[name]):
                raise RestoreError(
                    f"parameter {name!r} could not be put back to what it was before the check"
                )

    def base(self, name: str) -> Iterator[tuple[int, Array]]:
        """The block at the present point, chunk by chunk, in a float64 scratch (or finer) that may be overwritten."""
        source = self._sources[name]
        flat = source.reshape(-1)  # a view where the source is contiguous, else one copy
        dtype = source.dtype if source.dtype.itemsize > 8 else np.dtype(np.float64)
        move = self.moves.get(name)
        codes = np.random.Generator(np.random.SFC64(move.seed)) if move else None
        for start in range(0, flat.size, CHUNK):
            base = flat[start : start + CHUNK].astype(dtype)
            if move is not None and codes is not None:
                table = move.table[np.frombuffer(codes.bytes(base.size), dtype=np.uint8)]
                if move.how == "multiply":
                    base *= table
                else:
                    base += table
            yield start, base


def _refuse_unwritable(tree: Tree) -> None:
    for name, leaf in tree.leaves.items():
        if not isinstance(leaf, np.ndarray):
            raise ParameterError(
                f"parameter {name!r} is a {type(leaf).__name__}, which cannot be written in "
                "place; use a numpy array, or "
                "a function that takes the parameters as its first argument"
            )
        if not leaf.flags.writeable:
            raise ParameterError(
                f"parameter {name!r} is read-only and the objective reads it in place; make it "
                "writable, or use a "
                "function that takes the parameters as its first argument"
            )
        if overlaps_itself(leaf):
            raise ParameterError(
                f"parameter {name!r} overlaps itself (strides {leaf.strides}), so that no entry can "
                "be moved alone; give the array that it is a view of"
            )
    for tie in tree.ties:
        if not tie.movable:
            raise ParameterError(
                f"parameters {' and '.join(map(repr, tie.names))} overlap in a pattern that no "
                "view spans; give the array that holds them all"
            )
