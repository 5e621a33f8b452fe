"""Which layer is at fault, read off which blocks are wrong."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook.diagnosis.boundary import boundary, forward_order

ORDER = ("W1", "b1", "W2", "b2", "W3", "b3")
SHAPES = {"W1": (5, 4), "b1": (4,), "W2": (4, 4), "b2": (4,), "W3": (4, 3), "b3": (3,)}


def said(*wrong, order=ORDER, shapes=SHAPES, right=None):
    right = [name for name in order if name not in wrong] if right is None else right
    return boundary(order, wrong, right, shapes)


def test_where_nothing_is_wrong_nothing_is_said():
    assert said() == ""


def test_a_fault_between_two_layers_is_enclosed():
    assert said("W1", "b1", "W2", "b2").startswith(
        "b2, W2, b1, W1 wrong; W3, b3 right: the fault enters between W3 and b2 "
        "(derivative of that activation, or W3 transposed"
    )


def layered(layers):
    order = [f"{kind}{k}" for k in range(1, layers + 1) for kind in "Wb"]
    return order, {name: (4, 4) if name[0] == "W" else (4,) for name in order}


@given(st.integers(2, 8), st.data())
def test_the_last_wrong_block_and_the_first_right_one_are_named(layers, data):
    order, shapes = layered(layers)
    faulty = data.draw(st.integers(1, layers - 1))
    wrong = order[: 2 * faulty]
    sentence = said(*wrong, order=order, shapes=shapes)
    assert f"the fault enters between W{faulty + 1} and b{faulty} " in sentence


@given(st.integers(2, 8), st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15)))
def test_any_blocks_wrong_and_any_left_open_give_a_sentence(layers, bad, unsure):
    order, shapes = layered(layers)
    wrong = [name for k, name in enumerate(order) if k in bad]
    right = [n for k, n in enumerate(order) if k not in bad and k not in unsure]
    sentence = said(*wrong, order=order, shapes=shapes, right=right)
    assert bool(sentence) is bool(wrong)


def test_everything_wrong_points_to_the_loss():
    sentence = said(*ORDER)
    assert "nothing is right: the fault is at the loss" in sentence
    assert "1/N" in sentence


def test_one_bias_alone_points_to_its_sum():
    assert said("b2") == (
        "b2 wrong and nothing else: the sum over the batch that gives its gradient"
    )


def test_one_weight_alone_points_to_its_input_and_the_bias_that_is_right():
    sentence = said("W2")
    assert sentence.startswith(
        "W2 wrong and nothing else; b2, which shares its incoming gradient, is right"
    )
    assert (
        "the input that it is multiplied by, the layout of its gradient, or a penalty" in sentence
    )
    assert sentence.endswith("what it passes down is right")


def test_the_first_layer_passes_nothing_down():
    assert "passes down" not in said("W1")


def test_a_weight_and_its_bias_above_right_ones_share_a_wrong_incoming_gradient():
    assert "without the derivative of its activation" in said("W2", "b2")


def test_all_weights_and_no_bias_point_to_the_penalty():
    assert "all weights and no bias: the penalty" in said("W1", "W2", "W3")


def test_wrong_blocks_with_right_ones_between_them_are_each_by_itself():
    assert said("b1", "W3").endswith("each by itself")


def test_what_was_not_judged_is_neither_right_nor_wrong():
    sentence = said("W1", "b1", right=["W3", "b3"])
    assert "the fault enters between W3 and b1" in sentence
    assert "W2" not in sentence


def test_a_normalisation_above_points_to_its_statistics():
    order = ("W1", "b1", "gamma1", "beta1", "W2")
    shapes = {"W1": (4, 4), "b1": (4,), "gamma1": (4,), "beta1": (4,), "W2": (4, 3)}
    sentence = said("W1", "b1", order=order, shapes=shapes)
    assert "between gamma1 and b1" in sentence
    assert "mean and variance" in sentence


def test_many_blocks_are_counted_and_not_listed():
    order, shapes = layered(10)
    sentence = said(*order[:14], order=order, shapes=shapes)
    assert "b7, W7, b6, W6, b5 and 9 more wrong" in sentence


def test_names_that_end_in_a_number_are_ordered_by_it():
    names = [*ORDER, "W10", "b10"]
    random.Random(0).shuffle(names)
    layers = [int(name[1:]) for name in forward_order(names, None)]
    assert layers == sorted(layers)


def test_within_a_layer_the_order_stays_as_it_stood():
    assert forward_order(["b2", "W2", "b1", "W1"], None) == ["b1", "W1", "b2", "W2"]


@pytest.mark.parametrize("names", [["W2", "b", "W1"], ["out", "in"], []])
def test_names_without_numbers_stay_as_they_stand(names):
    assert forward_order(names, None) == names


def test_the_order_given_wins_and_what_it_leaves_out_follows():
    assert forward_order(["W1", "b1", "W2"], ["W2", "W1"]) == ["W2", "W1", "b1"]
