"""Long steps: sharper than short ones on smooth lines in noise, and not fooled by kinks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gradhook.difference import long_steps
from gradhook.difference.noise import measure_noise
from gradhook.difference.search import SHARP, SearchOptions, search

ACTIVATIONS = {
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
    "sin": (np.sin, np.cos),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
}
"""Function and derivative."""


@dataclass(frozen=True, slots=True)
class Case:
    """A line, its slope at 0 by the chain rule in float64, and the noise of one value."""

    line: object
    slope: float
    noise: float


def network_line(activation, seed, *, noise=None):
    """The loss of a small network along a random direction of its first weights, as long as these.

    ``noise`` is a share of the loss that normal numbers add; without it the network is computed in
    float32 and its noise measured as a check does.
    """
    act, derivative = ACTIVATIONS[activation]
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((7, 8)), rng.standard_normal((7, 3))
    w, u = rng.standard_normal((8, 16)) / math.sqrt(8), rng.standard_normal((16, 3)) / 4
    v = rng.standard_normal(w.shape)
    v *= np.linalg.norm(w) / np.linalg.norm(v)
    dtype = np.float32 if noise is None else np.float64
    x0, y0, u0 = x.astype(dtype), y.astype(dtype), u.astype(dtype)

    def exact(t):
        residual = act(x0 @ (w + t * v).astype(dtype)) @ u0 - y0
        return float((residual * residual).mean(dtype=dtype))

    z = x @ w
    slope = float(2 * ((act(z) @ u - y) * ((derivative(z) * (x @ v)) @ u)).mean())
    if noise is None:
        level = measure_noise(exact, at_zero=exact(0.0), elsewhere=exact(0.1)).level
        return Case(exact, slope, level)
    level = noise * exact(0.0)
    return Case(lambda t: exact(t) + level * rng.standard_normal(), slope, level)


def estimate(case, **keywords):
    return long_steps.long_steps(case.line, case.line(0.0), noise=case.noise, **keywords)


def cases(activation, noise, count):
    return [network_line(activation, seed, noise=noise) for seed in range(count)]


def shares(several):
    """True over claimed error, 0 where nothing is claimed."""
    estimates = [estimate(case) for case in several]
    return np.array(
        [
            abs(found.value - case.slope) / found.error if math.isfinite(found.error) else 0.0
            for case, found in zip(several, estimates, strict=True)
        ]
    )


def two_point_error(case):
    """The error that the step search claims."""
    at_zero = case.line(0.0)
    first = min(0.025, max(1e-5, (case.noise / abs(at_zero)) ** (1 / 3)))
    found = search(case.line, at_zero, SHARP, SearchOptions(first, 0.1), noise=case.noise)
    return found.error


@pytest.mark.parametrize("activation", ["tanh", "softplus", "sin"])
def test_the_error_covers_the_true_one_on_smooth_lines(activation):
    found = np.concatenate(
        [shares(cases(activation, noise, 75)) for noise in (None, 1e-5, 1e-7, 1e-9)]
    )
    assert np.mean(found > 1) <= 0.01
    assert found.max() <= 2


@pytest.mark.parametrize("activation", ["tanh", "softplus", "sin"])
@pytest.mark.parametrize(("noise", "factor"), [(None, 3.0), (1e-5, 2.0), (1e-7, 3.0), (1e-9, 5.0)])
def test_the_error_is_several_times_smaller_than_that_of_short_steps(activation, noise, factor):
    gains = [two_point_error(case) / estimate(case).error for case in cases(activation, noise, 40)]
    # Less where noise is coarse: there the short search has long steps already.
    assert np.median(gains) >= factor


def test_the_error_covers_the_true_one_on_lines_full_of_kinks():
    # 112 kinks at random places, hidden below the noise for short ways and dense for long ones.
    found = np.concatenate(
        [shares(cases("relu", noise, 100)) for noise in (None, 1e-5, 1e-7, 1e-9)]
    )
    assert np.mean(found > 1) <= 0.01
    assert found.max() <= 3


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_noise_as_a_check_measures_it_serves(activation):
    # A difference table knows the noise within a factor of four only.
    measured = []
    for case in cases(activation, 1e-5, 50) + cases(activation, 1e-9, 50):
        found = measure_noise(case.line, at_zero=case.line(0.0), elsewhere=case.line(0.1))
        measured.append(Case(case.line, case.slope, found.level / found.allowance))
    found = shares(measured)
    assert np.mean(found > 1) <= 0.02
    assert np.mean(found > 0) >= 0.75  # the others are taken for kinked


@pytest.mark.parametrize("place", [0.0, 1e-4, -3e-3, 0.02, -0.08])
@pytest.mark.parametrize("jump", [1e-4, -3e-3, 0.1])
def test_one_kink_near_0_is_covered(place, jump):
    noise = 1e-6
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)

        def line(t, rng=rng):
            return math.sin(1 + t) + jump * max(0.0, t - place) + noise * rng.standard_normal()

        told = estimate(Case(line, math.nan, noise))
        # At the kink itself both one-sided slopes count.
        beyond = [math.cos(1), math.cos(1) + jump][: 2 if place == 0.0 else 1]
        if place < 0:
            beyond = [math.cos(1) + jump]
        true = max(abs(told.value - slope) for slope in beyond)
        found.append(true / told.error if math.isfinite(told.error) else 0.0)
    assert np.median(found) <= 1
    assert max(found) <= 2


def test_a_line_that_ends_within_the_reach_is_read_within_its_domain():
    case = network_line("tanh", 3, noise=1e-7)
    found = estimate(replace(case, line=lambda t: case.line(t) if t < 0.2 else math.nan))
    assert found.step < 0.2
    assert abs(found.value - case.slope) <= found.error < math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_line_that_is_nowhere_finite_has_an_infinite_error(value):
    found = long_steps.long_steps(lambda t: value, 1.0, noise=1e-9)
    assert math.isnan(found.value)
    assert found.error == math.inf
    assert found.evaluations <= 60


@pytest.mark.parametrize("seed", range(10))
def test_noise_beyond_what_was_said_gives_no_estimate(seed):
    rng = np.random.default_rng(seed)
    found = estimate(Case(lambda t: t + 1e-3 * rng.standard_normal(), 1.0, 1e-5))
    assert found.error == math.inf


def counted(line):
    calls = []

    def counting(t):
        calls.append(t)
        return line(t)

    return counting, calls


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("pairs", [11, 20, 30])
def test_every_point_is_read_once_and_pairs_stay_within_the_limit(activation, pairs, monkeypatch):
    monkeypatch.setattr(long_steps, "MOST_PAIRS", pairs)
    for seed in range(10):
        case = network_line(activation, seed, noise=1e-7)
        line, calls = counted(case.line)
        found = long_steps.long_steps(line, case.line(0.0), noise=case.noise)
        assert found.evaluations == len(calls) == len(set(calls)) <= 2 * pairs
        assert max(calls) == 0.5
        assert 0.0 not in calls


def test_an_error_as_small_as_wanted_ends_the_search():
    case = network_line("tanh", 1)
    best = estimate(case)
    early = estimate(case, goal=10 * best.error)
    assert early.evaluations < best.evaluations
    assert best.error <= early.error <= 10 * best.error


def test_units_of_the_loss_scale_the_slope_and_nothing_else():
    case = network_line("tanh", 2)
    plain = estimate(case)
    # A power of two commutes with every rounding.
    scaled = estimate(Case(lambda t: 2.0**40 * case.line(t), case.slope, 2.0**40 * case.noise))
    assert (scaled.value, scaled.error) == (2.0**40 * plain.value, 2.0**40 * plain.error)


def test_a_line_that_stands_on_one_stair_near_zero_has_no_slope_of_zero():
    assert estimate(Case(lambda t: math.floor(10 * t + 0.5) / 10, 0.0, 1e-6)).error == math.inf


def test_few_stairs_within_reach_are_taken_for_noise_as_far_as_noise_may_be_larger():
    def wrong(allowance):
        confident = []
        for seed in range(100):
            rng = np.random.default_rng(seed)
            fine, coarse = 0.01 * rng.normal(size=2)
            edge = rng.uniform()

            def line(t, rng=rng, fine=fine, coarse=coarse, edge=edge):
                stair = 5e-4 * math.floor(coarse * t / 5e-4 + edge)
                return fine * t + stair + 1.5e-5 * rng.normal()

            found = long_steps.long_steps(line, line(0.0), noise=1.5e-5, allowance=allowance)
            confident.append(abs(found.value - fine - coarse) > found.error)
        return np.mean(confident)

    assert wrong(30.0) <= 0.1 < wrong(1.0)


@pytest.mark.parametrize("stairs", [30, 100, 300])
def test_stairs_near_zero_and_beyond_give_no_estimate(stairs):
    def rounded(t):  # and a fine part, which alone moves within a stair
        return math.floor(stairs * math.sin(t) + 0.5) / stairs + 1e-3 * t

    assert estimate(Case(rounded, 0.0, 1e-6)).error == math.inf


@pytest.mark.parametrize(("height", "frequency"), [(2e-7, 1e4), (1e-6, 3e3), (1e-6, 1e6)])
def test_short_waves_are_not_taken_for_noise(height, frequency):
    def waving(t):
        return float(np.float32(1 + 0.5 * t + height * math.sin(frequency * t)))

    found = estimate(Case(waving, 0.5 + height * frequency, 3e-8))
    assert found.error == math.inf or abs(found.value - 0.5 - height * frequency) <= found.error


def test_a_line_that_does_not_move_has_a_slope_of_zero():
    still = estimate(Case(lambda t: 3.0, 0.0, 1e-6))
    assert (still.value, still.error < 1e-4) == (0.0, True)
