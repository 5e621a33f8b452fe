"""What the adapters share: a cotangent, the books' loss, hooks around methods and of a protocol."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from gradhook.integrations._shared import FitHooks, cotangent, hook_methods, left_out

Y = np.array([[0.25, 0.75], [0.5, 0.5]])


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
    assert pickle.loads(pickle.dumps(hooks)).on_fit_task_end(object(), leaf) is None


def books(y, t):
    return float(-np.log(y[np.arange(len(y)), t] + 1e-7).mean())


@pytest.mark.parametrize("t", [np.array([1, 0]), np.array([[0, 1], [1, 0]])])
def test_what_the_book_leaves_out_is_added_back(t):
    layer, labels = SimpleNamespace(y=Y, t=t), np.array([1, 0])
    exact = float(-np.log(Y[np.arange(2), labels]).mean())
    assert books(Y, labels) + left_out(layer, books(Y, labels)) == pytest.approx(exact, abs=1e-15)


@pytest.mark.parametrize("layer", [None, SimpleNamespace(y=None, t=None), SimpleNamespace(y=Y)])
def test_other_layers_and_losses_are_left_alone(layer):
    assert left_out(layer, 1.0) == 0.0
    assert left_out(SimpleNamespace(y=Y, t=np.array([1, 0])), 0.5) == 0.0
