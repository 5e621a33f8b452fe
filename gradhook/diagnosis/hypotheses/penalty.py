"""Penalties that differ between loss and gradient, read off the residual or told by a switch.

The residual is then a multiple of the weights, of their sign, of one, or of what is left of one
form of a penalty less another.  It may also be so by accident, where a term of the loss or a buffer
equals the weights at the point checked; at another point it no longer is.

With a penalty's switch on and off the analytic gradients differ by the penalty's gradient as the
code has it.  The one that the loss has is that less the residual, if the residual vanishes with the
penalty.  Both are then compared, whatever the convention for the coefficient.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradhook._types import Array
from gradhook.diagnosis.acts_as_bias import may_be_biases
from gradhook.diagnosis.experiment import Turned, another_point, revisit, vanishes, without
from gradhook.diagnosis.fit import Fitted, Prediction, alike, fitted
from gradhook.diagnosis.hypothesis import NOT_MADE, FittedHypothesis, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import AT_OTHER_WEIGHTS, listed, own_name, say, verb, with_error
from gradhook.diagnosis.wrong_block import WrongBlock, is_uniform, multiple_of
from gradhook.objective.penalties import L1, L2, split_penalty

__all__ = ["PENALTY_FORMS", "PenaltyForm", "PenaltySwitch", "told_by_switch"]

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


def form(key: str, block: WrongBlock) -> Prediction:
    """A penalty in the loss that the gradient lacks or has in another form, of ``PENALTY_FORMS``.

    The coefficient is that by which the loss's penalty exceeds the gradient's.
    """
    return Prediction(block, block.gradient, (PENALTY_FORMS[key](block.values),))


class PenaltyForm(FittedHypothesis):
    """A residual that is one multiple of a known form of the weights."""

    family = "R"

    def __init__(self, mismatch: Mismatch, key: str, numbers: Mapping[str, Fitted]) -> None:
        super().__init__(mismatch, numbers)
        self.key = key
        self.biases = all(mismatch.blocks[name].is_vector for name in self.blocks)
        self.all_blocks = len(self.blocks) == len(mismatch.gradients)
        size = with_error(abs(self.coefficient), self.error)
        self.support = f"coefficient {size} in every direction"
        self.given = self._given(mismatch)
        if key == "constant" and self.coefficient > 0:
            self.family, self.said, self.kind = "M", "constant_lacking", "term_missing"
        elif key in SENTENCE:
            self.said, self.kind = SENTENCE[key]
        elif self.coefficient > 0:
            self.said, self.kind = "penalty_lacking", "reg_missing"
        else:
            on_bias = self.biases and key == "weights"
            self.said = "penalty_held"
            self.kind = "reg_on_bias" if on_bias else "reg_coefficient"

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

    def _given(self, mismatch: Mismatch) -> float:
        """The coefficient that ``penalty=`` has for the first of these blocks."""
        norm = L1 if self.key == "sign" else L2
        added = split_penalty(mismatch.options.penalty)[1]
        same = [each for each in added if isinstance(each, norm)]
        return sum(each.coefficient for each in same if each.weighs(self.blocks[0]))

    def refute_meaning(self, mismatch: Mismatch, done: Refutation) -> Refutation:
        if self.kind == "reg_on_bias" and not may_be_biases(mismatch, self.blocks):
            plain = copy.copy(self)
            plain.kind = "reg_coefficient"
            done = Refutation(done.trials, plain)
        switch = told_by_switch(mismatch, self.blocks)
        # A multiple of the weights is the same by whatever way it came in.
        means_something = self.kind not in ("reg_missing", "reg_coefficient")
        if switch.survived or (switch.made and means_something):
            return done.then(switch)
        seen = revisit(mismatch, self.blocks, moves=another_point(mismatch))
        if seen is None:
            return NOT_MADE
        basis = PENALTY_FORMS[self.key]
        predicted = {
            name: seen.gradients[name] + self.coefficient * basis(seen.values[name])
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
            d=listed(self.blocks),
            lack=verb(self.blocks, "lacks", "lack"),
            hold=verb(self.blocks, "holds", "hold"),
            size=size,
            basis=basis,
            w=w,
            norm=norm,
            option=f"{self.given - self.coefficient:.6g}{patterns}",
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a switch told of one block's penalty: a kind, and a sentence with what fills it."""

    kind: str = "reg_coefficient"
    said: str = "switch_other"
    found: Mapping[str, str] = field(default_factory=dict)


class PenaltySwitch(Hypothesis):
    """Blocks that are wrong with a penalty on and right with it off."""

    family = "R"

    def __init__(self, names: Sequence[str], switches: Turned, told: Told | None = None) -> None:
        self.blocks, self.switches = tuple(names), switches
        told = told or Told()
        self.kind, self.said, self._found = told.kind, told.said, told.found

    @classmethod
    def propose(cls, mismatch: Mismatch, names: Sequence[str]) -> Iterator[Hypothesis]:
        for switches in without(mismatch, "penalty"):
            yield cls(names, switches)

    def refute(self, mismatch: Mismatch) -> Refutation:
        changed = revisit(mismatch, self.blocks, switches=self.switches)
        if changed is None:
            return NOT_MADE
        if not vanishes(mismatch, changed, self.blocks, additive=True):
            return Refutation((Trial("the penalty turned off", "the difference stays", True),))
        held = {n: mismatch.gradients[n] - changed.gradients[n] for n in self.blocks}
        w = own_name(self.blocks, "W")
        # Coefficients are told as the user gave them, before the check turned the penalty up.
        turned = zip(mismatch.measured.setting.switches, self.switches, strict=False)
        up = math.prod(by for (_, by), (_, to) in turned if to == "off" and isinstance(by, float))
        told = [_told(mismatch, name, analytic, w, up) for name, analytic in held.items()]
        alike = len({each.kind for each in told}) == 1
        sharper = PenaltySwitch(self.blocks, self.switches, told[0] if alike else None)
        return Refutation((Trial("the penalty turned off", "the difference vanishes"),), sharper)

    def sentence(self) -> str:
        have, lack = verb(self.blocks, "has", "have"), verb(self.blocks, "lacks", "lack")
        return say(self.said, d=listed(self.blocks), have=have, lack=lack, **self._found)


def told_by_switch(mismatch: Mismatch, names: Sequence[str]) -> Refutation:
    """What the penalty's switches say of blocks whose residual is known to be a penalty's.

    Survived where a switch turns the difference off; refuted where one was turned and it stays; not
    made where there is none.
    """
    refuted = NOT_MADE
    for switches in without(mismatch, "penalty"):
        found = PenaltySwitch(names, switches).refute(mismatch)
        if found.survived:
            return found
        refuted = found if found.made else refuted
    return refuted


def _told(mismatch: Mismatch, name: str, analytic: Array, shown: str, up: float) -> Told:
    """What is wrong with the penalty of one block, of which this is the analytic gradient.

    Both were measured with the penalty turned ``up`` by a factor.
    """
    block = mismatch.blocks[name]
    w = block.values
    wanted = block.along(analytic) - block.residuals
    noise = 3 * float(np.linalg.norm(block.errors))
    if float(np.linalg.norm(wanted)) <= max(noise, SAME * float(np.linalg.norm(block.residuals))):
        if is_uniform(analytic):
            found = {"size": f"{float(analytic.flat[0]) / up:.4g}"}
            return Told("reg_ones_on_bias", "switch_ones", found)
        kind = "reg_on_bias" if may_be_biases(mismatch, [name]) else "reg_coefficient"
        return Told(kind, "switch_not_in_loss")
    forms = {shown: w, f"sign({shown})": np.sign(w)}
    multiples = {
        term: multiple_of(wanted, block.along(basis), math.inf) or 0.0
        for term, basis in forms.items()
    }
    term = min(
        forms, key=lambda t: np.linalg.norm(wanted - multiples[t] * block.along(forms[t])).item()
    )
    basis, true = forms[term], multiples[term]
    held = block.along(analytic)
    size = float(np.linalg.norm(wanted))
    within = max(noise / size, SAME)
    has_form = float(np.linalg.norm(wanted - true * block.along(basis))) <= within * size
    # Added to the data's gradient and taken off again, what is not there is rounding.
    if float(np.linalg.norm(held)) <= SAME * size:
        if not has_form:
            return Told("reg_missing", "switch_lacking")
        return Told("reg_missing", "switch_missing", {"size": f"{true / up:.4g}", "basis": term})
    factor = multiple_of(analytic, basis, SAME) if has_form else None
    by = multiple_of(wanted, held, within)
    norm = float(np.linalg.norm(w)) or 1.0
    if factor is not None:
        kind, share = _coefficient(factor / true if true else 0.0, mismatch.rows, norm)
        told, needed = (f"{coefficient / up:.4g}" for coefficient in (factor, true))
        found = {"size": told, "basis": term, "wanted": needed, "share": share}
        return Told(kind, "switch_coefficient", found)
    if by:
        kind, share = _coefficient(1 / by, mismatch.rows, norm)
        return Told(kind, "switch_share", {"share": share})
    if not has_form:
        return Told()
    for other, form_kind, words in (
        (w * w, "reg_square", "W**2 where the derivative of the loss's penalty is that of W"),
        (np.sign(w), "reg_l1_form", "sign(W), and the loss the square of W"),
    ):
        if multiple_of(analytic, other, SAME) is not None:
            return Told(form_kind, "switch_form", {"form": words})
    return Told()


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
