"""From a fit to a cause: the kind, and a sentence to act on."""

import math

import pytest

from gradhook.diagnosis.constants import Circumstance
from gradhook.diagnosis.wording import listed, name_form, name_penalty, name_scale

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
    assert scale(["W1"], 1.3).sentence.startswith("dW1 is 1.3 = 13/10 times the numerical gradient")
    assert scale(["W1", "W2"], 1.3).sentence.startswith("dW1, dW2 are 1.3")


@pytest.mark.parametrize(
    ("factor", "words"),
    [(7.0, "is 7 times the"), (0.3, "is 0.3 = 3/10 of the"), (-1.0, "is minus the")],
)
def test_a_factor_stands_in_words_that_read(factor, words):
    assert words in scale(["W1"], factor).sentence


def form(names, key, missing, *, all_blocks=False):
    biases = all(name.startswith("b") for name in names)
    return name_form(names, key, missing, 1e-12, biases=biases, all_blocks=all_blocks)


def test_weights_that_lack_the_penalty_are_offered_both_readings():
    cause = form(["W1", "W2"], "weights", 1e-3)
    assert (cause.family, cause.kind) == ("R", "reg_missing")
    assert cause.sentence.startswith("dW1, dW2 lack 1.000e-03 * W (fit 1.0e-12): the L2 term is in")
    assert "decoupled weight decay" in cause.sentence


@pytest.mark.parametrize(
    ("key", "option"), [("weights", "L2(0.001, 'W1', 'W2')"), ("sign", "L1(0.001, 'W1', 'W2')")]
)
def test_weights_that_hold_more_are_told_which_option_to_pass(key, option):
    cause = form(["W1", "W2"], key, -1e-3)
    assert (cause.family, cause.kind) == ("R", "reg_coefficient")
    assert cause.sentence.startswith("dW1, dW2 hold 1.000e-03 * ")
    assert cause.sentence.endswith(f"on purpose (weight decay), pass penalty={option}")


def test_where_all_blocks_hold_more_the_option_names_none():
    assert form(["W", "b"], "weights", -1e-3, all_blocks=True).sentence.endswith("=L2(0.001)")


def test_biases_that_hold_more_are_penalised_in_the_gradient_alone():
    cause = form(["b1", "b2"], "weights", -1e-3)
    assert cause.kind == "reg_on_bias"
    assert "1.000e-03 * b" in cause.sentence


def test_a_constant_on_every_element_is_a_coefficient_added_as_a_number():
    cause = form(["b1"], "constant", -0.1)
    assert cause.kind == "reg_ones_on_bias"
    assert "db1 differs by the constant 1.000e-01 in every element" in cause.sentence


@pytest.mark.parametrize(("key", "held"), [("reg_square", "W**2"), ("reg_l1_form", "sign(W)")])
def test_a_penalty_in_another_form_is_given_with_both_forms(key, held):
    cause = form(["W1", "W2"], key, 1e-3)
    assert cause.kind == key
    assert f"hold 1.000e-03 * {held} where the loss needs 1.000e-03 * W" in cause.sentence


def test_a_penalty_of_which_a_switch_told_both_halves_keeps_its_words():
    cause = name_penalty(["W1"], "reg_half", "has half of it", "evidence")
    assert (cause.family, cause.kind, cause.evidence) == ("R", "reg_half", "evidence")
    assert cause.sentence == "dW1 has half of it"


def test_every_cause_says_what_would_refute_it():
    causes = [
        scale(["W1"], 2.0),
        form(["W1"], "weights", 1e-3),
        name_penalty(["W1"], "reg_half", "has half", ""),
    ]
    assert all(cause.refuted_by for cause in causes)


def test_blocks_are_listed_as_gradients():
    assert listed(["W1", "layer2/W"]) == "dW1, layer2/dW"
