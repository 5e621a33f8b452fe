"""A penalty turned off: whether the fault goes with it, and what was wrong with its gradient."""

from dataclasses import replace

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses import penalty
from gradhook.diagnosis.hypotheses.penalty import PenaltySwitch, told_by_switch

RNG = np.random.default_rng(6)
W, DATA = RNG.standard_normal((6, 5)), RNG.standard_normal((6, 5))
ROWS = np.zeros((7, 1))


@pytest.fixture
def mismatch(synthetic, experiments, switch, monkeypatch):
    """Return a mismatch by the penalty's gradients, as the code has it and as the loss has it."""
    monkeypatch.setattr(penalty, "may_be_biases", lambda mismatch, names: names == ["b"])

    def made(held, needed, *, off=0.0, name="W"):
        held = held if isinstance(held, dict) else {name: held}
        needed = needed if isinstance(needed, dict) else {name: needed}
        without = dict.fromkeys(held, DATA + off), dict.fromkeys(held, DATA)
        experiments(lambda *, batch, switches: without)
        return synthetic(
            {n: DATA + off + held[n](W) for n in held},
            {n: DATA + needed[n](W) for n in held},
            dict.fromkeys(held, W),
            batch=(ROWS,),
            switches=[switch("dropout"), switch("penalty")],
        )

    return made


def times(factor):
    return lambda w: factor * w


@pytest.mark.parametrize(
    ("held", "needed", "kind", "said"),
    [
        (np.zeros_like, times(0.1), "reg_missing", "dW lacks "),
        (np.zeros_like, np.sign, "reg_missing", " * sign(W)"),
        (times(0.2), times(0.1), "reg_double", "dW has twice the penalty's gradient: "),
        (times(0.05), times(0.1), "reg_half", "dW has half of the penalty's gradient"),
        (times(-0.1), times(0.1), "reg_sign", "dW has the penalty's gradient with the wrong sign"),
        (times(0.7), times(4.9), "reg_over_N", "the penalty's gradient over the 7 rows: "),
        (times(1 / np.linalg.norm(W)), times(1), "reg_unsquared", "over the block's norm"),
        (times(0.3), times(0.1), "reg_coefficient", "dW has 3 times the penalty's gradient"),
        (np.square, times(1.0), "reg_square", "a multiple of W**2 where"),
        (np.sign, times(1.0), "reg_l1_form", "a multiple of sign(W), and the loss the square"),
        (np.cos, times(1.0), "reg_coefficient", "that differs from that of the loss's penalty"),
        (np.ones_like, np.zeros_like, "reg_ones_on_bias", "added to every element"),
        (times(0.1), np.zeros_like, "reg_coefficient", "dW has a penalty's gradient, and the los"),
    ],
)
def test_a_fault_that_goes_with_the_penalty_is_told_by_its_form(
    mismatch, named, held, needed, kind, said
):
    cause = named(PenaltySwitch, mismatch(held, needed))
    assert (cause.family, cause.kind, cause.blocks) == ("R", kind, ("W",))
    assert said in cause.sentence
    assert cause.evidence == "the penalty turned off: the difference vanishes"


def test_coefficients_are_told_as_they_are_before_the_check_turns_the_penalty_up(mismatch, named):
    made = mismatch(times(200.0), times(100.0))
    dropout, (reg, _) = made.measured.setting.switches
    made.measured.setting = replace(made.measured.setting, switches=(dropout, (reg, 1000.0)))
    assert named(PenaltySwitch, made).sentence.endswith(": 0.2 * W where the loss has 0.1")


def test_a_fault_that_stays_without_the_penalty_is_none_of_it(mismatch, named, synthetic):
    stays = mismatch(times(0.2), times(0.1), off=1e-3)
    assert named(PenaltySwitch, stays) == ["the penalty turned off: the difference stays"]
    (trial,), switch = told_by_switch(stays, ["W"])
    assert trial.refuted
    assert switch is None
    without = synthetic(DATA + W, DATA, W)
    assert list(PenaltySwitch.propose(without, ["W"])) == []
    assert told_by_switch(without, ["W"]) == ((), None)


def test_what_the_switch_tells_is_what_a_penalty_found_otherwise_is_called(mismatch):
    _, told = told_by_switch(mismatch(times(0.2), times(0.1)), ["W"])
    assert told.kind == "reg_double"
