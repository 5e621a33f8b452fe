"""What counts as an objective, which form it has, and how its functions are called."""

import functools
import math

import numpy as np
import pytest

from gradhook import Objective, Verdict, check_gradients
from gradhook.errors import (
    LossTypeError,
    ObjectiveError,
    ParameterError,
)

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.standard_normal((20, 3)), RANDOM.standard_normal(20)


def weights():
    return {"w": np.array([0.3, -0.2, 0.5])}


def loss(parameters, x, y):
    return 0.5 * np.mean((x @ parameters["w"] - y) ** 2)


def gradients(parameters, x, y):
    return {"w": x.T @ (x @ parameters["w"] - y) / len(y)}


def loss_and_gradients(parameters, x, y):
    return loss(parameters, x, y), gradients(parameters, x, y)


class Course:
    """A model as CS231n's assignments write it."""

    def __init__(self):
        self.params = weights()

    def loss(self, X, y=None):
        scores = X @ self.params["w"]
        return scores if y is None else loss_and_gradients(self.params, X, y)


class Method:
    """A model whose parameters a method returns, with both functions in one beside the loss."""

    def __init__(self):
        self.held = weights()

    def parameters(self):
        return self.held

    def loss(self, x, t):
        return loss(self.held, x, t)

    def loss_and_gradients(self, x, t):
        return loss_and_gradients(self.held, x, t)


class Callable:
    def __call__(self, parameters, x, y):
        return loss_and_gradients(parameters, x, y)


LIVE = weights()

FORMS = {
    "function": loss_and_gradients,
    "lambda": lambda p, x, y: loss_and_gradients(p, x, y),
    "partial": functools.partial(loss_and_gradients),
    "star": lambda *arguments: loss_and_gradients(*arguments),
    "callable object": Callable(),
    "both functional": Objective(loss=loss, gradients=gradients),
    "both in place": Objective(
        parameters=LIVE,
        loss=lambda x, y: loss(LIVE, x, y),
        gradients=lambda x, y: gradients(LIVE, x, y),
    ),
    "joint beside loss": Objective(loss=loss, loss_and_gradients=loss_and_gradients),
    "live function": Objective(parameters=lambda: LIVE, loss_and_gradients=loss_and_gradients),
    "given form": Objective(
        parameters=LIVE, loss_and_gradients=lambda *b: loss_and_gradients(LIVE, *b), form="in_place"
    ),
    "cs231n": Course(),
    "method": Method(),
    "bound method": Course().loss,
}


def parameters_of(thing):
    """What has to be passed beside an objective: nothing where it has its own."""
    owner = getattr(thing, "__self__", None)
    if owner is not None:
        return owner.params
    has_own = hasattr(thing, "params") or getattr(thing, "parameters", None) is not None
    return None if has_own else weights()


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_checked_and_leaves_the_parameters_as_they_were(name):
    thing = FORMS[name]
    parameters = parameters_of(thing)
    found = Objective.of(thing, parameters).parameters
    live = (found() if callable(found) else found)["w"]
    before = live.tobytes()
    report = check_gradients(thing, parameters, batch=(X, Y))
    assert live.tobytes() == before
    assert report.verdict is Verdict.PASS
    assert list(report.blocks) == ["w"]
    assert report.rows is not None


@pytest.mark.parametrize("value", [2.0, np.array(2.0), np.array([[2.0]]), np.float32(2.0), 2])
def test_the_loss_is_any_real_number_or_array_of_size_one(value):
    def constant_plus(x):
        return value + 0 * x.sum() + np.sum(x**2), 2 * x

    assert check_gradients(constant_plus, np.array([1.0, 2.0])).passed


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "returned None: has it a return statement?"),
        (np.ones(3), "an ndarray of shape (3,): sum or average over the samples"),
        (1j, "returned a complex"),
        (np.complex128(1j), "returned a complex128"),
        (True, "returned a bool"),
        ("1.0", "returned a str"),
        ({"loss": 1.0}, "returned a dict"),
        (
            (1.0, 2.0),
            "a tuple of 2: a function that returns (loss, gradients) is passed as loss_and",
        ),
        ([[1.0], [1.0, 2.0]], "returned a list"),
        (np.ma.masked, "returned a MaskedConstant"),
        (np.array([1.0], dtype=object), "returned an ndarray of dtype object"),
        (np.array([True]), "returned an ndarray of dtype bool"),
        (np.ma.masked_array([1.0], [True]), "returned a MaskedArray"),
    ],
)
def test_a_loss_that_is_no_real_number_is_refused(value, said):
    with pytest.raises(LossTypeError, match="the loss must be one real number") as caught:
        check_gradients(Objective(loss=lambda x: value, gradients=lambda x: x), np.ones(2))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (
            1.0,
            "it returned a float: return the gradients too, pass the function that computes",
        ),
        (None, "it returned None: has it a return statement?"),
        ((1.0,), "it returned a tuple of 1"),
        (
            [1.0, 2.0, 3.0],
            "it returned a list of 3; after the loss the gradients should come, in the order of",
        ),
    ],
)
def test_a_function_that_does_not_return_a_pair_is_told_so_by_name(returned, said):
    def broken(x):
        return returned

    wrapped = functools.partial(broken)
    for function in (broken, wrapped):
        with pytest.raises(ObjectiveError, match="broken must return") as caught:
            check_gradients(function, np.ones(2))
        assert str(caught.value).startswith(f"broken must return (loss, gradients); {said}")


def test_signatures_that_fit_both_forms_are_an_error_that_asks():
    def either(*arguments):
        return 0.0

    with pytest.raises(
        ObjectiveError, match=r"either\(\*arguments\) can be called with the param"
    ) as e:
        check_gradients(Objective(parameters=1.0, loss=either, gradients=either), batch=(X,))
    assert "form='functional' if its first argument is the parameters" in str(e.value)


def test_functions_of_two_forms_are_refused():
    mixed = Objective(parameters=weights(), loss=loss, gradients=lambda x, y: {})
    with pytest.raises(ObjectiveError, match=r"loss\(parameters, x, y\) and .*do not agree"):
        check_gradients(mixed, batch=(X, Y))


def test_a_form_that_does_not_fit_is_refused():
    with pytest.raises(
        ObjectiveError, match=r"loss\(parameters, x, y\) does not take \(\*batch\) for"
    ):
        check_gradients(
            Objective(parameters=weights(), loss=loss, gradients=gradients, form="in_place"),
            batch=(X, Y),
        )


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({}, "needs loss= and gradients=, or loss_and_gradients="),
        ({"loss": loss}, "needs loss= and gradients="),
        ({"loss": 3, "gradients": gradients}, "Objective.loss must be a function, got int"),
        (
            {"loss": loss, "gradients": gradients, "form": "inplace"},
            "form must be 'functional', 'in_place' or None, got 'inplace'",
        ),
    ],
)
def test_an_objective_without_its_functions_is_refused(keywords, said):
    with pytest.raises(ObjectiveError) as caught:
        Objective(**keywords)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (3, "an int is not an objective; pass a function loss_and_gradients(parameters, *batch)"),
        (Course, "Course is a class; pass an instance of it"),
        (None, "None is not an objective"),
        ({"W": 1}, "a network with .params, .loss(x, t) and .gradient(x, t)"),
    ],
)
def test_what_is_no_objective_is_told_what_one_is(thing, said):
    with pytest.raises(ObjectiveError) as caught:
        Objective.of(thing, 1.0)
    assert said in str(caught.value)


def test_the_gradients_are_called_right_after_the_loss_at_the_same_point():
    cache = {}

    def forward(x):
        cache["x"] = x.copy()
        return np.sum(x**3)

    def backward(x):
        np.testing.assert_array_equal(cache.pop("x"), x)
        return 3 * x**2

    report = check_gradients(Objective(loss=forward, gradients=backward), np.array([1.0, -2.0]))
    assert report.passed
    assert report.gradient_evaluations > 0


def test_loss_and_gradients_draw_the_same_numbers():
    random = np.random.default_rng(3)

    def mask():
        return random.random(5) < 0.5

    objective = Objective(
        parameters=np.arange(1.0, 6.0),
        loss=lambda x: np.sum(x**2 * mask()),
        gradients=lambda x: 2 * x * mask(),
    )
    report = check_gradients(objective)
    assert report.verdict in (Verdict.PASS, Verdict.UNTESTED)
    assert any("mask frozen" in note for note in report.notes)


def test_a_functional_objective_never_sees_the_users_arrays():
    parameters = weights()

    def look(given, x, y):
        assert not np.shares_memory(given["w"], parameters["w"])
        return loss_and_gradients(given, x, y)

    assert check_gradients(look, parameters, batch=(X, Y)).passed


def test_a_function_that_reads_the_arrays_themselves_is_checked_in_place_and_that_is_said():
    live = weights()
    report = check_gradients(
        lambda ignored, x, y: loss_and_gradients(live, x, y), live, batch=(X, Y)
    )
    assert report.passed
    assert any("checked in place" in note for note in report.notes)


def test_a_plain_number_is_welcome_as_a_copy_and_refused_in_place():
    assert check_gradients(lambda x: (math.sin(x), math.cos(x)), 0.5).passed
    with pytest.raises(ParameterError, match="'x' is a float, which cannot be written in place"):
        check_gradients(Objective(parameters=0.5, loss=lambda: 0.0, gradients=lambda: 0.0))
