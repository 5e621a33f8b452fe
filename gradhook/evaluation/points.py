"""Where to check, and how finely: the current point, a generic one at which bugs show, in float64.

Many wrong gradients are right at a usual start: with zero biases and W = 0.01 * randn every
activation works in its linear part, scale parameters are 1 and shifts 0, so a forgotten factor
multiplies by one.  The *generic point* draws zero blocks anew, spreads constant ones, and brings
small weights up to the size at which activations bend.  A *nearby point* is a step off every tie
that the current point may sit on.

A mapping that holds float32 arrays can hold float64 ones for a while, and the check then resolves
far more.  That helps only an objective that reads the mapping: layers that keep references to the
old arrays would see nothing move, and a penalty that reads the mapping beside them would see half.
So every block is moved alone, through its old array and through the new one: both must change the
loss by the same, and by more than the rounding of the old one.  A block that moves the loss through
neither, as a bias before a normalisation, is no evidence; one at least must be.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from gradhook._types import Array
from gradhook.evaluation.directions import TABLE, Move, seeded
from gradhook.evaluation.evaluator import Evaluator
from gradhook.objective.parameters import rms

ZERO_BLOCK_SCALE = 0.3
"""Standard deviation drawn for a zero block with fewer than two axes (a bias)."""

NEAR, CONSTANT = 0.1, 0.5
"""How far a block moves, in units of its size, and one of equal entries."""

UPCAST_DISTANCE = 0.1
"""Distance by which a block is moved, in units of its scale or of a usual, larger one."""

MAY_DIFFER = 1e-2
"""Share of the loss's change by which both may differ ..."""

COARSE_ROUNDING = 1e2 * float(np.finfo(np.float32).eps)
"""... beyond this share of the loss, for the rounding of the coarse one."""

_UNIT = (np.arange(256) + 0.5) / 256
_NORMAL: Array = np.array([statistics.NormalDist().inv_cdf(float(u)) for u in _UNIT])


def typical_scale(shape: tuple[int, ...]) -> float:
    """``1/√fan_in`` for two or more axes, else 0.3.

    Which axis is the input differs between libraries, so ``fan_in`` is the size over the shorter of
    the outer axes.
    """
    if len(shape) < 2 or 0 in shape:
        return ZERO_BLOCK_SCALE
    return 1 / math.sqrt(math.prod(shape) / min(shape[0], shape[-1]))


def scale_of(array: Array) -> float:
    """The root mean square of a block, or what is typical for its shape where that is zero."""
    return rms(array) or typical_scale(array.shape)


def generic(
    arrays: Mapping[str, Array],
    *,
    fixed: Collection[str],
    seed: int,
    spread: float = NEAR,
    flat: Collection[str] = (),
) -> dict[str, Move]:
    """Displacements to the generic point.

    Of ``flat`` blocks no derivative is seen at their own size.

    Returns:
        One ``Move`` per block that is displaced.  Zero blocks are drawn from N(0, σ²), ``σ =
        typical_scale``; other constant blocks are multiplied entry by entry by 1 + U(-1/2, 1/2),
        the rest by 1 + U(-spread, spread); blocks of two or more axes, and flat ones, with an RMS
        below σ/3 are brought up to σ.  Where some entries are zero, a factor would leave them on
        whatever tie they sit, so the block gets N(0, τ²) added, ``τ = RMS·spread``, or σ if it was
        small; no entry of a block without negative ones becomes negative.
    """
    return {
        name: _generic_move(array, seeded(seed, 1, index), spread, array.ndim >= 2 or name in flat)
        for index, (name, array) in enumerate(arrays.items())
        if array.size and name not in fixed
    }


def nearby(
    arrays: Mapping[str, Array], *, distance: float, fixed: Collection[str], seed: int
) -> dict[str, Move]:
    """Displacements by ``distance`` times each block's scale, entry by entry, off every tie."""
    return {
        name: Move(TABLE * (distance * scale_of(array)), "add", seeded(seed, 2, index))
        for index, (name, array) in enumerate(arrays.items())
        if array.size and name not in fixed
    }


def shrunk(moves: Mapping[str, Move], factor: float) -> dict[str, Move]:
    """The same displacements, ``factor`` times as long; the other way where that is negative."""
    return {
        name: replace(
            move,
            table=1 + (move.table - 1) * factor if move.how == "multiply" else move.table * factor,
        )
        for name, move in moves.items()
    }


def _generic_move(array: Array, seed: int, spread: float, rises: bool) -> Move:
    scale = rms(array)
    typical = typical_scale(array.shape)
    small = rises and scale < typical / 3
    if scale == 0.0:
        return Move(_NORMAL * typical, "add", seed)
    if not array.all():
        deviation = typical if small else spread * scale
        drawn = np.abs(_NORMAL) if not (array < 0).any() else _NORMAL
        return Move(drawn * deviation, "add", seed)
    constant = bool((array == array.flat[0]).all())
    table = 1 + 2 * (CONSTANT if constant else spread) * (_UNIT - 0.5)
    if small:
        table = table * (typical / scale)
    return Move(table, "multiply", seed, drawn=constant)


def upcast_in_place(evaluator: Evaluator) -> None:
    """Work in float64 arrays where the objective's own are coarser and it reads what replaces them.

    The evaluator is at the current point before and after.
    """
    workspace = evaluator.workspace
    if workspace.is_float64:
        return
    coarse = {n: a for n, a in workspace.arrays.items() if a.dtype.itemsize < 8 and a.size}
    seed = seeded(0, 2, 0)
    moves = {
        name: Move(TABLE * UPCAST_DISTANCE * max(rms(a), typical_scale(a.shape)), "add", seed)
        for name, a in coarse.items()
    }
    before = _losses(evaluator, moves)
    if before is None or not workspace.upcast():
        return
    after = _losses(evaluator, moves)
    read = set() if after is None else {_is_read(name, before, after) for name in coarse}
    # It must take finer values than float32 has, too.
    if after is None or read - {None} != {True} or after[""] == float(np.float32(after[""])):
        workspace.downcast()


def _losses(evaluator: Evaluator, moves: Mapping[str, Move]) -> dict[str, float] | None:
    """The loss where the user stands, under ``""``, and with each block moved alone.

    ``None`` where it cannot be had: outside the domain, or for a dtype that the code does not
    expect.
    """
    with evaluator.aside(), contextlib.suppress(Exception):
        losses = {"": evaluator.loss()}
        for name, move in moves.items():
            evaluator.workspace.move({name: move})
            losses[name] = evaluator.loss()
        return losses
    return None


def _is_read(name: str, before: dict[str, float], after: dict[str, float]) -> bool | None:
    """Whether the loss moves with the new array as with the old one; ``None`` if with neither."""
    coarse, fine = (losses[name] - losses[""] for losses in (before, after))
    rounding = COARSE_ROUNDING * max(abs(after[""]), abs(after[name]))
    if abs(coarse) <= rounding and abs(fine) <= rounding:
        return None
    return rounding < abs(fine) and abs(fine - coarse) <= MAY_DIFFER * abs(fine) + rounding
