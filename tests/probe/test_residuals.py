"""The residual inside parts of a block, of which one half tells the other."""

import numpy as np
import pytest

from gradhook.difference.base import Estimate
from gradhook.evaluation.directions import random_direction, size_of, whole
from gradhook.probe.localise import locate_by_element
from gradhook.probe.residuals import Piece, Residuals, Seen
from gradhook.verdict.evidence import BlockEvidence, Probe, describe

SHAPE = (40, 6)
DIRECTION = random_direction(240, 1)


class Prober:
    """Both derivatives of a block whose residual is known, with one error for every probe."""

    def __init__(self, residual, error=1e-9):
        self.residual, self.error, self.moved = residual, error, []

    def along(self, parts, *, share, wanted):
        ((_, direction, _),) = parts
        self.moved.append(share)
        return Probe(direction.dot(self.residual), Estimate(0.0, self.error, 1e-6))


def residuals_of(wrong, error=1e-9):
    residual = np.zeros(SHAPE)
    residual[wrong] = 1.0
    prober = Prober(residual, error)
    measured = Residuals(prober, "W", np.ones(SHAPE), resolved=3.0, rounding=0.0, seed=0)
    return prober, measured, Piece(whole(SHAPE), measured.along(DIRECTION))


def test_the_half_that_is_not_measured_is_what_is_left():
    prober, residuals, everything = residuals_of(([5, 25], [2, 2]))
    prober.moved.clear()
    left, right = residuals.halves(DIRECTION, everything, 0)
    assert prober.moved == [0.5]
    assert (left.box[0], right.box[0]) == (slice(0, 20), slice(20, 40))
    v = DIRECTION.table[DIRECTION.codes].reshape(SHAPE)
    seen = [left.seen.residual, right.seen.residual]
    np.testing.assert_allclose(seen, [v[5, 2], v[25, 2]], rtol=1e-12)
    assert right.seen.error == pytest.approx(2e-9)
    assert not residuals.stands_out(residuals.halves(DIRECTION, left, 0)[1].seen)


def test_a_difference_that_says_too_little_is_measured_itself():
    prober, residuals, everything = residuals_of(np.s_[25, 2], error=0.1)
    prober.moved.clear()
    residuals.halves(DIRECTION, everything, 0)
    assert prober.moved == [0.5, 0.5]


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
    _, residuals, everything = residuals_of(wrong)
    assert residuals.is_spread(DIRECTION, everything, 1) is columns
    assert residuals.is_spread(DIRECTION, everything, 0) is rows
    assert residuals.is_everywhere(DIRECTION, everything) is everywhere


def test_rounding_counts_as_error_and_a_residual_is_split_only_far_outside_it():
    residuals = Residuals(None, "W", np.full(4, 0.5), resolved=3.0, rounding=1e-3, seed=0)
    seen = residuals.seen(Probe(1.0, Estimate(0.99, 1e-3, 1e-6)))
    assert seen.error == pytest.approx(2e-3)
    assert residuals.stands_out(seen)
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
    numerical = np.ones(SHAPE)
    numerical[wrong] = 3.0
    probes = tuple(Probe(1.0, Estimate(n, 1e-9, 1e-6)) for n in numerical.flat)
    evidence = BlockEvidence("W", 240, 240**0.5, 1.0, probes, exact=True)
    found = locate_by_element(evidence, np.ones(SHAPE), resolved=3.0, rounding=1e-12)
    assert describe(found) == said or not found.concentrated
    assert found.concentrated is ("[" in said)
    single = all(size_of(box) == 1 for box in found.boxes)
    assert len(found.elements) == (len(found.boxes) if single else 0)
