"""Gradients cut to one size, element by element, inside the function that is checked.

The limit is a number that someone chose, at this point and at others.  Elements at one limit are
wrong and all others right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import another_point, revisit
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, say

__all__ = ["Clipped"]


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
        if not done.survived:
            return done
        seen = revisit(mismatch, [], moves=another_point(mismatch), probes=0)
        # Gradients that are the same everywhere, as a hinge's are, tell nothing.
        here = self._gradients
        if seen is None or all(np.array_equal(seen.gradients[n], here[n]) for n in self.blocks):
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
