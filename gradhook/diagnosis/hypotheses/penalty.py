"""Penalties that differ between loss and gradient, read off the residual or told by a switch.

The residual is then a multiple of the weights, of their sign, of one, or of what is left of one
form of a penalty less another.  It may also be so by accident, where a term of the loss or a buffer
equals the weights at the point checked; at another point it no longer is.

With a penalty's switch on and off the analytic gradients differ by the penalty's gradient as the
code has it.  The one that the loss has is that less the residual, if the residual vanishes with the
penalty.  Both are then compared, whatever the convention for the coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.hypotheses.row_sums import may_be_biases
from gradhook.diagnosis.hypothesis import FittedHypothesis, Hypothesis, Trial, Trials, survives
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, own_name, with_error
from gradhook.diagnosis.wrong_block import (
    Fitted,
    Prediction,
    alike,
    fitted,
    is_uniform,
    is_vector,
    multiple_of,
)
from gradhook.objective.switches import L1, L2, split_penalty

Told: TypeAlias = tuple[str, str, Mapping[str, object]]
"""What a switch told of one block's penalty: a kind, and a sentence with what fills it."""

SAME = 1e-6
"""Relative difference below which a penalty's gradient has a form."""

PENALTY_FORMS: Mapping[str, Callable[[Array], Array]] = {
    "weights": lambda w: w,
    "constant": np.ones_like,
    "sign": np.sign,
    "reg_square": lambda w: w - w * w,
    "reg_l1_form": lambda w: w - np.sign(w),
}
"""What a penalty's residual may be a multiple of, of the block's values; the likeliest first."""

SENTENCE = {
    "constant": ("penalty_constant", "reg_ones_on_bias"),
    "reg_square": ("penalty_square", "reg_square"),
    "reg_l1_form": ("penalty_l1", "reg_l1_form"),
}
"""Sentence and kind of a form that is neither lacking nor too much."""


class PenaltyForm(FittedHypothesis):
    """A residual that is one multiple of a known form of the weights."""

    family = "R"

    def __init__(self, mismatch: Mismatch, key: str, numbers: Mapping[str, Fitted]) -> None:
        super().__init__(numbers)
        self.key = key
        fitted_size = with_error(abs(self.coefficient), self.error)
        self.support = f"coefficient {fitted_size} in every direction"
        biases = all(is_vector(mismatch.blocks[name].shape) for name in self.blocks)
        w = own_name(self.blocks, "b" if biases else "W")
        norm, kind, basis = (L1, "L1", f"sign({w})") if key == "sign" else (L2, "L2", w)
        everywhere = len(self.blocks) == len(mismatch.gradients)
        patterns = "" if everywhere else "".join(f", {name!r}" for name in self.blocks)
        # What ``penalty=`` holds for the first of these blocks.
        added = split_penalty(mismatch.options.penalty)[1]
        same = [each for each in added if isinstance(each, norm)]
        given = sum(each.coefficient for each in same if each.weighs(self.blocks[0]))
        option = f"{given - self.coefficient:.6g}{patterns}"
        self.found = {"basis": basis, "w": w, "norm": kind, "option": option}
        self.found["size"] = f"{abs(self.coefficient):.4g}"
        if key == "constant" and self.coefficient > 0:
            self.family, self.said, self.kind = "M", "constant_lacking", "term_missing"
        elif key in SENTENCE:
            self.said, self.kind = SENTENCE[key]
        elif self.coefficient > 0:
            self.said, self.kind = "penalty_lacking", "reg_missing"
        else:
            on_bias = biases and key == "weights"
            self.said = "penalty_held"
            self.kind = "reg_on_bias" if on_bias else "reg_coefficient"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        done: set[str] = set()
        for key, basis in PENALTY_FORMS.items():
            # By how much the loss's penalty exceeds the gradient's.
            predictions = {
                name: Prediction(block, block.gradient, (basis(block.values),))
                for name, block in mismatch.blocks.items()
            }
            numbers = fitted(predictions, mismatch.options.tolerance)
            missing = {name: number for name, number in numbers.items() if name not in done}
            done |= set(missing)
            for same in alike(missing):
                yield cls(mismatch, key, {name: missing[name] for name in same})

    def refute_meaning(self, mismatch: Mismatch, done: Trials) -> Trials:
        # A multiple of the weights is the same by whatever way it came in.
        means_something = self.kind not in ("reg_missing", "reg_coefficient")
        if self.kind == "reg_on_bias" and not may_be_biases(mismatch, self.blocks):
            self.kind = "reg_coefficient"
        trials, switch = told_by_switch(mismatch, self.blocks)
        if switch is not None:
            self.support, self.kind = "", switch.kind
            self.said, self.found = switch.said, switch.found
        if switch is not None or (trials and means_something):
            return done + trials
        seen = mismatch.at_other_weights(self.blocks)
        if seen is None:
            return ()
        basis, by = PENALTY_FORMS[self.key], self.coefficient
        predicted = {n: seen.gradients[n] + by * basis(seen.values[n]) for n in self.blocks}
        same = seen.meets(mismatch, predicted)
        out = "the same coefficient" if same else "no such multiple of the blocks"
        return (*done, Trial(AT_OTHER_WEIGHTS, out, refuted=not same))


class PenaltySwitch(Hypothesis):
    """Blocks that are wrong with a penalty on and right with it off."""

    family, kind, said = "R", "reg_coefficient", "switch_other"

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for switches in mismatch.without("penalty"):
            yield cls(names, switches)

    def refute(self, mismatch: Mismatch) -> Trials:
        changed = mismatch.revisit(self.blocks, switches=self.switches)
        if changed is None:
            return ()
        if not mismatch.vanishes(changed, self.blocks, additive=True):
            return (Trial("the penalty turned off", "the difference stays", refuted=True),)
        held = {n: mismatch.gradients[n] - changed.gradients[n] for n in self.blocks}
        w = own_name(self.blocks, "W")
        # Coefficients are told as the user gave them, before the check turned the penalty up.
        turned = zip(mismatch.measured.setting.switches, self.switches, strict=False)
        up = math.prod(by for (_, by), (_, to) in turned if to == "off" and isinstance(by, float))
        told = [_told(mismatch, name, analytic, w, up) for name, analytic in held.items()]
        if len({kind for kind, _, _ in told}) == 1:
            self.kind, self.said, self.found = told[0]
        return (Trial("the penalty turned off", "the difference vanishes"),)


def told_by_switch(mismatch: Mismatch, names: Sequence[str]) -> tuple[Trials, PenaltySwitch | None]:
    """What the penalty's switches say of blocks whose residual is known to be a penalty's.

    The hypothesis, where a switch turns the difference off, and what was tried: nothing where there
    is no switch.
    """
    refuted: Trials = ()
    for switches in mismatch.without("penalty"):
        found = PenaltySwitch(names, switches)
        trials = found.refute(mismatch)
        if survives(trials):
            return trials, found
        refuted = trials or refuted
    return refuted, None


def _told(mismatch: Mismatch, name: str, analytic: Array, shown: str, up: float) -> Told:
    """What is wrong with the penalty of one block, of which this is the analytic gradient.

    Both were measured with the penalty turned ``up`` by a factor.
    """
    block = mismatch.blocks[name]
    w, held = block.values, block.along(analytic)
    wanted = held - block.residuals
    size, noise = float(np.linalg.norm(wanted)), 3 * float(np.linalg.norm(block.errors))
    if size <= max(noise, SAME * float(np.linalg.norm(block.residuals))):
        if is_uniform(analytic):
            added = f"{float(analytic.flat[0]) / up:.4g}"
            return "reg_ones_on_bias", "switch_ones", {"size": added}
        kind = "reg_on_bias" if may_be_biases(mismatch, [name]) else "reg_coefficient"
        return kind, "switch_not_in_loss", {}
    fits = []
    for term, basis in ((shown, w), (f"sign({shown})", np.sign(w))):
        along = block.along(basis)
        multiple = multiple_of(wanted, along, math.inf) or 0.0
        fits.append((float(np.linalg.norm(wanted - multiple * along)), multiple, term, basis))
    off, true, term, basis = min(fits, key=lambda fit: fit[0])
    within = max(noise / size, SAME)
    has_form, needed = off <= within * size, f"{true / up:.4g}"
    # Added to the data's gradient and taken off again, what is not there is rounding.
    if float(np.linalg.norm(held)) <= SAME * size:
        said = "switch_missing" if has_form else "switch_lacking"
        return "reg_missing", said, {"size": needed, "basis": term}
    norm = float(np.linalg.norm(w)) or 1.0
    factor = multiple_of(analytic, basis, SAME) if has_form else None
    if factor is not None:
        kind, share = _coefficient(factor / true if true else 0.0, mismatch.rows, norm)
        found = {"size": f"{factor / up:.4g}", "basis": term, "wanted": needed, "share": share}
        return kind, "switch_coefficient", found
    if by := multiple_of(wanted, held, within):
        kind, share = _coefficient(1 / by, mismatch.rows, norm)
        return kind, "switch_share", {"share": share}
    for other, kind, words in (
        (w * w, "reg_square", "W**2 where the derivative of the loss's penalty is that of W"),
        (np.sign(w), "reg_l1_form", "sign(W), and the loss the square of W"),
    ):
        if has_form and multiple_of(analytic, other, SAME) is not None:
            return kind, "switch_form", {"form": words}
    return "reg_coefficient", "switch_other", {}


def _coefficient(ratio: float, rows: int, size: float) -> tuple[str, str]:
    """The kind and words of a penalty's gradient that is ``ratio`` times what it should be."""
    known = [
        (2.0, "reg_double", "twice the penalty's gradient"),
        (0.5, "reg_half", "half of the penalty's gradient"),
        (-1.0, "reg_sign", "the penalty's gradient with the wrong sign"),
        (1 / size, "reg_unsquared", f"the penalty's gradient over the block's norm, {size:.6g}"),
    ]
    if rows > 1:
        known.insert(2, (1 / rows, "reg_over_N", f"the penalty's gradient over the {rows} rows"))
    for value, kind, words in known:
        if abs(ratio - value) <= 1e-4 * abs(value):
            return kind, words
    return "reg_coefficient", f"{ratio:.6g} times the penalty's gradient"
