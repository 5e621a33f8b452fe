"""A few rows of a batch: few rows cross few kinks, and make every evaluation cheap.

``N`` is the length of the first array of the batch along the sample axis.  Every array of that
length on that axis, and every 1-D array of length ``N``, is cut to the rows drawn, also where it
hangs in a mapping, list or tuple of the batch; everything else passes unchanged.  A list of tuples
that comes first, as of pairs ``(x, y)``, holds one sample in each of them.  Lists of numbers that
agree in length have no samples, nor has a lone array of another length beside them.  Where the
batch holds class labels (integers, one-hot, a column of few values), rows are drawn class by class,
so that the classes stay mixed; weights, masks and indicators make classes of where they are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradhook._types import Array, Batch, kind_of
from gradhook.errors import BatchError
from gradhook.objective.parameters import each_leaf, map_leaves

FEW_CLASSES = 16
"""Different values up to which a column of floats holds classes."""

ZERO_SHARE = 0.25
"""Share of rows that must be zero for a weight, a mask or an indicator to be taken for one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows drawn from a batch."""

    batch: Batch  # cut to them
    rows: tuple[int, ...] | None  # their positions, ascending; None where every row is used
    # As many rows of which some differ, or in another order, for a call in between, if there are.
    other: Batch | None
    unchanged: tuple[int, ...] = ()  # positions in the batch of what passed unchanged
    count: int | None = None  # how many samples are checked of ``total``, if the batch counts any
    total: int | None = None


def as_batch(batch: Any) -> Any:
    """A batch as a tuple, or the mapping that it is, whose names are for the functions to read."""
    if isinstance(batch, (list, Mapping)) and not batch:
        raise BatchError(
            f"the batch is an empty {type(batch).__name__}: is it the logs of a trainer? Pass "
            "batch=(X, y), or () if the objective needs no data"
        )
    listed = isinstance(batch, (tuple, list))
    items = batch.values() if isinstance(batch, Mapping) else batch if listed else (batch,)
    for item in items:
        # Of a class of the user's, whose attributes are, an iterator is put back.
        if isinstance(item, Iterator) and not hasattr(item, "__dict__"):
            raise BatchError(
                f"the batch {'is' if item is batch else 'holds'} {kind_of(item)}, which a check "
                "would use up: pass what the loop gets of it, batch=(X, y), or list(...) of it"
            )
    return batch if isinstance(batch, Mapping) else tuple(items)


def draw(
    batch: Batch,
    *,
    samples: int | None,
    axis: int,
    subset: Callable[[Batch, Array], Any] | None,
    random: np.random.Generator,
) -> Rows:
    """Draw so many rows from a batch, ``None`` for all; ``subset(batch, rows)`` may cut it."""
    if not batch:
        return Rows(batch, None, None)
    count = sample_count(batch, axis)
    if count is None:
        if subset is None or samples is None:
            return Rows(batch, None, None, unchanged=tuple(range(len(batch))))
        # Only the user's function knows the batch, which is taken to have as many rows at least.
        first = _tuple_of(subset(batch, np.arange(samples)))
        return Rows(first, tuple(range(samples)), None, count=samples)
    taken = subset or (lambda whole, rows: cut(whole, rows, count, axis))
    unchanged = tuple(i for i, item in enumerate(batch) if not _holds_rows(item, count, axis))
    if samples is None or samples >= count:
        # Every row is taken, so another batch of as many can only hold them in another order.
        turned = np.roll(np.arange(count), count // 2)
        other = _other(taken, batch, turned) if count > 1 else None
        return Rows(batch, None, other, unchanged=unchanged, count=count, total=count)
    order = _mixed(_labels(batch, count, axis), count, random)
    rows, others = np.sort(order[:samples]), np.roll(order, -samples)[:samples]
    if 2 * samples <= count:
        others.sort()
    return Rows(
        _tuple_of(taken(batch, rows)),
        tuple(int(r) for r in rows),
        # Where too few rows are left over they are filled up with some of those drawn.
        _other(taken, batch, others),
        unchanged if subset is None else (),
        samples,
        count,
    )


def passed_whole(rows: Rows, batch: Batch) -> str:
    """What of a batch was not cut to the rows drawn, in a sentence; empty if all of it was."""
    if rows.rows is None or not rows.unchanged:
        return ""
    items = ", ".join(f"item {i} ({kind_of(batch[i])})" for i in rows.unchanged)
    return f"{items} of the batch passed unchanged, as no array whose axis counts the samples"


def columns_hint(batch: Batch, axis: int) -> str:
    """What to say of a batch whose arrays agree in their last axis and not in the first."""
    shapes = [item.shape for item in each_leaf(batch) if _is_array(item) and len(item.shape)]
    first, last = {shape[0] for shape in shapes}, {shape[-1] for shape in shapes}
    columns = axis == 0 and len(shapes) > 1 and len(last) == 1 and len(first) > 1
    return "; are the columns samples? Then pass sample_axis=1" if columns else ""


def upcast(batch: Batch) -> Batch:
    """The batch with float16 and float32 arrays as float64, which tell more losses apart."""

    def is_coarse(leaf: Any) -> bool:
        return isinstance(leaf, np.ndarray) and leaf.dtype in (np.float16, np.float32)

    return tuple(
        map_leaves(item, lambda leaf: leaf.astype(np.float64) if is_coarse(leaf) else leaf)
        if any(map(is_coarse, each_leaf(item)))
        else item
        for item in batch
    )


def sample_count(batch: Batch, axis: int) -> int | None:
    """How many samples a batch holds; ``None`` where no array counts them."""
    if batch and _lists_samples(batch[0]):
        return len(batch[0])
    arrays = [item for item in each_leaf(batch) if _is_array(item) and len(item.shape)]
    if not arrays or (len(arrays) == 1 and _is_beside_sequences(arrays[0], batch)):
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


def _is_beside_sequences(array: Any, batch: Batch) -> bool:
    """Whether a batch of sequences that agree in length has an array that does not.

    A recurrent network takes inputs, targets and a hidden state, whose axes count its units.
    """
    lists = [item for item in batch if isinstance(item, list) and item]
    lengths = {len(item) for item in lists}
    apart = lengths.isdisjoint(array.shape) and not any(map(_is_array, each_leaf(lists)))
    return len(lists) > 1 and len(lengths) == 1 and apart


def _lists_samples(item: Any, count: int | None = None) -> bool:
    """Whether it is a list whose members are samples each, and ``count`` of them.

    They are alike tuples, or arrays that differ in length and in nothing else.
    """
    if not (isinstance(item, list) and len(item) > 1 and count in (None, len(item))):
        return False
    if all(_is_array(each) and len(each.shape) for each in item):
        lengths, others = {each.shape[0] for each in item}, {each.shape[1:] for each in item}
        return len(lengths) > 1 and len(others) == 1
    alike = all(isinstance(each, tuple) and len(each) == len(item[0]) for each in item)
    return alike and any(map(_is_array, each_leaf(item[0])))


def _tuple_of(cut: Any) -> Batch:
    """What a user's ``subset`` returned: a tuple, a list, or the only item, a mapping included."""
    return (cut,) if isinstance(cut, Mapping) else tuple(as_batch(cut))


def _is_array(item: Any) -> bool:
    """Whether rows can be taken from it: arrays of any library, sparse matrices, data frames."""
    return (
        isinstance(getattr(item, "shape", None), tuple)
        and (hasattr(item, "__getitem__") or hasattr(item, "tocsr"))
        and not isinstance(item, np.generic)
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
    if _lists_samples(item, count):
        return True
    return any(_axis_of(leaf, count, axis) is not None for leaf in each_leaf(item))


def cut(batch: Batch, rows: Array, count: int, axis: int) -> Batch:
    """These rows of a batch of ``count`` samples, which may repeat, in whatever has rows."""

    def one(item: Any) -> Any:
        where = _axis_of(item, count, axis)
        if where is None:
            return item
        index = (slice(None),) * where + (rows,)
        if hasattr(item, "tocsr"):  # of sparse matrices not every format has rows
            return item.tocsr()[index].asformat(item.format)
        # Data frames index their columns by brackets.
        return getattr(item, "iloc", item)[index]

    def some(item: Any) -> Any:
        return [item[k] for k in rows] if _lists_samples(item, count) else map_leaves(item, one)

    return tuple(some(item) if _holds_rows(item, count, axis) else item for item in batch)


def _other(cut: Callable[[Batch, Array], Any], batch: Batch, rows: Array) -> Batch | None:
    """Another batch of the same length: a cache of another shape raises, and so proves nothing."""
    try:
        return _tuple_of(cut(batch, rows))
    except Exception:  # what lies on disk, or a user's ``subset``, may want rows in ascending order
        return None


def _labels(batch: Batch, count: int, axis: int) -> Array | None:
    """The class of every row, from all that holds classes, if anything does."""
    classes = None
    for item in each_leaf(batch):
        where = _axis_of(item, count, axis)
        if where is None or not isinstance(item, np.ndarray) or item.dtype.kind not in "iubf":
            continue
        found = _classes(np.moveaxis(item, where, 0).reshape(count, -1))
        if found is not None:
            _, codes = np.unique(found, return_inverse=True)
            both = codes if classes is None else classes * (codes.max() + 1) + codes
            # Classes of too many kinds would put every row into one of its own.
            if classes is None or len(np.unique(both)) <= max(FEW_CLASSES, count // 2):
                classes = both
    return classes


def _classes(rows: Array) -> Array | None:
    """The class of every row that one array tells; ``None`` if it tells none."""
    count, width = rows.shape
    if width == 1 and rows.dtype.kind != "f":
        return np.asarray(rows[:, 0])
    if width == 1:
        # A few rows tell measurements from classes without a pass over all of them.
        few = len(np.unique(rows[: 4 * FEW_CLASSES])) <= FEW_CLASSES
        if few and len(np.unique(rows)) <= min(FEW_CLASSES, count // 2):
            return np.asarray(rows[:, 0])
    elif not all(((some == 0) | (some == 1)).all() for some in (rows[:32], rows)):
        return None
    elif (rows.sum(axis=1) == 1).all():  # one-hot
        return np.asarray(rows.argmax(axis=1))
    # A weight or a mask, where so many rows are zero that all those drawn might be.
    zero = np.logical_not(rows.any(axis=1))
    return zero if ZERO_SHARE * count <= np.count_nonzero(zero) < count else None


def _mixed(labels: Array | None, count: int, random: np.random.Generator) -> Array:
    """A random order of the rows in which the classes take turns."""
    order = random.permutation(count)
    if labels is None:
        return order
    # The k-th row of every class comes before the (k+1)-th of any: a stable sort by the rank within
    # the class.
    _, codes = np.unique(labels[order], return_inverse=True)
    by_class, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    rank = np.argsort(by_class) - (np.cumsum(sizes) - sizes)[codes]
    return order[np.argsort(rank, kind="stable")]
