"""What a run says on the screen: that it is checked, what is wrong once, and how it ended."""

import io
import sys
import warnings

import numpy as np
import pytest

from gradhook import GradCheckCallback, GradCheckWarning, Objective, sinks
from gradhook.callback.delivery import Delivery
from gradhook.errors import OptionError
from gradhook.sinks import Memory


def cube(x):
    return np.sum(x**3), 3 * x**2


def wrong(x):
    return np.sum(x**3), 2 * x**2


def run(objective, steps=4, **keywords):
    """Check before the first step and after every second one; return the warnings."""
    options = {"schedule": 2, "batch": (), "enabled": True, "effort": "quick"} | keywords
    x = np.array([0.5, -1.0])
    check = GradCheckCallback(objective, x, **options)
    with warnings.catch_warnings(record=True) as caught, check:
        warnings.simplefilter("always")
        check.on_train_begin()
        for step in range(1, steps + 1):
            x *= 0.99
            check.on_step_end(step)
    assert all(warning.category is GradCheckWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def test_a_run_says_once_that_it_is_checked_and_when_next_and_at_the_end_how_it_went(capsys):
    assert run(cube) == []
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "gradhook checks the gradients of this run: PASS at step 0, next at step 2",
        "gradhook: 3 checks, all passed",
    ]


def test_a_disabled_callback_and_one_that_made_no_check_say_nothing(capsys):
    run(cube, enabled=False)
    run(cube, steps=1, at_start=False)
    assert capsys.readouterr().err == ""


def test_the_end_is_said_once_however_often_it_is_told(capsys):
    check = GradCheckCallback(cube, np.ones(2), batch=(), enabled=True, effort="quick")
    check.on_train_begin()
    check.on_train_end()
    check.on_train_end()
    assert capsys.readouterr().err.count("1 check, passed") == 1


def test_what_a_screen_shows_is_not_said_again_elsewhere(capsys):
    screen = io.StringIO()
    said = run(wrong, sinks=[sinks.Terminal(screen)])
    assert said == [f"gradcheck step {n}: FAIL (the report stands above)" for n in (0, 2, 4)]
    assert capsys.readouterr().err == ""
    lines = screen.getvalue().splitlines()
    assert lines[0] == "gradhook checks the gradients of this run: next at step 2"
    assert lines[1].startswith("gradcheck step 0: FAIL, x wrong")
    assert [line for line in lines if "as at step 0 (" in line] == lines[-3:-1]
    assert lines[-1] == "gradhook: 3 checks, none passed: FAIL at steps 0, 2, 4 (x)"
    assert screen.getvalue().count("evaluations") == 1


def test_without_a_screen_the_first_warning_says_why_and_later_ones_that_it_is_the_same():
    first, *later = run(wrong)
    assert first.startswith("gradcheck step 0: FAIL, x wrong; ratio")
    assert [line.partition(" (")[0] for line in later] == [
        f"gradcheck step {n}: FAIL, as at step 0" for n in (2, 4)
    ]


def test_an_update_with_momentum_is_told_in_full_once(recwarn):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(20, 3)), random.normal(size=20)
    w, velocity = np.array([0.5, -1.0, 0.3]), np.zeros(3)

    def step(X, y):
        velocity[...] = 0.9 * velocity - 0.1 * X.T @ (X @ w - y) / len(y)
        w[...] += velocity

    update = Objective.from_update(
        step, {"w": w}, learning_rate=0.1, loss=lambda X, y: 0.5 * np.mean((X @ w - y) ** 2)
    )
    check = GradCheckCallback(update, schedule=2, batch=(X, y), enabled=True)
    check.on_train_begin()
    for number in range(1, 5):
        step(X, y)
        check.on_step_end(number)
    first, *later = [str(warning.message) for warning in recwarn]
    assert "the update keeps a state, as momentum or Adam do" in first
    assert [said.partition(" (")[0] for said in later] == [
        f"gradcheck step {n}: FAIL, as at step 0" for n in (2, 4)
    ]


def test_a_program_without_a_standard_error_stream_is_checked_in_silence(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert run(cube) == []


def test_a_screen_that_fails_is_dropped_with_a_warning(capsys):
    class Closed(io.StringIO):
        def write(self, text):
            raise OSError("gone")

    (said,) = run(cube, sinks=[sinks.Terminal(Closed())])
    assert said == "the sink Terminal failed (OSError: gone) and is dropped"
    # The end is then said where one looks for it.
    assert capsys.readouterr().err == "gradhook: 3 checks, all passed\n"


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (Memory(), r"sinks takes several: write sinks=\[Memory\(\.\.\.\)\]"),
        ([Memory], r"a sink is an object with write\(report\) and close\(\), got <class"),
        (["runs"], r"a sink is an object with write\(report\) and close\(\), got 'runs'"),
    ],
)
def test_what_is_no_sink_is_refused_with_the_remedy(sinks, message):
    with pytest.raises(OptionError, match=message):
        Delivery(sinks, "warn")


class Broken:
    def write(self, report):
        raise OSError("disk full")

    def close(self): ...


def test_all_sinks_have_the_report_before_anything_is_warned_about():
    memory = Memory()
    x = np.array([0.5, -1.0])
    check = GradCheckCallback(cube, x, sinks=[Broken(), memory], batch=(), enabled=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(GradCheckWarning, match="the sink Broken failed"):
            check.on_train_begin()
    assert memory.reports == check.history
