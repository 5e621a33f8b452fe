"""Separate forward, cost and backward functions joined, whatever their signatures."""

import numpy as np
import pytest

from gradhook import Objective, check_gradients
from gradhook.errors import ObjectiveError

M = 12


@pytest.fixture
def parameters():
    generator = np.random.default_rng(0)
    return {
        "W1": generator.normal(size=(5, 4)),
        "b1": generator.normal(size=(5, 1)),
        "W2": generator.normal(size=(1, 5)),
        "b2": generator.normal(size=(1, 1)),
    }


@pytest.fixture
def batch():
    generator = np.random.default_rng(1)
    return generator.normal(size=(4, M)), (generator.random((1, M)) < 0.5).astype(int)


def forward(X, parameters):
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2 = 1 / (1 + np.exp(-(parameters["W2"] @ A1 + parameters["b2"])))
    return A2, {"A0": X, "A1": A1, "A2": A2, "W2": parameters["W2"]}


def cost(A2, Y):
    return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))


def by_name(dZ2, A1, dZ1, X):
    return {
        "dW2": dZ2 @ A1.T,
        "db2": dZ2.sum(axis=1, keepdims=True),
        "dW1": dZ1 @ X.T,
        "db1": dZ1.sum(axis=1, keepdims=True),
        "dZ1": dZ1,
    }


def gradients(A2, Y, cache):
    dZ2 = (A2 - Y) / Y.shape[1]
    dZ1 = cache["W2"].T @ dZ2 * (1 - cache["A1"] ** 2)
    return by_name(dZ2, cache["A1"], dZ1, cache["A0"])


def with_masks_from(draw):
    """The forward pass with dropout, whose masks are drawn by ``draw(shape)``."""

    def forward(X, parameters, keep_prob=0.5):
        Z1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
        D1 = draw(Z1.shape) < keep_prob
        A1 = Z1 * D1 / keep_prob
        A2 = 1 / (1 + np.exp(-(parameters["W2"] @ A1 + parameters["b2"])))
        return A2, (Z1, D1, A1, A2, parameters["W2"])

    return forward


def seeded_inside(shape):
    np.random.seed(1)
    return np.random.rand(*shape)


forward_with_dropout = with_masks_from(seeded_inside)


def backward_with_dropout(X, Y, cache, keep_prob):
    Z1, D1, A1, A2, W2 = cache
    dZ2 = (A2 - Y) / X.shape[1]
    return by_name(dZ2, A1, W2.T @ dZ2 * D1 / keep_prob * (1 - Z1**2), X)


def with_dropout(forward=forward_with_dropout, backward=backward_with_dropout):
    return Objective.from_functions(forward=forward, cost=cost, backward=backward, keep_prob=0.7)


def checked(objective, parameters, batch, **options):
    return check_gradients(objective, parameters, batch=batch, sample_axis=1, **options)


def failing(report):
    return {name for name, block in report.blocks.items() if block.verdict == "FAIL"}


def cost_with_regularization(A2, Y, parameters, lambd):
    squares = np.sum(parameters["W1"] ** 2) + np.sum(parameters["W2"] ** 2)
    return cost(A2, Y) + lambd / (2 * Y.shape[1]) * squares


def backward_with_regularization(X, Y, cache, lambd):
    found = gradients(cache["A2"], Y, cache)
    found["dW2"] = found["dW2"] + lambd / X.shape[1] * cache["W2"]
    return found


BACKWARDS = {
    "AL, Y, caches": lambda AL, Y, caches: gradients(AL, Y, caches),
    "X, Y, cache": lambda X, Y, cache: gradients(cache["A2"], Y, cache),
    "parameters, cache, X, Y": lambda parameters, cache, X, Y: gradients(cache["A2"], Y, cache),
    "A2, Y, cache, X=None": lambda A2, Y, cache, X=None: gradients(A2, Y, cache),
}


COSTS = {
    "AL, Y": lambda AL, Y: cost(AL, Y),
    "y_hat, y": lambda y_hat, y: cost(y_hat, y),
    "y, y_hat": lambda y, y_hat: cost(y_hat, y),
    "A2, Y, parameters": lambda A2, Y, parameters: cost(A2, Y),
}


@pytest.mark.parametrize(
    "functions",
    [{"backward": each} for each in BACKWARDS.values()]
    + [{"cost": each} for each in COSTS.values()],
    ids=[*BACKWARDS, *COSTS],
)
def test_each_function_gets_what_its_arguments_are_called(functions, parameters, batch):
    given = {"forward": forward, "cost": cost, "backward": gradients} | functions
    report = checked(Objective.from_functions(**given), parameters, batch)
    assert report.verdict == "PASS"
    assert set(report.blocks) == set(parameters)


def test_a_forward_pass_that_returns_the_cost_needs_none(parameters, batch):
    def forward_propagation_n(X, Y, parameters):
        A2, cache = forward(X, parameters)
        return cost(A2, Y), cache

    def backward_propagation_n(X, Y, cache):
        return gradients(cache["A2"], Y, cache)

    objective = Objective.from_functions(
        forward=forward_propagation_n, backward=backward_propagation_n
    )
    assert checked(objective, parameters, batch).passed


def test_what_the_functions_draw_from_and_count_is_put_back(parameters, batch):
    masks, calls = np.random.default_rng(3), []

    def draw(shape):
        calls.append(len(calls))
        return masks.random(shape)

    state = masks.bit_generator.state
    objective = with_dropout(with_masks_from(draw))
    report = checked(objective, parameters, batch, dropout="keep_prob")
    assert report.verdict == "PASS"
    assert any("dropout replayed" in setting for setting in report.settings)
    assert masks.bit_generator.state == state
    assert calls == []


def test_caches_returned_one_by_one_arrive_together():
    def forward(X, parameters):
        return parameters["w"] @ X, X, parameters

    def backward(AL, Y, caches):
        X, kept = caches
        assert set(kept) == {"w"}
        return {"w": (AL - Y) @ X.T}

    objective = Objective.from_functions(
        forward=forward, cost=lambda AL, Y: 0.5 * np.sum((AL - Y) ** 2), backward=backward
    )
    X = np.arange(12.0).reshape(3, 4)
    report = check_gradients(objective, {"w": np.ones((1, 3))}, batch=(X, X[:1]), sample_axis=1)
    assert report.verdict == "PASS"


class TestDropout:
    def test_a_mask_forgotten_on_the_way_back_is_found_in_the_replay(self, parameters, batch):
        def backward(X, Y, cache, keep_prob):
            Z1, D1, *rest = cache
            return backward_with_dropout(X, Y, (Z1, np.ones_like(D1), *rest), keep_prob)

        report = checked(with_dropout(backward=backward), parameters, batch, dropout="keep_prob")
        assert failing(report) == {"W1", "b1"}


class TestPenalty:
    def test_it_reaches_cost_and_backward_and_is_looked_at_alone(self, parameters, batch):
        objective = Objective.from_functions(
            forward=forward,
            cost=cost_with_regularization,
            backward=backward_with_regularization,
            lambd=1e-4,
        )
        report = checked(objective, parameters, batch, penalty="lambd", dropout=None)
        # The gradient of W1 lacks its share, which 1e-4 would hide.
        assert any("lambd" in setting for setting in report.settings)
        assert failing(report) == {"W1"}


class TestRefusals:
    def test_a_required_setting_without_a_value_is_named(self):
        with pytest.raises(ObjectiveError, match=r"what lambd should be is not known") as caught:
            Objective.from_functions(
                forward=forward, cost=cost, backward=backward_with_regularization
            )
        message = str(caught.value)
        assert "backward(X, Y, cache, lambd)" in message
        assert "from_functions(..., lambd=0.5)" in message

    def test_two_names_that_mean_the_same_are_refused(self):
        with pytest.raises(ObjectiveError, match=r"cost\(y, t\): two are alike"):
            Objective.from_functions(forward=forward, cost=lambda y, t: y, backward=gradients)

    def test_a_setting_that_no_function_takes_is_refused_with_the_nearest_name(self):
        with pytest.raises(ObjectiveError, match="none of the functions takes 'lambda_'") as e:
            Objective.from_functions(
                forward=forward,
                cost=cost_with_regularization,
                backward=backward_with_regularization,
                lambd=0.1,
                lambda_=0.1,
            )
        assert "did you mean 'lambd'?" in str(e.value)

    def test_a_forward_pass_without_parameters_is_refused(self):
        with pytest.raises(ObjectiveError, match=r"forward\(X\) takes no parameters"):
            Objective.from_functions(forward=lambda X: X, cost=cost, backward=gradients)

    def test_labels_missing_from_the_batch_are_asked_for(self, parameters, batch):
        objective = Objective.from_functions(forward=forward, cost=cost, backward=gradients)
        with pytest.raises(ObjectiveError, match="cost takes Y, but no Y came in the batch"):
            checked(objective, parameters, batch[:1])

    def test_caches_that_forward_does_not_return_are_asked_for(self, parameters, batch):
        objective = Objective.from_functions(
            forward=lambda X, parameters: forward(X, parameters)[0], cost=cost, backward=gradients
        )
        with pytest.raises(ObjectiveError, match="takes cache, but no cache came from forward"):
            checked(objective, parameters, batch)
