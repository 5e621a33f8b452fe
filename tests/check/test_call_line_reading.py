"""The line under a report: it repeats the check to the bit, in the names of whoever asked."""

import dataclasses
import sysconfig
import weakref
from pathlib import Path

import numpy as np
import pytest

import gradhook
from gradhook import (
    L2,
    GradCheckCallback,
    GradCheckWarning,
    Objective,
    Switch,
    Tolerance,
    check_gradients,
    difference,
)
from gradhook.check.reading import Scope
from gradhook.options import Options


def network(p, X, y):
    h = np.tanh(X @ p["W1"] + p["b1"])
    r = h @ p["W2"] - y
    d = r / len(y)
    dh = d @ p["W2"].T * (1 - h * h)
    return 0.5 * np.sum(r * r) / len(y), {"W1": X.T @ dh, "b1": dh.sum(0), "W2": h.T @ d}


def start(seed=0):
    rng = np.random.default_rng(seed)
    p = {"W1": rng.normal(size=(6, 9)), "b1": np.zeros(9), "W2": rng.normal(size=(9, 2))}
    return p, rng.normal(size=(40, 6)), rng.normal(size=(40, 2))


def told(report):
    """All of a report but its time, its place in the run and the line itself."""
    return dataclasses.replace(report, seconds=0.0, step=None, call="")


@pytest.mark.parametrize("effort", ["quick", "standard", "exhaustive"])
def test_the_line_of_every_check_of_a_callback_repeats_it_to_the_bit(effort):
    params, X, y = start()
    check = GradCheckCallback(network, params, schedule=1, effort=effort, seed=3, enabled=True)
    for step in range(1, 4):
        report = check.on_step_end(step, batch=(X, y))
        options = "" if effort == "standard" else f"effort='{effort}', "
        assert report.reproduce() == (
            f"check_gradients(network, params, batch=(X, y), {options}seed={step + 2})"
        )
        names = {**globals(), "params": params, "X": X, "y": y}
        assert told(eval(report.reproduce(), names)) == told(report)
        for name, gradient in network(params, X, y)[1].items():
            params[name] -= 0.1 * gradient


def test_the_line_repeats_a_check_with_options():
    x = np.array([0.5, -1.5, 2.0])

    def objective(x):
        return np.sum(x**3), 3 * x**2 + 0.1 * x

    report = check_gradients(
        objective,
        x,
        seed=11,
        samples=None,
        effort="exhaustive",
        points=("current",),
        tolerance=Tolerance(fail=1e-3),
        penalty=[L2(0.1, "x")],
        method=difference.Ridders(),
    )
    names = {**globals(), "gradhook": gradhook, "objective": objective, "x": x}
    assert told(eval(report.reproduce(), names)) == told(report)


class Net:
    def __init__(self):
        self.params, self.X, self.y = start()
        self.reg = 0.1

    def loss(self, p, X, y):
        loss, gradients = network(p, X, y)
        gradients["W1"] += self.reg * p["W1"]
        return loss + 0.5 * self.reg * np.sum(p["W1"] ** 2), gradients


def test_methods_attributes_and_entries_go_by_their_owners_names():
    net, data = Net(), {"X": np.ones((9, 6)), "y": np.ones((9, 2))}
    report = check_gradients(
        net.loss, net.params, batch=(data["X"], data["y"]), penalty="reg", seed=3
    )
    assert report.call == (
        "check_gradients(net.loss, net.params, batch=(data['X'], data['y']), penalty='reg', seed=3)"
    )


def test_what_has_no_name_is_left_to_be_filled_in():
    params, X, y = start()
    report = check_gradients(lambda p, X, y: network(p, X, y), params, batch=(X[:20], y[:20]))
    assert report.call == "check_gradients(<objective>, params, batch=<batch>, seed=0)"


def test_names_given_at_construction_outlive_the_frame():
    model, X, y = start()

    def make():
        weights, fitted = model, network
        return GradCheckCallback(fitted, weights, schedule=1, enabled=True)

    check = make()

    def loop(check, X, y):
        return check.on_step_end(1, batch=(X, y))

    assert loop(check, X, y).call == "check_gradients(network, weights, batch=(X, y), seed=0)"


def test_parameters_of_a_lambda_go_by_the_name_of_what_it_returns():
    theta, X, y = start()
    check = GradCheckCallback(network, lambda: theta, batch=(X, y), enabled=True)
    assert check.on_train_begin().call == "check_gradients(network, theta, batch=(X, y), seed=0)"


def test_what_the_objective_brings_itself_is_not_asked_for():
    x = np.array([1.0, 2.0])
    square = Objective(parameters=x, loss=lambda x: float(x @ x), gradients=lambda x: 2 * x)
    assert check_gradients(square).call == "check_gradients(square, seed=0)"


def test_options_that_cannot_be_written_down_are_left_to_be_filled_in():
    options = Options(
        state=np.zeros(3),
        subset=lambda batch, rows: batch,
        dropout=Switch("p", off=1.0),
        gradient_name={"W": "dW"},
        fixed={"a"},
        progress=True,
        seed=4,
    )
    assert Scope({"state": options.state}).call("f", {}, options) == (
        "gradhook.f(subset=<subset>, dropout=gradhook.Switch(name='p', off=1.0), state=state, "
        "gradient_name={'W': 'dW'}, fixed=<fixed>, seed=4)"
    )
    assert Scope({}).call("f", {}, Options()) == "gradhook.f(seed=0)"


def test_looking_for_names_keeps_nothing_alive_and_changes_no_variable():
    class Held:
        pass

    held, x = Held(), np.ones(2)
    reference = weakref.ref(held)
    assert check_gradients(lambda x: (x @ x, 2 * x), x).passed
    assert isinstance(held, Held)
    del held
    assert reference() is None


def test_a_library_that_calls_the_check_lends_no_names():
    source = "def fit(check, objective, theta, val): return check(objective, theta, batch=val)"
    file = str(Path(sysconfig.get_paths()["purelib"], "some_library.py"))
    library = {}
    exec(compile(source, file, "exec"), library)

    def objective(theta, X):
        return float(np.sum(X * theta**2)), 2 * theta * X.sum(axis=0)

    start, rows = np.array([0.5, 2.0]), np.ones((9, 2))
    report = library["fit"](check_gradients, objective, start, rows)
    assert report.call == "check_gradients(objective, start, batch=rows, seed=0)"
    report = library["fit"](check_gradients, objective, start, rows.copy())
    assert report.call == "check_gradients(objective, start, batch=<batch>, seed=0)"


def test_a_name_that_means_something_else_by_now_is_not_used():
    def square(p):
        return float(p["w"] @ p["w"]), {"w": 2 * p["w"]}

    p = {"w": np.array([0.5, 2.0])}
    check = GradCheckCallback(square, p, batch=(), schedule=1, enabled=True)
    assert check.on_train_begin().call == "check_gradients(square, p, seed=0)"
    assert "(square, <parameters>, " in check.on_step_end(parameters={"w": 2 * p["w"]}).call
    built_with = square

    def square(p):  # as a cell of a notebook that is run again
        return float(p["w"] @ p["w"]), {"w": 3 * p["w"]}

    with pytest.warns(GradCheckWarning, match="square was defined anew after this callback was"):
        report = check.on_step_end(parameters=p)
    assert report.call == "check_gradients(built_with, p, seed=2)"
    assert report.passed
    del built_with
    assert check.on_step_end(parameters=p).call == "check_gradients(<objective>, p, seed=3)"
    assert not check_gradients(square, p).passed
