"""Long steps: sharper than short ones on smooth lines in noise, and not fooled by kinks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from gradhook.difference.formulas import Sharp
from gradhook.difference.long_steps import LongSteps
from gradhook.difference.noise_table import measure_noise
from gradhook.difference.search import SearchOptions, search
from gradhook.errors import OptionError

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


def cases(activation, noise, count):
    return [network_line(activation, seed, noise=noise) for seed in range(count)]


def shares(several):
    """True over claimed error, 0 where nothing is claimed."""
    estimates = [LongSteps()(case.line, noise=case.noise) for case in several]
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
    found = search(case.line, at_zero, Sharp(), SearchOptions(first, 0.1), noise=case.noise)
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
    gains = [
        two_point_error(case) / LongSteps()(case.line, noise=case.noise).error
        for case in cases(activation, noise, 40)
    ]
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
        measured.append(Case(case.line, case.slope, found.along_line))
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

        estimate = LongSteps()(line, noise=noise)
        # At the kink itself both one-sided slopes count.
        beyond = [math.cos(1), math.cos(1) + jump][: 2 if place == 0.0 else 1]
        if place < 0:
            beyond = [math.cos(1) + jump]
        true = max(abs(estimate.value - slope) for slope in beyond)
        found.append(true / estimate.error if math.isfinite(estimate.error) else 0.0)
    assert np.median(found) <= 1
    assert max(found) <= 2


def test_a_line_that_ends_within_the_reach_is_read_within_its_domain():
    case = network_line("tanh", 3, noise=1e-7)
    found = LongSteps()(lambda t: case.line(t) if t < 0.2 else math.nan, noise=case.noise)
    assert found.step < 0.2
    assert abs(found.value - case.slope) <= found.error < math.inf


@pytest.mark.parametrize("line", [lambda t: math.nan, lambda t: 1.0 if t == 0 else math.inf])
def test_a_line_that_is_nowhere_finite_has_an_infinite_error(line):
    found = LongSteps()(line, noise=1e-9)
    assert math.isnan(found.value)
    assert found.error == math.inf
    assert found.evaluations <= 60


def test_noise_beyond_what_was_said_gives_no_estimate():
    rng = np.random.default_rng(0)
    found = LongSteps()(lambda t: t + 1e-3 * rng.standard_normal(), noise=1e-5)
    assert found.error == math.inf


def counted(line):
    calls = []

    def counting(t):
        calls.append(t)
        return line(t)

    return counting, calls


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("most", [23, 40, 60])
def test_every_point_is_read_once_and_evaluations_stay_within_the_limit(activation, most):
    for seed in range(10):
        case = network_line(activation, seed, noise=1e-7)
        line, calls = counted(case.line)
        found = LongSteps(evaluations=most)(line, noise=case.noise)
        assert found.evaluations == len(calls) == len(set(calls)) <= most
        assert max(calls) == 0.5


def test_a_value_known_at_zero_saves_one_evaluation():
    case = network_line("tanh", 1)
    line, calls = counted(case.line)
    found = LongSteps()(line, noise=case.noise, at_zero=case.line(0.0))
    assert 0.0 not in calls
    assert found.evaluations == len(calls)
    assert found.value == LongSteps()(case.line, noise=case.noise).value


def test_an_error_as_small_as_wanted_ends_the_search():
    case = network_line("tanh", 1)
    best = LongSteps()(case.line, noise=case.noise)
    early = LongSteps()(case.line, noise=case.noise, goal=10 * best.error)
    assert early.evaluations < best.evaluations
    assert best.error <= early.error <= 10 * best.error


def test_units_of_the_line_scale_the_slope_and_nothing_else():
    case = network_line("tanh", 2)
    plain = LongSteps()(case.line, noise=case.noise)
    # A power of two commutes with every rounding.
    scaled = LongSteps()(lambda t: 2.0**40 * case.line(t), noise=2.0**40 * case.noise)
    assert (scaled.value, scaled.error) == (2.0**40 * plain.value, 2.0**40 * plain.error)
    longer = LongSteps(reach=2.0)(lambda t: case.line(t / 4), noise=case.noise)
    assert (longer.value, longer.step) == (plain.value / 4, 4 * plain.step)


def test_a_straight_line_without_noise_is_exact():
    found = LongSteps()(lambda t: 3 * t, noise=0.0)
    assert found.value == pytest.approx(3, rel=1e-14)
    assert found.error <= 1e-12


@pytest.mark.parametrize("reach", [0.0, -1.0, math.nan])
def test_a_reach_that_is_not_positive_is_refused(reach):
    with pytest.raises(OptionError, match="step must be a positive finite number"):
        LongSteps(reach=reach)


def test_too_few_evaluations_are_refused_with_the_least():
    with pytest.raises(OptionError, match="evaluations must be at least 23, got 20"):
        LongSteps(evaluations=20)


def test_a_noise_level_that_is_none_is_refused():
    with pytest.raises(OptionError, match=r"noise must be a finite number .*noise_level"):
        LongSteps()(math.sin, noise=math.nan)


def test_a_line_that_stands_on_one_stair_near_zero_has_no_slope_of_zero():
    def rounded(t):
        return math.floor(10 * t + 0.5) / 10

    assert LongSteps()(rounded, noise=1e-6).error == math.inf
    still = LongSteps()(lambda t: 3.0, noise=1e-6)
    assert (still.value, still.error < 1e-4) == (0.0, True)
