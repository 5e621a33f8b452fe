"""What a check may cost, shared out among what is still to be done."""

import math

import pytest

from gradhook.probe.budget import FEWEST_ROUNDS, UNLIMITED, Budget


class Counter:
    """Counts evaluations as an evaluator does."""

    def __init__(self):
        self.made = 0

    def __call__(self):
        return self.made


def test_what_is_left_falls_with_what_is_spent_and_never_below_zero():
    counter = Counter()
    budget = Budget(counter, 10)
    counter.made = 4
    assert budget.left == 6
    counter.made = 40
    assert budget.left == 0


def test_what_was_spent_before_does_not_count():
    counter = Counter()
    counter.made = 100
    assert Budget(counter, 10).left == 10


@pytest.mark.parametrize("blocks", [1, 4, 100])
def test_a_check_may_take_forty_for_each_block_and_a_hundred_besides(blocks):
    assert Budget.of_check(Counter(), blocks).left == 40 * blocks + 100


def test_what_one_share_leaves_the_next_may_use():
    counter = Counter()
    budget = Budget(counter, 90)
    assert budget.share(3).left == 30
    counter.made = 10
    assert budget.share(2).left == 40


def test_the_last_share_is_all_that_is_left_however_few_parts_are_named():
    assert Budget(Counter(), 7).share(0).left == 7


def test_rounds_are_bounded_by_the_budget_from_below_and_above():
    assert Budget(Counter(), 12).rounds(4, 9) == 3
    assert Budget(Counter(), 1000).rounds(4, 9) == 9
    assert Budget(Counter(), 0).rounds(4, 9) == FEWEST_ROUNDS
    assert Budget(Counter(), 0).rounds(4, 9, least=1) == 1


def test_without_a_limit_everything_may_be_tried():
    assert UNLIMITED.left == math.inf
    assert UNLIMITED.rounds(4, 9) == 9
