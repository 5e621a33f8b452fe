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

Where a displacement happens to leave a unit dead, or a gate shut, another one opens it.  So a block
that the generic point leaves UNTESTED is looked at once more, alone, at a second one, where every
block is drawn anew and up to half of its scale away.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from gradhook._types import Blocks, Verdict
from gradhook.check.record import CheckRecord, UnusableRowsError
from gradhook.errors import UnreadParametersError
from gradhook.evaluation.directions import Move
from gradhook.evaluation.points import generic, nearby, scale_of, shrunk
from gradhook.objective.parameters import norm, rms
from gradhook.probe.setting import EnteredSetting, outside_domain

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

SPREAD = 0.5
"""How far, in units of each scale, the second point lies at most."""

NOTHING = 1e-6
"""Root mean square below which a block that moves no loss is brought up to a usual size there."""

SECOND_ATTEMPTS, EXPLODED = 3, 10.0
"""Points tried, each a quarter as far as the one before, and how many times the loss at the first
point, and its slope over all scales, one may have."""

UNREAD = (
    "the loss does not change by a bit when all that is not fixed moves, or is NaN: it does not "
    "read what it is given. Common reasons: it works on a copy or a result kept from earlier, "
    "reads a dictionary that has since been replaced, or was built from other arrays. Make the "
    "loss read the parameters passed to it, or pass the arrays that it reads, "
    "parameters=lambda: ... if they are rebound. (A loss that is constant here tells nothing: "
    "check it at other weights)"
)


def find_generic(record: CheckRecord) -> EnteredSetting | None:
    """Enter the generic point, or one nearer, and see on the way whether the loss is connected.

    ``None`` where no such point is wanted, or none was found, which the coverage then says.

    Raises:
        UnreadParametersError: The loss does not move, although its gradient says that it should.
        UnusableRowsError: It does not on these rows, and its gradient is zero.
    """
    wanted, moves = record.wants("generic"), record.generic_moves()
    point, moved = _nearest_usable(record, moves, wanted=wanted)
    flat = not moved and _is_flat(record)
    if wanted and not record.is_quick:
        point = at_ordinary_loss(record, point, point.setting.moves if point else moves)
    if point is None and flat:
        if record.is_part:
            raise UnusableRowsError("the loss is flat and the gradients are zero")
        record.coverage.append("the loss is flat around these weights")
    elif point is None and wanted:
        record.coverage.append(
            "checked at these weights alone: every block is fixed, or the loss stands still, is "
            "not finite, raises or explodes wherever it was displaced"
        )
    return point


def _nearest_usable(
    record: CheckRecord, moves: dict[str, Move], *, wanted: bool
) -> tuple[EnteredSetting | None, bool]:
    """The first usable point on the way back from where the moves lead; whether any loss moved."""
    evaluator = record.evaluator
    # At the bottom of a bowl no size of the loss is suspicious.
    limit = 10 * abs(record.loss) + (_first_order_change(record) or math.inf)
    moved, fallback = not moves, None
    for attempt in range(GENERIC_ATTEMPTS if moves else 0):
        if attempt == 1:
            moves = _in_own_units(record, moves, limit)
        nearer = shrunk(moves, 4.0 ** (1 - attempt)) if attempt > 1 else moves
        evaluator.workspace.move(nearer)
        try:
            loss = evaluator.loss()
            moved = moved or loss != record.loss
            if not moved:
                break
            if outside_domain(loss) or abs(loss) > limit:
                continue
            if not wanted:
                return None, True
            loss, gradients = evaluator.loss_and_gradients()
            if outside_domain(loss, gradients) and all(map(math.isfinite, record.norms.values())):
                continue
            setting = record.setting("generic point", nearer)
            point = EnteredSetting(evaluator, setting, record.options.seed, loss, gradients)
            if not _vanishes(record, gradients):
                return point, True
            fallback = fallback or point
        except Exception:  # outside the domain; exceptions count where the user stands
            moved = True
    if fallback is not None:
        evaluator.workspace.move(fallback.setting.moves)
    return fallback, moved


def _entered(record: CheckRecord, moves: Mapping[str, Move]) -> EnteredSetting | None:
    return record.enter_finite(record.setting("generic point", moves), seed=record.options.seed)


def _in_own_units(record: CheckRecord, moves: Mapping[str, Move], limit: float) -> dict[str, Move]:
    """The displacements, shorter for blocks that alone lead where the loss tells nothing."""
    found = dict(moves)
    for name, move in moves.items() if len(moves) > 1 else ():
        for k in range(LENGTHS_TRIED):
            unit = 8.0**-k
            nearer = {name: replace(shrunk({name: move}, unit)[name], unit=unit) if k else move}
            there = _entered(record, nearer)
            if there and abs(there.loss) <= limit and not _vanishes(record, there.gradients):
                found |= nearer
                break
    return found


def _vanishes(record: CheckRecord, gradients: Blocks) -> bool:
    """Whether a gradient that counts at the current point is all but zero here."""
    arrays, norms = record.evaluator.workspace.arrays, record.norms
    sizes = {n: rms(arrays[n]) * size for n, size in norms.items()}
    ordinary = max((size for size in sizes.values() if math.isfinite(size)), default=0.0)
    return any(
        size > COUNTS * ordinary and norm(gradients[name]) < VANISHED * norms[name]
        for name, size in sizes.items()
    )


def set_unread_apart(record: CheckRecord) -> None:
    """Take the verdicts off blocks in place that may go far away, or be NaN, and move no loss.

    Of an array that training left behind nothing can be said, right or wrong.
    """
    evaluator = record.evaluator
    names = evaluator.workspace.names if evaluator.workspace.in_place else []
    suspects = [name for name in names if any(m.shows_unmoved(name) for m in record.measured)]
    with evaluator.aside():
        unread = [name for name in suspects if not _reads(record, {*names} - {name})]
    for name in unread:
        why = no_longer_read([name])
        record.measured = [m.undecided(name, why) for m in record.measured]
        record.changed.pop(name, None)


def no_longer_read(names: Collection[str]) -> str:
    """What is said of arrays that the loss has stopped reading."""
    arrays, were = ("this array", "was") if len(names) == 1 else ("these arrays", "were")
    return (
        f"the loss no longer reads {arrays}; {were} {', '.join(f'`{name}`' for name in names)} "
        "rebound? Pass parameters=lambda: ... that returns the arrays as they are now"
    )


def _is_flat(record: CheckRecord) -> bool:
    """Whether a loss that a moderate step leaves alone has a gradient that says the same.

    Raises:
        UnreadParametersError: The gradient says that it should move, and no step moves it.
    """
    workspace, loss = record.evaluator.workspace, record.loss
    coarse = not workspace.is_float64 or loss == float(np.float32(loss)) != 0
    eps = float(np.finfo(np.float32 if coarse else np.float64).eps)
    workspace.move({})
    # By more than its rounding; a loss of zero may be made of terms of order one.
    if not _first_order_change(record) > READ_ROUNDINGS * eps * (abs(loss) or 1.0):
        return True
    if not _reads(record, record.options.fixed):
        raise UnreadParametersError(UNREAD)
    return False


def _first_order_change(record: CheckRecord) -> float:
    """``Σ_b s_b·‖a_b‖``: how far the loss may go if every block moves by its scale."""
    return math.fsum(
        scale_of(record.evaluator.workspace.arrays[name]) * norm
        for name, norm in record.norms.items()
        if math.isfinite(norm)
    )


def _reads(record: CheckRecord, fixed: Collection[str]) -> bool:
    """Whether a loss that a moderate step leaves alone reacts to a large one, or to NaN."""
    workspace = record.evaluator.workspace
    workspace.move({})
    step = nearby(workspace.arrays, distance=1.0, fixed=fixed, seed=record.options.seed)
    for moves in (*(shrunk(step, distance) for distance in FAR_AWAY), _scaled(step, math.nan)):
        workspace.move(moves)
        try:
            if record.evaluator.loss() != record.loss:
                return True
        except Exception:  # whatever it reads, it reads the parameters
            return True
    return False


def at_ordinary_loss(
    record: CheckRecord, point: EnteredSetting | None, moves: Mapping[str, Move]
) -> EnteredSetting | None:
    """The point, or one with smaller weights where the loss is tiny there and where one stands."""
    evaluator = record.evaluator
    largest = max(abs(record.loss), abs(point.loss) if point else 0.0)
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
        found = _entered(record, _scaled(moves, FACTOR**ordinary))
        if found is not None:
            return found
    if point is not None:
        evaluator.workspace.move(point.setting.moves)
    return point


def _scaled(moves: Mapping[str, Move], factor: float) -> dict[str, Move]:
    return {name: replace(move, factor=move.factor * factor) for name, move in moves.items()}


def enter_second_point(record: CheckRecord) -> EnteredSetting | None:
    """Enter another generic point, drawn anew; ``None`` where none was found inside the domain."""
    # In the units and at the size of weights of the first point.
    main, arrays = record.measured[0], record.evaluator.workspace.arrays
    first, fixed, seed = main.setting.moves, record.options.fixed, record.options.seed + 606
    # Biases of 1e-12 move no loss by their own size: they are brought up to that of others.
    judged = main.judgements.items()
    untested = (name for name, j in judged if j.finding.verdict is Verdict.UNTESTED)
    flat = [name for name in untested if rms(arrays[name]) < NOTHING]
    second = generic(arrays, fixed=fixed, seed=seed, spread=SPREAD, flat=flat)
    moves = {
        name: replace(
            shrunk({name: move}, first[name].unit)[name],
            factor=first[name].factor,
            unit=first[name].unit,
        )
        for name, move in second.items()
        if name in first
    }
    limit = EXPLODED * (abs(main.prober.loss) + main.prober.ordinary)
    for attempt in range(SECOND_ATTEMPTS):
        nearer = shrunk(moves, 4.0**-attempt) if attempt else moves
        setting = replace(main.setting, name="second generic point", moves=nearer)
        entered = record.enter_finite(setting, seed=seed)
        if entered is not None and abs(entered.loss) <= limit:
            return entered
    return None
