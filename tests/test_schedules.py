"""Schedules: which step is due next, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import schedules
from gradhook.errors import GradhookError, OptionError
from gradhook.schedules import (
    Schedule,
    as_schedule,
    at,
    every,
    logarithmic,
    never,
    union,
)

STEPS = st.integers(1, 10_000)
FROM = st.integers(0, 12_000)

SIMPLE = st.one_of(
    st.builds(every, STEPS),
    st.lists(STEPS, min_size=1, max_size=20).map(at),
    st.builds(logarithmic, STEPS, st.integers(2, 20)),
    st.just(never()),
)
SCHEDULES = st.recursive(
    SIMPLE,
    lambda inner: st.lists(inner, max_size=4).map(lambda parts: union(*parts)),
    max_leaves=6,
)


def due_steps(schedule, limit):
    """Every due step up to a limit, asked one after the other."""
    found, step = [], 0
    while (step := schedule.next_after(step)) is not None and step <= limit:
        found.append(step)
    return found


@given(SCHEDULES, st.integers(-1000, 12_000))
def test_the_next_step_is_the_first_due_one_beyond_the_one_asked(schedule, step):
    due = schedule.next_after(step)
    if due is not None:
        assert due > max(step, 0)
        assert schedule.next_after(due - 1) == due
        assert all(schedule.next_after(k) == due for k in range(step, min(due, step + 50)))
    if step <= 0:
        assert due == schedule.next_after(0)


@given(st.integers(1, 200), st.integers(0, 2000))
def test_every_n_equals_naive_enumeration(n, step):
    multiples = itertools.count(n, n)
    assert every(n).next_after(step) == next(m for m in multiples if m > step)


@given(st.lists(STEPS, min_size=1, max_size=20), FROM)
def test_at_equals_naive_enumeration(steps, step):
    assert at(*steps).next_after(step) == min((s for s in steps if s > step), default=None)


@given(STEPS, st.integers(2, 20), FROM)
def test_logarithmic_equals_naive_enumeration(start, factor, step):
    powers = (start * factor**k for k in itertools.count())
    assert logarithmic(start, factor).next_after(step) == next(p for p in powers if p > step)


@given(st.lists(SCHEDULES, max_size=4), FROM)
def test_union_is_the_earliest_of_its_parts(parts, step):
    due = [found for part in parts if (found := part.next_after(step)) is not None]
    assert union(*parts).next_after(step) == min(due, default=None)


@given(SCHEDULES)
def test_the_repr_is_code_that_makes_an_equal_schedule(schedule):
    if "..." not in repr(schedule):
        names = {name: getattr(schedules, name) for name in schedules.__all__}
        assert eval(repr(schedule), names) == schedule


def test_the_repr_reads_like_the_code():
    assert repr(every(100)) == "every(100)"
    assert repr(at(100, 10, 10)) == "at(10, 100)"
    assert repr(logarithmic()) == "logarithmic(100, 10)"
    assert repr(never()) == "never()"
    assert repr(union(at(1), 50)) == "union(at(1), every(50))"


def test_the_repr_of_many_steps_is_cut():
    assert repr(at(range(1, 11))) == "at(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)"
    assert repr(at(range(1, 100_001))) == "at(1, 2, 3, ..., 100000)"


def test_never_has_no_step():
    assert due_steps(never(), 10**9) == []
    assert union() == never()


def test_at_takes_one_iterable_or_many_steps():
    assert at([30, 10]) == at(10, 30) == at(iter((10, 30, 10))) == at(np.array([30, 10]))


def test_numpy_integers_are_whole_numbers():
    assert every(np.int64(5)) == every(5)
    assert type(every(np.int64(5)).next_after(0)) is int
    assert as_schedule(np.int32(5)) == every(5)


def test_a_schedule_stands_for_itself():
    class Squares:
        def next_after(self, step):
            return next(k * k for k in itertools.count(1) if k * k > step)

    squares = Squares()
    assert isinstance(squares, Schedule)
    assert as_schedule(squares) is squares
    assert due_steps(union(squares, at(5)), 10) == [1, 4, 5, 9]


def test_a_number_is_every_and_several_are_at():
    assert as_schedule(100) == every(100)
    assert as_schedule((10, 100)) == at(10, 100)
    assert as_schedule(range(5, 8)) == at(5, 6, 7)


@pytest.mark.parametrize(
    "value", [True, False, 100.0, "100", b"100", None, np.float64(5), Schedule, lambda step: True]
)
def test_what_is_not_a_schedule_is_refused_with_the_remedy(value):
    with pytest.raises(OptionError) as caught:
        as_schedule(value)
    assert isinstance(caught.value, GradhookError)
    assert isinstance(caught.value, ValueError)
    assert (
        str(caught.value)
        == f"{value!r} is not a schedule; write schedules.every(100) or schedules.at(10, 100)"
    )


EVERY = "every(n) needs a whole number of at least 1, got {}; write schedules.every(100)"
AT = "at(*steps) needs a whole number of at least 1, got {}; write schedules.at(10, 100)"
LOGARITHMIC = (
    "logarithmic({}) needs a whole number of at least {}, got {}; write "
    "schedules.logarithmic(start=100, factor=10)"
)
AT_ZERO = ((0,), (0, 10), (range(0, 100, 10),))
NEVER = "at(*steps) got no step; write schedules.at(10, 100), or schedules.never() for none"


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        *((every, (n,), EVERY.format(repr(n))) for n in (0, -5, 1.5, True, "7", None)),
        *((as_schedule, (n,), EVERY.format(n)) for n in (0, -3)),
        *((at, (n,), AT.format(repr(n))) for n in (1.5, True)),
        *((at, given, f"{AT.format(0)}, and leave step 0 to at_start=True") for given in AT_ZERO),
        (at, (10, -1), AT.format(-1)),
        (at, (["10"],), AT.format("'10'")),
        *((at, given, NEVER) for given in ((), ([],))),
        (logarithmic, (0, 10), LOGARITHMIC.format("start", 1, 0)),
        (logarithmic, (100, 1), LOGARITHMIC.format("factor", 2, 1)),
        (logarithmic, (100, 2.5), LOGARITHMIC.format("factor", 2, 2.5)),
    ],
)
def test_what_is_no_step_is_refused_with_the_remedy(make, arguments, message):
    with pytest.raises(OptionError) as caught:
        make(*arguments)
    assert str(caught.value) == message


def test_union_refuses_what_is_not_a_schedule():
    with pytest.raises(OptionError, match=r"2\.5 is not a schedule"):
        union(every(10), 2.5)
