"""The callback in a loop: when it checks, on what, and what it costs where it does not."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from gradhook import (
    GradCheckCallback,
    GradCheckWarning,
    GradientMismatchError,
    Verdict,
    schedules,
    sinks,
)
from gradhook.errors import ObjectiveError, OptionError
from tests.sinks.event_files import curve


def cube(x, *_):
    return np.sum(x**3), 3 * x**2


def wrong(x, *_):
    return np.sum(x**3), 2 * x**2


def callback(objective=cube, parameters=None, **keywords):
    x = np.array([0.5, -1.0]) if parameters is None else parameters
    return GradCheckCallback(objective, x, **{"enabled": True, "batch": (), **keywords})


def checked_at(check):
    return [report.step for report in check.history]


STANDS_STILL = "ignore:no parameter has moved"
"""Of loops that train nothing, as many here do."""


@pytest.mark.filterwarnings(STANDS_STILL)
class TestWhen:
    def test_by_default_it_checks_at_the_start_and_after_100_1000_and_10000_steps(self):
        check = callback(effort="quick")
        check.on_train_begin()
        for step in range(1, 10_001):
            check.on_step_end(step)
        assert checked_at(check) == [0, 100, 1_000, 10_000]

    def test_another_training_after_the_end_of_one_begins_with_a_check_too(self, tmp_path):
        check = callback(schedule=schedules.never(), logdir=tmp_path)
        for _ in range(3):  # from the same weights, which is no array left behind
            assert check.on_train_begin().passed
            check.on_step_end(1)
            check.on_step_end(2)
            check.on_train_end()
        assert checked_at(check) == [0, 2, 4]
        assert not [said for _, said in check.notes if "moved" in said]
        runs = tmp_path.glob("gradcheck *")  # beside those of the limits
        points = [p for run in runs for p in curve(run, "gradcheck/0 wrong blocks")]
        assert [step for step, _ in points] == [0, 2, 4]

    def test_another_training_waits_for_a_batch_of_its_own(self):
        check = callback(batch=None, schedule=schedules.never())
        check.on_train_begin(batch=(1.0,))
        check.on_train_end()
        assert check.on_train_begin() is None
        assert check.on_step_end(1, batch=(2.0,)).passed
        assert checked_at(check) == [0, 1]

    def test_after_the_end_any_hook_begins_another_training_with_a_check(self):
        check = callback(schedule=[3, 4])
        for _ in range(2):
            for _ in range(5):
                check.on_step_end()
            check.on_train_end()
        assert checked_at(check) == [1, 3, 4, 6]

    @pytest.mark.parametrize("later", [lambda: next(iter(())), lambda: "soon"])
    def test_a_schedule_that_fails_later_ends_no_training(self, later):
        class Ends:
            def next_after(self, step):
                return step + 1 if step < 2 else later()

        check = callback(schedule=Ends(), at_start=False)
        check.on_step_end(1)
        with pytest.warns(GradCheckWarning, match="the schedule failed"):
            check.on_step_end(2)
        assert check.on_step_end(3) is None
        assert checked_at(check) == [1, 2]

    def test_without_on_train_begin_the_first_call_with_a_batch_makes_the_check_at_the_start(self):
        check = callback(batch=None, schedule=[5])
        assert check.on_train_begin() is None
        assert check.on_step_end(1) is None
        assert check.on_step_end(2, batch=(np.ones(3),)).step == 2
        assert check.on_step_end(3, batch=(np.ones(3),)) is None

    def test_a_check_at_the_start_that_falls_on_a_due_step_is_one_check(self):
        check = callback(schedule=schedules.every(1))
        check.on_step_end(1)
        assert check.on_step_end(1) is None
        assert checked_at(check) == [1]

    def test_a_new_epoch_counts_on(self):
        check = callback(schedule=schedules.every(6), at_start=False)
        for _ in range(4):
            for step in range(1, 5):
                check.on_step_end(step)
        assert checked_at(check) == [6, 12]

    def test_a_check_that_raised_is_not_made_again_at_the_next_step(self):
        check = callback(wrong, on_fail="raise", schedule=schedules.every(10))
        with pytest.raises(GradientMismatchError):
            check.on_step_end(10)
        assert check.on_step_end(11) is None


@pytest.mark.filterwarnings(STANDS_STILL)
class TestWhat:
    def batches_seen(self, **keywords):
        """A callback, and the batches on which it checked, told by their loss."""
        check = callback(lambda x, n: (np.sum(x**2) + n, 2 * x), batch=None, **keywords)
        base = 1.25
        return check, lambda: [round(report.loss - base) for report in check.history]

    def test_the_hooks_batch_goes_before_the_last_seen(self):
        check, seen = self.batches_seen(schedule=1)
        check.on_step_end(1, batch=(1.0,))
        check.on_step_end(2)
        check.on_step_end(3, batch=2.0)
        assert seen() == [1, 1, 2]

    def test_the_constructors_batch_goes_after_the_hooks_and_before_the_last_seen(self):
        check = callback(lambda x, n: (np.sum(x**2) + n, 2 * x), batch=5.0, schedule=[2])
        assert check.on_step_end(1, batch=9.0).loss == 1.25 + 9
        assert check.on_step_end(2).loss == 1.25 + 5

    def test_a_batch_seen_while_nothing_was_due_is_remembered(self):
        check, seen = self.batches_seen(schedule=[3], at_start=False)
        check.on_train_begin(batch=1.0)
        check.on_step_end(1, batch=4.0)
        check.on_step_end(3)
        assert seen() == [4]
        again, seen = self.batches_seen(schedule=[3], at_start=False)
        again.on_train_begin(batch=6.0)
        again.on_step_end(3)
        assert seen() == [6]

    def test_parameters_may_be_given_anew_to_every_hook(self):
        check = callback(schedule=[2, 4])
        check.on_train_begin(parameters=np.zeros(2) + 1)
        check.on_step_end(1, parameters=np.zeros(2) + 2)
        check.on_step_end(2)
        check.on_step_end(4, parameters=np.zeros(2) + 3)
        assert [report.loss for report in check.history] == [2.0, 16.0, 54.0]

    def test_parameters_known_to_nobody_are_asked_for(self):
        with pytest.raises(ObjectiveError, match="parameters to check are missing"):
            GradCheckCallback(cube, enabled=True).on_train_begin(batch=())

    def test_every_check_has_a_seed_of_its_own_that_stands_in_the_report(self):
        check = callback(schedule=1, seed=5)
        for _ in range(3):
            check()
        assert [report.seed for report in check.history] == [5, 6, 7]
        assert check.last_report is check.history[-1]

    def test_a_history_that_is_cleared_does_not_make_later_checks_first_ones(self, capsys):
        def fragile(x, X):
            if len(X) == 1:
                raise ValueError("a batch of one")
            return cube(x)

        check = callback(fragile, batch=None, schedule=1)
        check.on_train_begin(batch=np.ones((8, 2)))
        check.history.clear()
        with pytest.warns(GradCheckWarning, match="a batch of one"):
            unmade = check.on_step_end(1, batch=np.ones((1, 2)))
        assert unmade.verdict == Verdict.INCONCLUSIVE
        check.history.clear()
        assert check.on_step_end(2, batch=np.ones((8, 2))).seed == 2
        assert capsys.readouterr().err.count("gradhook checks the gradients of this run") == 1


class TestEnd:
    def test_a_loop_that_never_gave_a_batch_is_told_so_at_its_end(self):
        check = callback(batch=None)
        check.on_train_begin()
        check.on_step_end(1)
        with pytest.warns(
            GradCheckWarning, match=r"no check was made, because no batch was given: p"
        ):
            check.on_train_end()
        check.on_train_end()  # said once

    def test_a_loop_that_gave_no_batch_is_told_so_once_when_the_first_check_is_due(self):
        check = callback(batch=None, schedule=5)
        check.on_train_begin()
        for step in range(1, 5):
            check.on_step_end(step)
        with pytest.warns(GradCheckWarning, match="no batch was given"):
            check.on_step_end(5)
        check.on_step_end(6)
        check.on_train_end()  # said once

    def test_a_loop_that_raised_is_told_nothing_else(self):
        def train():
            with callback(batch=None) as check:
                check.on_train_begin()
                raise KeyError

        with pytest.raises(KeyError):
            train()

    def test_the_block_closes_the_sinks_and_the_history_stays(self):
        memory = sinks.Memory()
        with callback(sinks=[memory]) as check:
            check.on_train_begin()
        assert check.history == list(memory.reports)


class TestOnFail:
    def test_raise_raises_with_the_report_after_it_is_kept(self):
        memory = sinks.Memory()
        check = callback(wrong, on_fail="raise", sinks=[memory])
        with pytest.raises(GradientMismatchError, match="FAIL") as caught:
            check.on_train_begin()
        assert caught.value.report is check.last_report is memory.reports[0]

    def test_warn_warns_at_the_users_line(self):
        with pytest.warns(GradCheckWarning, match="FAIL") as caught:
            callback(wrong).on_train_begin()
        assert caught[0].filename == __file__

    def test_a_function_gets_the_report_of_a_check_that_did_not_pass(self):
        got = []
        for objective in (wrong, cube):
            callback(objective, on_fail=got.append).on_train_begin()
        assert [report.verdict for report in got] == [Verdict.FAIL]

    def test_what_is_not_a_fail_only_warns(self):
        check = callback(lambda x: (np.nan, x), on_fail="raise")
        with pytest.warns(GradCheckWarning, match="INCONCLUSIVE"):
            check.on_train_begin()

    @pytest.mark.parametrize("value", ["rais", None, 3])
    def test_anything_else_is_refused(self, value):
        hint = "; did you mean 'raise'?" if value == "rais" else ""
        with pytest.raises(OptionError) as caught:
            callback(on_fail=value)
        assert str(caught.value) == (
            "on_fail must be one of 'warn', 'raise', 'record' or a function of the report, got "
            f"{value!r}{hint}"
        )


class Counting(GradCheckCallback):
    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.steps = 0

    def on_step_end(self, step=None, *, batch=None, parameters=None):
        self.steps += 1
        return super().on_step_end(step, batch=batch, parameters=parameters)


class TestDisabled:
    def disabled(self, kind=GradCheckCallback):
        return kind(wrong, np.ones(2), batch=(), schedule=1, enabled=False, on_fail="raise")

    @pytest.mark.parametrize("kind", [GradCheckCallback, Counting])
    def test_every_hook_does_nothing(self, kind):
        check = self.disabled(kind)
        assert isinstance(check, kind)
        assert not check.enabled
        with check as entered:
            assert entered is check
            assert check.on_train_begin(batch=()) is None
            assert check.on_step_end(1, batch=(), parameters=None) is None
            assert check(2) is None
        assert check.history == []
        assert check.last_report is None

    def test_a_subclass_keeps_its_own_behaviour(self):
        check = Counting(cube, np.ones(2), batch=(), schedule=1, enabled=True)
        check()
        check.on_step_end()
        assert check.steps == len(check.history) == 2

    def test_its_steps_are_empty_and_of_the_same_signature(self):
        hook = type(self.disabled()).on_step_end
        assert inspect.signature(hook) == inspect.signature(GradCheckCallback.on_step_end)
        # All that it may do is to refuse what was passed by position, or is no step.
        assert set(hook.__code__.co_names) <= {"__class__", "int", "refuse_misuse"}

    def test_options_are_read_all_the_same(self):
        with pytest.raises(TypeError, match="unknown option"):
            GradCheckCallback(cube, np.ones(2), enabled=False, sampels=3)

    def test_it_imports_draws_and_writes_nothing(self, tmp_path, run_python):
        code = f"""
import os, random, sys
import numpy as np
import gradhook
before = np.random.get_state()[1].copy(), random.getstate()
logdir = {str(tmp_path / "runs")!r}
check = gradhook.GradCheckCallback(lambda x: (x @ x, 2 * x), np.ones(3), logdir=logdir)
with check:
    check.on_train_begin(batch=())
    for step in range(1, 1001):
        check.on_step_end(step, batch=())
assert not check.enabled
assert not {{"tensorboard", "tqdm"}} & set(sys.modules), "imported"
assert not os.path.exists(logdir), "wrote"
assert (np.random.get_state()[1] == before[0]).all() and random.getstate() == before[1], "drew"
"""
        run_python(code, check=True)


class TestCopies:
    @pytest.mark.parametrize("enabled", [True, False])
    @pytest.mark.parametrize("kind", [GradCheckCallback, Counting])
    @pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy])
    def test_a_copy_is_what_the_original_was_decided_to_be(
        self, duplicate, kind, enabled, monkeypatch
    ):
        check = kind(cube, np.ones(2), batch=(), schedule=2, enabled=enabled)
        check(1)
        monkeypatch.setenv("GRADHOOK", str(int(not enabled)))
        twin = duplicate(check)
        assert type(twin) is type(check)
        assert twin.enabled is enabled
        assert (twin(2) is not None) is enabled

    def test_a_deep_copy_moves_with_the_model_that_it_was_copied_with(self):
        x = np.ones(2)
        model = {"x": x, "check": GradCheckCallback(lambda x: (x @ x, 2 * x), x, enabled=True)}
        twin = copy.deepcopy(model)
        assert twin["check"]._parameters is twin["x"]

    @pytest.mark.parametrize("enabled", [True, False])
    def test_what_comes_back_from_a_pickle_is_disabled_and_keeps_its_history(self, enabled):
        check = GradCheckCallback(lambda x: (x @ x, 2 * x), np.ones(2), batch=(), enabled=enabled)
        check.on_train_begin()
        twin = pickle.loads(pickle.dumps(check))
        assert not twin.enabled
        assert twin.history == check.history
        assert twin.last_report == check.last_report


def test_what_stands_for_a_callback_in_a_shell_is_short():
    check = callback()
    check.on_train_begin()
    assert repr(check) == "<GradCheckCallback: 1 check made>"
    disabled = callback(enabled=False)
    shown = [repr(each) for each in (disabled, pickle.loads(pickle.dumps(check)))]
    assert shown == ["<GradCheckCallback: disabled>"] * 2


def test_a_first_check_that_asks_for_other_input_is_made_once_it_is_given():
    def interrupted(x, how):
        if how == "stop":
            raise KeyboardInterrupt
        return cube(x)

    check = callback(interrupted, schedule=5, batch=None)
    for batch, error in (((1, 2, 3), ObjectiveError), (("stop",), KeyboardInterrupt)):
        with pytest.raises(error):
            check.on_train_begin(batch=batch)
    assert check.on_train_begin(batch=("go",)).passed
    for _ in range(4):
        assert check.on_step_end(batch=("go",)) is None
    with pytest.raises(KeyboardInterrupt):
        check.on_step_end(batch=("stop",))
    assert check.on_step_end(batch=("go",)).step == 6
    assert checked_at(check) == [0, 6]
