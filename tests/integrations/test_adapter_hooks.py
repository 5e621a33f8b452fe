"""What the adapters are made of: a cotangent, hooks around methods, hooks of a protocol."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradhook.integrations._hooks import FitHooks, hook_methods
from gradhook.integrations._losses import cotangent


@pytest.mark.parametrize("shape", [5, (), (7, 3)])
def test_a_cotangent_is_the_same_each_time_and_scales_no_output_away(shape):
    u = cotangent(shape)
    assert np.shape(u) == np.shape(np.empty(shape))
    np.testing.assert_array_equal(u, cotangent(shape))
    assert np.all((np.abs(u) >= 0.5) & (np.abs(u) <= 1.5))
    assert set(np.sign(cotangent(40))) == {-1.0, 1.0}


class Check:
    """A callback that writes down its calls."""

    enabled = True

    def __init__(self):
        self.calls = []

    def on_train_begin(self, *, batch=None):
        self.calls.append(("begin", batch))

    def on_step_end(self, step=None, *, batch=None):
        self.calls.append(("step", step, batch))

    def on_train_end(self):
        self.calls.append("end")


class Trainer:
    made = 0

    def step(self, X, *, scale=1):
        """Make one update."""
        self.made += 1
        return X * scale


def test_a_step_is_surrounded_by_hooks_and_returns_what_it_returned():
    trainer, check = Trainer(), Check()
    batch = lambda X, **keywords: (X,)  # noqa: E731  # one line
    hook_methods(trainer, check, step="step", steps_made=lambda: trainer.made, batch=batch)
    assert trainer.step(3, scale=4) == 12
    assert check.calls == [("begin", (3,)), ("step", 1, (3,))]
    assert trainer.step.__doc__ == "Make one update."
    assert "step" not in vars(Trainer())  # others stay as they are


def test_a_fit_is_checked_from_when_there_are_parameters_at_tasks_without_subtasks():
    estimator, check = SimpleNamespace(), Check()
    hooks = FitHooks(check, estimator, ("coef_",))
    inner, leaf = SimpleNamespace(max_subtasks=3), SimpleNamespace(max_subtasks=0)
    hooks.setup(estimator, inner)
    hooks.on_fit_task_begin(estimator, inner, X=1, y=2)
    assert check.calls == []  # no coefficients yet
    estimator.coef_ = 0.0
    hooks.on_fit_task_begin(estimator, inner)
    hooks.on_fit_task_begin(estimator, inner, X=1, y=2)
    hooks.on_fit_task_end(estimator, inner, X=1, y=2)
    hooks.on_fit_task_end(estimator, leaf, X=1)
    hooks.on_fit_task_end(estimator, leaf)
    hooks.teardown(estimator, inner)
    steps = [("step", None, (1,)), ("step", None, None)]
    assert check.calls == [("begin", (1, 2)), *steps, "end"]
