"""What every method promises, asked of each; a new method is tested by being listed."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest

from gradhook.difference import (
    Backward,
    Central,
    ComplexStep,
    Estimate,
    Forward,
    Method,
    Ridders,
)
from gradhook.errors import GradhookError, NonFiniteLossError, OptionError

DIFFERENCES: list[Method] = [Central(), Forward(), Backward(), Ridders()]
METHODS: list[Method] = [*DIFFERENCES, ComplexStep()]
WITH_STEP: list[Callable[..., Method]] = [Central, Forward, Backward, Ridders, ComplexStep]
EPS = float(np.finfo(np.float64).eps)

by_name = pytest.mark.parametrize("method", METHODS, ids=repr)


def exponential(t):
    return cmath.exp(t) if isinstance(t, complex) else math.exp(t)


@by_name
def test_the_derivative_of_a_smooth_line_is_found_within_the_error_estimate(method):
    estimate = method(exponential, noise=EPS)
    assert isinstance(estimate, Estimate)
    assert abs(estimate.value - 1.0) <= estimate.error <= 1e-6


@by_name
def test_the_evaluations_reported_are_those_made(method):
    visited = []

    def line(t):
        visited.append(t)
        return exponential(t)

    assert method(line, noise=EPS).evaluations == len(visited) == len(set(visited))


@by_name
@pytest.mark.parametrize("power", [-40, 40])
def test_a_scaled_loss_gives_the_scaled_estimate_to_the_bit(method, power):
    # Scaling by a power of two commutes with every rounding, so nothing else may depend on it.
    plain = method(exponential, noise=EPS)
    scaled = method(lambda t: 2.0**power * exponential(t), noise=2.0**power * EPS)
    assert scaled.value == 2.0**power * plain.value
    assert scaled.error == 2.0**power * plain.error
    assert scaled.step == plain.step


@by_name
def test_a_method_is_an_immutable_value(method):
    assert type(method)() == method
    assert hash(type(method)()) == hash(method)
    with pytest.raises(AttributeError):
        method.step = 1.0


@by_name
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_line_that_is_not_finite_is_refused_with_the_point_and_the_value(method, value):
    visited = []

    def line(t):
        visited.append(t)
        return value + 0 * t if t else 1.0 + t

    with pytest.raises(NonFiniteLossError) as caught:
        method(line, noise=EPS)
    message = str(caught.value)
    assert f"at t = {visited[-1]:g}" in message
    assert message.startswith("the line is ")
    assert f"{value:g}" in message
    assert "pass a smaller step" in message


@pytest.mark.parametrize("method", DIFFERENCES, ids=repr)
def test_an_infinite_value_at_zero_itself_is_refused(method):
    with pytest.raises(NonFiniteLossError, match="the line is inf at t = 0,"):
        method(lambda t: math.inf, noise=EPS)


@pytest.mark.parametrize("make", WITH_STEP)
@pytest.mark.parametrize("step", [0, -1.0, math.nan, math.inf, True, "0.1"])
def test_a_step_that_is_not_positive_and_finite_is_refused_when_the_method_is_built(make, step):
    with pytest.raises(OptionError) as caught:
        make(step=step)
    assert isinstance(caught.value, GradhookError)
    assert isinstance(caught.value, ValueError)
    assert (
        str(caught.value) == f"step must be a positive finite number, in units of t, got {step!r}"
    )


@by_name
@pytest.mark.parametrize("noise", [-1e-16, math.nan, math.inf])
def test_a_noise_level_that_is_none_is_refused_with_the_remedy(method, noise):
    with pytest.raises(OptionError) as caught:
        method(exponential, noise=noise)
    assert f"noise must be a finite number of at least 0, in units of loss, got {noise!r}" in str(
        caught.value
    )
    assert "noise_level" in str(caught.value)


@pytest.mark.parametrize("method", DIFFERENCES, ids=repr)
@pytest.mark.parametrize("value", [0.0, 2.5])
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_a_constant_line_has_derivative_zero(method, value, noise):
    estimate = method(lambda t: value, noise=noise)
    assert estimate.value == 0.0
    # At the longest step that is chosen, 1/16, noise leaves at most 4 * noise / h; extrapolation
    # less than triples that.
    assert 0.0 <= estimate.error <= 3 * 4 * 16 * max(noise, EPS * value)


@pytest.mark.parametrize("method", DIFFERENCES, ids=repr)
def test_more_noise_gives_a_larger_error(method):
    errors = [method(exponential, noise=noise).error for noise in (1e-16, 1e-12, 1e-8, 1e-4)]
    assert errors == sorted(errors)


@pytest.mark.parametrize("method", DIFFERENCES, ids=repr)
@pytest.mark.parametrize("kind", ["smooth_lines", "single_lines"])
def test_error_estimate_covers_the_true_error(method, kind, request):
    cases = request.getfixturevalue(kind)
    shares = {}
    for case in cases:
        estimate = method(case.line, noise=case.noise)
        shares[case.name] = abs(estimate.value - case.slope) / estimate.error
    beyond = {name: share for name, share in shares.items() if share > 1}
    assert len(beyond) <= 0.01 * len(cases), beyond
    assert max(shares.values()) <= 3, max(shares.items(), key=lambda item: item[1])
    # Sharp as well: the median of claimed over true.
    assert np.median(list(shares.values())) >= 1 / 30
