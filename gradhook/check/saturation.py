"""A network trained to zero loss is judged where its loss has its ordinary size.

A softmax that is sure and right has a loss of zero to the bit and a gradient of 1e-20: rounding,
of which nothing can be told.  With all weights smaller it is unsure again.  One loss at a quarter
of the weights says whether the loss is tiny: where it is, weights go on being divided by 4, at most
``MOST_LOSSES`` losses in all, until the loss settles at its ordinary size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from gradhook.check.generic_point import GenericPoint
from gradhook.evaluation.directions import Move
from gradhook.evaluation.evaluator import Evaluator
from gradhook.probe.setting import outside_domain

__all__ = ["at_ordinary_loss"]

FACTOR, MOST_LOSSES = 0.25, 5
"""By what weights are multiplied from one loss to the next, and losses at most."""

TINY_LOSS = 1e6
"""A loss is tiny where the one at smaller weights exceeds it by this factor."""

SETTLED, FEWEST = 10.0, 3
"""Losses have settled where the last of at least so many is less than this multiple of the one
before and more than its inverse of the first."""

ORDINARY = 1e-3
"""Share of the settled loss from which on a loss has its ordinary size."""


def at_ordinary_loss(
    evaluator: Evaluator,
    point: GenericPoint | None,
    moves: Mapping[str, Move],
    current: float,
) -> GenericPoint | None:
    """The generic point, or one with smaller weights where the loss is tiny at both points.

    Args:
        evaluator: Anywhere.
        point: The generic point; ``None`` if there is none.
        moves: Displacements to it, or those that led out of the domain.
        current: The loss at the current point.
    """
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
