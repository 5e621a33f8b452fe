"""Hypotheses that an experiment decides: named where it holds, and not where a decoy is near."""

import numpy as np
import pytest

from gradhook import check_gradients

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(40, 5)), RNG.normal(size=(40, 3))


def kinds(function, parameters, batch, **options):
    report = check_gradients(function, parameters, batch=batch, **options)
    assert report.verdict == "FAIL"
    assert not [line for line in report.coverage if "could not be explained" in line]
    for cause in report.causes:
        assert cause.evidence
    return [cause.kind for cause in report.causes]


def test_positive_targets_are_no_weights_though_the_fault_vanishes_when_they_are_one():
    def gamma(p, X, y):
        m = np.exp(X @ p["w"])
        return np.mean(y / m + np.log(m)), {"w": X.T @ (1 - 1 / m) / len(y)}  # y is missing

    assert kinds(gamma, {"w": 0.3 * RNG.normal(size=5)}, (X, RNG.gamma(2.0, 1.0, 40))) == []


def test_labels_of_one_and_minus_one_are_no_mask():
    def logistic(p, X, y):
        m = -y * (X @ p["w"])
        return np.mean(np.log1p(np.exp(m))), {"w": -X.T @ (1 / (1 + np.exp(-m))) / len(y)}

    y = RNG.choice([-1, 1], 40)
    assert kinds(logistic, {"w": 0.3 * RNG.normal(size=5)}, (X, y)) == []


def test_a_gradient_that_depends_on_no_row_is_not_that_of_the_first():
    def overwritten(p, X, Y):
        r = X @ p["W"] - Y
        loss = 0.5 * np.sum(r * r) / len(X) + 0.05 * np.sum(p["W"] ** 2)
        return loss, {"W": 0.1 * p["W"]}

    assert kinds(overwritten, {"W": RNG.normal(size=(5, 3))}, (X, Y)) == []


def test_where_one_row_alone_carries_loss_it_is_no_return_in_the_loop():
    def first(p, X, Y):
        r = (X[:1] @ p["W"] - Y[:1]) ** 1
        return 0.5 * np.sum(r * r), {"W": np.sign(X[:1].T @ r) * np.abs(X[:1].T @ r) ** 1.5}

    assert kinds(first, {"W": RNG.normal(size=(5, 3))}, (X, Y)) == []


def layer(spoil, activation="tanh"):
    """A layer with a bias under fixed weights; ``spoil(dZ, db)`` makes the bias's gradient."""
    u = np.random.default_rng(12).normal(size=(4, 3))

    def function(p, X, Y):
        z = X @ p["W"] + p["b"]
        h = np.tanh(z)
        r = h @ u - Y
        d = (r / len(X) @ u.T) * (1 - h * h)
        return 0.5 * np.sum(r * r) / len(X), {"W": X.T @ d, "b": spoil(d, d.sum(0))}

    return function


LAYER = {"W": RNG.normal(size=(5, 4)) / 2, "b": 0.2 * RNG.normal(size=4)}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d, db: db**2,
        lambda d, db: np.sign(db) * np.sqrt(np.abs(db)),
        lambda d, db: np.sort(db),
    ],
)
def test_a_bias_that_is_wrong_in_another_way_is_not_said_to_be_summed_wrongly(spoil):
    assert kinds(layer(spoil), LAYER, (X, Y)) == []


def test_a_vector_behind_a_matrix_is_no_bias_of_it():
    def function(p, X, Y):
        z = X @ p["W"]
        h = np.tanh(z)
        r = h @ p["v"] - Y[:, 0]
        d = np.outer(r, p["v"]) / len(X) * (1 - h * h)
        return 0.5 * np.mean(r * r), {"W": X.T @ d, "v": z.T @ r / len(X)}

    parameters = {"W": RNG.normal(size=(5, 4)), "v": 0.2 * RNG.normal(size=4)}
    assert kinds(function, parameters, (X, Y)) == []


def regression(factor, scale=1.0, squares=True):
    def function(p, X, Y):
        r = np.tanh(X @ p["W"]) - Y
        f = 0.5 * r * r if squares else np.log(np.cosh(r))
        d = (r if squares else np.tanh(r)) * (1 - np.tanh(X @ p["W"]) ** 2)
        by = factor(len(X), Y.shape[1])
        return scale * np.sum(f) / len(X), {"W": by * scale * X.T @ d / len(X)}

    return function


REGRESSION = {"W": RNG.normal(size=(5, 3))}


@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        (lambda n, c: n, "no_1_over_N"),
        (lambda n, c: 1 / n, "extra_1_over_N"),
        (lambda n, c: 1 / c, "mse_mean_outputs"),
        (lambda n, c: c, "mse_mean_outputs"),
        (lambda n, c: 0.5, "mse_no_two"),
        (lambda n, c: 7.0, "scale"),  # as many as rows are drawn, and no count of them
        (lambda n, c: 1 / 7, "scale"),
    ],
)
def test_a_factor_means_what_it_follows(factor, kind):
    assert kinds(regression(factor), REGRESSION, (X, Y)) == [kind]


def test_a_number_of_rows_that_is_fixed_in_the_code_is_right_on_the_whole_batch():
    report = check_gradients(regression(lambda n, c: n / 40), REGRESSION, batch=(X, Y))
    assert report.passed
    assert "right on the whole batch of 40, wrong on 7 rows of it" in report.notes[0]
    assert "a constant 1/n" in report.notes[0]


def test_a_half_of_a_loss_without_squares_is_no_lost_two():
    assert kinds(regression(lambda n, c: 0.5, squares=False), REGRESSION, (X, Y)) == ["scale"]


def test_two_weights_off_by_the_root_of_a_width_are_no_attention():
    def function(p, X, Y):
        h = np.tanh(X @ p["A"])
        r = np.tanh(h @ p["B"]) @ p["C"] - Y
        d = (r / len(X) @ p["C"].T) * (1 - np.tanh(h @ p["B"]) ** 2)
        e = (d @ p["B"].T) * (1 - h * h)
        g = {"A": 2 * X.T @ e, "B": 2 * h.T @ d, "C": np.tanh(h @ p["B"]).T @ r / len(X)}
        return 0.5 * np.sum(r * r) / len(X), g

    p = {"A": RNG.normal(size=(5, 4)), "B": RNG.normal(size=(4, 4)), "C": RNG.normal(size=(4, 3))}
    assert "attention_scale_missing" not in kinds(function, p, (X, Y))


def test_queries_and_keys_off_by_the_root_of_their_width_are():
    # What a factor counts must be there: gradhook.diagnosis.hypotheses.factor.
    def function(p, X):
        Q, K, V = (X @ p[name] for name in p)
        S = Q @ K.T / np.sqrt(3)
        r = np.sin(S) @ V / len(X)
        d = r @ V.T * np.cos(S)  # the root is missing below
        g = {"Q": X.T @ (d @ K), "K": X.T @ (d.T @ Q), "V": X.T @ (np.sin(S).T @ r)}
        return 0.5 * len(X) * np.sum(r * r), g

    p = {name: RNG.normal(size=(5, 3)) / 2 for name in "QKV"}
    assert kinds(function, p, (X,)) == ["attention_scale_missing"]


def test_two_weights_of_one_shape_that_act_apart_are_no_queries_and_keys():
    def function(p, X, Y):
        h, s = np.tanh(X @ p["A"]), np.sin(X @ p["B"])
        r = (h + s + X @ p["C"] - Y) / len(X)
        g = {"A": 3**0.5 * X.T @ (r * (1 - h * h)), "B": 3**0.5 * X.T @ (r * np.cos(X @ p["B"]))}
        return 0.5 * len(X) * np.sum(r * r), {**g, "C": X.T @ r}

    p = {name: RNG.normal(size=(5, 3)) / 2 for name in "ABC"}
    assert "attention_scale_missing" not in kinds(function, p, (X, Y))


def test_targets_may_stand_before_other_items():
    def function(p, X, Y, noise):
        return regression(lambda n, c: 1 / c)(p, X, Y)

    assert kinds(function, REGRESSION, (X, Y, RNG.normal(size=40))) == ["mse_mean_outputs"]


def test_a_buffer_that_equals_the_weights_here_is_no_penalty():
    anchor = RNG.normal(size=(5, 3))

    def function(p, X, Y):
        r = X @ p["W"] - Y
        return 0.5 * np.sum(r * r) / len(X), {"W": X.T @ r / len(X) + 0.1 * anchor}

    assert kinds(function, {"W": anchor.copy()}, (X, Y), points=("current",)) == []
