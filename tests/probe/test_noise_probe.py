"""Measured noise: rounding, coarse arithmetic, large constants; and kinks, which are none."""

import math

import numpy as np
import pytest

from gradhook.errors import NonFiniteLossError
from gradhook.probe.noise import measure_noise


def noise(line):
    at_zero = line(0.0)
    return measure_noise(line, at_zero=at_zero, elsewhere=line(0.5))


def test_rounding_of_a_smooth_loss():
    found = noise(lambda t: math.exp(math.sin(1 + t)))
    assert 1e-17 < found.level < 2e-15
    assert not found.coarse


def test_a_loss_computed_in_float32_is_coarse():
    found = noise(lambda t: float(np.exp(np.sin(np.float32(1 + t)))))
    assert 1e-8 < found.level < 1e-6
    assert found.coarse


def test_a_cast_inside_shows_although_the_loss_is_returned_in_float64():
    found = noise(lambda t: math.pi * float(np.sin(np.float32(1 + t))))
    assert found.level > 1e-8
    assert found.coarse


def test_a_large_constant_drowns_the_loss_but_is_not_coarse():
    found = noise(lambda t: 1e9 + math.sin(t))
    assert 1e-8 < found.level < 1e-6
    assert not found.coarse


def test_a_fine_loss_that_is_zero_where_it_is_measured_is_not_coarse():
    found = noise(lambda t: math.exp(math.sin(t)) - 1)
    assert found.level < 1e-14
    assert not found.coarse


def test_injected_noise_is_measured_within_a_factor_of_four():
    rng = np.random.default_rng(0)
    found = noise(lambda t: math.sin(t) + rng.normal(scale=1e-9))
    assert 0.25e-9 < found.level < 4e-9


@pytest.mark.parametrize("elsewhere", [1.0, math.nan])
def test_a_line_that_is_not_finite_where_it_starts_is_refused(elsewhere):
    with pytest.raises(NonFiniteLossError, match="nan at t = 0"):
        measure_noise(lambda t: math.nan, at_zero=math.nan, elsewhere=elsewhere)


def test_kinks_between_the_points_are_not_taken_for_noise():
    kinks = 1e-8 * np.array([0.3, 1.4, 2.2, 3.9, 5.1])
    found = noise(lambda t: math.sin(1 + t) + float(np.maximum(0, t - kinks).sum()))
    assert found.level < 1e-13
