"""Gradients cut off at one size, inside the function that is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import another_point, revisit
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial, confirm
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, say
from gradhook.diagnosis.wrong_block import WrongBlock

__all__ = ["Clipped"]

GRADIENT_ROUNDING = 1e-12
"""Share of the numerical gradient below which a gradient is rounding."""

FEW_UNCLIPPED = 4
"""Elements up to which those that are not clipped say too little."""


class Clipped(Hypothesis):
    """Blocks that are wrong only where their gradient stands at one limit."""

    family, kind, said = "M", "clipped", "clipped"

    def __init__(self, mismatch: Mismatch, top: float, names: Sequence[str]) -> None:
        self.blocks, self.top = tuple(names), top
        self.masks = {name: np.abs(mismatch.gradients[name]) == top for name in names}
        self._gradients = {name: mismatch.gradients[name] for name in names}
        self.support = "wrong only where the gradient has its largest size"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        cut: dict[float, list[str]] = {}
        for block in (mismatch.blocks[name] for name in names):
            top = float(np.max(np.abs(block.gradient), initial=0.0))
            largest = float(np.max(np.abs(block.slopes), initial=0.0))
            if (
                block.gradient.size > 1
                and top > GRADIENT_ROUNDING * largest
                and _is_cut(mismatch, block, top)
            ):
                cut.setdefault(top, []).append(block.name)
        for top, same in cut.items():
            # A limit found on several elements extends to blocks where one stands at it.
            more = [n for n in names if n not in same and _stands_at(mismatch.blocks[n], top)]
            yield cls(mismatch, top, [n for n in names if n in (*same, *more)])
        for name in names:
            top = float(np.max(np.abs(mismatch.blocks[name].gradient), initial=0.0))
            if top not in cut and top > 0 and float(f"{top:.3g}") == top:  # a number someone chose
                yield cls(mismatch, top, [name])

    def predict(self) -> Mapping[str, Array]:
        return {n: g for n, g in self._gradients.items() if not np.all(self.masks[n])}

    def inside(self) -> Mapping[str, Array]:
        return {n: mask for n, mask in self.masks.items() if not np.all(mask)}

    def refute(self, mismatch: Mismatch) -> Refutation:
        done = confirm(mismatch, self) if self.predict() else Refutation()
        if self.predict() and not done.survived:
            return done
        if any(mismatch.is_larger(name, mask) for name, mask in self.masks.items()):
            trial = Trial(
                "elements at the limit", "the numerical gradient is smaller", refuted=True
            )
            return done.then(Refutation((trial,)))
        seen = revisit(mismatch, [], moves=another_point(mismatch), probes=0)
        if seen is None:
            return NOT_MADE
        if all(np.array_equal(seen.gradients[n], self._gradients[n]) for n in self.blocks):
            return NOT_MADE  # the gradient is the same everywhere, as a hinge's is
        tops = {name: float(np.max(np.abs(seen.gradients[name]))) for name in self.blocks}
        same = [name for name, top in tops.items() if top == self.top]
        beyond = [name for name, top in tops.items() if top > self.top]
        out = f"the same limit in {len(same)} of {len(tops)} blocks, none beyond it"
        out = f"elements beyond the limit in {len(beyond)} blocks" if beyond else out
        return done.then(Refutation((Trial(AT_OTHER_WEIGHTS, out, bool(beyond or not same)),)))

    def sentence(self) -> str:
        return say(
            self.said,
            d=listed(self.blocks),
            top=f"{self.top:.6g}",
            many=sum(int(np.count_nonzero(mask)) for mask in self.masks.values()),
            size=sum(mask.size for mask in self.masks.values()),
        )


def _stands_at(block: WrongBlock, top: float) -> bool:
    return float(np.max(np.abs(block.gradient), initial=0.0)) == top


def _is_cut(mismatch: Mismatch, block: WrongBlock, top: float) -> bool:
    """Whether elements stand at one size as clipped ones do."""
    a = block.gradient
    at_top = np.abs(a) == top
    if block.exact:
        n = block.slopes.reshape(a.shape)
        if not np.all((n * np.sign(a) > top - block.errors.reshape(a.shape))[at_top]):
            return False
    if (
        np.all(at_top) or a.size <= FEW_UNCLIPPED
    ):  # no other elements, or too few, to be found right
        return any(np.max(np.abs(g[block.name])) == top for g in mismatch.elsewhere)
    return bool(np.count_nonzero(at_top) >= 2)
