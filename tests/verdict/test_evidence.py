"""The ratio with its error: exact where it can be, honest about its spread where it cannot.

Wrong parts of a block in words, and whether they are a part at all.
"""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradhook import Tolerance
from gradhook.difference.base import Estimate
from gradhook.verdict.evidence import (
    BlockEvidence,
    Location,
    Norms,
    Probe,
    chi_squared,
    compare,
    compare_all,
    describe,
    is_apart,
)

TOLERANCE = Tolerance()


def evidence(pairs, *, norm=1.0, error=1e-9, exact=False, size=1000):
    probes = tuple(Probe(a, Estimate(n, error, 1e-6)) for a, n in pairs)
    return BlockEvidence("W", size, norm, 1.0, probes, exact=exact)


def sampled(analytic, numerical, *, probes, seed, error=1e-12):
    """Evidence from random directions over two known gradients."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(probes):
        v = rng.standard_normal(analytic.size)
        pairs.append((float(analytic @ v), float(numerical @ v)))
    norm = float(np.linalg.norm(analytic))
    return evidence(pairs, norm=norm, error=error, size=analytic.size)


def test_the_ratio_of_two_zeros_is_zero():
    assert Norms(0.0, 0.0, 0.0).ratio == 0.0
    assert compare(evidence([(0.0, 0.0)], norm=0.0), TOLERANCE).ratio == 0.0


def test_element_by_element_the_ratio_is_the_textbook_one():
    a, n = np.array([3.0, -1.0]), np.array([2.5, -1.5])
    seen = compare(evidence(zip(a, n, strict=True), norm=np.linalg.norm(a), exact=True), TOLERANCE)
    assert seen.ratio == pytest.approx(
        np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n)), rel=1e-14
    )
    assert seen.interval == (seen.ratio, seen.ratio)


def test_no_error_above_fail_counts_for_less_than_their_root_mean_square():
    def standing_out(errors, **fields):
        probes = tuple(Probe(1.0, Estimate(1.02, error, 1e-3)) for error in errors)
        return compare(BlockEvidence("W", 3, 1.0, 1.0, probes, **fields), TOLERANCE).standing_out

    assert standing_out((1e-3, 1e-3, 1e-3)) == (0, 1, 2)
    assert standing_out((1e-3, 1e-2, 1e-2)) == ()  # the small one may be so by accident
    assert standing_out((5e-5, 1e-2, 1e-2)) == (0,)
    assert standing_out((1e-3, 1e-2, 1e-2), exact=True) == (0,)  # of elements, which are unlike
    assert standing_out((1e-3, 1e-2, 1e-2), exact=True, kinked=True) == ()


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 12, 33, 100, 1000])
def test_quantiles_of_chi_squared_are_those_of_scipy(degrees):
    stats = pytest.importorskip("scipy.stats", reason="the reference that is compared with")
    for probability in (1e-9, 0.005, 0.01, 0.05, 0.5, 0.95, 0.99, 0.995, 1 - 1e-9):
        # The upper tail is 1 - P: rounding of P is eps over the tail there, 2e-7 at 1e-9.
        tail = min(probability, 1 - probability)
        assert chi_squared(degrees, probability) == pytest.approx(
            stats.chi2.ppf(probability, degrees), rel=1e-11 + 1e-15 / tail
        )


@pytest.mark.parametrize(("count", "upper"), [(1, 79.8), (2, 10.0), (3, 5.1)])
def test_few_probes_widen_the_interval_as_chi_squared_says(count, upper):
    seen = compare(evidence([(1.0, 1.1)] * count), TOLERANCE)
    # Three digits of the tables: sqrt(k / chi2(k, 1 %)).
    assert seen.interval[1] / seen.ratio == pytest.approx(upper, abs=0.05)


def test_the_interval_of_a_sampled_ratio_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered, trials = 0, 500
    for seed in range(trials):
        a = rng.standard_normal(40)
        n = a + 1e-3 * rng.standard_normal(40)
        seen = compare(sampled(a, n, probes=3, seed=seed), TOLERANCE)
        truth = np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n))
        covered += seen.interval[0] <= truth <= seen.interval[1]
    # 98 % of 500, less four standard deviations of a binomial count.
    assert covered / trials > 0.98 - 4 * math.sqrt(0.98 * 0.02 / trials)


def test_a_mismatch_inside_its_error_is_not_resolved():
    assert not compare(evidence([(1.0, 1.0 + 2e-9)] * 3), TOLERANCE).resolved
    assert compare(evidence([(1.0, 1.0 + 4e-9)] * 3), TOLERANCE).resolved


def test_one_direction_in_a_dozen_does_not_make_a_mismatch():
    pairs = [(1.0, 1.1), *[(1.0, 1.0)] * 11]
    seen = compare(evidence(pairs), TOLERANCE)
    assert seen.standing_out == (0,)
    assert not seen.resolved


def test_directions_spoiled_by_a_kink_are_left_out_if_most_remain():
    probes = [Probe(1.0, Estimate(1.0, 1e-9, 1e-6))] * 2 + [Probe(1.0, Estimate(1.3, 0.3, 1e-6))]
    seen = compare(BlockEvidence("W", 1000, 1.0, 1.0, tuple(probes)), TOLERANCE)
    assert seen.probes == 2
    assert seen.ratio_error < 1e-8


def test_among_directions_spoiled_by_kinks_none_counts_as_sharper_than_they_are_together():
    spoiled = [Probe(1.0, Estimate(1.0, 0.02, 1e-2, kink=True))] * 3
    lucky = Probe(1.0, Estimate(1.02, 0.005, 1e-2))
    seen = compare(BlockEvidence("W", 1000, 1.0, 1.0, (*spoiled, lucky)), TOLERANCE)
    assert not seen.standing_out
    alone = compare(BlockEvidence("W", 1000, 1.0, 1.0, (lucky,) * 4), TOLERANCE)
    assert alone.resolved


def test_no_element_may_be_left_out():
    probes = [Probe(1.0, Estimate(1.0, 1e-9, 1e-6)), Probe(1.0, Estimate(math.nan, math.inf, 1e-6))]
    seen = compare(BlockEvidence("b", 2, 1.0, 1.0, tuple(probes), exact=True), TOLERANCE)
    assert seen.probes == 0
    assert math.isnan(seen.ratio)


# Numbers whose squares, and multiples by a unit, keep their precision.
finite = st.floats(-1e6, 1e6).filter(lambda number: number == 0 or abs(number) > 1e-150)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=12))
def test_the_ratio_lies_between_zero_and_one_when_exact(pairs):
    norm = math.hypot(*(a for a, _ in pairs))
    seen = compare(evidence(pairs, norm=norm, exact=True), TOLERANCE)
    assert 0 <= seen.ratio <= 1 + 1e-12


# By other units the numbers themselves round.
units = st.integers(-10, 10).map(lambda power: 2.0**power)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=6), units)
@example([(1e6, 999999.9999999999)], 4.0)
def test_the_ratio_does_not_depend_on_the_unit_of_the_loss(pairs, unit):
    def seen(factor):
        scaled = [(a * factor, n * factor) for a, n in pairs]
        norm = math.hypot(*(a for a, _ in scaled))
        return compare(evidence(scaled, norm=norm, error=0.0, exact=True), TOLERANCE).ratio

    assert seen(unit) == pytest.approx(seen(1.0), rel=1e-9, abs=1e-300)


def test_over_blocks_norms_are_added_in_squares():
    parts = [
        compare(evidence([(3.0, 3.0)], norm=3.0, exact=True), TOLERANCE),
        compare(evidence([(4.0, 4.4)], norm=4.0, exact=True), TOLERANCE),
    ]
    ratio, _ = compare_all(parts)
    assert ratio == pytest.approx(0.4 / (5 + math.hypot(3, 4.4)), rel=1e-12)
    assert math.isnan(compare_all([])[0])


def spoiled_first(*others, exact=False):
    """Evidence whose first probe a kink spoiled, beside others with an error of 1e-6."""
    first = Probe(1.0, Estimate(1.1, 0.5, 1e-6, kink=True))
    rest = (Probe(a, Estimate(n, 1e-6, 1e-6)) for a, n in others)
    return BlockEvidence("W", 1000, 1.0, 1.0, (first, *rest), exact=exact)


def test_probes_that_stand_out_are_told_by_their_place_in_the_evidence():
    seen = compare(spoiled_first((1.0, 1.0), (1.0, 1.3), (0.8, 1.2)), TOLERANCE)
    assert seen.probes == 3
    assert seen.standing_out == (2, 3)


def test_an_element_that_was_measured_well_keeps_its_error_beside_one_at_a_kink():
    seen = compare(spoiled_first((1.0, 1.4), (0.5, 0.5), exact=True), TOLERANCE)
    assert seen.standing_out == (1,)
    assert seen.resolved


def test_an_element_measured_as_coarsely_as_one_at_a_kink_shares_its_error():
    coarse = [Probe(1.0, Estimate(1.3, 0.08, 1e-2)), Probe(0.5, Estimate(0.5, 0.3, 1e-2))]
    first = Probe(1.0, Estimate(1.1, 0.5, 1e-2, kink=True))
    seen = compare(BlockEvidence("b", 3, 1.5, 1.0, (first, *coarse), exact=True), TOLERANCE)
    assert seen.standing_out == ()


PARTED = BlockEvidence("W", size=1000, analytic_norm=1.0, scale=1.0)


def element(i):
    return (slice(i, i + 1), slice(7, 8))


def column(*, numerical_norm):
    box = (slice(0, 100), slice(7, 8))
    return Location("W", (100, 10), (box,), Norms(numerical=numerical_norm))


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([(slice(0, 100), slice(7, 8))], "W[:, 7]"),
        ([(slice(3, 5), slice(0, 10))], "W[3:5, :]"),
        ([element(i) for i in range(5)], "W[0, 7], W[1, 7], W[2, 7] and 2 more"),
    ],
)
def test_parts_are_named_as_they_would_be_indexed(boxes, words):
    assert describe(Location("W", (100, 10), tuple(boxes))) == words


def test_one_part_is_apart_unless_it_holds_most_of_the_gradient():
    assert is_apart(column(numerical_norm=0.1), PARTED, few=0.1)
    assert not is_apart(column(numerical_norm=0.9), PARTED, few=0.1)


def test_many_parts_are_apart_while_they_are_few_elements():
    def found(count):
        boxes = tuple(element(i) for i in range(count))
        return Location("W", (100, 10), boxes, Norms(numerical=0.0))

    assert is_apart(found(100), PARTED, few=0.1)
    assert not is_apart(found(101), PARTED, few=0.1)
