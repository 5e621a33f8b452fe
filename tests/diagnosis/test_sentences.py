"""From what was fitted to a kind, and a sentence to act on."""

import string
import types

import pytest

from gradhook.diagnosis.constants import Sizes, readings_of, told
from gradhook.diagnosis.sentences import REFUTED_BY, SENTENCES, rounded, times
from gradhook.diagnosis.wrong_block import is_vector

SEEN = Sizes(rows=7, outputs=3, widths=frozenset({16}))
WEIGHT, BIAS = (5, 3), (3,)


def read(names, factor, *, shapes=None, everything=False, seen=SEEN):
    """Kind, family and words of a factor that these blocks share."""
    shapes = shapes or [BIAS if name.startswith("b") else WEIGHT for name in names]
    vectors, several = all(map(is_vector, shapes)), len(names) > 1
    found = readings_of(factor, 1e-9, seen, vectors=vectors, several=several, everything=everything)
    family, kind, shown, words = told(found, factor, 1e-9)
    return types.SimpleNamespace(kind=kind, family=family, shown=shown, words=words)


def test_a_factor_near_one_is_told_from_one_unless_its_error_hides_that():
    assert times(1.000003, 1e-10, rounded(1.000003, 1e-10)) == "1.000003 times"
    assert rounded(1.0000003, 1e-3) == "1"


@pytest.mark.parametrize(
    ("names", "factor", "options", "kind", "words"),
    [
        (["b1"], 1 / 7, {}, "B bias_mean", "averaged over the batch instead of summed"),
        (["c"], 1 / (7 * 16), {"shapes": [(4,)]}, "B bias_mean", ""),  # rows and pixels
        (["W1"], 1 / 7, {}, "S extra_1_over_N", ""),
        (["W1"], 1 / 6, {}, "S scale", ""),
        (
            *(["W1", "b1"], 7.0, {"everything": True}, "S no_1_over_N"),
            "the loss is a mean over the 7 rows, the gradient a sum",
        ),
        (["W1"], 7.0, {}, "S no_1_over_N", "the gradient a sum"),
        (["W1"], 6.0, {}, "S scale", "a constant factor"),
        (["W1"], -1.0, {}, "G sign_one", ""),
        (["W1", "b1"], -1.0, {"everything": True}, "G ce_sign", "a score to be maximised"),
        (["Wq", "Wk"], 4.0, {}, "S attention_scale_missing", "1/sqrt(16)"),
    ],
)
def test_a_factor_is_read_by_the_blocks_that_have_it(names, factor, options, kind, words):
    found = read(names, factor, **options)
    assert f"{found.family} {found.kind}" == kind or not kind
    assert words in found.words


@pytest.mark.parametrize("factor", [1.3, -2.5, 1e-7, 1e9, 3.14159265])
def test_any_factor_is_shown_with_its_number(factor):
    found = read(["W1"], factor)
    assert (found.family, found.kind) == ("S", "scale")
    assert f"{factor:.6g}" in times(factor, 0.0, found.shown)


@pytest.mark.parametrize(
    ("factor", "error", "shown", "words"),
    [
        (7.0, 1e-9, "7", "7 times"),
        (0.3, 1e-9, "3/10", "0.3 = 3/10 of"),
        (-1.0, 1e-9, "-1", "minus"),
        (1.3, 1e-9, "13/10", "1.3 = 13/10 times"),
        (254.982, 0.1, "255", "255 times"),
        (0.00223216, 1e-6, "1/448", "0.002232 = 1/448 of"),
    ],
)
def test_a_factor_stands_in_words_that_read(factor, error, shown, words):
    assert times(factor, error, shown) == words


@pytest.mark.parametrize("name", SENTENCES)
def test_every_sentence_of_a_cause_says_what_would_refute_it(name):
    fields = {field for _, field, _, _ in string.Formatter().parse(SENTENCES[name]) if field}
    assert all(field.isidentifier() for field in fields)
    assert (name in REFUTED_BY) is (name == "zero_slices" or "d" in fields)
