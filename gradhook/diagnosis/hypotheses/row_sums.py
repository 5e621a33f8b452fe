"""Sums over the rows of a batch that lost something: all rows but one, or an axis of a bias.

A gradient that is that of one row follows the data of that row and of no other.  A sum over the
rows does not depend on their order, and adds up what the rows give one by one.  A bias whose
gradient is wrong and does neither as it should lost something in that sum; one whose gradient is
wrong in some other way, squared or cut, keeps the order of the rows out of it and does not add up.

Whether a 1-D block is the bias of a weight is measured, because shapes and names do not say.  On
one row of a dense layer the gradient of the weight is the outer product of the layer's input with
the gradient of its bias, so that the bias's numerical gradient there is a multiple of what that
product holds.  Where a weight acts at several positions, as in a convolution or a recurrence, no
such product exists, and what is asked is whether both stand at one place of the chain of layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, Trials, in_turn
from gradhook.diagnosis.mismatch import Changed, Mismatch
from gradhook.diagnosis.sentences import listed
from gradhook.diagnosis.wrong_block import (
    SAME_GRADIENT,
    is_uniform,
    is_vector,
    multiple_of,
    same_gradient,
)

RANK_ONE = 1e-9
"""Relative distance from an outer product, but for rounding."""

PROBES = 3
"""Directions along which the gradient of a bias is held against that of its weight."""

ROW_FAULTS = {
    "bias_first_sample": "taken from the first row instead of summed",
    "early_return": "a return inside the loop over the rows",
    "loop_overwrite": "overwritten in the loop over the rows instead of added to",
}
"""How a gradient comes to be that of one row."""

WRONG_SUMS = {
    "bias_oversum": "every element is the same, a sum over all axes",
    "conv_bias_nospatial": "it is not the sum over rows, height and width",
    "bias_wrong_axis": "it is summed over the wrong axis, or not over every row",
}
"""What went wrong with the sum."""


class OneRow(Hypothesis):
    """Blocks whose gradient is that of one row."""

    said = "one_row"

    def __init__(self, names: Sequence[str], row: int, whole: Blocks, *, biases: bool) -> None:
        self.blocks, self.row, self._whole = tuple(names), row, whole
        self.kind = "loop_overwrite" if row else "bias_first_sample" if biases else "early_return"
        self.family = "B" if self.kind == "bias_first_sample" else "A"
        self.which = "last" if row else "first"
        self.support = f"proportional to the gradient of the {self.which} row"
        self.found = {"which": self.which, "how": ROW_FAULTS[self.kind]}

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        seen = _on_rows(mismatch, range(mismatch.rows))
        if seen is None:
            return
        whole, order = seen.gradients, list(mismatch.order)
        for row in (0, mismatch.rows - 1):
            seen = _on_rows(mismatch, [row])
            if seen is None:
                continue
            same = [
                n
                for n in names
                if mismatch.blocks[n].gradient.size > 1
                # Elements that are all as large are proportional to anything like them.
                and not is_uniform(np.abs(whole[n]))
                and multiple_of(whole[n], seen.gradients[n], SAME_GRADIENT) is not None
            ]
            biases = all(is_vector(mismatch.blocks[name].shape) for name in same)
            if biases:  # of a bias by itself the weight beside it must be right
                same = [n for n in same if order[max(0, order.index(n) - 1)] in mismatch.right]
            if same:
                yield cls(same, row, whole, biases=biases)
                names = [name for name in names if name not in same]

    def refute(self, mismatch: Mismatch) -> Trials:
        """Exchange that row with another, then the others: which does the gradient follow?

        A sum over rows of which one alone counts stays as it is, wherever that one stands.
        """
        rows = list(range(mismatch.rows))
        inner = rows[1:-1] or rows[1:]
        places = {self.row: inner[0], inner[0]: self.row}
        exchanged = [places.get(k, k) for k in rows]
        others = [k if k == self.row else inner[(i + 1) % len(inner)] for i, k in enumerate(rows)]
        penalised = next(mismatch.without("penalty"), None) is not None
        trials = []
        for chosen, moves, tried in (
            (exchanged, True, f"the {self.which} row exchanged with another"),
            (others, False, "the other rows exchanged"),
        ):
            seen = _on_rows(mismatch, chosen)
            if seen is None:
                return ()
            if not moves and not penalised and seen.loss == mismatch.measured.prober.loss:
                return (Trial(tried, "the loss stays: only that row counts", True),)
            follows = any(not same_gradient(seen.gradients[n], self._whole[n]) for n in self.blocks)
            out = "the gradient follows" if follows else "the gradient stays"
            trials.append(Trial(tried, out, refuted=follows is not moves))
        return tuple(trials)


def _on_rows(mismatch: Mismatch, rows: Sequence[int]) -> Changed | None:
    """The gradients on some rows without the penalty; ``None`` where the batch cannot be cut."""
    batch = mismatch.with_rows(rows)
    if batch is None:
        return None
    plain = next(mismatch.without("penalty"), None)
    return mismatch.revisit([], switches=plain, batch=batch, probes=0)


class BiasSum(Hypothesis):
    """A bias that is wrong beside the weight that it belongs to."""

    family, said, by_elimination = "B", "bias_sum", True

    def __init__(self, mismatch: Mismatch, name: str, weight: str) -> None:
        self.blocks, self.weight = (name,), weight
        if is_uniform(mismatch.blocks[name].gradient):
            self.kind = "bias_oversum"
        elif mismatch.gradients[weight].ndim > 2:
            self.kind = "conv_bias_nospatial"
        else:
            self.kind = "bias_wrong_axis"
        self.confidence = "exact" if self.kind == "bias_oversum" else "family"
        self.support = f"{weight} is right, made from the same gradient of the layer's output"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for name in names:
            place = mismatch.order.index(name)
            weight = mismatch.order[max(0, place - 1)]
            shapes = mismatch.blocks[name].shape, mismatch.gradients[weight].shape
            # What is zero may as well be disconnected, and a sum over the wrong axis spoils all.
            if weight not in mismatch.right or list(map(is_vector, shapes)) != [True, False]:
                continue
            if np.any(mismatch.blocks[name].gradient) and not mismatch.located(name).boxes:
                yield cls(mismatch, name, weight)

    def refute(self, mismatch: Mismatch) -> Trials:
        (name,) = self.blocks
        weight, trial = bias_of(mismatch, name)
        if weight in mismatch.right:
            self.weight = weight
        self.found = {"weight": listed([self.weight]), "how": WRONG_SUMS[self.kind]}
        lost = _oversummed if self.kind == "bias_oversum" else _sum_is_lost
        told = [lambda: trial] if trial is not None else []
        return in_turn(*told, lambda: lost(mismatch, name, self.weight))


def _oversummed(mismatch: Mismatch, name: str, _: str) -> Trial | None:
    """Whether every element is the same on other rows too."""
    batch = mismatch.with_rows([1, 0])
    seen = None if batch is None else mismatch.revisit([], batch=batch, probes=0)
    if seen is None:
        return None
    alike = is_uniform(seen.gradients[name])
    return Trial("two rows alone", f"elements {'all the same' if alike else 'differ'}", not alike)


def _sum_is_lost(mismatch: Mismatch, name: str, weight: str) -> Trial | None:
    """Whether the gradient depends on the order of the rows, or adds up over positions in them."""
    rows = range(mismatch.rows)
    here, seen = _on_rows(mismatch, rows), _on_rows(mismatch, [*rows[1:], 0])
    if here is None or seen is None:
        return None
    if not same_gradient(here.gradients[weight], seen.gradients[weight]):
        return None  # the order of the rows means something
    given = here.gradients[name]
    # Numbers added in another order differ by rounding: beside the sum, or what was lost from it.
    change, size = (float(np.linalg.norm(x)) for x in (given - seen.gradients[name], given))
    size = min(size, mismatch.blocks[name].residual_norm)
    if change > mismatch.options.tolerance.explained * size:
        return Trial("the rows in another order", f"{listed([name])} alone changes")
    if mismatch.gradients[weight].ndim < 3:
        return Trial("the rows in another order", "the gradient stays", refuted=True)
    half = len(rows) // 2
    first, second = _on_rows(mismatch, rows[:half]), _on_rows(mismatch, rows[half:])
    if first is None or second is None:
        return None
    pair = np.stack([each.gradients[weight].ravel() for each in (first, second)], axis=1)
    share = np.linalg.lstsq(pair, here.gradients[weight].ravel(), rcond=None)[0]
    tried = "both halves of the rows by themselves"
    for which in (weight, name):
        total = share[0] * first.gradients[which] + share[1] * second.gradients[which]
        if not same_gradient(here.gradients[which], total):
            return Trial(tried, f"{which} does not add up", refuted=True)
    return Trial(tried, "they add up, so that what is lost is lost within the rows")


def output_factor(gradient: Array, outputs: int) -> Array | None:
    """``d``, of length one, of a weight's gradient ``x ⊗ d`` or ``d ⊗ x`` on one row.

    ``None`` where the gradient is no such product of as many outputs, or there is one output, so
    that anything is a multiple of it.
    """
    size = float(np.linalg.norm(gradient))
    if gradient.ndim != 2 or outputs < 2 or not 0 < size < math.inf:
        return None
    for a in (gradient, gradient.T):
        d: Array = a[int(np.argmax(np.linalg.norm(a, axis=1)))]
        d = d / np.linalg.norm(d)
        if len(d) == outputs and np.linalg.norm(a - np.outer(a @ d, d)) <= RANK_ONE * size:
            return d
    return None


def _acts_as_bias(mismatch: Mismatch, bias: str, weight: str) -> Trial | None:
    """Whether a wrong block has the gradient of a weight's bias; ``None`` where it cannot be told.

    The gradient of the weight must be right but for a factor.
    """
    batch = mismatch.with_rows([0])
    seen = None if batch is None else mismatch.revisit([bias], probes=PROBES, batch=batch)
    given = mismatch.gradients[bias]
    d = None if seen is None else output_factor(seen.gradients[weight], given.size)
    if seen is None or d is None:
        return None
    d = d.reshape(given.shape)
    along = np.array([w * v.dot(d) for ((_, v, w),) in seen.parts])
    slopes = np.array([probe.slope.value for probe in seen.probes])
    same = seen.meets(mismatch, {bias: float(along @ slopes / (along @ along)) * d})
    out = f"the gradient of {bias} is {'' if same else 'no '}factor of that of {weight}"
    return Trial("one row alone", out, refuted=not same)


def bias_of(mismatch: Mismatch, name: str) -> tuple[str, Trial | None]:
    """The weight whose bias a block is, or may be where nothing could be measured, and the trial.

    Where no row tells, because weights act at several positions or rows are coupled, both must
    stand at one place of the chain of layers, if there is one.
    """
    size, order = mismatch.gradients[name].size, list(mismatch.order)
    place = order.index(name)
    unsure = ""
    refuted = "", Trial(f"{name} as a bias", "it is that of no weight", refuted=True)
    for weight in sorted(order, key=lambda other: abs(order.index(other) - place + 0.5)):
        shape = mismatch.gradients[weight].shape
        fits = size in (shape[:1] + shape[-1:]) and not is_vector(shape)
        fits = fits or (size == 1 and len(shape) == 1 and shape[0] > 1)
        if weight == name or not fits:
            continue
        trial = _acts_as_bias(mismatch, name, weight)
        if trial is None:
            unsure = unsure or weight
        elif not trial.refuted:
            return weight, trial
    layers = mismatch.context.layers_of(mismatch) if unsure else None
    if layers is None or not layers.levels:
        return (unsure, None) if unsure else refuted
    beside = unsure in layers.beside(name)
    out = f"the gradients of {name} and {unsure} vanish {'together' if beside else 'apart'}"
    return unsure, Trial("each block set to zero in turn", out, refuted=not beside)


def may_be_biases(mismatch: Mismatch, names: Sequence[str]) -> bool:
    """Whether nothing speaks against the first of some blocks being a bias."""
    if not is_vector(mismatch.gradients[names[0]].shape):
        return False
    _, trial = bias_of(mismatch, names[0])
    return trial is None or not trial.refuted
