"""What a constant factor may mean: every reading that fits, and none that does not."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gradhook import CAUSE_KINDS
from gradhook.diagnosis.constants import Sizes, meanings, nice

SEEN = Sizes(
    rows=7, outputs=10, counted=(5,), widths=frozenset({11, 13}), kept=0.8, regression=True
)

READINGS = [
    (-1.0, "sign_one", "-1"),
    (7.0, "no_1_over_N", "7"),
    (1 / 7, "extra_1_over_N", "1/7"),
    (5.0, "no_1_over_N", "5"),
    (0.2, "extra_1_over_N", "1/5"),
    (5 / 7, "mask_denominator", "5/7"),
    (7 / 5, "mask_denominator", "7/5"),
    (0.1, "mse_mean_outputs", "1/10"),
    (10.0, "mse_mean_outputs", "10"),
    (0.5, "mse_no_two", "1/2"),
    (2.0, "factor_two", "2"),
    (0.8, "dropout_scale_missing", "keep_prob"),
    (1.25, "dropout_scale_missing", "1/keep_prob"),
    (math.sqrt(11), "attention_scale_missing", "sqrt(11)"),
    (1 / math.sqrt(13), "attention_scale_missing", "1/sqrt(13)"),
]
"""Factors in ``SEEN``, all different, with the only kind that each can be."""


@pytest.mark.parametrize(("factor", "kind", "shown"), READINGS)
def test_each_constant_has_its_meaning_and_no_other(factor, kind, shown):
    (found,) = meanings(factor, 1e-9, SEEN)
    assert (found.kind, found.shown) == (kind, shown)
    assert found.kind in CAUSE_KINDS
    assert found.words


@given(st.floats(1e-3, 1e3), st.floats(0, 1e-4))
def test_a_factor_away_from_every_constant_has_no_meaning(factor, error):
    known = [value for value, _, _ in READINGS]
    known += [1 / value for value in known] + [11**-0.5, 13**0.5]
    assume(all(abs(factor - value) > 4e-4 + 1e-5 * abs(value) for value in known))
    assert meanings(factor, error, SEEN) == []


@given(st.integers(2, 64), st.integers(2, 64), st.integers(2, 64))
def test_all_constants_that_match_are_named(rows, outputs, counted):
    seen = Sizes(rows=rows, outputs=outputs, counted=(min(counted, rows),), regression=True)
    kinds = {meaning.kind for meaning in meanings(1 / rows, 1e-9, seen)}
    expected = {"extra_1_over_N"}
    expected |= {"mse_mean_outputs"} if outputs == rows else set()
    expected |= {"mse_no_two"} if rows == 2 else set()
    assert kinds == expected


def test_a_factor_that_is_sure_must_be_the_constant_to_a_millionth():
    seen = Sizes(rows=7)
    assert meanings(7 * (1 + 5e-7), 0.0, seen)
    assert not meanings(7 * (1 + 5e-6), 0.0, seen)


def test_without_rows_outputs_masks_or_dropout_only_sign_and_two_have_a_meaning():
    kinds = [meaning.kind for value, *_ in READINGS for meaning in meanings(value, 1e-9, Sizes())]
    assert kinds == ["sign_one", "mse_no_two", "factor_two"]


def test_a_single_row_or_output_and_a_mask_of_all_rows_are_no_constants():
    assert meanings(1.0, 1e-9, Sizes(rows=1, outputs=1, counted=(1,), kept=1.0)) == []
    assert [m.kind for m in meanings(1.0, 1e-9, Sizes(rows=7, counted=(7,)))] == []


@pytest.mark.parametrize(
    ("factor", "error", "shown"),
    [
        (1 / 7, 1e-9, "1/7"),
        (13 / 10, 1e-9, "13/10"),
        (-0.75, 1e-9, "-3/4"),
        (3.0, 1e-9, "3"),
        (math.pi, 1e-9, "3.14159"),
        (0.3334, 1e-9, "0.3334"),
        (0.3334, 1e-4, "1/3"),
        (255.043, 0.6, "255"),
        (254.982, 0.1, "255"),
        (447.941, 0.3, "447.9"),
        (1.3, 0.01, "1.3"),
    ],
)
def test_a_factor_is_shown_as_a_fraction_where_it_is_one(factor, error, shown):
    assert nice(factor, error) == shown
