"""Was the circumstance of a reading really there?  One measurement for each, of the loss alone.

A factor that equals a size means nothing by itself: a loss that averages over outputs adds up over
the columns of its targets, the 2 of a square needs a loss that is quadratic in its targets, and the
scale of attention a product of queries and keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import Variation, losses, without
from gradhook.diagnosis.hypothesis import Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["adds_up_over_outputs", "is_a_product", "is_a_square"]

EQUAL_CHANGES = 1e-7
"""Relative difference of two changes of the loss that are one."""

TELLING_BEND = 1e-4
"""Share of the loss's changes that a bend must have to be seen."""


def adds_up_over_outputs(mismatch: Mismatch, outputs: int) -> Trial | None:
    """Whether a change in two columns of the targets changes the loss as both changes do."""
    for position, item, far in _real_items(mismatch):
        if not (position and item.ndim > 1 and item.shape[-1] == outputs > 1):
            continue
        first, second = item.copy(), item.copy()
        first[..., 0] += far
        second[..., 1] += far
        seen = _losses(mismatch, position, [item, first, second, first + second - item])
        if seen is None:
            return None
        base, one, other, together = seen
        off = abs((together - base) - (one - base) - (other - base))
        adds = off <= _allowed(mismatch, seen) and base not in (one, other)
        tried = f"two columns of item {position} of the batch changed, one and both"
        out = "the loss adds up over them" if adds else "the loss does not add up over them"
        return Trial(tried, out, refuted=not adds)
    return None


def is_a_square(mismatch: Mismatch) -> Trial | None:
    """Whether the loss is quadratic in an item of the batch, as squares are in their targets."""
    found = None
    for position, item, far in _real_items(mismatch):
        seen = _losses(mismatch, position, [item + k * far for k in range(-1, 3)])
        if seen is None:
            continue
        below, base, above, beyond = seen
        third = abs(beyond - 3 * above + 3 * base - below)
        second = abs(above - 2 * base + below)
        bends = second > TELLING_BEND * max(abs(above - base), abs(base - below))
        quadratic = third <= _allowed(mismatch, seen) and bends
        tried = f"item {position} of the batch moved in three steps"
        out = f"the loss is {'' if quadratic else 'not '}quadratic in it"
        found = Trial(tried, out, refuted=not quadratic)
        if quadratic:
            break
    return found


def is_a_product(mismatch: Mismatch, names: Sequence[str]) -> Trial | None:
    """Whether two weights of one shape act by their product, as queries and keys do.

    Each unit of one is multiplied by a number and the same unit of the other divided by it.
    """
    values = {name: mismatch.evaluator.workspace.values(name) for name in names}
    weights = [name for name in names if not is_vector(values[name].shape)]
    if len(weights) != 2 or values[weights[0]].shape != values[weights[1]].shape:
        return None
    first, second = weights
    random = np.random.default_rng(mismatch.options.seed)
    plain = next(without(mismatch, "penalty"), None)  # which is no part of the product
    # Biases that share the factor go with either weight: at zero they have no part.
    zero = {name: np.zeros_like(values[name]) for name in names if name not in weights}
    trial = None
    for axis in dict.fromkeys((values[first].ndim - 1, 0)):
        size = np.where(np.arange(values[first].ndim) == axis, values[first].shape, 1)
        scale = random.choice([-1.0, 1.0], size) * random.uniform(0.5, 2.0, size)
        moved = {first: values[first] * scale, second: values[second] / scale}
        changes: list[Variation] = [
            {"switches": plain, "values": {**zero, **more}} for more in ({}, moved)
        ]
        seen = losses(mismatch, changes)
        if seen is None:
            continue
        same = abs(seen[1] - seen[0]) <= _allowed(mismatch, seen)
        tried = f"units of {first} multiplied and those of {second} divided"
        trial = Trial(tried, "the loss stays" if same else "the loss changes", not same)
        if same:
            return trial
    return trial


def _real_items(mismatch: Mismatch) -> Iterator[tuple[int, Array, float]]:
    """Items of real numbers, the last first, with their place in the batch and their spread."""
    for position, item in reversed(list(enumerate(mismatch.evaluator.batch))):
        if isinstance(item, np.ndarray) and item.dtype.kind == "f" and item.size:
            yield position, item, float(np.std(item)) or 1.0


def _losses(mismatch: Mismatch, position: int, items: Sequence[Array]) -> list[float] | None:
    """The loss with each of these in the place of an item of the batch."""
    batch = mismatch.evaluator.batch
    changes: list[Variation] = [
        {"batch": (*batch[:position], item, *batch[position + 1 :])} for item in items
    ]
    return losses(mismatch, changes)


def _allowed(mismatch: Mismatch, seen: Sequence[float]) -> float:
    """By how much losses may differ that are one."""
    noise = 20 * mismatch.measured.prober.noise
    return noise + EQUAL_CHANGES * (max(seen) - min(seen)) + 1e-12 * max(map(abs, seen))
