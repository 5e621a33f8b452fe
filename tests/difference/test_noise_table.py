"""Measured noise: rounding, coarse arithmetic, large constants; and kinks, which are none."""

import math

import numpy as np
import pytest

from gradhook.difference.noise import SWALLOWED, measure_noise
from gradhook.errors import NonFiniteLossError


def noise(line):
    at_zero = line(0.0)
    return measure_noise(line, at_zero=at_zero, elsewhere=line(0.5))


@pytest.mark.parametrize(
    ("line", "lowest", "highest", "coarse"),
    [
        (lambda t: math.exp(math.sin(1 + t)), 1e-17, 2e-15, False),
        (lambda t: float(np.exp(np.sin(np.float32(1 + t)))), 1e-8, 1e-6, True),
        # Returned in float64, it shows the cast inside all the same.
        (lambda t: math.pi * float(np.sin(np.float32(1 + t))), 1e-8, math.inf, True),
        (lambda t: 1e9 + math.sin(t), 1e-8, 1e-6, False),
        (lambda t: math.exp(math.sin(t)) - 1, 0.0, 1e-14, False),
    ],
    ids=["smooth", "in float32", "a cast inside", "a large constant", "fine and zero here"],
)
def test_the_noise_of_a_loss_and_whether_its_arithmetic_is_coarse(line, lowest, highest, coarse):
    found = noise(line)
    assert lowest <= found.level < highest
    assert found.coarse == coarse


def test_where_sums_swallow_the_level_allows_for_other_directions():
    rng = np.random.default_rng(1)
    found = noise(lambda t: math.exp(t) + rng.normal(scale=1e-4))
    assert found.allowance == SWALLOWED
    assert 0.25e-4 < found.level / found.allowance < 4e-4
    fine = noise(lambda t: math.exp(t) + rng.normal(scale=1e-9))
    assert fine.allowance == 1


def kinked(seed, *, kinks, within, slope):
    """A line in float32 near 2 with kinks of a thousandth on either side of 0."""
    rng = np.random.default_rng(seed)
    at, jump = rng.uniform(-within, within, kinks), rng.normal(size=kinks) / 1000
    return lambda t: np.float32(2 + slope * t + np.abs(t - at) @ jump)


def test_kinks_in_float32_are_not_taken_for_sums_that_swallow():
    lines = [kinked(seed, kinks=200, within=0.02, slope=1 / 50) for seed in range(40)]
    allowances = [noise(line).allowance for line in lines]
    assert np.mean(np.array(allowances) > 1) <= 0.1  # there it seems noisier than rounding makes it


def test_many_kinks_in_float32_are_not_taken_for_noise():
    lines = [kinked(seed, kinks=5000, within=0.5, slope=1 / 3) for seed in range(40)]
    levels = [noise(line).level for line in lines]
    # A value is rounded by 0.3 units in the last place of 2, and the floor is half a unit.
    assert np.mean(np.array(levels) < 4 * 0.5 * 2.0**-22) >= 0.9


@pytest.mark.parametrize("elsewhere", [1.0, math.nan])
def test_a_line_that_is_not_finite_where_it_starts_is_refused(elsewhere):
    with pytest.raises(NonFiniteLossError, match="nan at t = 0"):
        measure_noise(lambda t: math.nan, at_zero=math.nan, elsewhere=elsewhere)


def test_kinks_between_the_points_are_not_taken_for_noise():
    kinks = 1e-8 * np.array([0.3, 1.4, 2.2, 3.9, 5.1])
    found = noise(lambda t: math.sin(1 + t) + float(np.maximum(0, t - kinks).sum()))
    assert found.level < 1e-13


def quanta(size, phase=0.0):
    """A tiny loss that is a difference of numbers near one: it moves in steps of ``size``."""
    return lambda t: size * math.floor(1.69e-8 * math.exp(140 * t) / size + phase)


@pytest.mark.parametrize("phase", np.linspace(0, 0.9, 10))
def test_what_the_noise_was_elsewhere_says_how_far_apart_stairs_are_looked_for(phase):
    line = quanta(3.2e-17, phase)
    found = measure_noise(line, at_zero=line(0.0), known=1e-16)
    assert 3e-18 < found.level < 1e-16


def test_a_loss_of_the_size_of_the_noise_elsewhere_has_that_noise():
    def line(t):
        return 6e-16 + 1e-14 * t

    found = measure_noise(line, at_zero=line(0.0), known=8e-17)
    assert found.level == 8e-17
    assert found.coarse


def two_noises(t):
    """The sum of a term in float32 and of one that is seen as fine between close points."""
    return float(np.float32(1.5 + 0.3 * t)) + 1e-9 * math.sin(1e13 * t)


def test_noise_that_close_points_see_part_of_is_that_of_distant_ones():
    found = noise(two_noises)
    assert found.level > 1e-8
