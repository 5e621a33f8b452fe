"""Gradients that remember the first batch for ever."""

import functools

import numpy as np
import pytest

from gradhook import Objective, check_gradients


def start():
    rng = np.random.default_rng(0)
    parameters = {"W": 0.5 * rng.normal(size=(6, 5)), "V": 0.5 * rng.normal(size=(5, 4))}
    return parameters, (rng.normal(size=(40, 6)), rng.integers(0, 4, 40))


def output(p, X, y):
    """The loss of a softmax, and its derivative with respect to the scores."""
    z = np.tanh(X @ p["W"]) @ p["V"]
    q = np.exp(z - z.max(axis=1, keepdims=True))
    q /= q.sum(axis=1, keepdims=True)
    n = np.arange(len(y))
    loss = -np.log(q[n, y]).mean()
    q[n, y] -= 1
    return loss, q / len(y)


def right(p, X, y):
    h = np.tanh(X @ p["W"])
    loss, d = output(p, X, y)
    return loss, {"W": X.T @ (d @ p["V"].T * (1 - h * h)), "V": h.T @ d}


class Model:
    """Computes everything anew."""

    def __init__(self, parameters):
        self.params = {name: value.copy() for name, value in parameters.items()}
        self.kept = None

    def loss(self, X, y):
        return right(self.params, X, y)[0]

    def gradient(self, X, y):
        return right(self.params, X, y)[1]


class KeepsInputs(Model):
    def gradient(self, X, y):
        if self.kept is None:
            self.kept = X.copy()
        return right(self.params, self.kept[: len(y)], y)[1]


class KeepsGradients(Model):
    def gradient(self, X, y):
        if self.kept is None:
            self.kept = right(self.params, X, y)[1]
        return self.kept


def kinds(report):
    return {cause.kind for cause in report.causes}


@pytest.mark.parametrize("model", [KeepsInputs, KeepsGradients])
def test_a_model_that_keeps_its_first_batch_has_a_stale_cache_at_the_first_check(model):
    parameters, batch = start()
    report = check_gradients(model(parameters), batch=batch)
    assert report.verdict == "FAIL"
    assert "stale_cache" in kinds(report)


def of_gradients(memo, p, X, y):
    loss, gradients = right(p, X, y)
    return loss, memo.setdefault("gradients", gradients)


def of_a_hidden_layer(memo, p, X, y):
    loss, gradients = right(p, X, y)
    memo.setdefault("h", np.tanh(X @ p["W"]))
    return loss, {**gradients, "V": memo["h"][: len(y)].T @ output(p, X, y)[1]}


@pytest.mark.parametrize("remembered", [of_gradients, of_a_hidden_layer])
def test_a_dictionary_filled_once_is_a_stale_cache(remembered):
    parameters, batch = start()
    report = check_gradients(functools.partial(remembered, {}), parameters, batch=batch)
    assert report.verdict == "FAIL"
    assert "stale_cache" in kinds(report)


def by_rows(memo, p, X, y):
    """Everything is remembered, of each batch for ever."""
    return memo.setdefault(id(X), right(p, X, y))


def by_name(memo, p, X, y):
    """The hidden layer is, of each batch of this length."""
    h = memo.setdefault(len(X), np.tanh(X @ p["W"]))
    loss, d = output({"W": np.eye(5), "V": p["V"]}, np.arctanh(h), y)
    return loss, {"W": X.T @ (d @ p["V"].T * (1 - h * h)), "V": h.T @ d}


@pytest.mark.parametrize("remembered", [by_rows, by_name])
@pytest.mark.parametrize("samples", [7, None])
@pytest.mark.parametrize("form", ["functional", "in_place"])
def test_what_is_kept_from_earlier_weights_is_a_stale_cache_although_a_first_call_is_right(
    remembered, samples, form
):
    parameters, batch = start()
    function = functools.partial(remembered, {})
    if form == "in_place":
        function = functools.partial(function, parameters)
    objective = Objective(parameters=parameters, loss_and_gradients=function, form=form)
    report = check_gradients(objective, batch=batch, samples=samples)
    assert report.verdict == "FAIL"
    assert kinds(report) == {"stale_cache"}


def by_weights(memo, p, X, y):
    """What is remembered of these very weights and rows is used, and nothing else is."""
    given = p["W"], p["V"], X, y
    if "given" not in memo or not all(map(np.array_equal, memo["given"], given)):
        memo.update(given=given, returned=right(p, X, y))
    return memo["returned"]


def counted(memo, p, X, y):
    """Steps and statistics that no loss of training reads."""
    memo["step"] = memo.get("step", 0) + 1
    memo["mean"] = 0.9 * memo.get("mean", 0) + 0.1 * np.tanh(X @ p["W"]).mean(axis=0)
    return right(p, X, y)


def iterated(memo, p, X, y):
    """A root by iteration, which goes on from the one before and stops where it is near."""
    root, a = memo.get("root", 1.0), p["V"].sum()
    while abs(rest := root**3 + root - a) > 1e-5:
        root -= 0.7 * rest / (3 * root**2 + 1)
    memo["root"] = root
    loss, gradients = right(p, X, y)
    return loss + root, {**gradients, "V": gradients["V"] + 1 / (3 * root**2 + 1)}


@pytest.mark.parametrize("carried", [by_weights, counted, iterated])
@pytest.mark.parametrize("warm", [False, True])
def test_what_a_function_may_well_carry_on_is_no_stale_cache(carried, warm):
    parameters, batch = start()
    function = functools.partial(carried, {})
    for _ in range(3 * warm):
        function(parameters, *batch)
    assert kinds(check_gradients(function, parameters, batch=batch)) == set()


def test_an_update_with_momentum_keeps_a_state_on_purpose():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 6)), rng.normal(size=30)
    w, velocity = np.zeros(6), np.zeros(6)

    def loss(X, y):
        return 0.5 * np.mean((X @ w - y) ** 2)

    def update(X, y):
        velocity[...] = 0.9 * velocity - 0.01 * X.T @ (X @ w - y) / len(y)
        w[...] += velocity

    step = Objective.from_update(update, {"w": w}, learning_rate=0.01, loss=loss)
    (cause,) = check_gradients(step, batch=(X, y)).causes
    assert cause.kind == "update_state"
    assert cause.sentence.endswith("the update keeps a state, as momentum or Adam do")
    assert "without momentum or Adam" in cause.remedy


def test_a_model_that_keeps_nothing_passes():
    parameters, batch = start()
    report = check_gradients(Model(parameters), batch=batch)
    assert report.verdict == "PASS"
    assert kinds(report) == set()


class CarriesOn:
    """A hidden state from batch to batch, and a mask; a loss caches what a backward pass needs."""

    def __init__(self, parameters, keep, of_its_own, wrong=1.0):
        self.params = {name: value.copy() for name, value in parameters.items()}
        self.hidden, self.calls, self.cache = np.zeros(5), 0, None
        self.keep, self.of_its_own, self.wrong = keep, of_its_own, wrong
        self.rng = np.random.default_rng(3)

    def loss(self, X, y):
        p = self.params
        h = np.tanh(X @ p["W"] + self.hidden)
        mask = (self.rng.random(h.shape) < self.keep) / self.keep
        d = (h * mask) @ p["V"] - np.eye(4)[y]
        self.hidden, self.calls, self.cache = h.mean(axis=0), self.calls + 1, (X, h, mask, d)
        return 0.5 * (d**2).sum() / len(y)

    def gradient(self, X, y):
        self.calls += 1
        if self.of_its_own:
            self.loss(X, y)
        X, h, mask, d = self.cache
        above = d @ self.params["V"].T * mask * (1 - h * h)
        return {"W": self.wrong * X.T @ above / len(y), "V": (h * mask).T @ d / len(y)}


@pytest.mark.parametrize("of_its_own", [True, False])
@pytest.mark.parametrize("keep", [1.0, 0.7])
def test_the_gradient_of_a_loss_with_a_state_belongs_to_the_state_of_the_loss(of_its_own, keep):
    parameters, (X, y) = start()
    model = CarriesOn(parameters, keep, of_its_own)
    for _ in range(2):  # once from zero, once from where a batch has left it
        before = model.hidden.copy(), model.calls
        assert check_gradients(model, batch=(X, y)).verdict == "PASS"
        assert model.calls == before[1]
        np.testing.assert_array_equal(model.hidden, before[0])
        model.loss(X, y)
    wrong = CarriesOn(parameters, keep, of_its_own, wrong=1.01)
    blocks = check_gradients(wrong, batch=(X, y)).blocks
    assert (blocks["W"].verdict, blocks["V"].verdict) == ("FAIL", "PASS")
