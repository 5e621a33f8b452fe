"""The wrong part of a block, in far fewer evaluations than it has elements."""

import numpy as np
import pytest

from gradhook import Tolerance, check_gradients
from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import random_direction, size_of, whole
from gradhook.probe import localise
from gradhook.probe.localise import Piece, Search, Seen, locate_by_element
from gradhook.probe.prober import UNLIMITED
from gradhook.verdict.evidence import BlockEvidence, Probe, describe

SHAPE = (64, 32)
W = np.random.default_rng(0).normal(size=SHAPE)


@pytest.mark.parametrize(
    "wrong",
    [
        np.s_[50, 3],
        ([5, 40], [30, 1]),
        np.s_[:, 7],
        np.s_[9],
        np.s_[:],
    ],
    ids=["element", "two elements", "column", "row", "everywhere"],
)
def test_the_wrong_part_is_found_in_few_evaluations(monkeypatch, wrong):
    seen = []

    def spy(prober, *args, **keywords):
        before = prober.evaluator.evaluations
        found = localise.locate(prober, *args, **keywords)
        seen.append((found, prober.evaluator.evaluations - before))
        return found

    monkeypatch.setattr("gradhook.diagnosis.mismatch.locate", spy)

    def function(p):
        g = np.cos(p["W"])
        g[wrong] += 0.5 + np.arange(g[wrong].size).reshape(g[wrong].shape) % 3
        return np.sum(np.sin(p["W"])), {"W": g}

    check_gradients(function, {"W": W}, progress=False)
    found, evaluations = seen[0]
    boxes = [
        tuple(range(n)[each] for each, n in zip(box, SHAPE, strict=True)) for box in found.boxes
    ]
    covered = np.zeros(SHAPE, dtype=bool)
    for rows, columns in boxes:
        covered[np.ix_(rows, columns)] = True
    expected = np.zeros(SHAPE, dtype=bool)
    if wrong != np.s_[:]:  # spread over the block
        expected[wrong] = True
    np.testing.assert_array_equal(covered, expected)
    assert evaluations < W.size / 5


BLOCK = (40, 6)
DIRECTION = random_direction(240, 1)


class Prober:
    """Both derivatives of a block whose residual is known, with one error for every probe."""

    def __init__(self, residual, error=1e-9):
        self.residual, self.error, self.moved = residual, error, []

    def along(self, parts, *, share, wanted):
        ((_, direction, _),) = parts
        self.moved.append(share)
        return Probe(direction.dot(self.residual), Estimate(0.0, self.error, 1e-6))


def search_of(prober, gradient, *, rounding):
    tolerance = Tolerance(resolved=3.0, rounding=rounding)
    return Search(prober, "W", gradient, tolerance, UNLIMITED, 0)


def searched(wrong, error=1e-9):
    residual = np.zeros(BLOCK)
    residual[wrong] = 1.0
    prober = Prober(residual, error)
    measured = search_of(prober, np.ones(BLOCK), rounding=1e-15)
    return prober, measured, Piece(whole(BLOCK), measured.seen(measured.along(DIRECTION)))


def test_the_half_that_is_not_measured_is_what_is_left():
    prober, search, everything = searched(([5, 25], [2, 2]))
    prober.moved.clear()
    left, right = search.halves(DIRECTION, everything, 0)
    assert prober.moved == [0.5]
    assert (left.box[0], right.box[0]) == (slice(0, 20), slice(20, 40))
    v = DIRECTION.table[DIRECTION.codes].reshape(BLOCK)
    seen = [left.seen.residual, right.seen.residual]
    np.testing.assert_allclose(seen, [v[5, 2], v[25, 2]], rtol=1e-12)
    assert right.seen.error == pytest.approx(2e-9)
    assert not search.stands_out(search.halves(DIRECTION, left, 0)[1].seen)


def test_a_difference_that_says_too_little_is_measured_itself():
    prober, search, everything = searched(np.s_[25, 2], error=0.1)
    prober.moved.clear()
    search.halves(DIRECTION, everything, 0)
    assert prober.moved == [0.5, 0.5]


@pytest.mark.parametrize(
    ("wrong", "axis", "slices", "probes"),
    [
        (np.s_[25, 2], 0, slice(25, 26), 2),
        (np.s_[25], 0, slice(25, 26), 2),
        (np.s_[39, 5], 0, slice(39, 40), 2),
        # Several slices, of which the mean is told, or no slice at all.
        (([5, 25], [2, 2]), 0, slice(0, 40), 2),
        (np.s_[:, 2], 0, slice(0, 40), 2),
        # Hardly fewer could be told.
        (np.s_[25, 2], 1, slice(0, 6), 0),
    ],
)
def test_a_moment_tells_a_single_wrong_slice_from_several(wrong, axis, slices, probes):
    error = 1e-9 if probes else 0.05
    prober, search, everything = searched(wrong, error)
    prober.moved.clear()
    found = search._narrowed(DIRECTION, everything, axis)
    assert found.box[axis] == slices
    assert len(prober.moved) <= probes
    assert found.several is (probes > 0 and found.box == everything.box)


@pytest.mark.parametrize(
    ("wrong", "rows", "columns", "everywhere"),
    [
        (np.s_[25, 2], False, False, False),
        (np.s_[:, 2], True, False, False),
        (np.s_[25], False, True, False),
        (np.s_[:], True, True, True),
        # Those that a sample draws first, and no others.
        ((slice(None), np.random.default_rng(0).permutation(6)[:2]), True, False, False),
    ],
    ids=["element", "column", "row", "all", "two columns"],
)
def test_a_sample_of_slices_tells_whether_a_fault_is_spread(wrong, rows, columns, everywhere):
    _, search, everything = searched(wrong)
    assert search.is_spread(DIRECTION, everything, 1) is columns
    assert search.is_spread(DIRECTION, everything, 0) is rows
    assert search.is_everywhere(DIRECTION, everything) is everywhere


def test_rounding_counts_as_error_and_a_residual_is_split_only_far_outside_it():
    search = search_of(None, np.full(4, 0.5), rounding=1e-3)
    seen = search.seen(Probe(1.0, Estimate(0.99, 1e-3, 1e-6)))
    assert seen.error == pytest.approx(2e-3)
    assert search.stands_out(seen)
    assert not seen.can_be_split
    assert Seen(1.0, 0.04).can_be_split
    assert Piece((slice(2, 5), slice(0, 1)), seen).length(0) == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.s_[25, 2], "W[25, 2]"),
        (([3, 9], [0, 5]), "W[3, 0], W[9, 5]"),
        (np.s_[:, 2], "W[:, 2]"),
        (np.s_[25, :5], "W[25, :]"),
        (np.s_[:], "W"),
        (np.s_[:0], "W"),
    ],
)
def test_of_a_block_measured_by_element_slices_or_elements_are_the_wrong_parts(wrong, said):
    numerical = np.ones(BLOCK)
    numerical[wrong] = 3.0
    probes = tuple(Probe(1.0, Estimate(n, 1e-9, 1e-6)) for n in numerical.flat)
    evidence = BlockEvidence("W", 240, 240**0.5, 1.0, probes, exact=True)
    found = locate_by_element(evidence, np.ones(BLOCK), tolerance=Tolerance(rounding=1e-12))
    assert describe(found) == said or not found.boxes
    assert bool(found.boxes) is ("[" in said)
    single = all(size_of(box) == 1 for box in found.boxes)
    assert len(found.elements) == (len(found.boxes) if single else 0)
