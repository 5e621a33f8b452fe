"""Gradients of a large model: held once, copied only where they could change."""

import tracemalloc

import numpy as np
import pytest

import gradhook
from gradhook import Verdict, check_gradients
from gradhook.check.sanity import _sketch
from gradhook.objective import gradients as gradients_module
from gradhook.objective.gradients import name_gradients, own_gradients
from gradhook.objective.parameters import Tree, all_finite, norm, rms

TREE = Tree.of({"a": np.ones((2, 3)), "b": np.ones(4)})


def fresh():
    return {"a": np.full((2, 3), 2.0), "b": np.full(4, 3.0)}


def owned(given):
    found, _ = name_gradients(given, TREE)
    del given
    return own_gradients(found, TREE)


def address(array):
    return array.__array_interface__["data"][0]


def test_arrays_that_nobody_else_holds_are_not_copied():
    returned = [fresh()]
    addresses = {name: address(array) for name, array in returned[0].items()}
    found, _ = name_gradients(returned[0], TREE)
    returned.clear()
    kept = own_gradients(found, TREE)
    assert {name: address(array) for name, array in kept.items()} == addresses


def test_buffers_that_the_code_keeps_are_copied():
    buffers = fresh()
    kept = owned(buffers)
    buffers["a"][:] = 0.0
    assert np.array_equal(kept["a"], np.full((2, 3), 2.0))


def test_one_buffer_under_two_names_becomes_two_arrays():
    tree = Tree.of({"a": np.ones(4), "b": np.ones(4)})
    one = np.full(4, 2.0)
    found, _ = name_gradients({"a": one, "b": one}, tree)
    del one
    kept = own_gradients(found, tree)
    assert not np.shares_memory(kept["a"], kept["b"])


@pytest.mark.parametrize(
    "given",
    [np.full((3, 2), 2.0).T, np.full((2, 6), 2.0)[:, ::2], np.full((2, 3), 2.0, dtype=np.float32)],
    ids=["transposed", "a view", "float32"],
)
def test_anything_else_becomes_a_plain_float64_array(given):
    kept = owned({"a": given, "b": np.ones(4)})
    assert kept["a"].dtype == np.float64
    assert kept["a"].flags.c_contiguous
    assert np.array_equal(kept["a"], np.full((2, 3), 2.0))


def test_a_sketch_is_linear_and_keeps_distances():
    generator = np.random.default_rng(0)
    first = generator.standard_normal((700, 613))
    second = first.copy()
    second[17] += generator.standard_normal(613)
    assert np.allclose(_sketch(2 * first), 2 * _sketch(first), rtol=1e-12, atol=0)
    distance = np.linalg.norm(_sketch(second) - _sketch(first))
    # 4096 sums: their mean square has a relative deviation of sqrt(2 / 4096) at most, so five of
    # these are 11 %, and half of that for the root.
    assert distance == pytest.approx(np.linalg.norm(second - first), rel=0.06)


def test_norms_do_not_overflow_and_say_what_is_not_finite():
    assert rms(np.array([3e200, 4e200])) == pytest.approx(np.sqrt(12.5) * 1e200)
    assert rms(np.array([3e-200, 4e-200])) == pytest.approx(np.sqrt(12.5) * 1e-200)
    assert norm(np.array([[3.0, 4.0]])) == pytest.approx(5.0)
    assert not np.isfinite(norm(np.array([1.0, np.nan])))
    assert all_finite(np.array([1e308, 1e308]))
    assert not all_finite(np.array([np.inf, -np.inf]))


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
