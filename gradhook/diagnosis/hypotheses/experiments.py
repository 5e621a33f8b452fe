"""Mistakes that an experiment alone tells: the fault goes with what is changed.

Dropout whose backward pass does not replay the mask is told by turning it off.  Many columns of a
batch are not negative, and many a bug vanishes when a column is set to one.  A column weighs rows
only if a row whose entry is off has no say in the loss.

Of equal inputs, as padding or black pixels, every one gets the gradient of a maximum, or none.  Of
an embedding, the rows that a batch uses more than once lose all uses but one.

What a layer passes down depends on its own block.  A transpose or a flip that was forgotten does
nothing to a block that is symmetric under it, so the fault vanishes there.  At a block of zeros
only the path around the layer is left, whose gradient may be lost or counted twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradhook._types import Array, Batch
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, Trials, confirm, in_turn, vanishing
from gradhook.diagnosis.layers import is_nothing
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import blocks_listed
from gradhook.diagnosis.wrong_block import is_vector
from gradhook.verdict.evidence import beside

SAME_LOSS = 1e-9
"""Relative difference of two losses that are one, but for rounding."""

JITTER = 0.1
"""How far inputs are moved apart, in units of their standard deviation."""

FORGOTTEN = {
    "W_not_transposed": "multiplied by it where its transpose belongs (or the reverse)",
    "conv_no_flip": "the kernel is flipped on the way back, or not flipped where it should be",
}
"""What a block that is right once it is symmetric says of the way back."""

AROUND = {
    0.0: ("skip_missing", "the gradient of {} is lost"),
    2.0: ("double_count", "the gradient of {} is counted twice"),
}
"""Kind and words by the factor that is left where the layer's own block is zero."""


class Dropout(Hypothesis):
    """Blocks that are wrong with dropout on and right with it off."""

    family, kind, said, confidence = "W", "dropout_mask_missing", "dropout", "family"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for switches in mismatch.without("dropout"):
            yield cls(names, switches)

    def refute(self, mismatch: Mismatch) -> Trials:
        return (vanishing(mismatch, self.blocks, "dropout turned off", switches=self.switches),)


class SampleWeights(Hypothesis):
    """Blocks that are wrong unless every row counts alike.

    A column of the batch weighs its rows: ``on`` is it with all rows counting alike, and ``off``
    what stands for a row that does not count.
    """

    said, confidence = "sample_weights", "family"

    def __init__(
        self, names: Sequence[str], position: int, on: Array, off: Any, *, mask: bool
    ) -> None:
        self.blocks = tuple(names)
        self._position, self._on, self._off = position, on, off
        self.family = "W" if mask else "S"
        self.kind = "mask_ignored" if mask else "sample_weight_ignored"
        self.found = {"what": "the mask" if mask else "the sample weights", "position": position}

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for position, item in enumerate(mismatch.evaluator.batch):
            if not isinstance(item, np.ndarray) or item.size != mismatch.rows or item.size < 2:
                continue
            if item.dtype.kind == "b":
                yield cls(names, position, np.ones_like(item), False, mask=True)
            elif item.dtype.kind == "f" and np.all(item >= 0) and np.ptp(item) > 0:
                mask = set(np.unique(item)) <= {0.0, 1.0}
                yield cls(names, position, np.ones_like(item), 0.0, mask=mask)
            elif item.dtype.kind == "i" and np.any(item < 0) and np.any(item >= 0):
                on = np.where(item < 0, np.max(item), item)
                yield cls(names, position, on, np.min(item), mask=True)

    def refute(self, mismatch: Mismatch) -> Trials:
        batch = mismatch.with_item(self._position, self._on)
        tried = f"item {self._position} of the batch the same for every row"
        return in_turn(
            lambda: vanishing(mismatch, self.blocks, tried, batch=batch),
            lambda: self._weighs_rows(mismatch),
        )

    def _weighs_rows(self, mismatch: Mismatch) -> Trial | None:
        """Whether a row whose entry is off has no say in the loss, and one that is on has.

        With some entries off, the other columns of those rows are exchanged for those of other
        rows: the loss stays.  With all entries on it changes.  Right for sums and for weights that
        are normalised; a label fails it.  Where rows act on each other, as by a normalisation over
        them, it holds of one other column alone.  ``None`` where it could not be measured.
        """
        rows, some = np.arange(mismatch.rows), np.arange(0, mismatch.rows - 1, 2)
        rows[some] += 1  # those of their neighbours
        exchanged = mismatch.with_rows(rows)
        if exchanged is None:
            return None
        off, place = self._on.copy(), self._position
        off.reshape(-1)[some] = self._off
        items = [k for k in range(len(exchanged)) if k != place]
        alone = [mismatch.with_item(k, exchanged[k]) for k in items] if len(items) > 1 else []
        for batch in (exchanged, *alone):
            pairs = itertools.product((off, self._on), (None, batch))
            found = mismatch.losses([{"batch": mismatch.with_item(place, *pair)} for pair in pairs])
            if found is None:
                return None
            noise = 10 * mismatch.measured.prober.noise
            same_loss = [
                abs(other - plain) <= noise + SAME_LOSS * abs(plain)
                for plain, other in (found[:2], found[2:])
            ]
            if same_loss == [True, False]:
                break
        tried = f"other data in {len(some)} rows, their entries of item {place} off, then on"
        out = "the loss {}, then {}".format(*("stays" if same else "changes" for same in same_loss))
        return Trial(tried, out, refuted=same_loss != [True, False])


class EqualInputs(Hypothesis):
    """Blocks that are wrong where inputs are equal, and right once they are moved apart."""

    family, kind, said, confidence = "K", "pool_all_ties", "equal_inputs", "family"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for item in mismatch.evaluator.batch:
            if _may_tie(item):
                counts = np.unique(item, return_counts=True)[1]
                if int(counts.max()) > len(counts) ** 0.5:
                    yield cls(names)
                    return

    def refute(self, mismatch: Mismatch) -> Trials:
        random = np.random.default_rng(mismatch.options.seed)
        apart, alike = (_moved(mismatch.evaluator.batch, random, together=t) for t in (False, True))
        tried = "inputs moved, equal ones alike"
        return in_turn(
            lambda: vanishing(mismatch, self.blocks, "inputs moved apart", batch=apart),
            lambda: vanishing(mismatch, self.blocks, tried, stays=True, batch=alike),
        )


def _may_tie(item: object) -> bool:
    return isinstance(item, np.ndarray) and item.dtype.kind == "f" and item.ndim > 1


def _moved(batch: Batch, random: np.random.Generator, *, together: bool) -> Batch:
    """The batch with its inputs moved, each by itself or equal ones together."""

    def one(item: Array) -> Array:
        far = JITTER * np.std(item)
        if not together:
            return item + far * random.standard_normal(item.shape)
        values, which = np.unique(item, return_inverse=True)
        return (values + far * random.standard_normal(values.shape))[which].reshape(item.shape)

    return tuple(one(item) if _may_tie(item) else item for item in batch)


class RepeatedRows(Hypothesis):
    """An embedding that is wrong only in the rows that the batch uses more than once."""

    family, kind, said = "A", "emb_fancy_iadd", "repeated_rows"

    def __init__(self, name: str, gradient: Array, uses: Array, position: int) -> None:
        self.blocks, self.where = (name,), f"{name}[rows used more than once]"
        self._shape, self._position = gradient.shape, position
        self.predicted = {name: gradient}
        self.inside = {name: np.broadcast_to(uses[:, None] > 1, gradient.shape)}
        self._taking = int(np.flatnonzero(uses == 1)[-1])

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            a, w = mismatch.blocks[name].gradient, mismatch.blocks[name].values
            for position, item in enumerate(mismatch.evaluator.batch):
                if not (isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size):
                    continue
                if a.ndim != 2 or item.min() < 0 or item.max() >= len(a):
                    continue
                uses = np.bincount(item.ravel(), minlength=len(a))
                # Of a table, what the batch does not use has no gradient.
                indexed = is_nothing(a[uses == 0], w[uses == 0])
                if indexed and np.any(uses == 1) and np.count_nonzero(uses > 1) > 1:
                    yield cls(name, a, uses, position)

    def refute(self, mismatch: Mismatch) -> Trials:
        return in_turn(
            lambda: confirm(mismatch, self),
            lambda: self._used_once(mismatch, 1),
            lambda: self._used_once(mismatch, -1),
        )

    def _used_once(self, mismatch: Mismatch, way: int) -> Trial | None:
        """Whether rows are right whose further uses are pointed at one row that takes them all.

        The first use of each is kept, or the last if ``way`` is -1: a fault of one row of the data
        would go with either alone.
        """
        place, taking = self._position, self._taking
        item = mismatch.evaluator.batch[place]
        once = np.full_like(item, taking)
        values, kept = np.unique(item.ravel()[::way], return_index=True)
        once.reshape(-1)[::way][kept] = values
        rows = np.zeros(self._shape, dtype=bool)
        rows[values[values != taking]] = True
        batch = mismatch.with_item(place, once)
        seen = mismatch.revisit(self.blocks, within={self.blocks[0]: rows}, batch=batch)
        if seen is None:
            return None
        gone = mismatch.vanishes(seen, self.blocks)
        all_but = f"all but the {'first' if way > 0 else 'last'} use of each"
        tried = f"{all_but} pointed at row {taking}, in item {place} of the batch"
        return Trial(tried, f"the others are {'right' if gone else 'not right'}", refuted=not gone)


def _above(mismatch: Mismatch, names: Sequence[str]) -> str | None:
    """The right block next above the wrong ones; ``None`` where a right weight lies below them."""
    order = list(mismatch.order)
    last = max(order.index(name) for name in names)
    below = [mismatch.gradients[name].shape for name in order[:last] if name in mismatch.right]
    if not all(map(is_vector, below)):
        return None
    return next((name for name in order[last + 1 :] if name in mismatch.right), None)


class Symmetric(Hypothesis):
    """Blocks that are right once the block above them is made symmetric."""

    family, said = "W", "symmetric"

    def __init__(self, names: Sequence[str], above: str, kind: str, half: Array) -> None:
        self.blocks, self.above, self.kind = tuple(names), above, kind
        self.where = f"what the layer of {above} passes down"
        self.found = {"above": above, "how": FORGOTTEN[kind]}
        self._half = half

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        above = _above(mismatch, names)
        if above is None:
            return
        values = mismatch.evaluator.workspace.values(above)
        if values.ndim == 2 and values.shape[0] == values.shape[1]:
            yield cls(names, above, "W_not_transposed", (values + values.T) / 2)
        elif values.ndim == 4:
            yield cls(names, above, "conv_no_flip", (values + values[:, :, ::-1, ::-1]) / 2)

    def refute(self, mismatch: Mismatch) -> Trials:
        half, tried = {self.above: self._half}, f"{self.above} made symmetric"
        return (vanishing(mismatch, self.blocks, tried, values=half),)


class PathAround(Hypothesis):
    """Blocks below a path around a layer, whose gradient is lost or counted twice."""

    family, kind, said, confidence = "A", "skip_missing", "path_around", "family"

    def __init__(self, names: Sequence[str], above: str) -> None:
        self.blocks, self.above = tuple(names), above
        self.where = f"the join below {above}"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        above = _above(mismatch, names)
        if above is not None and np.any(mismatch.evaluator.workspace.values(above)):
            yield cls(names, above)

    def refute(self, mismatch: Mismatch) -> Trials:
        # A penalty would add the same to both.
        plain = next(mismatch.without("penalty"), None)
        zero = np.zeros_like(mismatch.evaluator.workspace.values(self.above))
        seen = mismatch.revisit(self.blocks, switches=plain, values={self.above: zero})
        if seen is None:
            return ()
        tried = f"{self.above} set to zero"
        if any(abs(probe.slope.value) <= 100 * probe.slope.error for probe in seen.probes):
            return (Trial(tried, "nothing passes around it", refuted=True),)
        slopes = [(p.analytic, p.slope.value, p.slope.error) for p in seen.probes]
        aside = beside(1.0, 1.0, mismatch.options.tolerance)
        fits = (all(abs(a - f * n) <= aside * abs(n) + 5 * e for a, n, e in slopes) for f in AROUND)
        factor = next(itertools.compress(AROUND, fits), None)
        if factor is None:
            return (Trial(tried, "the gradient is neither lost nor doubled", refuted=True),)
        self.kind, how = AROUND[factor]
        # One block by itself may as well be used twice.
        again = f"it, or of a second use of {self.blocks[0]}," if len(self.blocks) == 1 else "it"
        path = f"the path around {again}"
        self.found = {"above": self.above, "how": how.format(path)}
        trial = Trial(tried, f"the gradient is {factor:g} times the numerical one")
        others = [name for name in mismatch.blocks if name not in self.blocks]
        if others:  # what a wrong block passes down is no fault of the path
            zeros = {name: np.zeros(mismatch.blocks[name].shape) for name in others}
            tried = f"{blocks_listed(others)} set to zero"
            other = vanishing(mismatch, self.blocks, tried, stays=True, values=zeros)
            if other is not None and other.refuted:
                return (trial, other)
        return (trial,)
