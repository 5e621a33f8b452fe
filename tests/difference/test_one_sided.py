"""One-sided differences: orders, sides, and the edge of a domain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradhook.difference import Backward, Forward
from gradhook.errors import NonFiniteLossError

EPS = float(np.finfo(np.float64).eps)


def test_textbook_cube_gives_3_0301_from_one_side():
    estimate = Forward(step=0.01)(lambda t: (1 + t) ** 3, noise=EPS)
    # 3 + 3 h + h**2 exactly; rounding leaves EPS / h.
    assert abs(estimate.value - 3.0301) <= 4 * EPS / 0.01
    assert 0.0301 <= estimate.error <= 0.032


@pytest.mark.parametrize("make", [Forward, Backward])
def test_one_sided_error_falls_linearly(make):
    errors = [make(step=h)(math.exp, noise=EPS).value - 1 for h in (0.02, 0.01)]
    # h / 2 * (1 + h / 3 + ...): the ratio differs from 2 by the factor 1 + 0.01 / 3.
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.005)


@pytest.mark.parametrize("make", [Forward, Backward])
@pytest.mark.parametrize("curvature", [-8.0, -4.0, -3.0, -1.0, 0.0, 1.0, 10.0])
def test_error_estimate_covers_every_cubic(make, curvature):
    h = 0.1
    # curvature = a / b in the comment of the estimate: at -3 the first change is zero by accident.
    side = 1 if make is Forward else -1
    estimate = make(step=h)(lambda t: (side * t) ** 3 + curvature * h * t**2, noise=EPS)
    assert abs(estimate.value) <= estimate.error


@pytest.mark.parametrize(("method", "slope"), [(Forward(), 1.0), (Backward(), -1.0)])
def test_the_two_sides_of_a_kink_give_its_two_derivatives(method, slope):
    estimate = method(abs, noise=EPS)
    assert estimate.value == slope
    assert estimate.error <= 1e-6


@pytest.mark.parametrize(("method", "side"), [(Forward(), 1), (Backward(), -1)])
def test_the_other_side_is_never_visited(method, side):
    # A domain that ends at 0.
    estimate = method(lambda t: math.sqrt(1 + t) if side * t >= 0 else math.nan, noise=EPS)
    assert abs(estimate.value - 0.5) <= estimate.error <= 1e-6


def test_a_line_that_ends_at_zero_is_refused_by_the_wrong_side():
    with pytest.raises(NonFiniteLossError, match=r"Forward\(\) or Backward\(\) at the edge"):
        Backward()(lambda t: math.sqrt(t + 1) if t >= 0 else math.nan, noise=EPS)


def test_backward_is_forward_on_the_mirrored_line():
    forward = Forward()(lambda t: math.exp(-t), noise=EPS)
    backward = Backward()(math.exp, noise=EPS)
    assert backward.value == -forward.value
    assert backward.error == forward.error
    assert backward.step == forward.step > 0
