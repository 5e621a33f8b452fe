"""Finding a generic point inside the loss's domain, and whether the loss reads its parameters.

The displacement is divided by 4, at most eight times, while the loss there raises, is not finite,
or explodes; a location far from zero which acts on a scale of its own is displaced by less alone.
On the way falls the connection test: a loss that does not change by a bit when every parameter
moves, or is NaN, although its gradient says that it should, works on something else than what it is
given.  Where the gradient is zero as well the loss is flat, and nothing is wrong.

A network trained to zero loss is judged where its loss has its ordinary size: a softmax that is
sure and right has a gradient of 1e-20, of which nothing can be told, and with all weights smaller
it is unsure again.  One loss at a quarter of the weights says whether the loss is tiny; where it
is, weights go on being divided by 4 until the loss settles at its ordinary size.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradhook._types import Blocks
from gradhook.check.sanity import SanityResult
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.evaluation.points import nearby, scale_of, shrunk
from gradhook.objective.parameters import norm, rms
from gradhook.options import Options
from gradhook.probe.setting import outside_domain

__all__ = [
    "FlatError",
    "GenericPoint",
    "UnreadError",
    "UnusableRowsError",
    "at_ordinary_loss",
    "find_generic",
    "no_longer_read",
    "unread_blocks",
]

GENERIC_ATTEMPTS = 9
"""Points tried: the first, and eight with the displacement divided by 4 each time."""

LENGTHS_TRIED = 11
"""Lengths of one block's displacement that are tried, each an eighth of the one before."""

COUNTS, VANISHED = 1e-6, 1e-3
"""Share of an ordinary gradient at the current point that counts, and what of it is left where the
loss has gone flat."""


FAR_AWAY = (1.0, -1.0, 100.0, -100.0)
"""Distances, in scales of each block, at which a loss that has not moved nearby is asked last."""

READ_ROUNDINGS = 1e3
"""Multiples of a loss's rounding up to which a gradient says nothing of whether it is read."""

FACTOR, MOST_LOSSES = 0.25, 5
"""By what weights are multiplied from one loss to the next, and losses at most."""

TINY_LOSS = 1e6
"""A loss is tiny where the one at smaller weights exceeds it by this factor."""

SETTLED, FEWEST = 10.0, 3
"""Losses have settled where the last of at least so many is less than this multiple of the one
before and more than its inverse of the first."""

ORDINARY = 1e-3
"""Share of the settled loss from which on a loss has its ordinary size."""


class UnreadError(Exception):
    """The loss ignores its parameters; handled by the check, never seen by users."""


class FlatError(Exception):
    """The loss does not move and its gradient is zero; handled by the check."""


class UnusableRowsError(Exception):
    """Nothing can be seen on the rows drawn; handled by the check, never seen by users."""


@dataclass(frozen=True, slots=True)
class GenericPoint:
    """Displacements from the current point, and what the functions give there."""

    moves: dict[str, Move]
    loss: float
    gradients: Blocks


def find_generic(
    evaluator: Evaluator,
    facts: SanityResult,
    first: dict[str, Move],
    options: Options,
    *,
    wanted: bool,
) -> GenericPoint | None:
    """Find a point where ``first`` leads, or nearer; where none is wanted test the connection.

    Raises:
        UnreadError: The loss does not move, although its gradient says that it should.
        FlatError: The loss does not move, and its gradient is zero.
    """
    workspace = evaluator.workspace
    if not first:
        return None
    # At the bottom of a bowl no size of the loss is suspicious.
    limit = 10 * abs(facts.loss) + (_first_order_change(evaluator, facts) or math.inf)
    moved, fallback = False, None
    for attempt in range(GENERIC_ATTEMPTS):
        if attempt == 1:
            first = _in_own_units(evaluator, facts, first, limit)
        moves = shrunk(first, 4.0 ** (1 - attempt)) if attempt > 1 else first
        workspace.move(moves)
        try:
            loss = evaluator.loss()
            moved = moved or loss != facts.loss
            if not moved:
                break
            if outside_domain(loss) or abs(loss) > limit:
                continue
            if not wanted:
                return None
            loss, gradients = evaluator.loss_and_gradients()
            if outside_domain(loss, gradients) and all(map(math.isfinite, facts.norms.values())):
                continue
            if _vanishes(evaluator, facts, gradients):
                fallback = fallback or GenericPoint(moves, loss, gradients)
                continue
            return GenericPoint(moves, loss, gradients)
        except Exception:  # outside the domain; exceptions count where the user stands
            moved = True
    if fallback is not None:
        workspace.move(fallback.moves)
        return fallback
    if not moved:
        _refuse_unmoved(evaluator, facts, options.fixed, options.seed)
    return None


def _in_own_units(
    evaluator: Evaluator, facts: SanityResult, moves: Mapping[str, Move], limit: float
) -> dict[str, Move]:
    """The displacements, shorter for blocks that alone lead where the loss tells nothing."""
    found = dict(moves)
    for name, move in moves.items() if len(moves) > 1 else ():
        for k in range(LENGTHS_TRIED):
            unit = 8.0**-k
            nearer = {name: replace(shrunk({name: move}, unit)[name], unit=unit) if k else move}
            there = _point(evaluator, nearer)
            if (
                there is not None
                and abs(there.loss) <= limit
                and not _vanishes(evaluator, facts, there.gradients)
            ):
                found |= nearer
                break
    return found


def _vanishes(evaluator: Evaluator, facts: SanityResult, gradients: Blocks) -> bool:
    """Whether a gradient that counts at the current point is all but zero here."""
    arrays = evaluator.workspace.arrays
    sizes = {n: rms(arrays[n]) * size for n, size in facts.norms.items()}
    ordinary = max((size for size in sizes.values() if math.isfinite(size)), default=0.0)
    return any(
        size > COUNTS * ordinary and norm(gradients[name]) < VANISHED * facts.norms[name]
        for name, size in sizes.items()
    )


def unread_blocks(
    evaluator: Evaluator, suspects: Sequence[str], facts: SanityResult, *, seed: int
) -> list[str]:
    """Those suspects that may go far away, or be NaN, and move no loss."""
    everything = {*evaluator.workspace.names}
    with evaluator.aside():
        return [n for n in suspects if not _reads(evaluator, facts, everything - {n}, seed)]


def no_longer_read(names: Collection[str]) -> str:
    """What is said of arrays that the loss has stopped reading."""
    arrays, were = ("this array", "was") if len(names) == 1 else ("these arrays", "were")
    return (
        f"the loss no longer reads {arrays}; {were} {', '.join(f'`{name}`' for name in names)} "
        "rebound? Pass parameters=lambda: ... that returns the arrays as they are now"
    )


def _refuse_unmoved(
    evaluator: Evaluator, facts: SanityResult, fixed: Collection[str], seed: int
) -> None:
    """Say of a loss that a moderate step leaves alone what that means."""
    coarse = not evaluator.workspace.is_float64 or facts.loss == float(np.float32(facts.loss)) != 0
    eps = float(np.finfo(np.float32 if coarse else np.float64).eps)
    evaluator.workspace.move({})
    # By more than its rounding; a loss of zero may be made of terms of order one.
    rounding = READ_ROUNDINGS * eps * (abs(facts.loss) or 1.0)
    if not _first_order_change(evaluator, facts) > rounding:
        raise FlatError
    if not _reads(evaluator, facts, fixed, seed):
        evaluator.workspace.move({})
        raise UnreadError


def _first_order_change(evaluator: Evaluator, facts: SanityResult) -> float:
    """``Σ_b s_b·‖a_b‖``: how far the loss may go if every block moves by its scale."""
    return math.fsum(
        scale_of(evaluator.workspace.arrays[name]) * norm
        for name, norm in facts.norms.items()
        if math.isfinite(norm)
    )


def _reads(evaluator: Evaluator, facts: SanityResult, fixed: Collection[str], seed: int) -> bool:
    """Whether a loss that a moderate step leaves alone reacts to a large one, or to NaN."""
    workspace = evaluator.workspace
    workspace.move({})
    step = nearby(workspace.arrays, distance=1.0, fixed=fixed, seed=seed)
    for moves in (*(shrunk(step, distance) for distance in FAR_AWAY), _scaled(step, math.nan)):
        workspace.move(moves)
        try:
            if evaluator.loss() != facts.loss:
                return True
        except Exception:  # whatever it reads, it reads the parameters
            return True
    return False


def at_ordinary_loss(
    evaluator: Evaluator, point: GenericPoint | None, moves: Mapping[str, Move], current: float
) -> GenericPoint | None:
    """The point, or one with smaller weights where the loss is tiny there and at ``current``."""
    largest = max(abs(current), abs(point.loss) if point else 0.0)
    losses: list[float] = []
    for count in range(1, MOST_LOSSES + 1):
        evaluator.workspace.move(_scaled(moves, FACTOR**count))
        try:
            loss = abs(evaluator.loss())
        except Exception:  # outside the domain there
            loss = math.nan
        # An infinite loss is one outside its domain, as of a parameter in a denominator.
        losses.append(loss if math.isfinite(loss) else math.nan)
        if count == 1 and point is not None and not losses[0] > TINY_LOSS * largest:
            break
        if count >= FEWEST and losses[0] / SETTLED < losses[-1] < SETTLED * losses[-2]:
            break
    # Of a loss that falls with the weights the first one, which explodes, was odd, and not tiny.
    rises = len(losses) > 1 and losses[-1] > losses[0] / SETTLED
    if rises and losses[-1] > TINY_LOSS * largest:
        ordinary = next(k for k, loss in enumerate(losses, 1) if loss > ORDINARY * losses[-1])
        found = _point(evaluator, _scaled(moves, FACTOR**ordinary))
        if found is not None:
            return found
    if point is not None:
        evaluator.workspace.move(point.moves)
    return point


def _scaled(moves: Mapping[str, Move], factor: float) -> dict[str, Move]:
    return {name: replace(move, factor=move.factor * factor) for name, move in moves.items()}


def _point(evaluator: Evaluator, moves: dict[str, Move]) -> GenericPoint | None:
    evaluator.workspace.move(moves)
    try:
        loss, gradients = evaluator.loss_and_gradients()
    except Exception:  # outside the domain for the gradients
        return None
    return None if outside_domain(loss, gradients) else GenericPoint(moves, loss, gradients)
