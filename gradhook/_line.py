"""The only module that perturbs parameters.

A ``Workspace`` holds the arrays that the objective reads during a check: float64 copies for a functional objective, the
user's own arrays for an in-place one.  It never undoes a step by subtracting it.  Every write starts from saved bytes:
``x + h * v`` is computed from the source array each time, so coming back to ``x`` is a copy and exact.

A point other than the current one, and a direction, are streams of random bytes seen through a table of 256 numbers.
Both can be made again from their seed, so a check of ten million weights stores one byte per weight of one block and no
second model.  Writes go in chunks that stay in the processor's cache.

A ``Line`` restricts the loss to ``phi(t) = f(x + t * v)``; the numerical half of the package sees nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import numpy as np

from gradhook._parameters import Tree, float64_copy, rms
from gradhook._state import same_bytes
from gradhook._types import Array, Blocks
from gradhook.errors import OptionError, ParameterError, RestoreError

__all__ = ["Direction", "Element", "Line", "Move", "Spread", "Workspace"]

CHUNK = 1 << 15
"""Elements written at a time: 256 kB of float64, which stays in a second-level cache."""


@dataclass(frozen=True, slots=True)
class Move:
    """How one block is displaced from where the user stands: each entry by a table entry that a random byte picks.

    Args:
        table: 256 numbers; shape (256,).
        how: ``"multiply"`` each entry by its number, or ``"add"`` it.
        seed: Seed of the byte stream.
    """

    table: Array
    how: Literal["multiply", "add"]
    seed: int


@dataclass(frozen=True, slots=True)
class Element:
    """The direction of one coordinate.

    Args:
        index: Position in the block's C-ordered flat view.
    """

    index: int

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``."""
        return float(values.flat[self.index])


@dataclass(frozen=True, slots=True)
class Spread:
    """A direction over a whole block: one byte per element, looked up in a table.

    Args:
        codes: Bytes in C order; shape (block size,).
        table: What each byte stands for; shape (256,).
    """

    codes: Array
    table: Array

    def dot(self, values: Array) -> float:
        """``⟨values, v⟩``, summed chunk by chunk."""
        flat = values.reshape(-1)
        total = 0.0
        for start in range(0, flat.size, CHUNK):
            part = self.table[self.codes[start : start + CHUNK]]
            total += float(np.dot(flat[start : start + CHUNK], part))
        return total


Direction = Element | Spread


class Workspace:
    """The arrays that the objective reads during a check, and the only writer to them.

    Args:
        tree: The user's parameters.
        in_place: Whether to work in the user's own arrays.

    Raises:
        ParameterError: In place: an array is not a writable ``numpy.ndarray``, or two blocks share memory.
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

    def install(self) -> None:
        """Make the user's containers hold the working arrays again, should the user's code have replaced them."""
        if not self.in_place:
            return
        for name, place in self.tree.places.items():
            if place.container is not None and place.container[place.key] is not self.arrays[name]:
                place.container[place.key] = self.arrays[name]

    def upcast(self) -> bool:
        """In place: let the containers hold float64 arrays instead of coarser ones; ``False`` if they cannot."""
        coarse = [name for name, array in self._live.items() if array.dtype.itemsize < 8]
        if not coarse or any(not isinstance(self.tree.places[n].container, (dict, list)) for n in coarse):
            return False
        for name in coarse:
            self.arrays[name] = float64_copy(self._sources[name])
        self.install()
        return True

    def downcast(self) -> None:
        """Undo ``upcast``."""
        self.arrays.update(self._live)
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
        flat = target.reshape(-1) if target.flags.c_contiguous else None
        if name not in self.moves and direction is None:
            target[...] = self._sources[name]
            return
        for start, base in self._base(name):
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
            value = next(b for s, b in self._base(name) if s == start)[index - start]
        return float(value)

    def values(self, name: str) -> Array:
        """A copy of one block at the present point; the block's shape."""
        return np.concatenate([b.copy() for _, b in self._base(name)] or [np.empty(0)]).reshape(
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
            same_bytes(flat[s : s + b.size], b.astype(flat.dtype)) for s, b in self._base(name)
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
                raise RestoreError(f"parameter {name!r} could not be put back to what it was before the check")

    def line(
        self,
        parts: Sequence[tuple[str, Direction, float]],
        loss: Callable[[], float],
        complex_loss: Callable[[Any], complex] | None = None,
    ) -> Line:
        """The loss along a direction: ``parts`` are (block, direction, length of one unit of ``t``)."""
        return Line(self, parts, loss, complex_loss)

    def _base(self, name: str) -> Iterator[tuple[int, Array]]:
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


class Line:
    """``phi(t) = f(x + t * v)``: the loss as a function of one number.

    Used as a context manager, which writes ``x`` back at the end.  An exception of the user's code away from ``x`` means
    that the point lies outside the loss's domain; the line is NaN there and ``failure`` keeps the exception.
    """

    def __init__(
        self,
        workspace: Workspace,
        parts: Sequence[tuple[str, Direction, float]],
        loss: Callable[[], float],
        complex_loss: Callable[[Any], complex] | None,
    ) -> None:
        self._workspace = workspace
        self._parts = parts
        self._loss = loss
        self._complex_loss = complex_loss
        self.failure: Exception | None = None

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, direction, _ in self._parts:
            self._workspace.write(name, direction if isinstance(direction, Element) else None)

    def __call__(self, t: Any) -> Any:
        if isinstance(t, complex):
            return self._at_complex(t)
        for name, direction, unit in self._parts:
            self._workspace.write(name, direction, t * unit)
        try:
            return self._loss()
        except Exception as error:  # the user's domain ends here
            self.failure = error
            return math.nan

    def slope_taken(self, gradients: Blocks, h: float) -> float:
        """``⟨a, x₊ - x₋⟩ / 2h`` for the steps really taken, which a coarse dtype rounds."""
        total = 0.0
        for name, direction, unit in self._parts:
            for sign in (1.0, -1.0):
                self._workspace.write(name, direction, sign * h * unit)
                moved = self._workspace.arrays[name].ravel()
                flat = gradients[name].reshape(-1)
                for start, base in self._workspace._base(name):
                    part = slice(start, start + base.size)
                    total += sign * float(np.dot(flat[part], moved[part] - base))
        return total / (2 * h)

    def _at_complex(self, t: complex) -> complex:
        if self._complex_loss is None:
            raise OptionError(
                "ComplexStep needs a functional objective: the arrays that a model holds are real and cannot be written"
            )
        arrays: dict[str, Any] = dict(self._workspace.arrays)
        for name, direction, unit in self._parts:
            values = self._workspace.values(name).astype(complex)
            if isinstance(direction, Element):
                values.flat[direction.index] += t * unit
            else:
                values += t * unit * direction.table[direction.codes].reshape(values.shape)
            arrays[name] = values
        return self._complex_loss(self._workspace.tree.rebuild(arrays))


def _refuse_unwritable(tree: Tree) -> None:
    for name, leaf in tree.blocks.items():
        if not isinstance(leaf, np.ndarray):
            raise ParameterError(
                f"parameter {name!r} is a {type(leaf).__name__}, which cannot be written in place; use a numpy array, or "
                "a function that takes the parameters as its first argument"
            )
        if not leaf.flags.writeable:
            raise ParameterError(
                f"parameter {name!r} is read-only and the objective reads it in place; make it writable, or use a "
                "function that takes the parameters as its first argument"
            )
    names = list(tree.blocks)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if np.may_share_memory(tree.blocks[first], tree.blocks[second]):
                raise ParameterError(
                    f"parameters {first!r} and {second!r} share memory, so neither can be moved alone; "
                    "give the shared array once"
                )
