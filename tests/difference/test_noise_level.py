"""Noise measured from difference tables, and the grain of values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradhook.difference import grain, noise_level
from gradhook.errors import NonFiniteLossError, OptionError


@pytest.mark.parametrize("sigma", [1e-12, 1e-9, 1e-6, 1e-3])
def test_a_known_injected_noise_is_recovered_within_a_factor_of_four(sigma):
    rng = np.random.default_rng(7)
    found = [noise_level(lambda t: math.exp(t) + sigma * rng.normal()) for _ in range(250)]
    shares = np.array([each.level for each in found]) / sigma
    # The level has about five degrees of freedom: chi2(5)/5 < 1/16 has a probability of 0.3 %.
    assert np.mean((shares >= 0.25) & (shares <= 4)) >= 0.99
    assert 0.7 <= np.median(shares) <= 1.2
    assert all(each.reached and each.reason == "" for each in found)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_the_rounding_of_a_large_offset_is_found_as_noise(offset):
    found = noise_level(lambda t: math.sin(1 + t) + offset)
    # Rounding is uniform over one unit in the last place: its root mean square is ulp / sqrt(12).
    expected = math.ulp(offset) / math.sqrt(12)
    assert expected / 4 <= found.level <= 4 * expected
    assert found.reached


def test_the_rounding_of_a_float32_line_is_found_as_noise():
    found = noise_level(lambda t: float(np.float32(2 + math.sin(1 + t))))
    expected = float(np.spacing(np.float32(2.8))) / math.sqrt(12)
    assert expected / 4 <= found.level <= 4 * expected
    assert found.spacing > 1e-8  # At which float32 does not see the line move.
    assert found.floor == pytest.approx(0.5 * 2.0**-23 * (2 + math.sin(1)), rel=1e-3)


def test_equal_values_are_level_zero_after_three_spacings():
    found = noise_level(lambda t: 0.1)
    assert (found.level, found.reached, found.reason) == (0.0, False, "spacing too small")
    assert found.spacing == pytest.approx(1e-4)
    assert found.evaluations == 7 + 6 + 6  # The value at 0 is shared.
    assert found.floor == grain([0.1]) > 0


def test_a_straight_line_to_the_bit_shows_no_rounding():
    found = noise_level(lambda t: 3 * t, spacing=2.0**-27)
    assert (found.level, found.reached, found.reason) == (0.0, False, "spacing too small")


def test_too_long_a_spacing_is_shortened():
    found = noise_level(lambda t: 1 / (3 + t), spacing=0.1)
    assert found.reached
    assert found.spacing < 0.1
    assert found.level <= 1e-15


def test_a_spacing_that_stays_too_long_is_said_and_the_level_errs_on_the_safe_side():
    found = noise_level(lambda t: (1 + 1e3 * t) ** 9, spacing=1.0)
    assert (found.reached, found.reason) == (False, "spacing too large")
    assert found.spacing == pytest.approx(1e-4)
    assert found.level >= found.floor  # The line itself adds to what is taken for noise.


def test_after_too_small_and_too_large_a_spacing_in_between_is_tried():
    spacings = []

    def line(t):
        # Flat below 1e-9, then steep: the first table shows nothing, the second only the line.
        spacings.append(t)
        return 1.0 if t < 1e-9 else 1.0 + (1e6 * t) ** 5

    found = noise_level(line, spacing=1e-10 / 6)
    assert found.spacing == pytest.approx(1e-10 / 6 * 10)
    assert found.evaluations == 19


def test_a_value_known_at_zero_saves_one_evaluation():
    visited = []

    def line(t):
        visited.append(t)
        return 1e6 + math.sin(1 + t)

    known = noise_level(line, at_zero=line(0.0))
    assert known.evaluations == 6 == len(visited) - 1
    assert visited.count(0.0) == 1
    assert known.level == noise_level(line).level


def test_a_kink_at_zero_is_not_taken_for_noise():
    assert noise_level(lambda t: math.exp(t) + abs(t)).level <= 1e-15


def test_a_line_that_is_not_finite_is_refused():
    with pytest.raises(NonFiniteLossError, match="the line is nan at t = 2e-08"):
        noise_level(lambda t: math.nan if t > 1.5e-8 else 1.0)


def test_an_invalid_spacing_is_refused():
    with pytest.raises(OptionError, match="step must be a positive finite number"):
        noise_level(math.exp, spacing=0.0)


SINGLE = [float(np.float32(0.1)), float(np.float32(0.7))]
EXACT = [math.sqrt(0.03), math.sqrt(0.5)]
LARGE = 65536.0 * 3 + 2.0**-6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (SINGLE, 2.0**-24 * SINGLE[1]),
        (EXACT, 2.0**-53 * EXACT[1]),
        ([SINGLE[0], EXACT[0]], 2.0**-53 * EXACT[0]),
        ([float(np.float16(0.1))], 2.0**-11 * float(np.float16(0.1))),
        ([1.1e300], 2.0**-53 * 1.1e300),
        ([LARGE], 2.0**-24 * LARGE),  # beyond float16
        ([float(np.float32(3e-45))], 0.5 * 2.0**-149),
        ([0.0, 0.0], 0.0),
    ],
    ids=["float32", "float64", "one float64", "float16", "huge", "large", "subnormal", "zeros"],
)
def test_the_grain_is_half_the_last_digit_of_the_coarsest_dtype_that_holds_all(values, expected):
    assert grain(values) == expected


def test_the_grain_of_values_that_are_all_rounded_to_decimals_is_half_of_their_last_place():
    values = np.random.default_rng(0).normal(size=7)
    for decimals in range(11):
        assert grain(values.round(decimals)) == 0.5 * 10.0**-decimals
    assert grain([*values.round(2), values[0]]) < 1e-15
    assert grain(values.round(11)) < 1e-15
