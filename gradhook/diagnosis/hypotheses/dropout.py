"""A backward pass that does not replay the mask of dropout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradhook.diagnosis.experiment import Turned, revisit, vanishes, without
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, say

__all__ = ["Dropout"]


class Dropout(Hypothesis):
    """Blocks that are wrong with dropout on and right with it off."""

    family, kind, said, confidence = "W", "dropout_mask_missing", "dropout", "family"

    def __init__(self, names: Sequence[str], switches: Turned) -> None:
        self.blocks, self._switches = tuple(names), switches

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for switches in without(mismatch, "dropout"):
            yield cls(names, switches)

    def refute(self, mismatch: Mismatch) -> Refutation:
        seen = revisit(mismatch, self.blocks, switches=self._switches)
        if seen is None:
            return NOT_MADE
        gone = vanishes(mismatch, seen, self.blocks)
        out = "the difference vanishes" if gone else "the difference stays"
        return Refutation((Trial("dropout turned off", out, refuted=not gone),))

    def sentence(self) -> str:
        return say(self.said, d=listed(self.blocks))
