"""The layer above the wrong blocks, tried with its block made symmetric or zero.

What a layer passes down depends on its own block.  A transpose or a flip that was forgotten does
nothing to a block that is symmetric under it, so the fault vanishes there.  At a block of zeros
only the path around the layer is left, whose gradient may be lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.experiment import Changed, revisit, vanishes, vanishing, without
from gradhook.diagnosis.hypothesis import Hypothesis, Trial, Trials
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import blocks_listed
from gradhook.diagnosis.wrong_block import is_vector

__all__ = ["PathAround", "Symmetric"]

FORGOTTEN = {
    "W_not_transposed": "multiplied by it where its transpose belongs (or the reverse)",
    "conv_no_flip": "the kernel is flipped on the way back, or not flipped where it should be",
}
"""What a block that is right once it is symmetric says of the way back."""

AROUND = {
    0.0: ("skip_missing", "the gradient of the path around it is lost"),
    2.0: ("double_count", "the gradient of the path around it is counted twice"),
}
"""Kind and words by the factor that is left where the layer's own block is zero."""


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

    def __init__(self, names: Sequence[str], above: str, kind: str, mirrored: Array) -> None:
        self.blocks, self.above, self.kind = tuple(names), above, kind
        self.where = f"what the layer of {above} passes down"
        self.found = {"above": above, "how": FORGOTTEN[kind]}
        self._mirrored = mirrored

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        above = _above(mismatch, names)
        if above is None:
            return
        values = mismatch.evaluator.workspace.values(above)
        if values.ndim == 2 and values.shape[0] == values.shape[1]:
            yield cls(names, above, "W_not_transposed", values.T)
        elif values.ndim == 4:
            yield cls(names, above, "conv_no_flip", values[:, :, ::-1, ::-1])

    def refute(self, mismatch: Mismatch) -> Trials:
        values = mismatch.evaluator.workspace.values(self.above)
        half = {self.above: (values + self._mirrored) / 2}
        tried = f"{self.above} made symmetric"
        return (vanishing(mismatch, self.blocks, tried, values=half),)


def _is_times(seen: Changed, factor: float) -> bool:
    """Whether the gradient is such a multiple of the numerical one, as far as can be seen."""
    return all(
        abs(probe.analytic - factor * probe.slope.value)
        <= 1e-9 * abs(probe.slope.value) + 5 * probe.slope.error
        for probe in seen.probes
    )


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
        plain = next(without(mismatch, "penalty"), None)
        zero = np.zeros_like(mismatch.evaluator.workspace.values(self.above))
        seen = revisit(mismatch, self.blocks, switches=plain, values={self.above: zero})
        if seen is None:
            return ()
        tried = f"{self.above} set to zero"
        if any(abs(probe.slope.value) <= 100 * probe.slope.error for probe in seen.probes):
            return (Trial(tried, "nothing passes around it", refuted=True),)
        factor = next((each for each in AROUND if _is_times(seen, each)), None)
        if factor is None:
            return (Trial(tried, "the gradient is neither lost nor doubled", refuted=True),)
        self.kind, how = AROUND[factor]
        self.found = {"above": self.above, "how": how}
        trial = Trial(tried, f"the gradient is {factor:g} times the numerical one")
        others = [name for name in mismatch.blocks if name not in self.blocks]
        if others:  # what a wrong block passes down is no fault of the path
            zeros = {name: np.zeros(mismatch.blocks[name].shape) for name in others}
            tried = f"{blocks_listed(others)} set to zero"
            seen = revisit(mismatch, self.blocks, values=zeros)
            if vanishes(mismatch, seen, self.blocks):
                return (trial, Trial(tried, "the difference vanishes", refuted=True))
        return (trial,)
