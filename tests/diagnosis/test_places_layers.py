"""Where a fault enters: read off a measured chain of layers, and not said where there is none."""

from hypothesis import given
from hypothesis import strategies as st

from gradhook.diagnosis.layers import Layers, forward_order, place_of_fault

LEVELS = (("W1", "b1"), ("W2", "b2"), ("W3", "b3"))
SHAPES = {"W1": (5, 4), "b1": (4,), "W2": (4, 4), "b2": (4,), "W3": (4, 3), "b3": (3,)}


def said(*wrong, levels=LEVELS, shapes=SHAPES, right=None, chain=True):
    order = [name for level in levels for name in level]
    gates = frozenset(name for name in order if name[0] in "Wg")
    layers = Layers(levels, gates) if chain else Layers()
    right = [name for name in order if name not in wrong] if right is None else right
    return place_of_fault(layers, wrong, right, shapes, order)


def layered(count):
    levels = tuple((f"W{k}", f"b{k}") for k in range(1, count + 1))
    return levels, {name: (4, 4) if name[0] == "W" else (4,) for pair in levels for name in pair}


def test_a_block_outside_of_the_chain_keeps_the_sentence_to_names():
    levels = (("W1", "b1"), ("W2", "b2"))
    layers = Layers(levels, frozenset({"W1", "W2"}))
    sentence = place_of_fault(layers, ["W1", "t"], ["W2"], {**SHAPES, "t": ()}, ["W1", "W2", "t"])
    assert sentence == "t, W1 wrong; W2 right"


def test_a_fault_between_two_layers_is_enclosed():
    assert said("W1", "b1", "W2", "b2") == (
        "b2, W2, b1, W1 wrong; W3, b3 right: the fault enters between W3 and b2 "
        "(derivative of that activation or its dropout, or W3 transposed, or a skip connection)"
    )


@given(st.integers(2, 8), st.data())
def test_the_last_wrong_block_and_the_weight_above_are_named(layers, data):
    levels, shapes = layered(layers)
    faulty = data.draw(st.integers(1, layers - 1))
    wrong = [name for level in levels[:faulty] for name in level]
    sentence = said(*wrong, levels=levels, shapes=shapes)
    assert f"the fault enters between W{faulty + 1} and b{faulty} " in sentence


@given(st.integers(2, 8), st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15)), st.booleans())
def test_any_blocks_wrong_and_any_left_open_give_a_sentence(layers, bad, unsure, chain):
    levels, shapes = layered(layers)
    order = [name for level in levels for name in level]
    wrong = [name for k, name in enumerate(order) if k in bad]
    right = [n for k, n in enumerate(order) if k not in bad and k not in unsure]
    sentence = said(*wrong, levels=levels, shapes=shapes, right=right, chain=chain)
    assert bool(sentence) is bool(wrong)


def test_weights_that_stand_at_one_place_may_pass_the_fault_to_themselves():
    levels = (("Wx", "Wh", "b1"), ("W2", "b2"))
    shapes = {**SHAPES, "Wx": (5, 4), "Wh": (4, 4)}
    assert said("Wx", "Wh", "b1", levels=levels, shapes=shapes).endswith(
        "or a skip connection, or, in a recurrence, what one step passes to the one before)"
    )


def test_a_convolution_passes_down_what_no_transpose_says():
    sentence = said("W1", "b1", shapes={**SHAPES, "W2": (4, 4, 3, 3)})
    assert "its dropout, or what W2 passes down, or a skip connection)" in sentence


def test_blocks_too_coarse_to_judge_are_not_said_to_be_wrong_too():
    assert said("W1", "b1", right=[]) == "b1, W1 wrong"


def test_a_weight_too_coarse_to_judge_beside_its_right_bias_still_bounds_the_fault():
    sentence = said("W1", "b1", right=["b2", "W3"])
    assert "the fault enters between W2 and b1 (" in sentence
    assert "W2 transposed" in sentence


def test_the_first_layer_passes_nothing_down():
    assert "passes down" not in said("W1")


def test_wrong_blocks_with_right_ones_between_them_are_named_and_no_more():
    assert said("b1", "W3") == "W3, b1 wrong; W1, W2, b2, b3 right"


def test_what_was_not_judged_is_neither_right_nor_wrong():
    sentence = said("W1", "b1", right=["W3", "b3"])
    assert "the fault enters between W3 and b1" in sentence
    assert "W2" not in sentence


def test_a_normalisation_above_points_to_its_statistics():
    levels = (("W1", "b1"), ("gamma1", "beta1"), ("W2",))
    shapes = {"W1": (4, 4), "b1": (4,), "gamma1": (4,), "beta1": (4,), "W2": (4, 3)}
    sentence = said("W1", "b1", levels=levels, shapes=shapes)
    assert "between gamma1 and b1" in sentence
    assert "mean and variance" in sentence


def test_a_weight_of_one_output_is_no_normalisation():
    levels = (("W1", "b1"), ("W2", "b2"))
    shapes = {"W1": (5, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}
    sentence = said("W1", "b1", levels=levels, shapes=shapes)
    assert "derivative of that activation or its dropout, or W2 transposed" in sentence


def test_many_blocks_are_counted_and_not_listed():
    levels, shapes = layered(10)
    wrong = [name for level in levels[:7] for name in level]
    assert "b7, W7, b6, W6, b5 and 9 more wrong" in said(*wrong, levels=levels, shapes=shapes)


def test_names_that_end_in_a_number_are_ordered_by_it():
    names = ["W10", "b2", "W1", "b10", "W2", "b1"]
    layers = [int(name[1:]) for name in forward_order(names, None)]
    assert layers == sorted(layers)


def test_the_order_given_wins_and_what_it_leaves_out_follows():
    assert forward_order(["W1", "b1", "W2"], ["W2", "W1"]) == ["W2", "W1", "b1"]
