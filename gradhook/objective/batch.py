"""A few rows of a batch: few rows cross few kinks, and make every evaluation cheap.

``N`` is the length of the first array of the batch along the sample axis.  Every array of that
length on that axis, and every 1-D array of length ``N``, is cut to the rows drawn, also where it
hangs in a mapping, list or tuple of the batch; everything else passes unchanged.  Where the batch
holds class labels, integers or one-hot, rows are drawn class by class, so that the classes stay
mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array, Batch
from gradhook.errors import BatchError
from gradhook.objective.parameters import each_leaf, map_leaves

__all__ = ["Rows", "as_batch", "draw", "passed_whole", "upcast"]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows drawn from a batch.

    Args:
        batch: The batch cut to them.
        rows: Their positions, ascending; ``None`` where every row is used.
        other: The batch cut to as many rows of which some differ, or in another order, for a call
            in between; ``None`` where there is no such.
        undrawn: The batch cut to as many rows, if there are, that were not drawn, ascending;
            ``None`` where every row is used.
        unchanged: Positions in the batch of what passed unchanged.
        count: How many samples are checked, ``None`` where the batch counts none.
        batch_rows: Rows of the batch that some were drawn of; 0 where every row is used.
    """

    batch: Batch
    rows: tuple[int, ...] | None
    other: Batch | None
    undrawn: Batch | None = None
    unchanged: tuple[int, ...] = ()
    count: int | None = None
    batch_rows: int = 0


def as_batch(batch: Any) -> Batch:
    """A batch as a tuple: a tuple or list is one, anything else is its only item.

    Raises:
        BatchError: It is an empty list, which may be a minibatch that came out empty.
    """
    if isinstance(batch, list) and not batch:
        raise BatchError("the batch is an empty list; pass () if the objective needs no data")
    return tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)


def draw(
    batch: Batch,
    *,
    samples: int | None,
    axis: int,
    subset: Callable[[Batch, Array], Any] | None,
    random: np.random.Generator,
) -> Rows:
    """Draw rows from a batch.

    Args:
        batch: The whole batch.
        samples: How many rows; ``None`` for all.
        axis: The axis of every array that counts samples.
        subset: Cuts the batch instead, called as ``subset(batch, rows)``; with the first rows where
            the batch holds no array that counts them.
        random: The check's own generator.

    Raises:
        BatchError: The batch has arrays but no sample, or none of its arrays has the axis.
    """
    if not batch:
        return Rows(batch, None, None)
    count = _count(batch, axis)
    if count is None:
        if subset is None or samples is None:
            return Rows(batch, None, None, unchanged=tuple(range(len(batch))))
        # Only the user's function knows the batch, which is taken to have as many rows at least.
        first = as_batch(subset(batch, np.arange(samples)))
        return Rows(first, tuple(range(samples)), None, count=samples)
    cut = subset or (lambda whole, rows: _cut(whole, rows, count, axis))
    unchanged = tuple(i for i, item in enumerate(batch) if not _holds_rows(item, count, axis))
    if samples is None or samples >= count:
        # Every row is taken, so another batch of as many can only hold them in another order.
        turned = np.roll(np.arange(count), count // 2)
        other = _other(cut, batch, turned) if count > 1 else None
        return Rows(batch, None, other, unchanged=unchanged, count=count)
    order = _mixed(_labels(batch, count, axis), count, random)
    rows, others = np.sort(order[:samples]), np.roll(order, -samples)[:samples]
    if 2 * samples <= count:
        others.sort()
    return Rows(
        as_batch(cut(batch, rows)),
        tuple(int(r) for r in rows),
        # Where too few rows are left over they are filled up with some of those drawn.
        _other(cut, batch, others),
        _other(cut, batch, np.sort(order[samples : 2 * samples])),
        unchanged if subset is None else (),
        samples,
        count,
    )


def passed_whole(rows: Rows, batch: Batch) -> str:
    """What of a batch was not cut to the rows drawn, in a sentence; empty if all of it was."""
    if rows.rows is None or not rows.unchanged:
        return ""
    items = ", ".join(f"item {i} (a {type(batch[i]).__name__})" for i in rows.unchanged)
    return f"{items} of the batch passed unchanged, as no array whose axis counts the samples"


def upcast(batch: Batch) -> Batch:
    """The batch with float16 and float32 arrays as float64, which tell more losses apart."""

    def one(item: Any) -> Any:
        return item.astype(np.float64) if _is_coarse(item) else item

    return tuple(
        map_leaves(item, one) if any(map(_is_coarse, each_leaf(item))) else item for item in batch
    )


def _is_coarse(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype in (np.float16, np.float32)


def _count(batch: Batch, axis: int) -> int | None:
    arrays = [item for item in each_leaf(batch) if _is_array(item) and len(item.shape)]
    if not arrays:
        return None
    for item in arrays:
        if -len(item.shape) <= axis < len(item.shape):
            if item.shape[axis] == 0:
                raise BatchError(
                    f"the batch is empty: its first array has shape {tuple(item.shape)}, no "
                    f"sample along axis {axis}"
                )
            return int(item.shape[axis])
    raise BatchError(
        f"no array of the batch has an axis {axis} (shapes "
        f"{', '.join(str(tuple(a.shape)) for a in arrays)}); "
        "pass sample_axis= as the axis that counts samples"
    )


def _is_array(item: Any) -> bool:
    """Whether rows can be taken from it: arrays of any library, sparse matrices, data frames."""
    return isinstance(getattr(item, "shape", None), tuple) and (
        hasattr(item, "__getitem__") and not isinstance(item, np.generic)
    )


def _axis_of(item: Any, count: int, axis: int) -> int | None:
    """The axis along which an item is cut, ``None`` if it passes unchanged."""
    if not _is_array(item):
        return None
    ndim = len(item.shape)
    if -ndim <= axis < ndim and item.shape[axis] == count:
        return axis % ndim
    return 0 if ndim == 1 and item.shape[0] == count else None


def _holds_rows(item: Any, count: int, axis: int) -> bool:
    return any(_axis_of(leaf, count, axis) is not None for leaf in each_leaf(item))


def _cut(batch: Batch, rows: Array, count: int, axis: int) -> Batch:
    def one(item: Any) -> Any:
        where = _axis_of(item, count, axis)
        if where is None:
            return item
        # Data frames index their columns by brackets.
        return getattr(item, "iloc", item)[(slice(None),) * where + (rows,)]

    return tuple(map_leaves(i, one) if _holds_rows(i, count, axis) else i for i in batch)


def _other(cut: Callable[[Batch, Array], Any], batch: Batch, rows: Array) -> Batch | None:
    """Another batch of the same length: a cache of another shape raises, and so proves nothing."""
    try:
        return as_batch(cut(batch, rows))
    except Exception:  # what lies on disk, or a user's ``subset``, may want rows in ascending order
        return None


def _labels(batch: Batch, count: int, axis: int) -> Array | None:
    """The class of every row, from the first integer or one-hot array, if there is one."""
    for item in each_leaf(batch):
        where = _axis_of(item, count, axis)
        if where is None or not isinstance(item, np.ndarray):
            continue
        if item.dtype.kind in "iub" and item.size == count:
            return item.reshape(-1)
        if item.ndim == 2 and item.shape[1 - where] > 1:
            rows = np.moveaxis(item, where, 0)
            # A few rows tell pictures from labels without a pass over all of them.
            if _is_one_hot(rows[:32]) and _is_one_hot(rows):
                return np.asarray((rows == 1).argmax(axis=1))
    return None


def _is_one_hot(rows: Array) -> bool:
    ones = rows == 1
    return bool(((rows == 0) | ones).all()) and bool((ones.sum(axis=1) == 1).all())


def _mixed(labels: Array | None, count: int, random: np.random.Generator) -> Array:
    """A random order of the rows in which the classes take turns."""
    order = random.permutation(count)
    if labels is None:
        return order
    # The k-th row of every class comes before the (k+1)-th of any: a stable sort by the rank within
    # the class.
    _, codes = np.unique(labels[order], return_inverse=True)
    by_class = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    rank = np.empty(count, dtype=np.intp)
    rank[by_class] = np.arange(count) - starts[codes[by_class]]
    return order[np.argsort(rank, kind="stable")]
