"""Loops that rebind their arrays: what a check looks at is what training uses, or it is said."""

import warnings

import numpy as np
import pytest

from gradhook import GradCheckCallback, GradCheckWarning, Verdict

RATE = 0.1
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
Y = X @ RNG.normal(size=(5, 2)) + 0.3


def linear(p, X, Y):
    r = (X @ p["W"] + p["b"] - Y) / len(X)
    return 0.5 * len(X) * np.sum(r**2), {"W": X.T @ r, "b": r.sum(0)}


def start():
    return {"W": np.zeros((5, 2)), "b": np.zeros(2)}


def warned(check, loop, steps=40):
    """The warnings of a loop, each step of which is one call of ``loop``."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check.on_train_begin(batch=(X, Y))
        for step in range(1, steps + 1):
            check.on_step_end(step, batch=(X, Y), **(loop() or {}))
    return [str(w.message) for w in caught if issubclass(w.category, GradCheckWarning)]


def updated(p):
    _, g = linear(p, X, Y)
    return {name: p[name] - RATE * g[name] for name in p}


class TestFunctional:
    """Functions that are handed the parameters: what training left behind would pass for ever."""

    def test_one_array_left_behind_is_a_note_first_and_a_warning_at_the_second_pair(self):
        theta = np.zeros(5)

        def line(theta, X, Y):
            r = X @ theta - Y[:, 0]
            return 0.5 * np.mean(r**2), X.T @ r / len(X)

        def loop():
            nonlocal theta
            theta = theta - RATE * line(theta, X, Y)[1]

        check = GradCheckCallback(line, theta, schedule=10, enabled=True)
        (said,) = warned(check, loop)
        assert said.startswith("no parameter has moved from step 10 to step 20")
        assert "parameters=lambda: theta" in said
        assert "A network that is frozen, or waits its turn, looks the same" in said
        assert [step for step, _ in check.notes] == [10, 20, 30, 40]
        assert all(report.passed for report in check.history)

    @pytest.mark.parametrize("how", ["in place", "entries", "lambda", "hook", "max-norm"])
    def test_a_loop_whose_arrays_are_read_anew_hears_nothing(self, how):
        params = start()
        given = (lambda: params) if how in ("lambda", "max-norm") else params

        def loop():
            nonlocal params
            new = updated(params)
            if how == "in place":
                for name in params:
                    params[name][...] = new[name]
            elif how == "entries":
                params.update(new)
            elif how == "max-norm":
                params = {n: a * min(1.0, 3 / np.linalg.norm(a)) for n, a in new.items()}
            else:
                params = new
            return {"parameters": params} if how == "hook" else None

        check = GradCheckCallback(linear, given, schedule=10, enabled=True)
        assert warned(check, loop) == []
        assert check.notes == []
        assert [r.verdict for r in check.history] == [Verdict.PASS] * 5
        losses = [r.loss for r in check.history]
        assert len(set(losses)) == 5

    def test_trainings_that_leave_their_arrays_behind_are_warned_of_once(self):
        seen = start()
        check = GradCheckCallback(linear, seen, enabled=True, schedule=[5, 15, 25, 35])

        def training():
            p = start()
            said = warned(check, lambda: p.update(updated(p)), steps=10)
            check.on_train_end()
            return said

        said = [training() for _ in range(4)]
        assert [len(each) for each in said] == [0, 1, 0, 0]
        assert "rebind" in said[1][0]

    def test_a_frozen_block_is_a_note_and_said_once(self):
        params = start()

        def loop():
            params["W"] -= RATE * linear(params, X, Y)[1]["W"]

        check = GradCheckCallback(linear, params, schedule=10, enabled=True)
        assert warned(check, loop) == []
        said = "b stood still from step 0 to step 10 under a gradient that should move it"
        assert check.notes == [(10, f"{said}: frozen, or rebound?")]

    def test_a_network_that_waits_its_turn_once_is_a_note_and_no_warning(self):
        params, steps = start(), iter(range(1, 41))

        def loop():
            if not 10 < next(steps) <= 20:
                params.update(updated(params))

        check = GradCheckCallback(linear, params, schedule=10, enabled=True)
        assert warned(check, loop) == []
        assert [step for step, _ in check.notes] == [20]

    def test_training_that_has_converged_to_rounding_is_not_rebinding(self):
        A = RNG.normal(size=(40, 5))
        exact = A @ np.arange(1.0, 6.0)
        solution = np.linalg.lstsq(A, exact, rcond=None)[0]

        def line(theta, A, y):  # right on every row: the rows drawn have no gradient either
            r = A @ theta - y
            return 0.5 * np.mean(r**2), A.T @ r / len(A)

        noisy = exact + RNG.normal(size=40)
        best = np.linalg.lstsq(A, noisy, rcond=None)[0]
        for theta, y in ((solution, exact), (best, noisy)):
            check = GradCheckCallback(line, theta, schedule=1, on_fail="record", enabled=True)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for step in range(1, 4):
                    check.on_step_end(step, batch=(A, y))
            assert check.notes == []


class Net:
    """Weights as attributes, and a dictionary that was made of them once."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.W1, self.b1 = rng.normal(size=(5, 6)), np.zeros(6)
        self.W2, self.b2 = rng.normal(size=(6, 2)), np.zeros(2)
        self.params = {name: getattr(self, name) for name in ("W1", "b1", "W2", "b2")}

    def loss(self, X, Y):
        h = np.tanh(X @ self.W1 + self.b1)
        r = h @ self.W2 + self.b2 - Y
        d = r / len(X)
        dh = d @ self.W2.T * (1 - h * h)
        g = {"W1": X.T @ dh, "b1": dh.sum(0), "W2": h.T @ d, "b2": d.sum(0)}
        return 0.5 * np.sum(r**2) / len(X), g

    def update(self, rebound):
        _, g = self.loss(X, Y)
        for name, gradient in g.items():
            array = getattr(self, name)
            if name in rebound:
                setattr(self, name, array - RATE * gradient)
            else:
                array -= RATE * gradient


class TestInPlace:
    """Objectives that read arrays where they are: those that were rebound are read no more."""

    @pytest.mark.parametrize("effort", ["quick", "standard"])
    @pytest.mark.parametrize("rebound", [["W1"], ["b2"], ["W1", "b1"]])
    def test_blocks_rebound_beside_others_are_told_first_and_stop_nothing(self, rebound, effort):
        net = Net()
        check = GradCheckCallback(net, schedule=10, on_fail="raise", effort=effort, enabled=True)
        said = warned(check, lambda: net.update(rebound))
        assert len(said) == 1
        assert f"the loss no longer reads this array; was `{rebound[0]}` rebound?" in said[0]
        assert "Pass parameters=lambda: ..." in said[0]
        for report in check.history[1:]:
            assert report.verdict is Verdict.INCONCLUSIVE
            undecided = [n for n, b in report.blocks.items() if b.verdict == "INCONCLUSIVE"]
            assert sorted(undecided) == sorted(rebound)
            assert all(b.verdict == "PASS" for n, b in report.blocks.items() if n not in rebound)
            assert not report.causes
            assert not report.boundary
            assert all(np.isnan(report.blocks[name].ratio) for name in rebound)

    def test_all_blocks_rebound_are_told_so_and_stop_nothing(self):
        net = Net()
        check = GradCheckCallback(net, schedule=10, on_fail="raise", enabled=True)
        (said,) = warned(check, lambda: net.update(["W1", "b1", "W2", "b2"]))
        assert (
            "W1, b1, W2, b2: the loss no longer reads these arrays; were `W1`, `b1`, `W2`, `b2` "
            "rebound? Pass parameters=lambda: ..."
        ) in said
        assert [r.verdict for r in check.history[1:]] == [Verdict.INCONCLUSIVE] * 4

    def test_the_remedy_works(self):
        net = Net()
        check = GradCheckCallback(
            net,
            lambda: {name: getattr(net, name) for name in ("W1", "b1", "W2", "b2")},
            schedule=10,
            on_fail="raise",
            enabled=True,
        )
        assert warned(check, lambda: net.update(["W1", "b1", "W2", "b2"])) == []
        assert [r.verdict for r in check.history] == [Verdict.PASS] * 5


def test_a_mapping_that_grows_while_it_is_checked_is_checked():
    class Layer:
        def __init__(self):
            self.W, self.b = RNG.normal(size=(5, 2)), np.zeros(2)

        def run(self, X, Y):
            self.X = X  # a new entry of vars(layer)
            r = X @ self.W + self.b - Y
            self.dW, self.db = X.T @ r / len(X), r.mean(0)
            return 0.5 * np.sum(r**2) / len(X)

    layer = Layer()
    check = GradCheckCallback(
        lambda _, X, Y: (layer.run(X, Y), {"W": layer.dW, "b": layer.db}), vars(layer), enabled=True
    )
    report = check.on_train_begin(batch=(X, Y))
    assert report.passed
    assert set(report.blocks) == {"W", "b"}
    assert set(vars(layer)) == {"W", "b"}


def test_a_batch_that_is_gone_when_it_is_asked_again_ends_no_training():
    p = start()
    check = GradCheckCallback(linear, p, schedule=2, enabled=True)
    for step in range(1, 7):
        p, batch = updated(p), [X, Y]
        check.on_step_end(step, batch=batch)
        batch.clear()
    assert [report.step for report in check.history] == [1, 2, 4, 6]


def test_what_was_noted_and_not_warned_about_stands_on_the_closing_line(capsys):
    p = start()
    with GradCheckCallback(linear, p, enabled=True) as check:
        for step in range(1, 201):
            p = updated(p)
            check.on_step_end(step, batch=(X, Y))
    (_, closing, noted) = capsys.readouterr().err.splitlines()
    assert closing == "gradhook: 2 checks, all passed"
    assert noted.startswith("step 100: no parameter has moved from step 1 to step 100")
