"""Rows of an embedding that the batch uses more than once, each looked at alone."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses.experiments import RepeatedRows

N = np.random.default_rng(3).standard_normal((6, 4))
G = np.random.default_rng(4).standard_normal((7, 4))
INDEX = np.array([0, 1, 1, 3, 3, 3, 5])  # 1 and 3 more than once, 2 and 4 never
N[[2, 4]] = 0.0


@pytest.fixture(autouse=True)
def _lookup(experiments):
    """Let the batch be what the loss looks rows up by, each use with a gradient of its own."""

    def gradients(batch):
        analytic, numerical = np.zeros_like(N), np.zeros_like(N)
        analytic[batch[0]] += G
        np.add.at(numerical, batch[0], G)
        return {"W": analytic}, {"W": numerical}

    experiments(gradients)


def spoiled(*rows):
    a = N.copy()
    a[list(rows)] *= 0.5
    return a


def test_rows_used_more_than_once_are_named_and_left_out_of_what_is_predicted(synthetic, named):
    mismatch = synthetic(spoiled(1, 3), N, batch=(INDEX,))
    (found,) = RepeatedRows.propose(mismatch, ["W"])
    np.testing.assert_array_equal(found.predicted["W"], spoiled(1, 3))
    assert np.flatnonzero(found.inside["W"].all(axis=1)).tolist() == [1, 3]
    assert np.count_nonzero(found.inside["W"]) == 8
    cause = named(RepeatedRows, mismatch)
    assert (cause.kind, cause.where) == ("emb_fancy_iadd", "W[rows used more than once]")
    fresh, *once = cause.evidence.split("; ")
    assert "directions: " in fresh
    assert once == [
        f"all but the {which} use of each pointed at row 5, in item 0 of the batch: the others are "
        "right"
        for which in ("first", "last")
    ]


def test_whole_numbers_by_which_no_row_is_looked_up_are_no_index(synthetic, named, experiments):
    experiments(lambda batch: ({"W": spoiled(1, 3)}, {"W": N}))
    (broken,) = named(RepeatedRows, synthetic(spoiled(1, 3), N, batch=(INDEX,)))
    assert broken.endswith("item 0 of the batch: the others are not right")


def test_labels_beside_a_weight_all_of_whose_rows_act_are_no_index(synthetic):
    n = N.copy()
    n[[2, 4]] = 1.5
    a = np.where(np.isin(np.arange(6), [1, 3])[:, None], 0.5 * n, n)
    assert not list(RepeatedRows.propose(synthetic(a, n, batch=(INDEX,)), ["W"]))


def test_an_index_that_cannot_be_changed_proves_nothing(synthetic, named, experiments):
    experiments(lambda batch: None)
    assert named(RepeatedRows, synthetic(spoiled(1, 3), N, batch=(INDEX,))) is None


def test_a_wrong_row_that_is_used_once_rules_it_out(synthetic, named):
    (broken,) = named(RepeatedRows, synthetic(spoiled(0, 1, 3), N, batch=(INDEX,)))
    assert "directions: " in broken


def test_without_the_budget_for_fresh_directions_it_is_not_named(synthetic, named):
    mismatch = synthetic(spoiled(1, 3), N, batch=(INDEX,))
    mismatch.budget.left = 0
    assert named(RepeatedRows, mismatch) is None
