"""The clock: steps counted over epochs, and checks due once."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import GradCheckWarning, schedules
from gradhook.callback.clock import Clock
from gradhook.errors import OptionError

SCHEDULES = st.one_of(
    st.builds(schedules.every, st.integers(1, 50)),
    st.lists(st.integers(1, 300), min_size=1, max_size=6).map(schedules.at),
    st.builds(schedules.logarithmic, st.integers(1, 20), st.integers(2, 5)),
    st.just(schedules.never()),
)
CALLS = st.lists(st.one_of(st.none(), st.integers(0, 200)), max_size=60)


def fired(clock, calls):
    """The numbers at which a check is made, as a callback makes them."""
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradCheckWarning)
        for step in calls:
            number = clock.at(step)
            if clock.due is not None and number >= clock.due:
                made.append(number)
                clock.done(number)
    return made


@given(SCHEDULES, st.lists(st.integers(0, 400), max_size=60).map(sorted))
def test_each_due_step_fires_once_at_the_first_call_at_or_after_it(schedule, calls):
    expected, last = [], 0
    for number in calls:
        due = schedule.next_after(last)
        if due is not None and number >= due:
            expected.append(number)
            last = number
    assert fired(Clock(schedule), calls) == expected


@given(SCHEDULES, st.integers(1, 200))
def test_counting_by_itself_is_the_same_as_being_told(schedule, length):
    told = fired(Clock(schedule), range(1, length + 1))
    assert fired(Clock(schedule), [None] * length) == told


@given(SCHEDULES, st.lists(st.integers(2, 40), min_size=1, max_size=5), st.sampled_from([0, 1]))
def test_epochs_that_start_again_count_on_as_one_long_run(schedule, lengths, first):
    calls = [first + step for length in lengths for step in range(length)]
    long_run = range(first, first + len(calls))
    assert fired(Clock(schedule), calls) == fired(Clock(schedule), long_run)


def test_after_a_step_that_fell_they_are_counted_on():
    clock = Clock(schedules.never())
    assert [clock.at(n) for n in (50, 1, 2, 50, 3, None)] == [50, 51, 52, 100, 101, 102]


@pytest.mark.parametrize("step", [1.0, np.float64(2), True, "3", -1, np.array([1]), np.array(1.5)])
def test_a_step_is_a_whole_number_from_zero(step):
    with pytest.raises(
        OptionError, match="step must be the number of finished updates, an integer"
    ):
        Clock(schedules.never()).at(step)
