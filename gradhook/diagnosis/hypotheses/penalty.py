"""Penalties that differ between loss and gradient, read off the residual alone.

The residual is then a multiple of the weights, of their sign, of one, or of what is left of one
form of a penalty less another.  It may also be so by accident, where a term of the loss or a buffer
equals the weights at the point checked; at another point it no longer is.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.acts_as_bias import may_be_biases
from gradhook.diagnosis.experiment import another_point, revisit
from gradhook.diagnosis.fit import Fitted, Prediction, alike, fitted
from gradhook.diagnosis.hypotheses.switched import told_by_switch
from gradhook.diagnosis.hypothesis import NOT_MADE, FittedHypothesis, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, own_name, say, verb, with_error
from gradhook.diagnosis.wrong_block import WrongBlock

__all__ = ["PENALTY_FORMS", "PenaltyForm", "form"]

PENALTY_FORMS: Mapping[str, Callable[[Array], Array]] = {
    "weights": lambda w: w,
    "constant": np.ones_like,
    "sign": np.sign,
    "reg_square": lambda w: w - w * w,
    "reg_l1_form": lambda w: w - np.sign(w),
}
"""What a penalty's residual may be a multiple of, of the block's values; the likeliest first."""

SENTENCE = {
    "constant": "penalty_constant",
    "reg_square": "penalty_square",
    "reg_l1_form": "penalty_l1",
}


def form(key: str, block: WrongBlock) -> Prediction:
    """A penalty in the loss that the gradient lacks or has in another form, of ``PENALTY_FORMS``.

    The coefficient is that by which the loss's penalty exceeds the gradient's.
    """
    return Prediction(block, block.gradient, (block.inside(PENALTY_FORMS[key](block.values)),))


class PenaltyForm(FittedHypothesis):
    """A residual that is one multiple of a known form of the weights."""

    family = "R"

    def __init__(self, mismatch: Mismatch, key: str, numbers: Mapping[str, Fitted]) -> None:
        self.blocks, self.key, self.numbers = tuple(numbers), key, numbers
        first = numbers[self.blocks[0]]
        self.coefficient, self.error = first.value, first.error
        self.biases = all(mismatch.blocks[name].is_vector for name in self.blocks)
        self.shown = mismatch.blocks[self.blocks[0]].shown
        self.all_blocks = len(self.blocks) == len(mismatch.gradients)
        held = "penalty_lacking" if first.value > 0 else "penalty_held"
        self.said = SENTENCE.get(key, held)
        self.kind = {"constant": "reg_ones_on_bias"}.get(key, key)
        if key in ("weights", "sign"):
            on_bias = self.biases and key == "weights"
            more = "reg_on_bias" if on_bias else "reg_coefficient"
            self.kind = "reg_missing" if first.value > 0 else more
        self.support = f"coefficient {with_error(abs(first.value), first.error)} in every direction"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        done: set[str] = set()
        for key in PENALTY_FORMS:
            # By how much the loss's penalty exceeds the gradient's.
            numbers = fitted(mismatch, functools.partial(form, key))
            missing = {name: number for name, number in numbers.items() if name not in done}
            done |= set(missing)
            for same in alike(missing):
                yield cls(mismatch, key, {name: missing[name] for name in same})

    def refute_meaning(self, mismatch: Mismatch, done: Refutation) -> Refutation:
        if self.kind == "reg_on_bias" and not may_be_biases(mismatch, self.blocks):
            plain = copy.copy(self)
            plain.kind = "reg_coefficient"
            done = Refutation(done.trials, plain)
        switch = told_by_switch(mismatch, self.blocks)
        if switch.survived:
            return done.then(switch)
        # A multiple of the weights is the same by whatever way it came in.
        if switch.made and self.kind not in ("reg_missing", "reg_coefficient"):
            return done.then(switch)
        seen = revisit(mismatch, self.blocks, moves=another_point(mismatch))
        if seen is None:
            return NOT_MADE
        predicted = {
            name: seen.gradients[name]
            + self.coefficient
            * mismatch.blocks[name].inside(PENALTY_FORMS[self.key](seen.values[name]))
            for name in self.blocks
        }
        same = seen.meets(mismatch, predicted)
        out = "the same coefficient" if same else "no such multiple of the blocks"
        return done.then(Refutation((Trial(AT_OTHER_WEIGHTS, out, refuted=not same),)))

    def sentence(self) -> str:
        w = own_name(self.blocks, "b" if self.biases else "W")
        size = f"{abs(self.coefficient):.4g}"
        norm, basis = ("L1", f"sign({w})") if self.key == "sign" else ("L2", w)
        patterns = "" if self.all_blocks else "".join(f", {name!r}" for name in self.blocks)
        return say(
            self.said,
            d=self.shown or listed(self.blocks),
            lack=verb(self.blocks, "lacks", "lack"),
            hold=verb(self.blocks, "holds", "hold"),
            differ=verb(self.blocks, "differs", "differ"),
            size=f"{-self.coefficient:.4g}" if self.key == "constant" else size,
            basis=basis,
            w=w,
            norm=norm,
            option=f"{-self.coefficient:.6g}{patterns}",
        )
