"""Gradients scaled to one norm, inside the function that is checked: clipped by it, or normalised.

They are a multiple of the numerical gradient, and the multiple means nothing; the norm does, which
is a number that someone chose, at this point and at others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Blocks
from gradhook.diagnosis.experiment import another_point, revisit
from gradhook.diagnosis.fit import Fitted, alike, fitted, scaled
from gradhook.diagnosis.hypothesis import NOT_MADE, FittedHypothesis, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, say
from gradhook.objective.parameters import norm

__all__ = ["ScaledToNorm"]

SAME = 1e-5
"""Relative difference of two norms that are one: many add 1e-6 to what they divide by."""


class ScaledToNorm(FittedHypothesis):
    """Blocks that are right but for their norm, all together or each of them."""

    family, kind, said = "M", "clipped", "scaled_to_norm"

    def __init__(self, mismatch: Mismatch, numbers: Mapping[str, Fitted], limit: float) -> None:
        self.blocks, self.numbers, self.limit = tuple(numbers), numbers, limit
        self._gradients = mismatch.gradients
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
        seen = revisit(mismatch, self.blocks, moves=another_point(mismatch))
        if seen is None:
            return NOT_MADE
        if all(np.array_equal(seen.gradients[n], self._gradients[n]) for n in self.blocks):
            return NOT_MADE  # a gradient that is the same everywhere has one norm
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
    return abs(size - number) <= SAME * number
