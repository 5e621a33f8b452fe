"""A fit finds the coefficients that were planted, and none where there are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import Tolerance
from gradhook.diagnosis.wrong_block import Prediction, fit

TOLERANCE = Tolerance()

seeds = st.integers(0, 2**32 - 1)
coefficients = st.floats(-1e3, 1e3).filter(lambda c: abs(c) > 1e-3)
counts = st.sampled_from([None, 4, 5, 9])


def arrays(seed, number, shape=(7, 6)):
    return np.random.default_rng(seed).standard_normal((number, *shape))


def prediction_of(wrong_block, base, terms, planted, *, analytic=None, **measured):
    """Predict a block whose numerical gradient is the base plus the terms, as planted."""
    numerical = base + sum(c * t for c, t in zip(planted, terms, strict=True))
    analytic = base if analytic is None else analytic
    block = wrong_block(analytic, numerical, **measured)
    return Prediction(block, base, tuple(terms))


@given(seeds, coefficients, counts)
def test_a_planted_coefficient_is_found_within_its_error(wrong_block, seed, planted, count):
    base, term = arrays(seed, 2)
    prediction = prediction_of(wrong_block, base, [term], [planted], count=count, seed=seed)
    (found,) = fit([prediction], TOLERANCE).values()
    # A residual a thousandth of the numerical gradient is known to a millionth, below a hundredth.
    assert found.coefficients[0] == pytest.approx(planted, abs=3 * found.errors[0])
    assert found.errors[0] < 1e-4 * abs(planted)


@given(seeds, st.sampled_from([3, 5, 9, None]), st.integers(0, 1))
def test_no_fit_holds_on_a_random_residual(wrong_block, seed, count, terms):
    base, numerical, *known = arrays(seed, 2 + terms)
    block = wrong_block(base, numerical, count=count, seed=seed)
    # Three numbers that one coefficient meets to a hundredth by chance: one in ten thousand, and
    # these also to a billionth.
    assert not fit([Prediction(block, base, tuple(known))], TOLERANCE)
    assert not fit([Prediction(block, None, tuple(known))], TOLERANCE)


def test_as_many_numbers_as_coefficients_prove_nothing(wrong_block):
    base, term = arrays(0, 2)
    for count, spare, enough in ((1, 2, False), (2, 2, False), (3, 2, True), (1, 0, True)):
        prediction = prediction_of(wrong_block, base, [term], [2.0], count=count)
        assert bool(fit([prediction], TOLERANCE, spare=spare)) is enough


def test_one_number_that_is_missed_by_more_than_may_lie_beside_refutes(wrong_block):
    base, term = arrays(0, 2)
    prediction = prediction_of(wrong_block, base, [term], [2.0], count=9)
    assert fit([prediction], TOLERANCE)
    # Besides three errors of a billionth each, three hundred-thousandths of the norm may be missed.
    beside = prediction.block.beside(TOLERANCE)
    size = np.linalg.norm(base) + prediction.block.residual_norm
    assert beside == pytest.approx(1e-5 * size)
    for by, holds in ((2.5, True), (1.0, False)):
        prediction.block.slopes[4] += by * beside
        assert bool(fit([prediction], TOLERANCE)) is holds


def test_numbers_too_coarse_to_leave_a_hundredth_prove_nothing(wrong_block):
    base, term = arrays(0, 2)
    for error, holds in ((1e-4, True), (3e-2, False)):
        prediction = prediction_of(wrong_block, base, [term], [2.0], count=9, error=error)
        assert bool(fit([prediction], TOLERANCE)) is holds


def test_blocks_share_a_coefficient_or_there_is_none(wrong_block):
    base, term = arrays(0, 2)
    here = prediction_of(wrong_block, base, [term], [2.0], name="W1")
    # A gradient a million times smaller has the same say.
    there = prediction_of(wrong_block, 1e-6 * base, [1e-6 * term], [2.0], name="W2", seed=1)
    apart = prediction_of(wrong_block, 1e-6 * base, [1e-6 * term], [2.1], name="W2", seed=1)
    found = fit([here, there], TOLERANCE)
    assert found["W1"].coefficients == pytest.approx((2.0,), rel=1e-6)
    assert found["W1"].coefficients == found["W2"].coefficients
    assert not fit([here, apart], TOLERANCE)
