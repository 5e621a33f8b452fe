"""From a fit to a cause: the kind, and a sentence to act on."""

import math

import pytest

from gradhook.verdict.constants import Circumstance
from gradhook.verdict.naming import listed, name_penalty, name_scale, name_weights

SEEN = Circumstance(rows=7, outputs=3, widths=frozenset({16}))
WEIGHT, BIAS = (5, 3), (3,)


def scale(names, factor, *, shapes=None, everything=False, seen=SEEN, **options):
    shapes = shapes or [BIAS if name.startswith("b") else WEIGHT for name in names]
    return name_scale(names, factor, 1e-9, seen, shapes=shapes, everything=everything, **options)


def test_a_bias_that_is_a_whole_fraction_is_a_mean():
    cause = scale(["b1"], 1 / 7)
    assert (cause.family, cause.kind, cause.blocks) == ("B", "bias_mean", ("b1",))
    assert cause.sentence == (
        "db1 is 0.142857 = 1/7 of the numerical gradient: averaged over the batch instead of summed"
    )


def test_a_bias_averaged_over_rows_and_pixels_is_a_mean_as_well():
    assert scale(["c"], 1 / (7 * 16), shapes=[(4,)]).kind == "bias_mean"


def test_a_weight_that_is_a_whole_fraction_is_no_mean_of_a_bias():
    assert scale(["W1"], 1 / 7).kind == "scale"


def test_everything_by_the_number_of_rows_is_the_loss_that_lost_it():
    cause = scale(["W1", "b1"], 7.0, everything=True)
    assert (cause.family, cause.kind) == ("S", "no_1_over_N")
    assert "the loss is a mean over the 7 rows, the gradient a sum" in cause.sentence


def test_one_block_by_the_number_of_rows_is_a_factor_without_a_meaning():
    cause = scale(["W1"], 7.0)
    assert (cause.family, cause.kind) == ("S", "scale")
    assert "a constant factor" in cause.sentence


def test_a_wrong_sign_of_one_block_and_of_all_are_told_apart():
    assert (scale(["W1"], -1.0).kind, scale(["W1"], -1.0).family) == ("sign_one", "G")
    everywhere = scale(["W1", "b1"], -1.0, everything=True)
    assert (everywhere.kind, everywhere.family) == ("ce_sign", "G")
    assert "a score to be maximised" in everywhere.sentence


def test_a_factor_with_two_meanings_is_given_both():
    seen = Circumstance(rows=3, outputs=3)
    sentence = scale(["W1", "b1"], 1 / 3, everything=True, seen=seen).sentence
    assert "divided by the number of rows (3) once too often" in sentence
    assert " or the loss sums over the 3 outputs, the gradient averages" in sentence


def test_queries_and_keys_off_by_a_root_are_the_scale_of_attention():
    cause = scale(["Wq", "Wk"], 4.0)
    assert (cause.family, cause.kind) == ("S", "attention_scale_missing")
    assert "1/sqrt(16)" in cause.sentence


def test_what_was_taken_out_first_is_said():
    assert (
        "gradient once the penalty is taken out:"
        in scale(["W1"], 2.0, besides=" once the penalty is taken out").sentence
    )


@pytest.mark.parametrize("factor", [1.3, -2.5, 1e-7, 1e9, math.pi])
def test_any_factor_has_a_sentence_with_its_number(factor):
    cause = scale(["W1"], factor)
    assert (cause.family, cause.kind) == ("S", "scale")
    assert f"{factor:.6g}" in cause.sentence
    assert f"{factor:.9g}" in cause.evidence


def test_one_gradient_is_and_several_are():
    assert scale(["W1"], 1.3).sentence.startswith("dW1 is 1.3")
    assert scale(["W1", "W2"], 1.3).sentence.startswith("dW1, dW2 are 1.3")


def test_weights_that_lack_the_penalty_are_offered_both_readings():
    cause = name_weights(["W1", "W2"], -1e-3, 1e-12, biases=False)
    assert (cause.family, cause.kind) == ("R", "reg_missing")
    assert cause.sentence.startswith("dW1, dW2 lack 1.000e-03 * W (fit 1.0e-12): the L2 term is in")
    assert "decoupled weight decay" in cause.sentence


def test_weights_that_hold_more_are_told_which_option_to_pass():
    cause = name_weights(["W1"], 1e-3, 1e-12, biases=False)
    assert (cause.family, cause.kind) == ("R", "reg_coefficient")
    assert cause.sentence.startswith("dW1 holds 1.000e-03 * W")
    assert "pass penalty=L2(0.001" in cause.sentence


def test_biases_that_hold_more_are_penalised_in_the_gradient_alone():
    cause = name_weights(["b1", "b2"], 1e-3, 1e-12, biases=True)
    assert cause.kind == "reg_on_bias"
    assert "1.000e-03 * b" in cause.sentence


def test_a_penalty_of_which_a_switch_told_both_halves_keeps_its_words():
    cause = name_penalty(["W1"], "reg_half", "half of what the loss has", "evidence")
    assert (cause.family, cause.kind, cause.evidence) == ("R", "reg_half", "evidence")
    assert cause.sentence == "dW1: half of what the loss has"


def test_every_cause_says_what_would_refute_it():
    causes = [
        scale(["W1"], 2.0),
        name_weights(["W1"], 1e-3, 1e-12, biases=False),
        name_penalty(["W1"], "reg_half", "half", ""),
    ]
    assert all(cause.refuted_by for cause in causes)


def test_blocks_are_listed_as_gradients():
    assert listed(["W1", "layer2/W"]) == "dW1, layer2/dW"
