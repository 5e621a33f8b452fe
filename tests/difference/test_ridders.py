"""Ridders' extrapolation: sharp, and honest about noise and kinks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradhook.difference import Central, Ridders
from gradhook.errors import OptionError

EPS = float(np.finfo(np.float64).eps)


def test_claimed_error_is_below_1e_8_of_the_slope_on_the_family(smooth_lines):
    plain = [case for case in smooth_lines if case.offset == 0]
    claims = [Ridders()(c.line, noise=c.noise).error / abs(c.slope) for c in plain]
    assert len(plain) > 200
    # All but slopes that are zero by accident, against which nothing is sharp.
    assert np.mean(np.array(claims) <= 1e-8) >= 0.99


def test_the_estimate_is_sharper_than_a_central_difference():
    sharp, plain = Ridders()(math.exp, noise=EPS), Central()(math.exp, noise=EPS)
    assert sharp.error < plain.error / 100


def test_the_table_stops_where_noise_limits_it():
    quiet = Ridders()(math.exp, noise=EPS)
    noisy = Ridders()(math.exp, noise=1e-4)
    assert noisy.evaluations < quiet.evaluations < 2 * 12 + 1
    # The noise of the first slope, doubled for safety, is the least that any entry carries.
    assert noisy.error >= 2 * 1e-4 / 0.0625


def test_error_estimate_includes_the_noise_that_extrapolation_amplifies():
    rng = np.random.default_rng(3)
    noise = 1e-9
    shares = []
    for _ in range(300):
        estimate = Ridders()(lambda t: math.sin(t) + noise * rng.normal(), noise=noise)
        shares.append(abs(estimate.value - 1) / estimate.error)
    assert max(shares) <= 1


def test_a_kink_between_the_steps_is_never_confidently_wrong():
    rng = np.random.default_rng(0)
    for _ in range(500):
        line, slope = sine_with_a_kink(rng)
        estimate = Ridders()(line, noise=EPS)
        assert abs(estimate.value - slope) <= 1.5 * estimate.error


def sine_with_a_kink(rng):
    distance, jump, side = 10 ** rng.uniform(-8, 0), rng.normal(), rng.choice([-1, 1])
    rate, shift = rng.uniform(0.2, 5), rng.uniform(-2, 2)

    def line(t):
        return math.sin(rate * t + shift) + jump * max(side * t - distance, 0.0)

    return line, rate * math.cos(shift)


def test_no_more_evaluations_than_the_levels_allow():
    estimate = Ridders(levels=4)(lambda t: math.sin(40 * t), noise=0.0)
    assert estimate.evaluations == 2 * 4 + 1


@pytest.mark.parametrize("shrink", [1.0, 0.5, math.nan, math.inf])
def test_a_shrink_that_does_not_shrink_is_refused(shrink):
    with pytest.raises(OptionError) as caught:
        Ridders(shrink=shrink)
    assert str(caught.value) == f"shrink must be a finite number above 1, got {shrink!r}"


@pytest.mark.parametrize("levels", [2, 0, True, 5.0])
def test_fewer_than_three_levels_are_refused(levels):
    with pytest.raises(OptionError) as caught:
        Ridders(levels=levels)
    assert str(caught.value) == f"levels must be a whole number of at least 3, got {levels!r}"
