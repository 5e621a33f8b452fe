"""The step search: its errors cover the truth, are sharp, and are not fooled by kinks."""

import math

import numpy as np
import pytest

from gradhook.difference.noise import measure_noise
from gradhook.difference.search import PAIR, SHARP, SearchOptions, search


def good(relative):
    return lambda slope: slope.error <= relative * abs(slope.value)


def sharp(line, noise, *, step=1e-5, **keywords):
    options = SearchOptions(step, 0.1, good=good(1e-8), **keywords)
    return search(line, line(0.0), SHARP, options, noise=noise)


def pair(line, noise, *, step, **keywords):
    options = SearchOptions(step, good=good(1e-6), grow=0.0, **keywords)
    return search(line, line(0.0), PAIR, options, noise=noise)


def measured(function):
    """The sharp estimate with measured noise, as a check makes it."""
    at_zero = function(0.0)
    noise = measure_noise(function, at_zero=at_zero, elsewhere=function(0.1)).level
    relative = (noise / abs(at_zero)) ** (1 / 3) if at_zero else 1e-5
    return sharp(function, noise, step=min(0.025, max(1e-5, relative)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_error_estimate_covers_the_true_error(smooth_functions, dtype):
    shares = []
    for function in smooth_functions(count=400, seed=5, dtype=dtype):
        slope = measured(function)
        # The slope's own formula, evaluated in float64, is right to a few machine epsilons.
        true = abs(slope.value - function.slope) - 1e-15 * abs(function.slope)
        shares.append(true / slope.error)
    assert np.mean(np.array(shares) > 1) <= 0.01
    assert max(shares) <= 3


def test_the_error_estimate_is_sharp(smooth_functions):
    claimed, true = [], []
    for function in smooth_functions(count=400, seed=6, plain=True):
        if abs(function.slope) < 0.05:
            continue  # no error is small beside a slope that is nearly zero
        slope = measured(function)
        claimed.append(slope.error / abs(function.slope))
        true.append(abs(slope.value - function.slope) / abs(function.slope))
    assert max(claimed) <= 1e-8
    assert np.median(np.array(claimed) / np.maximum(true, 1e-16)) <= 30


def test_where_noise_exceeds_the_slope_at_every_step_the_error_exceeds_it_too():
    rng = np.random.default_rng(0)

    def drowned(t):
        return 1e6 + 1e-3 * math.sin(t) + rng.normal(scale=0.1)

    slope = sharp(drowned, 0.1)
    assert slope.error > abs(1e-3)


@pytest.mark.parametrize("tau", np.linspace(-2.5, 2.5, 41))
@pytest.mark.parametrize("strength", [1.0, -0.3, 1e-3])
def test_one_kink_anywhere_near_the_step_is_covered(tau, strength):
    h = 1e-3

    def kinked(t):
        return 0.7 * t + 0.2 * t**2 + strength * max(0.0, t - tau * h)

    # The derivative where the point stands; exactly at a kink both sides count as right.
    truths = {0.7 + strength * (tau < 0)} if tau else {0.7, 0.7 + strength}
    slope = sharp(kinked, 1e-16, step=h, rounds=1)
    assert min(abs(slope.value - truth) for truth in truths) <= slope.error


def test_shrinking_the_step_escapes_a_kink_inside_it():
    def kinked(t):
        return math.sin(t) + max(0.0, t - 1e-6)

    for slope in (sharp(kinked, 1e-16), pair(kinked, 1e-16, step=1e-5)):
        assert abs(slope.value - 1) <= slope.error <= 1e-4
        assert not slope.kink or slope.error > 1e-6


def test_a_kink_at_the_point_itself_is_seen_and_never_believed():
    for slope in (sharp(abs, 1e-16), pair(abs, 1e-16, step=1e-5)):
        assert slope.kink
        assert slope.error >= 0.9  # central slope 0, one-sided slopes -1 and 1


def test_a_symmetric_cancellation_has_no_gap_to_show():
    # relu(t) - relu(-t) is t: smooth as a function, whatever its backward pass says of it.
    slope = sharp(lambda t: max(t, 0) - max(-t, 0), 1e-16)
    assert slope.value == pytest.approx(1, abs=slope.error)


def test_a_line_that_is_finite_only_nearby_is_measured_nearby():
    def edge(t):
        return math.log(1e-6 + t) if t > -1e-6 else math.nan

    slope = sharp(edge, 1e-15)
    assert slope.value == pytest.approx(1e6, abs=slope.error)


def test_a_line_that_is_nowhere_finite_has_no_slope():
    slope = search(lambda t: math.nan, 0.0, SHARP, SearchOptions(1e-5, 0.1), noise=1e-16)
    assert math.isnan(slope.value)
    assert slope.error == math.inf


def test_a_good_first_round_costs_four_evaluations_and_a_good_pair_two():
    calls = []

    def counted(t):
        calls.append(t)
        return math.sin(0.4 + t)

    at_zero = counted(0.0)
    calls.clear()
    search(counted, at_zero, SHARP, SearchOptions(1e-5, 0.1, good=good(1e-8)), noise=1e-16)
    assert len(calls) == 4
    calls.clear()
    search(counted, at_zero, PAIR, SearchOptions(2e-8, good=good(1e-6)), noise=1e-16)
    assert len(calls) == 2


def visited(function, *, noise, step):
    """The slope, and the steps at which the line was evaluated."""
    at = []

    def line(t):
        at.append(abs(t))
        return function(t)

    options = SearchOptions(step, 0.1, good=good(1e-12))
    return search(line, function(0.0), SHARP, options, noise=noise), at


def test_no_round_is_spent_between_two_steps_where_no_better_one_lies():
    # Truncation is about h**2 and noise 2e-13/h, so that no step has an error below 7e-9.  At 2e-5
    # it is 1e-8, which noise makes, and at 30 times that 4e-7, which truncation does.
    slope, at = visited(lambda t: math.sin(0.4 + t), noise=1e-13, step=2e-5)
    assert slope.step == 2e-5
    assert len(at) == 8


def test_a_smooth_line_that_is_flat_just_here_has_no_kink():
    slope, _ = visited(lambda t: 50 * t * t + 100 * t**3, noise=1e-18, step=1e-3)
    assert abs(slope.value) <= slope.error
    assert not slope.kink


def test_a_line_with_kinks_at_every_distance_is_said_to_have_them():
    places = np.geomspace(1e-15, 1e-2, 400) * np.tile([1, -1], 200)
    slope, _ = visited(lambda t: float(np.abs(t - places).sum()), noise=1e-15, step=1e-4)
    assert slope.kink
