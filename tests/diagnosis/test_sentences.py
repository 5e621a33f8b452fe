"""From what was fitted to a kind, and a sentence to act on."""

import math
import string
import types

import pytest

from gradhook.diagnosis.constants import Reader, Sizes
from gradhook.diagnosis.sentences import SENTENCES, blocks_listed, listed, times, verb

SEEN = Sizes(rows=7, outputs=3, widths=frozenset({16}))
WEIGHT, BIAS = (5, 3), (3,)


def read(names, factor, *, shapes=None, everything=False, seen=SEEN):
    """Kind, family and words of a factor that these blocks share."""
    shapes = shapes or [BIAS if name.startswith("b") else WEIGHT for name in names]
    reader = Reader(names, everything, shapes)
    found = reader.readings(factor, 1e-9, seen)
    family, kind = reader.kind(found)
    shown, words = reader.words(found, factor, 1e-9)
    return types.SimpleNamespace(kind=kind, family=family, shown=shown, words=words)


def test_a_bias_that_is_a_whole_fraction_is_a_mean():
    found = read(["b1"], 1 / 7)
    assert (found.family, found.kind, found.shown) == ("B", "bias_mean", "1/7")
    assert found.words == "averaged over the batch instead of summed"


def test_a_bias_averaged_over_rows_and_pixels_is_a_mean_as_well():
    assert read(["c"], 1 / (7 * 16), shapes=[(4,)]).kind == "bias_mean"


def test_a_weight_that_is_a_whole_fraction_is_no_mean_of_a_bias():
    assert read(["W1"], 1 / 7).kind == "extra_1_over_N"
    assert read(["W1"], 1 / 6).kind == "scale"


def test_everything_by_the_number_of_rows_is_the_loss_that_lost_it():
    found = read(["W1", "b1"], 7.0, everything=True)
    assert (found.family, found.kind) == ("S", "no_1_over_N")
    assert "the loss is a mean over the 7 rows, the gradient a sum" in found.words


def test_one_block_by_the_number_of_rows_has_lost_it_too():
    found = read(["W1"], 7.0)
    assert (found.family, found.kind) == ("S", "no_1_over_N")
    assert "the gradient a sum" in found.words
    assert read(["W1"], 6.0).words == "a constant factor"


def test_a_wrong_sign_of_one_block_and_of_all_are_told_apart():
    one, everywhere = read(["W1"], -1.0), read(["W1", "b1"], -1.0, everything=True)
    assert (one.kind, one.family) == ("sign_one", "G")
    assert (everywhere.kind, everywhere.family) == ("ce_sign", "G")
    assert "a score to be maximised" in everywhere.words


def test_a_factor_with_two_meanings_is_given_both():
    seen = Sizes(rows=3, outputs=3, regression=True)
    words = read(["W1", "b1"], 1 / 3, everything=True, seen=seen).words
    assert "divided by the number of rows (3) once too often" in words
    assert " or the loss sums over the 3 outputs, the gradient averages" in words


def test_rows_drawn_of_a_batch_whose_size_is_fixed_in_the_code_are_named():
    seen = Sizes(rows=7, whole=200)
    assert "divided by 200, the rows of the whole batch, where 7 were drawn" in (
        read(["W1", "b1"], 7 / 200, everything=True, seen=seen).words
    )


def test_queries_and_keys_off_by_a_root_are_the_scale_of_attention():
    found = read(["Wq", "Wk"], 4.0)
    assert (found.family, found.kind) == ("S", "attention_scale_missing")
    assert "1/sqrt(16)" in found.words


@pytest.mark.parametrize("factor", [1.3, -2.5, 1e-7, 1e9, math.pi])
def test_any_factor_is_shown_with_its_number(factor):
    found = read(["W1"], factor)
    assert (found.family, found.kind) == ("S", "scale")
    assert f"{factor:.6g}" in times(factor, found.shown)


@pytest.mark.parametrize(
    ("factor", "shown", "words"),
    [
        (7.0, "7", "7 times"),
        (0.3, "3/10", "0.3 = 3/10 of"),
        (-1.0, "-1", "minus"),
        (1.3, "13/10", "1.3 = 13/10 times"),
    ],
)
def test_a_factor_stands_in_words_that_read(factor, shown, words):
    assert times(factor, shown) == words


def test_one_gradient_is_and_several_are():
    assert verb(["W1"], "is", "are") == "is"
    assert verb(["W1", "W2"], "is", "are") == "are"


def test_gradients_are_called_as_users_call_them():
    assert listed(["W1", "layer1/W"]) == "dW1, layer1/dW"


def test_many_blocks_are_counted_and_not_listed():
    names = [f"W{k}" for k in range(14)]
    assert blocks_listed(names) == "W0, W1, W2, W3, W4 and 9 more"


@pytest.mark.parametrize("name", SENTENCES)
def test_every_sentence_says_which_evidence_it_needs_and_what_would_refute_it(name):
    wording = SENTENCES[name]
    assert wording.needs
    fields = {field for _, field, _, _ in string.Formatter().parse(wording.text) if field}
    assert all(field.isidentifier() for field in fields)
    is_cause = name == "zero_slices" or ("d" in fields and name != "another_gradient")
    assert bool(wording.refuted_by) is is_cause
