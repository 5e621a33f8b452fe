"""What each method alone promises: orders, steps, sides, kinks, digits, and what it refuses."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from gradhook.difference import Backward, Central, ComplexStep, Forward, Ridders
from gradhook.errors import GradhookError, LossTypeError, NonFiniteLossError, OptionError

EPS = float(np.finfo(np.float64).eps)


def test_textbook_cube_gives_3_0001():
    estimate = Central(step=0.01)(lambda t: (1 + t) ** 3, noise=EPS)
    # 3 + h**2 exactly; rounding leaves EPS / h.
    assert abs(estimate.value - 3.0001) <= 2 * EPS / 0.01
    assert estimate.step == 0.01
    assert 1e-4 <= estimate.error <= 3.1e-4


def test_truncation_falls_with_the_square_of_the_step():
    errors = [Central(step=h)(math.exp, noise=EPS).value - 1 for h in (0.02, 0.01)]
    # h**2 / 6 * (1 + h**2 / 20 + ...): the ratio exceeds 4 by the factor 1 + 3 * 0.01**2 / 20.
    assert errors[0] / errors[1] == pytest.approx(4, rel=1e-4)


def test_error_estimate_covers_the_true_error_of_a_cubic():
    for h in (1.0, 0.1, 1e-2, 1e-3):
        estimate = Central(step=h)(lambda t: t**3, noise=EPS * h**3)
        assert h**2 * (1 - 1e-9) <= abs(estimate.value) <= estimate.error <= 3.1 * h**2


def test_the_default_step_balances_truncation_against_noise():
    # (3 * noise)**(1/3) for |phi'''| = 1, rounded to a power of two: within sqrt(2) either way.
    for noise in (1e-15, 1e-12, 1e-9, 1e-6):
        step = Central()(math.exp, noise=noise).step
        assert 0.7 <= step / (3 * noise) ** (1 / 3) <= 1.5


def test_a_large_third_derivative_shortens_the_step():
    # phi''' is 1e12 times the slope's own scale.  At the best step, (3e-16 / 1e12)**(1/3), the
    # error is 2 * noise / h plus as much truncation, 1e6 * 1e-10.
    estimate = Central()(lambda t: math.exp(1e6 * t), noise=EPS)
    assert abs(estimate.value - 1e6) <= estimate.error <= 1e6 * 1e-8


def test_a_line_whose_rounding_underflows_is_done_at_the_first_step():
    # Subnormal numbers: half the last digit of 1e-316 is zero.
    estimate = Central()(lambda t: 2.5e-316 * t, noise=0.0)
    assert abs(estimate.value - 2.5e-316) <= 1e-2 * 2.5e-316
    assert estimate.evaluations == 5


def test_a_longer_step_that_leaves_the_domain_is_given_up():
    visited = []

    def line(t):
        visited.append(t)
        return 1e9 + t if abs(t) < 1e-3 else math.nan

    estimate = Central()(line, noise=1.2e-7)
    assert max(visited) >= 1e-3  # It was tried, ...
    assert estimate.step < 1e-3  # ... and the shorter step counts.
    assert abs(estimate.value - 1.0) <= estimate.error < math.inf


def test_a_first_step_that_leaves_the_domain_is_shortened():
    def line(t):
        return math.log(1e-6 + t) if t > -1e-6 else math.nan

    estimate = Central()(line, noise=1e-15)
    assert estimate.step < 1e-6
    assert abs(estimate.value - 1e6) <= estimate.error <= 1e3


@pytest.mark.parametrize("method", [Central(), Central(step=1e-4), Ridders()])
@pytest.mark.parametrize("jump", [1e-3, -1.0, 1e3])
def test_both_one_sided_derivatives_lie_within_the_error_at_a_kink(method, jump):
    estimate = method(lambda t: math.exp(t) + jump * max(t, 0.0), noise=EPS)
    # Exact up to the rounding of the slopes: EPS over the shortest step of these, 1e-8.
    slack = 1e-8 * max(1.0, abs(jump))
    for slope in (1.0, 1.0 + jump):
        assert abs(estimate.value - slope) <= estimate.error + slack


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("position", np.linspace(0.0, 2.5, 26).tolist())
def test_error_estimate_covers_a_kink_anywhere_within_the_step(side, position):
    h = 0.125
    estimate = Central(step=h)(lambda t: max(side * t - position * h, 0.0), noise=0.0)
    # At the kink itself the nearer of the two derivatives is 1/2 away as well.
    assert abs(estimate.value) <= estimate.error + 1e-14


def test_a_kink_beside_zero_is_stepped_around():
    estimate = Central()(lambda t: math.exp(t) + max(t - 1e-6, 0.0), noise=EPS)
    assert estimate.step < 1e-6
    assert abs(estimate.value - 1.0) <= estimate.error <= 1e-6


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


def test_an_exception_of_the_line_itself_propagates():
    with pytest.raises(TypeError, match="must be real number, not complex"):
        ComplexStep()(math.sin, noise=0.0)
