"""The complex step: digits to the last, and what it refuses."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from gradhook.difference import ComplexStep
from gradhook.errors import GradhookError, LossTypeError, NonFiniteLossError

EPS = float(np.finfo(np.float64).eps)


@pytest.mark.parametrize(
    ("line", "slope"),
    [
        (cmath.exp, 1.0),
        (lambda t: cmath.sin(1 + 3 * t), 3 * math.cos(1)),
        (lambda t: 1 / (1 + (t + 1) ** 2), -0.5),
        (lambda t: cmath.exp(1e6 * t) + 1e9, 1e6),
        (lambda t: np.sum(np.exp(t * np.arange(5.0))), 10.0),
    ],
)
def test_an_analytic_line_gives_all_digits(line, slope):
    estimate = ComplexStep()(line, noise=0.0)
    assert abs(estimate.value - slope) <= estimate.error <= 20 * EPS * abs(slope)
    assert estimate.evaluations == 2
    assert estimate.step == 1e-20


def test_a_long_step_shows_its_truncation_in_the_error():
    estimate = ComplexStep(step=0.01)(cmath.exp, noise=0.0)
    # h**2 / 6 in the value, 8 * h**2 / 6 in its change when the step is three times as long.
    assert 1.6e-5 <= abs(estimate.value - 1) <= estimate.error <= 1.4e-4


@pytest.mark.parametrize(
    "line",
    [
        lambda t: abs(1 + t),
        lambda t: np.linalg.norm(np.array([1 + t, 2.0])),
        lambda t: np.abs(1 + t),
        lambda t: float((1 + t).real),
    ],
)
def test_a_real_value_for_a_complex_argument_is_refused_with_the_reason(line):
    with pytest.raises(LossTypeError) as caught:
        ComplexStep()(line, noise=0.0)
    assert isinstance(caught.value, GradhookError)
    assert isinstance(caught.value, TypeError)
    message = str(caught.value)
    assert "t = 0+1e-20j" in message
    assert "drops the imaginary part (abs, np.linalg.norm, a conversion to a real dtype)" in message
    assert "use Central() or Ridders()" in message


def test_an_imaginary_part_that_is_exactly_zero_has_unknown_accuracy():
    estimate = ComplexStep()(lambda t: complex(abs(1 + t)), noise=0.0)
    assert estimate.value == 0.0
    assert math.isnan(estimate.error)


def test_a_value_that_is_not_finite_is_refused_with_the_point():
    with pytest.raises(NonFiniteLossError, match=r"nan\+0j at t = 0\+1e-20j"):
        ComplexStep()(lambda t: complex(math.nan, 0.0), noise=0.0)


def test_an_exception_of_the_line_itself_propagates():
    with pytest.raises(TypeError, match="must be real number, not complex"):
        ComplexStep()(math.sin, noise=0.0)
