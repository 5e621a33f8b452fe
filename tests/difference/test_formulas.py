"""What each formula reads off a line at one step."""

from __future__ import annotations

import math

import pytest

from gradhook.difference.formulas import Formula, OneSided, Pair, Sharp

FORMULAS: list[Formula] = [Pair(), Sharp(), OneSided(1), OneSided(-1)]
by_name = pytest.mark.parametrize("formula", FORMULAS, ids=repr)


@by_name
def test_a_step_takes_as_many_evaluations_as_the_formula_says(formula):
    calls = []

    def line(t):
        calls.append(t)
        return math.exp(t)

    formula(line, 1.0, 0.1, 1e-16)
    assert len(calls) == len(set(calls)) == formula.points
    assert 0.0 not in calls


@by_name
def test_truncation_of_a_smooth_line_falls_with_the_power_named(formula):
    coarse, fine = (formula(lambda t: math.exp(1 + t), math.e, h, 0.0) for h in (2e-2, 1e-2))
    # exp's own higher derivatives change the ratio by about h.
    assert coarse.truncation / fine.truncation == pytest.approx(2**formula.order, rel=0.05)


@by_name
@pytest.mark.parametrize("noise", [1e-16, 1e-3])
def test_the_error_holds_truncation_and_round_off(formula, noise):
    found = formula(lambda t: math.exp(1 + t), math.e, 0.01, noise)
    assert max(found.truncation, found.round_off) <= found.error
    assert found.error <= found.truncation + found.round_off
    # One-sided truncation is that of a cubic; the fourth power adds h**3 times the slope at most.
    assert abs(found.value - math.e) <= found.error + 0.01**3 * math.e


@by_name
def test_noise_below_the_rounding_of_the_values_is_not_believed(formula):
    found = formula(lambda t: 1e9 + t, 1e9, 0.01, 1e-30)
    # Half an ulp of 1e9 over the step is the least that rounding leaves.
    assert found.round_off >= math.ulp(1e9) / 2 / 0.01


@by_name
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_leaves_the_slope_unknown(formula, value):
    found = formula(lambda t: value, 0.0, 0.01, 1e-16)
    assert math.isnan(found.value)
    assert found.error == found.truncation == math.inf


def test_each_side_is_looked_at_alone():
    assert OneSided(1)(abs, 0.0, 0.01, 0.0).value == 1.0
    assert OneSided(-1)(abs, 0.0, 0.01, 0.0).value == -1.0


def test_a_central_slope_knows_the_gap_and_the_curvature():
    found = Pair()(lambda t: 3 * t + 2 * t * t, 0.0, 0.25, 0.0)
    # Half the distance of the one-sided slopes 3.5 and 2.5; the second derivative is 4.
    assert (found.value, found.gap, found.curvature) == (3.0, 0.5, 4.0)
