"""The guarded part of a check: whose exception it was, what is said, what is put back."""

import contextlib

import numpy as np
import pytest

from gradhook import Objective, Switch, check_gradients
from gradhook.check.guarded import is_users
from gradhook.difference import ComplexStep
from gradhook.errors import (
    InternalError,
    OptionError,
    RestoreError,
    UnreadParametersError,
)


def square(p, *_):
    return float(p["w"] @ p["w"]), {"w": 2 * p["w"]}


class Fault(Exception):
    pass


def test_rows_that_raise_give_way_to_the_whole_batch_and_that_is_said():
    def whole_batch_only(p, X):
        if len(X) != 20:
            raise Fault("needs 20 rows")
        return square(p)

    report = check_gradients(whole_batch_only, {"w": np.ones(2)}, batch=np.ones((20, 1)))
    assert report
    assert report.rows is None
    assert report.notes[-1] == (
        "on the 7 rows drawn first the functions raise Fault (needs 20 rows), and 7 others are no "
        "better: checked on the whole batch"
    )


def test_columns_that_are_samples_are_the_first_suggestion():
    def linear(p, X, Y):
        residual = p["w"] @ X - Y
        return 0.5 * np.sum(residual**2), {"w": residual @ X.T}

    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(9, 30)), rng.normal(size=(1, 30))
    report = check_gradients(linear, {"w": np.ones((1, 9))}, batch=(X, Y))
    assert report
    assert report.notes[-1].startswith("on the 7 rows drawn first the functions raise ValueError")
    assert "whole batch; are the columns samples? Then pass sample_axis=1" in report.notes[-1]


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_rows_that_are_not_finite_give_way_and_training_has_not_diverged(where):
    def logarithm(p, X, m):
        worst = X[m > 0].min() if where == "loss" and m.any() else 1.0
        n = np.log(1.0 if len(X) == 20 else 0 * worst) if where == "loss" else 0.0
        g = 2 * p["w"] + (0 if len(X) == 20 or where == "loss" else np.nan)
        return float(p["w"] @ p["w"]) + n, {"w": g}

    batch = np.ones((20, 1)), np.ones(20)
    report = check_gradients(logarithm, {"w": np.ones(2)}, batch=batch)
    assert report
    assert "checked on the whole batch" in report.notes[-1]
    assert "diverged" not in str(report)


def test_rows_that_are_flat_are_drawn_anew():
    # Three of thirty rows count, and nothing in the batch says which.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    X[:, 0] = np.where(np.arange(30) < 6, 5.0, -5.0) + 0.1 * X[:, 0]

    def hinge(p, X):
        on = X[:, 0] > 0
        return float(np.sum(np.sin(X[on] @ p["w"]))), {"w": X[on].T @ np.cos(X[on] @ p["w"])}

    reports = [check_gradients(hinge, {"w": np.ones(2)}, batch=X, seed=s) for s in range(12)]
    assert all(reports)
    said = [note for report in reports for note in report.notes]
    assert any("the loss is flat and the gradients are zero: checked on others" in n for n in said)


@pytest.mark.parametrize("manager", ["function", "object"])
def test_an_evaluation_mode_holds_throughout_and_ends(manager):
    class Model:
        training = True

        def __init__(self):
            self.params = {"w": np.array([1.0, 2.0])}
            self.history = []

        @contextlib.contextmanager
        def evaluating(self):
            self.training = False
            try:
                yield
            finally:
                self.training = True

        def loss(self):
            # Wrong while training: the mode must survive every putting back of the model's state.
            self.history.append(self.training)
            loss, gradients = square(self.params)
            return loss, {"w": gradients["w"] * (7 if self.training else 1)}

    model = Model()
    mode = model.evaluating if manager == "function" else model.evaluating()
    assert check_gradients(model, evaluation_mode=mode)
    assert model.training
    assert model.history == []
    assert not check_gradients(model)


def test_what_cannot_be_put_back_is_an_error_and_not_silence():
    class Broken(np.random.RandomState):
        def set_state(self, state):
            raise OSError("no such device")

    rng = Broken(1)

    def random(p):
        return square(p)[0] + rng.rand(), {"w": 2 * p["w"]}

    before = rng.get_state(legacy=False)["state"]["pos"]
    with pytest.raises((RestoreError, InternalError)) as got:
        check_gradients(random, {"w": np.ones(2)})
    assert isinstance(got.value, RestoreError)
    assert "the random generator Broken (OSError: no such device)" in str(got.value)
    assert rng.get_state(legacy=False)["state"]["pos"] != before


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("what", ["parameters", "batch"])
def test_functions_that_write_to_what_they_are_given_are_reported(in_place, what):
    parameters, X = {"w": np.ones(2)}, np.ones((3, 2))

    def loss_and_gradients(*arguments):
        p = parameters if in_place else arguments[0]
        result = square(p)
        if what == "parameters":
            p["w"] *= 0.99
        else:
            arguments[-1][...] -= 0.5
        return result

    objective = Objective(
        parameters=parameters,
        loss_and_gradients=loss_and_gradients,
        form="in_place" if in_place else "functional",
    )
    report = check_gradients(objective, batch=X, samples=None)
    assert f"writes_{what}" in [cause.kind for cause in report.causes]
    assert parameters["w"].tolist() == [1, 1]
    assert X.tolist() == np.ones((3, 2)).tolist()


def test_a_model_with_all_weights_in_one_vector_is_checked_through_its_views():
    class Model:
        def __init__(self):
            self.theta = np.random.default_rng(1).normal(size=6)
            self.params = {"W": self.theta[:4].reshape(2, 2), "b": self.theta[4:]}

        def loss(self):
            grad = self.theta**2
            return float(np.sum(self.theta**3) / 3), {"W": grad[:4].reshape(2, 2), "b": grad[4:]}

    model = Model()
    before = model.theta.tobytes()
    assert {b.verdict for b in check_gradients(model).blocks.values()} == {"PASS"}
    assert model.theta.tobytes() == before


def test_a_training_set_in_reach_is_not_copied(monkeypatch):
    copied = []
    data = np.zeros(300_000)
    monkeypatch.setattr("gradhook.check.guarded.BUDGET", 1_000_000)
    original = np.array

    def spy(array, *arguments, **keywords):
        if array is data:
            copied.append(1)
        return original(array, *arguments, **keywords)

    monkeypatch.setattr(np, "array", spy)

    def loss_and_gradients(p):
        return square(p)[0] + data[0], {"w": 2 * p["w"]}

    report = check_gradients(loss_and_gradients, {"w": np.ones(2)})
    assert report
    assert not copied
    assert any("compared but not saved: an array of shape (300000,)" in n for n in report.notes)
    assert check_gradients(loss_and_gradients, {"w": np.ones(2)}, state=data)
    assert copied


def test_a_change_of_what_was_not_copied_is_an_error(monkeypatch):
    monkeypatch.setattr("gradhook.check.guarded.BUDGET", 1000)
    data = np.zeros(300)

    def loss_and_gradients(p):
        data[0] += 1
        return square(p)

    with pytest.raises(RestoreError, match=r"shape \(300,\).*pass it as state="):
        check_gradients(loss_and_gradients, {"w": np.ones(2)})
    data[:] = 0
    assert check_gradients(loss_and_gradients, {"w": np.ones(2)}, state=data)
    assert data[0] == 0


def test_an_exception_that_a_library_raises_for_the_user_is_the_users():
    def from_a_library(p):
        return np.linalg.inv(np.zeros((2, 2))), p

    with pytest.raises(np.linalg.LinAlgError):
        check_gradients(from_a_library, {"w": np.ones(2)})
    # A function of a library's alone: no line of the user's is in the traceback.
    with pytest.raises(np.linalg.LinAlgError) as alone:
        check_gradients(np.linalg.inv, np.zeros((2, 2)))
    error = alone.value
    while error.__traceback__.tb_next:
        error.__traceback__ = error.__traceback__.tb_next
    assert not is_users(error)


def test_complex_steps_of_an_objective_in_place_are_refused_with_the_reason():
    w = np.array([1.0, 2.0])
    objective = Objective(parameters=w, loss=lambda: np.sum(w**3), gradients=lambda: 3 * w**2)
    said = r"arrays where they are, and complex values cannot be written .* use difference\.Central"
    with pytest.raises(OptionError, match=said):
        check_gradients(objective, method=ComplexStep())


def test_complex_steps_of_a_function_that_reads_other_arrays_are_no_reason_to_go_in_place():
    w = np.array([1.0, 2.0])
    with pytest.raises(UnreadParametersError, match="Make the loss read the parameters passed"):
        check_gradients(lambda x: (np.sum(w**3), 3 * w**2), w, method=ComplexStep())


@pytest.mark.parametrize(
    ("dropout", "turned"),
    [
        ("rate", "although 'rate' was turned off"),
        (["rate", Switch("p", off=0.0)], "although 'rate', 'p' were turned off"),
    ],
)
def test_a_loss_that_stays_random_is_not_told_to_pass_the_switch_that_was_passed(dropout, turned):
    generator = np.random.default_rng(0)

    def noisy(x, rate=0.5, p=0.5):
        mask = generator.random(3) < 0.5
        return np.sum(mask * x**2), 2 * mask * x

    report = check_gradients(noisy, np.ones(3), dropout=dropout)
    assert turned in report.notes[0]
    assert "the switch does nothing" in report.notes[0]
    assert "pass dropout=" not in report.notes[0]
