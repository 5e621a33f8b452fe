"""What was fitted must hold where it was not fitted."""

import numpy as np

from gradhook.diagnosis.hypotheses.factor import PlainFactor
from gradhook.diagnosis.hypotheses.layout import Misplaced
from gradhook.diagnosis.hypothesis import confirm


def only(family, mismatch):
    (found,) = family.propose(mismatch, list(mismatch.blocks))
    return found


def test_fresh_directions_are_met_or_rule_it_out(synthetic):
    n = np.random.default_rng(0).standard_normal((6, 5))
    mismatch = synthetic(1.3 * n, n)
    found = only(PlainFactor, mismatch)
    assert confirm(mismatch, found).survived
    mismatch.numerical = {"W": n[::-1]}
    assert not confirm(mismatch, found).survived


def test_without_the_budget_for_them_nothing_was_tried(synthetic):
    n = np.random.default_rng(0).standard_normal((6, 5))
    mismatch = synthetic(1.3 * n, n)
    found = only(PlainFactor, mismatch)
    mismatch.confirms = lambda predicted, inside: None
    assert not confirm(mismatch, found).made


def test_a_short_block_must_show_a_bare_factor_at_two_points(synthetic):
    n = np.array([1.0, -2.0, 0.5])
    mismatch = synthetic(1.3 * n, n, count=None)
    assert not confirm(mismatch, only(PlainFactor, mismatch)).made
    there = synthetic(1.3 * n[::-1], n[::-1], count=None)
    there.by_element = lambda name: there.blocks[name]
    mismatch.seen_at_another_point = lambda names: there
    mismatch.enter = lambda: None
    assert confirm(mismatch, only(PlainFactor, mismatch)).survived


def test_every_element_of_a_short_block_may_say_where_its_numbers_stand(synthetic):
    n = np.array([1.0, -2.0, 0.5])
    mismatch = synthetic(np.flip(n), n, count=None)
    (trial,) = confirm(mismatch, only(Misplaced, mismatch)).trials
    assert str(trial) == "every element: it holds"
