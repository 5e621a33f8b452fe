"""Gradients cut to one size inside the function that is checked: element by element, or by a norm.

The limit is a number that someone chose, at this point and at others.  Elements at one limit are
wrong and all others right.  Gradients that are scaled to one norm, clipped by it or normalised, are
a multiple of the numerical gradient, and the multiple means nothing; the norm does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.experiment import Changed, another_point, revisit
from gradhook.diagnosis.fit import Fitted, alike, fitted, scaled
from gradhook.diagnosis.hypothesis import (
    NOT_MADE,
    FittedHypothesis,
    Hypothesis,
    Refutation,
    Trial,
    confirm,
)
from gradhook.diagnosis.mismatch import FRESH, Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, say
from gradhook.objective.parameters import norm

__all__ = ["Clipped", "ScaledToNorm"]

SAME_NORM = 1e-5
"""Relative difference of two norms that are one: many add 1e-6 to what they divide by."""


class Clipped(Hypothesis):
    """Blocks that are wrong only where their gradient stands at one limit."""

    family, kind, said = "M", "clipped", "clipped"

    def __init__(self, mismatch: Mismatch, top: float, names: Sequence[str]) -> None:
        self.blocks, self.top = tuple(names), top
        self._gradients = {name: mismatch.gradients[name] for name in names}
        self.masks = {name: np.abs(a) == top for name, a in self._gradients.items()}
        self.support = "wrong only where the gradient has its largest size"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        tops = {name: _largest(mismatch.gradients[name]) for name in names}
        for top in dict.fromkeys(tops.values()):
            found = cls(mismatch, top, [name for name in names if tops[name] == top])
            several = any(np.count_nonzero(mask) > 1 for mask in found.masks.values())
            chosen = float(f"{top:.3g}") == top  # a number that someone chose
            if top > 0 and (several or chosen):
                yield found

    def predict(self) -> Mapping[str, Array]:
        return {n: g for n, g in self._gradients.items() if not np.all(self.masks[n])}

    def inside(self) -> Mapping[str, Array]:
        return {n: mask for n, mask in self.masks.items() if not np.all(mask)}

    def refute(self, mismatch: Mismatch) -> Refutation:
        done = confirm(mismatch, self)
        if self.predict() and not done.survived:
            return done
        if any(mismatch.is_larger(name, mask) for name, mask in self.masks.items()):
            out = "the numerical gradient is smaller"
            return done.then(Refutation((Trial("elements at the limit", out, refuted=True),)))
        seen = _elsewhere(mismatch, self.blocks, probes=0)
        if seen is None:
            return NOT_MADE
        tops = [_largest(seen.gradients[name]) for name in self.blocks]
        same, beyond = tops.count(self.top), sum(top > self.top for top in tops)
        out = f"the same limit in {same} of {len(tops)} blocks, none beyond it"
        out = f"elements beyond the limit in {beyond} blocks" if beyond else out
        return done.then(Refutation((Trial(AT_OTHER_WEIGHTS, out, bool(beyond or not same)),)))

    def sentence(self) -> str:
        return say(
            self.said,
            d=listed(self.blocks),
            top=f"{self.top:.6g}",
            many=sum(int(np.count_nonzero(mask)) for mask in self.masks.values()),
            size=sum(mask.size for mask in self.masks.values()),
        )


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _elsewhere(mismatch: Mismatch, names: Sequence[str], probes: int = FRESH) -> Changed | None:
    """Another point; ``None`` also where gradients are the same everywhere, as a hinge's are."""
    seen = revisit(mismatch, names, moves=another_point(mismatch), probes=probes)
    here = mismatch.gradients
    if seen is None or all(np.array_equal(seen.gradients[name], here[name]) for name in names):
        return None
    return seen


class ScaledToNorm(FittedHypothesis):
    """Blocks that are right but for their norm, all together or each of them."""

    family, kind, said = "M", "clipped", "scaled_to_norm"

    def __init__(self, mismatch: Mismatch, numbers: Mapping[str, Fitted], limit: float) -> None:
        super().__init__(mismatch, numbers)
        self.limit, self._gradients = limit, mismatch.gradients
        self.together = not _is(_norm(self._gradients, self.blocks[:1]), limit)
        self.support = f"norm {limit:g}, and a multiple of the numerical gradient"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        all_wrong = not mismatch.right and len(names) == len(mismatch.blocks)
        whole = _chosen(_norm(mismatch.gradients, mismatch.gradients)) if all_wrong else None
        limits = {name: _chosen(_norm(mismatch.gradients, [name])) for name in names}
        if whole is None and not any(limits.values()):
            return
        numbers = {n: f for n, f in fitted(mismatch, scaled).items() if n in names and f.value > 0}
        if whole is not None and len(numbers) == len(names) and len(alike(numbers)) == 1:
            yield cls(mismatch, numbers, whole)
        for limit in dict.fromkeys(limits.values()):
            same = {n: number for n, number in numbers.items() if limits[n] == limit}
            if limit is not None and same:
                yield cls(mismatch, same, limit)

    def refute_meaning(self, mismatch: Mismatch, done: Refutation) -> Refutation:
        seen = _elsewhere(mismatch, self.blocks)
        if seen is None:
            return NOT_MADE
        groups = [list(self._gradients)] if self.together else [[n] for n in self.blocks]
        sizes = [_norm(seen.gradients, group) for group in groups]
        at_limit = [_is(size, self.limit) for size in sizes]
        right = all(size < self.limit for size in sizes) and seen.meets(mismatch, seen.gradients)
        out = "the same norm" if any(at_limit) else "a smaller norm, and right"
        beyond = any(s > self.limit and not at for s, at in zip(sizes, at_limit, strict=True))
        refuted = beyond or not (any(at_limit) or right)
        out = f"norms from {min(sizes):.3g} to {max(sizes):.3g}" if refuted else out
        return done.then(Refutation((Trial(AT_OTHER_WEIGHTS, out, refuted),)))

    def sentence(self) -> str:
        down = all(number.value > 1 for number in self.numbers.values())
        return say(
            self.said,
            d=listed(self.blocks),
            which="all together " if self.together else "each " if len(self.blocks) > 1 else "",
            limit=f"{self.limit:g}",
            how="clipping by the norm" if down else "normalising",
        )


def _norm(gradients: Blocks, names: Sequence[str] | Blocks) -> float:
    """The norm of some blocks taken together."""
    return float(np.linalg.norm([norm(gradients[name]) for name in names]))


def _chosen(size: float) -> float | None:
    """The number of one or two digits that a norm is; ``None`` if it is none."""
    number = float(f"{size:.2g}")
    return number if number and _is(size, number) else None


def _is(size: float, number: float) -> bool:
    return abs(size - number) <= SAME_NORM * number
