"""What leaves a hook: mistakes of set-up before the first check, next to nothing after it."""

import warnings

import numpy as np
import pytest

from gradhook import GradCheckCallback, GradCheckWarning, Verdict
from gradhook.errors import HookCallError, OptionError, RestoreError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 4)), RNG.normal(size=32)


class Loop:
    """A loop whose objective, parameters and batch may break at some step."""

    def __init__(self, **keywords):
        self.w = np.zeros(4)
        self.broken = None
        self.batch = (X, Y)
        self.check = GradCheckCallback(
            self.objective, self.parameters, schedule=1, enabled=True, **keywords
        )

    def parameters(self):
        if isinstance(self.broken, tuple):
            raise self.broken[0]
        return {"w": self.w}

    def objective(self, p, X, Y):
        if isinstance(self.broken, BaseException):
            raise self.broken
        r = X @ p["w"] - Y
        g = X.T @ r / len(X)
        return 0.5 * np.mean(r**2), {"w": g * self.broken if self.broken == "g" else g}

    def steps(self, first, last):
        said = []
        for step in range(first, last + 1):
            self.w -= 0.1 * X.T @ (X @ self.w - Y) / len(X)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.check.on_step_end(step, batch=self.batch)
            said += [str(w.message) for w in caught if w.category is GradCheckWarning]
        return said


@pytest.mark.parametrize("error", [ValueError("mine"), MemoryError("gone"), StopIteration("end")])
def test_an_exception_of_the_users_is_raised_at_the_first_check_and_reported_after_it(error):
    loop = Loop(on_fail="raise")
    loop.broken = error
    with pytest.raises(type(error)):
        loop.steps(1, 1)
    loop.broken = None
    assert loop.steps(2, 2) == []
    loop.broken = error
    (said,) = loop.steps(3, 5)  # once for each reason
    assert said.startswith("gradcheck step 3: INCONCLUSIVE: not checked:")
    assert str(error) in said
    loop.broken = KeyError("another")
    assert len(loop.steps(6, 7)) == 1
    loop.broken = None
    assert loop.steps(8, 8) == []
    for told in (str(loop.check.history[-2]), loop.check.history[-2].details()):
        assert told.count("another") == 1
    verdicts = [report.verdict for report in loop.check.history]
    assert verdicts == [Verdict.PASS, *5 * [Verdict.INCONCLUSIVE], Verdict.PASS]
    assert "another" in loop.check.history[-2].notes[0]


def test_parameters_that_can_no_longer_be_read_are_reported():
    loop = Loop()
    loop.steps(1, 1)
    loop.broken = (AttributeError("no such layer"),)
    (said,) = loop.steps(2, 3)
    assert "not checked: AttributeError: no such layer" in said
    assert loop.check.last_report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("batch", "what"),
    [
        ([], "BatchError"),
        ({}, "BatchError"),
        ((X[:0], Y[:0]), "BatchError"),
        ((X, Y, Y), "IndexError"),
        ((X, "labels"), "UFuncNoLoopError|UFuncTypeError|TypeError"),
    ],
)
def test_a_batch_that_does_not_fit_is_reported(batch, what):
    loop = Loop()
    loop.steps(1, 1)
    loop.batch = batch
    (said,) = loop.steps(2, 3)
    assert any(name in said for name in what.split("|"))


def test_an_assertion_about_the_batch_stops_nothing():
    def objective(p, X, Y):
        assert len(X) == 32
        r = X @ p["w"] - Y
        return 0.5 * np.mean(r**2), {"w": X.T @ r / len(X)}

    check = GradCheckCallback(objective, {"w": np.zeros(4)}, on_fail="raise", enabled=True)
    report = check.on_train_begin(batch=(X, Y))
    assert report.passed
    assert report.rows is None
    assert "checked on the whole batch" in " ".join(report.notes)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RestoreError("lost")])
def test_interrupts_and_what_cannot_be_put_back_leave_a_hook(error, monkeypatch):
    def broken(*_, **__):
        raise error

    loop = Loop()
    loop.steps(1, 1)
    monkeypatch.setattr("gradhook.callback.callback.check", broken)
    with pytest.raises(type(error)):
        loop.steps(2, 2)


def test_a_step_that_is_no_count_is_refused_first_and_counted_past_later():
    loop = Loop()
    with pytest.raises(OptionError, match="step must be the number of finished updates"):
        loop.check.on_step_end(0.5, batch=(X, Y))
    loop.steps(1, 1)
    with pytest.warns(GradCheckWarning, match=r"got 0\.5; counted on by one"):
        loop.check.on_step_end(0.5, batch=(X, Y))
    loop.w -= 0.1
    loop.check.on_step_end(1.5, batch=(X, Y))  # said once
    assert [report.step for report in loop.check.history] == [1, 2, 3]


def test_what_nothing_exercises_is_said_once():
    w = np.ones(3)
    check = GradCheckCallback(lambda w: (1.0, 0 * w), w, batch=(), schedule=1, enabled=True)
    with pytest.warns(GradCheckWarning, match="UNTESTED"):
        check(1)
    for step in (2, 3):
        w -= 0.1
        check(step)
    assert [report.verdict for report in check.history] == [Verdict.UNTESTED] * 3


class Trainer:
    pass


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.on_train_begin(X, Y), "check.on_train_begin() got ndarray, ndarray by"),
        (lambda c: c.on_train_begin({}), "check.on_train_begin() got dict by position: pass"),
        (lambda c: c.on_train_begin(Trainer()), "got Trainer by position: pass the batch by keyw"),
        (lambda c: c.on_step_end(1, (X, Y)), "check.on_step_end(step, batch=(X, y))"),
        (lambda c: c.on_step_end(Trainer()), "check.on_step_end() got Trainer by position"),
        (lambda c: c.on_step_end(3, {"loss": 0.1}), "got dict by position"),
        (lambda c: c({"w": X}, X, Y), "check.on_step_end() got dict, ndarray, ndarray by pos"),
        (lambda c: c({"w": X}, X, Y), "GradCheckCallback is no decorator"),
        (lambda c: c(lambda p: p), "GradCheckCallback is no decorator"),
    ],
)
def test_hooks_called_like_those_of_others_are_refused_in_one_sentence(enabled, call, said):
    check = GradCheckCallback(lambda w, *_: (w @ w, 2 * w), np.ones(2), enabled=enabled)
    with pytest.raises(HookCallError) as caught:
        call(check)
    assert said in str(caught.value)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("hook", ["on_train_begin", "on_step_end", "__call__"])
@pytest.mark.parametrize("keyword", ["X", "params", "logs"])
def test_a_keyword_that_a_hook_does_not_know_is_refused_with_those_that_it_does(
    keyword, hook, enabled
):
    check = GradCheckCallback(lambda w, *_: (w @ w, 2 * w), np.ones(2), enabled=enabled)
    with pytest.raises(TypeError) as caught:
        getattr(check, hook)(**{keyword: X})
    assert str(caught.value) == (
        "pass what the loss takes as batch=(X, y), and new weights as parameters=params: "
        f"check.{hook}() got an unexpected keyword argument '{keyword}'"
    )


@pytest.mark.parametrize("enabled", [False, True])
def test_the_last_hook_takes_nothing(enabled):
    check = GradCheckCallback(lambda w, *_: (w @ w, 2 * w), np.ones(2), enabled=enabled)
    with pytest.raises(TypeError, match=r"^pass it nothing: check\.on_train_end\(\) got .*'logs'"):
        check.on_train_end(logs={})


@pytest.mark.parametrize("enabled", [False, True])
def test_a_folder_that_is_no_path_is_refused_also_while_the_callback_is_disabled(enabled):
    with pytest.raises(OptionError, match="logdir must be a path, got 3"):
        GradCheckCallback(lambda w: (w @ w, 2 * w), np.ones(2), logdir=3, enabled=enabled)


def test_the_logs_of_a_trainer_are_no_batch():
    check = GradCheckCallback(lambda w: (w @ w, 2 * w), np.ones(2), enabled=True)
    with pytest.raises(ValueError, match="empty dict: is it the logs of a trainer"):
        check.on_train_begin(batch={})


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("step", [3, np.int64(3), np.array(3), None])
def test_a_hook_takes_whatever_counts_also_while_it_is_disabled(step, enabled):
    check = GradCheckCallback(lambda w: (w @ w, 2 * w), np.ones(2), enabled=enabled, batch=())
    assert (check.on_step_end(step) is not None) is enabled


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("step", [True, 2.5, 3.0, "3", -1, np.int64(-1)])
def test_what_is_no_step_is_refused_also_while_the_callback_is_disabled(step, enabled):
    check = GradCheckCallback(lambda w: (w @ w, 2 * w), np.ones(2), enabled=enabled, batch=())
    with pytest.raises(ValueError, match="step must be the number of finished updates"):
        check.on_step_end(step)


def test_what_a_function_that_gives_the_parameters_changes_before_it_fails_is_put_back():
    state, w = np.zeros(2), np.ones(2)

    def parameters():
        state[0] += 1
        if state[1]:
            raise RuntimeError("gone")
        return w

    check = GradCheckCallback(
        lambda w: (w @ w, 2 * w), parameters, schedule=1, batch=(), enabled=True
    )
    check.on_train_begin()
    state[1] = 1
    with pytest.warns(GradCheckWarning, match="RuntimeError: gone"):
        check.on_step_end(1)
    assert state.tolist() == [0, 1]
