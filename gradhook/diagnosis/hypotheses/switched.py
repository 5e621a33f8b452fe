"""What turning a switch off tells: of dropout that is not replayed, of a penalty derived wrongly.

With the penalty on and off the analytic gradients differ by the penalty's gradient as the code has
it.  The one that the loss has is that less the residual, if the residual vanishes with the penalty.
Both are then compared, whatever the convention for the coefficient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradhook._types import Array, Blocks
from gradhook.diagnosis.acts_as_bias import may_be_biases
from gradhook.diagnosis.experiment import Turned, revisit, vanishes, vanishing, without
from gradhook.diagnosis.hypothesis import NOT_MADE, Hypothesis, Refutation, Trial
from gradhook.diagnosis.mismatch import Mismatch
from gradhook.diagnosis.sentences import listed, own_name, say, verb
from gradhook.diagnosis.wrong_block import multiple_of

__all__ = ["Dropout", "PenaltySwitch", "told_by_switch"]

SAME = 1e-6
"""Relative difference below which a penalty's gradient has a form."""


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
        tried = "dropout turned off"
        return Refutation.of(vanishing(mismatch, self.blocks, tried, switches=self._switches))


@dataclass(frozen=True, slots=True)
class Told:
    """What a switch told of one block's penalty: a kind, and a sentence with what fills it."""

    kind: str = "reg_coefficient"
    said: str = "switch_several"
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
        told = _told_of_all(mismatch, self.blocks, changed.gradients)
        sharper = PenaltySwitch(self.blocks, self.switches, told)
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


def _told_of_all(mismatch: Mismatch, names: Sequence[str], off: Blocks) -> Told:
    """What is wrong with a penalty of blocks whose gradients without it are ``off``."""
    w = own_name(names, "W")
    told = [_told(mismatch, name, mismatch.gradients[name] - off[name], w) for name in names]
    return told[0] if len({each.kind for each in told}) == 1 else Told()


def _told(mismatch: Mismatch, name: str, analytic: Array, shown: str) -> Told:
    """What is wrong with the penalty of one block, of which this is the analytic gradient."""
    block = mismatch.blocks[name]
    w = block.values
    wanted = block.along(analytic) - block.residuals
    noise = 3 * float(np.linalg.norm(block.errors))
    if float(np.linalg.norm(wanted)) <= max(noise, SAME * float(np.linalg.norm(block.residuals))):
        if np.ptp(analytic) <= 1e-9 * np.max(np.abs(analytic)) and analytic.size > 1:
            found = {"size": f"{float(analytic.flat[0]):.4g}"}
            return Told("reg_ones_on_bias", "switch_ones", found)
        kind = "reg_on_bias" if may_be_biases(mismatch, [name]) else "reg_coefficient"
        return Told(kind, "switch_not_in_loss")
    basis, term = min(
        ((w, shown), (np.sign(w), f"sign({shown})")),
        key=lambda item: _left(wanted, block.along(item[0])),
    )
    along = block.along(basis)
    true = float(along @ wanted / (along @ along)) if np.any(along) else 0.0
    if not np.any(analytic):
        return Told("reg_missing", "switch_missing", {"size": f"{true:.4g}", "basis": term})
    factor = multiple_of(analytic, basis, SAME)
    if factor is not None:
        size = float(np.linalg.norm(w)) or 1.0
        kind, share = _coefficient(factor / true if true else 0.0, mismatch.rows, size)
        found = {"size": f"{factor:.4g}", "basis": term, "wanted": f"{true:.4g}", "share": share}
        return Told(kind, "switch_coefficient", found)
    for other, kind, words in (
        (w * w, "reg_square", "W**2 where the derivative of the loss's penalty is that of W"),
        (np.sign(w), "reg_l1_form", "sign(W), and the loss the square of W"),
        (w, "reg_coefficient", "W, and the loss its absolute value"),
    ):
        if multiple_of(analytic, other, SAME) is not None:
            return Told(kind, "switch_form", {"form": words})
    return Told("reg_coefficient", "switch_other_form")


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


def _left(wanted: Array, along: Array) -> float:
    size = float(along @ along)
    if not size:
        return float(np.linalg.norm(wanted))
    return float(np.linalg.norm(wanted - along * (along @ wanted / size)))
