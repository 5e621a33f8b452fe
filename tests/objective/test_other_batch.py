"""The batch for a call in between: as long as the one that is checked, and another one."""

import numpy as np
import pytest

from gradhook import Verdict, check_gradients
from gradhook.objective.batch import draw


def other_rows(count, samples, subset=None):
    batch = (np.arange(count), np.arange(count)[:, None])
    random = np.random.default_rng(0)
    drawn = draw(batch, samples=samples, axis=0, subset=subset, random=random)
    return drawn, None if drawn.other is None else drawn.other[0]


@pytest.mark.parametrize(("count", "samples"), [(7, 7), (7, None), (2, 7), (8, 7), (9, 7), (13, 7)])
def test_too_few_rows_left_over_still_give_another_batch_of_the_same_length(count, samples):
    drawn, others = other_rows(count, samples)
    assert others.shape == drawn.batch[0].shape
    assert not np.array_equal(others, drawn.batch[0])
    # No row twice: two equal rows make a kernel matrix singular.
    assert len(set(others)) == len(others)
    # All the rows left over are among them.
    assert set(range(count)) - set(drawn.batch[0]) <= set(others)


@pytest.mark.parametrize("count", [14, 20, 100])
def test_where_enough_rows_are_left_over_the_other_batch_shares_none(count):
    drawn, others = other_rows(count, 7)
    assert len(others) == 7
    assert not set(others) & set(drawn.batch[0])
    assert (np.diff(others) > 0).all()  # as arrays on disk want them


def test_a_subset_that_wants_ascending_rows_costs_the_call_in_between_and_nothing_else():
    def ascending(batch, rows):
        if (np.diff(rows) <= 0).any():
            raise TypeError("indices must be in increasing order")
        return tuple(item[rows] for item in batch)

    drawn, others = other_rows(9, 7, ascending)
    assert others is None
    assert len(drawn.batch[0]) == 7


def test_a_cache_of_the_previous_batch_is_exposed_where_the_batch_has_no_rows_to_spare():
    random = np.random.default_rng(1)
    x, y = random.standard_normal((7, 3)), random.standard_normal(7)
    cache = {}

    def loss_and_gradients(parameters, x, y):
        error = x @ parameters["w"] - y
        used, cache["x"] = cache.get("x", x), x
        return float(error @ error), {"w": 2 * used.T @ error}

    report = check_gradients(loss_and_gradients, {"w": random.standard_normal(3)}, batch=(x, y))
    assert report.verdict is Verdict.FAIL
    found = [
        finding.setting for finding in report.blocks["w"].findings if finding.verdict == "FAIL"
    ]
    assert found == ["called twice"]
