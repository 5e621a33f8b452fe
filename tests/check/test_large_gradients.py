"""Gradients of a large model: held once, copied only where they could change."""

import tracemalloc

import numpy as np
import pytest

import gradhook
from gradhook import Verdict, check_gradients
from gradhook.objective import gradients as gradients_module


def half_square(parameters):
    w = parameters["w"].ravel()
    return 0.5 * float(np.dot(w, w))


def square(parameters, factor=1.0):
    return half_square(parameters), {"w": factor * parameters["w"]}


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_large_models_get_the_verdicts_of_small_ones(monkeypatch, factor):
    weights = {"w": np.random.default_rng(0).standard_normal((40, 30))}

    def loss(parameters):
        return square(parameters, factor)

    small = check_gradients(loss, weights)
    monkeypatch.setattr(gradients_module, "LARGE_GRADIENTS", 0)
    large = check_gradients(loss, weights)
    assert large.verdict is small.verdict
    assert large.verdict is (Verdict.PASS if factor == 1.0 else Verdict.FAIL)
    # What is not kept is asked for once more, at the current point.
    assert large.gradient_evaluations == small.gradient_evaluations + 1


def test_one_stale_column_of_a_large_gradient_is_seen():
    """Large gradients are compared by sums that leave no element out."""
    x = np.random.default_rng(1).standard_normal((20, 500))
    kept = []

    def loss_and_gradients(parameters, x):
        residual = x @ parameters["w"]
        gradient = x.T @ residual / len(x)
        kept.append(gradient[:, 7].copy())
        gradient[:, 7] = kept[0]
        return 0.5 * float(np.sum(residual**2)) / len(x), {"w": gradient}

    weights = {"w": np.random.default_rng(0).standard_normal((500, 400))}
    report = check_gradients(loss_and_gradients, weights, batch=(x,), samples=None)
    assert [cause.kind for cause in report.causes] == ["stale_cache"]


def test_a_check_holds_one_copy_of_the_model_and_one_set_of_gradients():
    """In bytes: the float64 copy, the gradients, one byte per element, 5 % and a megabyte."""
    weights = {"w": np.random.default_rng(0).standard_normal((2300, 2300))}
    model = weights["w"].nbytes
    assert model > gradients_module.LARGE_GRADIENTS
    # With a loss of its own, which makes no array; the gradients are one.
    objective = gradhook.Objective(loss=half_square, loss_and_gradients=square)
    tracemalloc.start()
    try:
        report = gradhook.check_gradients(objective, weights)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.passed
    assert peak <= 2.05 * model + model / 8 + 2**20


def test_later_checks_of_a_callback_begin_with_the_steps_found():
    """A loss whose scale of bending is far from its weights': the first check must search."""

    def wavy(parameters):
        loss = sum(float(np.sum(np.sin(3e4 * w))) for w in parameters.values()) / 3e4
        return loss, {name: np.cos(3e4 * w) for name, w in parameters.items()}

    weights = {
        name: np.linspace(0.5, end, 200) for name, end in (("u", 1.5), ("w", 2.5), ("x", 3.5))
    }
    check = gradhook.GradCheckCallback(
        wavy, weights, enabled=True, schedule=1, batch=(), points=("generic",)
    )
    check.on_train_begin()
    check.on_step_end()
    first, second = check.history
    assert first.verdict is second.verdict is Verdict.PASS
    assert second.evaluations < first.evaluations
