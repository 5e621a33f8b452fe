"""The arrays that the objective reads, and lines through them; the only writer to parameters.

A ``Workspace`` holds float64 copies for a functional objective, the user's own arrays for an
in-place one.  It never undoes a step by subtracting it.  Every write starts from saved bytes:
``x + h * v`` is computed from the source array each time, so coming back to ``x`` is a copy and
exact.

Memory is what a write costs, so nothing of a block's size is ever made, and a check of ten million
weights holds no second model: the numbers that random bytes stand for come from their streams,
which stay in the processor's cache, and products and sums go straight into the array, chunk by
chunk.  The result depends on the saved numbers, the move, the direction and the step alone, never
on what the array held before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.errors import OptionError, RestoreError
from gradhook.evaluation.containers import Holders, refuse_unwritable
from gradhook.evaluation.directions import (
    CHUNK,
    Coordinate,
    Direction,
    Move,
    Part,
    RandomDirection,
    codes_inside,
)
from gradhook.guard.objects import SavedArray
from gradhook.objective.parameters import Tree, float64_copy


class Workspace:
    """The arrays that the objective reads, the user's own or copies; all that writes to them."""

    def __init__(self, tree: Tree, *, in_place: bool) -> None:
        self.tree = tree
        self.in_place = in_place
        if in_place:
            refuse_unwritable(tree)
            self._live: Blocks = dict(tree.blocks)
            self._saved = {name: SavedArray(array) for name, array in self._live.items()}
            self._sources: Blocks = {name: record.state for name, record in self._saved.items()}
            self.arrays: Blocks = dict(self._live)
        else:
            self._live = {}
            self._sources = {name: np.asarray(leaf) for name, leaf in tree.blocks.items()}
            self.arrays = {name: float64_copy(leaf) for name, leaf in tree.blocks.items()}
        self._holders = Holders(tree) if in_place else None
        self._displaced: set[str] = set()
        # Block, place and move of the chunk that ``entry`` read last, and its numbers.
        self._chunk: tuple[str, int, Move, Array] | None = None
        self.moves: Mapping[str, Move] = {}

    @property
    def names(self) -> list[str]:
        """Block names in the user's order."""
        return list(self.arrays)

    @property
    def is_float64(self) -> bool:
        """Whether every working array is float64 (or finer)."""
        return all(a.dtype.itemsize >= 8 for a in self.arrays.values())

    @property
    def displaced(self) -> tuple[str, ...]:
        """Blocks that stand away from the present point, as a step along a direction."""
        return tuple(name for name in self.names if name in self._displaced)

    def container(self) -> Any:
        """The parameters as the functions take them: the user's container, or one of copies."""
        return self.tree.root if self.in_place else self.tree.rebuild(self.arrays)

    def install(self) -> None:
        """Make good what the user's code replaced: arrays in containers, shapes of arrays."""
        self.reshape()
        if self._holders is not None:
            self._holders.install()

    def reshape(self) -> list[str]:
        """Make good the shapes of arrays alone; returns the names of those that differed."""
        bent = [n for n, array in self.arrays.items() if array.shape != self._sources[n].shape]
        for name in self.names:
            self._mend(name)
        return bent

    def replaced(self, container: Any) -> set[str]:
        """Blocks in whose place a container handed out holds another array now, or none."""
        if self._holders is not None:
            return {self.tree.block_of(name) for name in self._holders.replaced()}
        now, arrays = self.tree.like(container), self.tree.spread(self.arrays)
        if self.tree.parts is not None:  # its blocks were copied together, so bytes are compared
            return {n for n, a in arrays.items() if not np.array_equal(a, now[n], equal_nan=True)}
        parts = {name for tie in self.tree.ties if tie.positions for name in tie.names}
        return {
            self.tree.block_of(name)
            for name, array in arrays.items()
            if name not in parts and now.get(name) is not array
        }

    def upcast(self) -> bool:
        """In place: let containers hold float64 arrays instead; ``False`` if they cannot."""
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
        self._hold()
        return True

    def downcast(self) -> None:
        """Undo ``upcast``."""
        self.arrays.update(self._live)
        if self._holders is not None:
            self._holders.hold(self.tree.leaves)

    def move(self, moves: Mapping[str, Move]) -> None:
        """Go to another point; an empty mapping is where the user stands."""
        changed = [n for n in self.names if self.moves.get(n) is not moves.get(n)]
        self.moves = moves
        for name in changed:
            self.write(name)

    def renew(self) -> None:
        """Let copies be other arrays from now on, as in a loop that rebinds its own."""
        for name in () if self.in_place else self.names:
            self.arrays[name] = np.empty_like(self.arrays[name])
            self.write(name)

    def write(self, name: str, direction: Direction | None = None, step: float = 0.0) -> None:
        """Write ``x + step * v`` to one block, from saved bytes; ``x`` without direction or step.

        A direction that is zero somewhere leaves the block there as it is.
        """
        self._mend(name)
        target, source, move = self.arrays[name], self._sources[name], self.moves.get(name)
        (self._displaced.add if direction and step else self._displaced.discard)(name)
        if isinstance(direction, Coordinate):
            index = direction.index
            target.flat[index] = self.entry(name, index) + step
            return
        if isinstance(direction, Part):
            base = source[direction.box].astype(_working(source))
            if move is not None:
                stream = move.stream(source.size)
                numbers = move.table[codes_inside(stream, source.shape, direction.box)]
                base = base * numbers if move.how == "multiply" else base + numbers
                base *= move.factor
            target[direction.box] = base + step * direction.values()
            return
        along = direction if step else None  # Adding 0 would take the sign off a negative zero.
        displace(target, source, move, along, step)

    def entry(self, name: str, index: int) -> float:
        """One entry of a block at the present point, in the working dtype."""
        move = self.moves.get(name)
        if move is None:
            return float(self._sources[name].flat[index])
        start = index - index % CHUNK
        # Element by element the same chunk is asked for again and again.
        if self._chunk is None or self._chunk[:2] != (name, start) or self._chunk[2] is not move:
            chunks = _base_chunks(self._sources[name], move, first=start // CHUNK)
            self._chunk = (name, start, move, next(chunks)[1])
        return float(self._chunk[3][index - start])

    def values(self, name: str) -> Array:
        """A copy of one block at the present point; the block's shape."""
        source = self._sources[name]
        values = np.empty(source.shape, _working(source))
        displace(values, source, self.moves.get(name), None, 0.0)
        return values

    def altered(self, name: str) -> bool:
        """Whether a block holds other numbers than ``write`` puts there for the present point."""
        array = self.arrays[name]
        if array.shape != self._sources[name].shape:
            return True
        for start, base in self.base(name):
            there = _flat_chunk(array, start, start + base.size)
            due = base.astype(there.dtype, copy=False)
            if not (np.array_equal(there, due) or np.array_equal(there, due, equal_nan=True)):
                return True
        return False

    def overwrite(self, values: Blocks) -> None:
        """Let blocks hold other values, away from the present point, until they are written."""
        for name, array in values.items():
            self._mend(name)
            self.arrays[name][...] = array
        self._displaced |= values.keys()

    def restore(self) -> None:
        """Put the user's arrays and containers back to the bit; does nothing for copies.

        Raises:
            RestoreError: An array could not be put back; all others have been.
        """
        self.moves = {}
        self._displaced.clear()
        if not self.in_place:
            return
        wrong = []
        try:
            self.downcast()
        except Exception as error:  # the arrays must still be put back
            wrong.append(f"the container of the parameters ({type(error).__name__}: {error})")
        for name, record in self._saved.items():
            try:
                record.restore()
                problem = "its bytes differ" if record.changed() else ""
            except Exception as error:  # so must the other arrays
                problem = f"{type(error).__name__}: {error}"
            if problem:
                wrong.append(f"parameter {name!r} ({problem})")
        if wrong:
            raise RestoreError(
                f"the check could not put back {'; '.join(wrong)}: go on from a checkpoint"
            )

    def base(self, name: str) -> Iterator[tuple[int, Array]]:
        """The block at the present point, in chunks of float64 (or finer) to be overwritten."""
        return _base_chunks(self._sources[name], self.moves.get(name))

    def _hold(self) -> None:
        """In place: let the containers hold the working arrays."""
        if self._holders is not None:
            held = {}
            for name, leaf in self.tree.leaves.items():
                block = self.tree.block_of(name)
                array = self.arrays[block]
                held[name] = leaf if array is self._live[block] else array
            self._holders.hold(held)

    def _mend(self, name: str) -> None:
        """Make good what the user's code has resized or made read-only, at the present point."""
        array, source = self.arrays[name], self._sources[name]
        if array.shape == source.shape and array.flags.writeable:
            return
        if array is self._live.get(name):
            self._saved[name].restore()
        elif array.shape == source.shape:
            array.flags.writeable = True
        else:
            self.arrays[name] = float64_copy(source)
            self._hold()
        displace(self.arrays[name], source, self.moves.get(name), None, 0.0)


class Line:
    """``phi(t) = f(x + t * v)``: the loss as a function of one number.

    The numerical half of the package sees nothing else.  Used as a context manager, which writes
    ``x`` back at the end.  An exception of the user's code away from ``x`` means that the point
    lies outside the loss's domain; the line is NaN there.
    """

    def __init__(
        self,
        workspace: Workspace,
        parts: Sequence[tuple[str, Direction, float]],  # block, direction, length of a unit of t
        loss: Callable[[], float],
        complex_loss: Callable[[Any], complex] | None = None,  # of complex parameters
    ) -> None:
        self._workspace = workspace
        self._parts = parts
        self._loss = loss
        self._complex_loss = complex_loss

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        for name, direction, _ in self._parts:
            self._workspace.write(name, direction)

    def __call__(self, t: Any) -> Any:
        """Return the loss at ``t``."""
        if isinstance(t, complex):
            return self._at_complex(t)
        for name, direction, unit in self._parts:
            self._workspace.write(name, direction, t * unit)
        try:
            return self._loss()
        except Exception:  # the user's domain ends here
            return math.nan

    def slope_taken(self, gradients: Blocks, h: float) -> float:
        """``⟨a, x₊ - x₋⟩ / 2h`` for the steps really taken, which a coarse dtype rounds."""
        total = 0.0
        for name, direction, unit in self._parts:
            for sign in (1.0, -1.0):
                self._workspace.write(name, direction, sign * h * unit)
                moved = self._workspace.arrays[name]
                flat = gradients[name].reshape(-1)
                for start, base in self._workspace.base(name):
                    stop = start + base.size
                    np.subtract(_flat_chunk(moved, start, stop), base, out=base)
                    total += sign * float(np.dot(flat[start:stop], base))
        return total / (2 * h)

    def _at_complex(self, t: complex) -> complex:
        if self._complex_loss is None:
            raise OptionError(
                "ComplexStep needs a functional objective: the arrays that a model holds are real "
                "and cannot be written"
            )
        arrays: dict[str, Any] = dict(self._workspace.arrays)
        for name, direction, unit in self._parts:
            values = self._workspace.values(name).astype(complex)
            if isinstance(direction, Coordinate):
                values.flat[direction.index] += t * unit
            elif isinstance(direction, Part):
                values[direction.box] += t * unit * direction.values()
            else:
                values += t * unit * direction.table[direction.codes].reshape(values.shape)
            arrays[name] = values
        return self._complex_loss(self._workspace.tree.rebuild(arrays))


def displace(
    target: Array, source: Array, move: Move | None, spread: RandomDirection | None, step: float
) -> None:
    """Write the moved source, plus ``step * spread``, into the target, an array of its shape."""
    if move is None and spread is None:
        target[...] = source
        return
    straight = target.flags.c_contiguous and target.dtype == _working(source)
    flat = target.reshape(-1) if straight else None
    along = itertools.repeat(None) if spread is None else spread.numbers(step)
    for (start, base), numbers in zip(_base_chunks(source, move, flat), along, strict=False):
        if numbers is not None:
            base += numbers
        if flat is None:
            into = target.reshape(-1) if target.flags.c_contiguous else target.flat
            into[start : start + base.size] = base


def _base_chunks(
    source: Array, move: Move | None, into: Array | None = None, *, first: int = 0
) -> Iterator[tuple[int, Array]]:
    """The moved source from its chunk ``first`` on, each with the place where it begins.

    Chunks are parts of ``into``, a flat array of the working dtype; without one they lie in a
    scratch, which holds each until the next is asked for and may be written to.
    """
    working = _working(source)
    scratch = np.empty(min(CHUNK, source.size), dtype=working) if into is None else into
    drawn: Iterator[Array | None] = itertools.repeat(None)
    if move is not None:
        drawn = move.stream(source.size).numbers(move.table, first)
    for start, numbers in zip(range(first * CHUNK, source.size, CHUNK), drawn, strict=False):
        size = min(CHUNK, source.size - start)
        base = scratch[:size] if into is None else into[start : start + size]
        values = _flat_chunk(source, start, start + size)
        if move is None or numbers is None:
            base[...] = values
        else:
            apply = np.multiply if move.how == "multiply" else np.add
            apply(values, numbers, out=base)
            if move.factor != 1.0:
                base *= move.factor
        yield start, base


def _flat_chunk(array: Array, start: int, stop: int) -> Array:
    """Elements ``start`` to ``stop`` in C order; a view where the array's memory allows one."""
    if array.flags.c_contiguous:
        return array.reshape(-1)[start:stop]
    return array.flat[start:stop]


def _working(source: Array) -> np.dtype[np.floating]:
    """Float64, or the source's own dtype where that is finer."""
    return source.dtype if source.dtype.itemsize > 8 else np.dtype(np.float64)
