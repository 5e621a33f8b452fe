"""What a check may cost, shared out among what is still to be done."""

import pytest

from gradhook.probe.prober import FEWEST_ROUNDS, Budget


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


@pytest.mark.parametrize("blocks", [1, 4, 100])
def test_a_check_may_take_forty_for_each_block_and_a_hundred_besides(blocks):
    assert Budget.of_check(Counter(), blocks).left == 40 * blocks + 100


def test_rounds_are_bounded_by_the_budget_from_below_and_above():
    assert Budget(Counter(), 12).rounds(4, 9) == 3
    assert Budget(Counter(), 1000).rounds(4, 9) == 9
    assert Budget(Counter(), 0).rounds(4, 9) == FEWEST_ROUNDS
    assert Budget(Counter(), 0).rounds(4, 9, least=1) == 1
