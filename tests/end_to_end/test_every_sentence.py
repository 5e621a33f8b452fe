"""Every sentence that a report can say about where and why is said of some wrong gradient here."""

import re

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.diagnosis.sentences import SENTENCES
from tests.end_to_end.test_causes import backward, planted
from tests.end_to_end.test_causes import switched as with_switch

RNG = np.random.default_rng(3)
X, T = RNG.normal(size=(7, 6)), RNG.normal(size=(7, 3))
SQUARE = {"W1": (6, 8), "b1": (8,), "W2": (8, 8), "b2": (8,), "W3": (8, 3), "b3": (3,)}


def drawn(shapes, seed=0):
    rng = np.random.default_rng(seed)
    scale = {name: 0.3 if len(s) < 2 else s[0] ** -0.5 for name, s in shapes.items()}
    return {name: scale[name] * rng.normal(size=s) for name, s in shapes.items()}


EARLIER = backward(drawn(SQUARE), X, T)[1]


def asked(function, parameters=None, batch=(X, T), **options):
    parameters = drawn(SQUARE) if parameters is None else parameters
    return check_gradients(function, parameters, batch=batch, **options)


def spoiled(spoil):
    return asked(lambda p, X, T: backward(p, X, T, spoil=lambda g: g.update(spoil(g, p))))


def switched(held, **options):
    return asked(with_switch(held=held, **options), penalty="lam")


def ridge(held):
    """A straight line whose intercept the loss does not penalise; ``held`` is what the gradient has
    of the weights, the intercept first."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(30, 6)), rng.normal(size=30)

    def function(p, X, y, lam=0.1):
        w = p["beta"]
        r = X @ w - y
        loss = 0.5 * np.mean(r * r) + 0.5 * lam * np.sum(w[1:] ** 2)
        return loss, {"beta": X.T @ r / len(y) + lam * held(w)}

    return asked(function, {"beta": rng.normal(size=6)}, (X, y), penalty="lam")


def but_the_first(w):
    return np.where(np.arange(w.size) > 0, w, 0.0)


def linear(mask_of, shape=(12, 12), how=0.0, values=None):
    """One layer of squares whose gradient is wrong in a part."""
    rng = np.random.default_rng(5)
    Z, Y = rng.normal(size=(30, shape[0])), rng.normal(size=(30, shape[1]))
    W = rng.normal(size=shape) if values is None else values

    def function(p, Z, Y):
        r = np.tanh(Z @ p["W"]) - Y
        g = Z.T @ (r * (1 - np.tanh(Z @ p["W"]) ** 2)) / len(Z)
        mask = mask_of(W)
        return 0.5 * np.sum(r * r) / len(Z), {"W": np.where(mask, how * g, g)}

    return asked(function, {"W": W}, (Z, Y))


def ones(W):
    return np.ones(W.shape, dtype=bool)


def weights_of_rows():
    w = np.random.default_rng(1).uniform(0.2, 2.0, 7)

    def function(p, X, T, w):
        r = X @ p["W"] - T
        loss = 0.5 * np.sum(w[:, None] * r * r) / len(X)
        return loss, {"W": X.T @ r / len(X)}

    return asked(function, {"W": RNG.normal(size=(6, 3))}, (X, T, w))


def embedding():
    index = np.array([[0, 1, 2], [3, 0, 4], [1, 5, 6], [7, 8, 3]])

    def function(p, index, Y):
        h = np.tanh(p["E"][index])
        r = h.mean(1) @ p["W"] - Y
        d = (r / len(Y) @ p["W"].T)[:, None, :] / 3 * (1 - h * h)
        g = np.zeros_like(p["E"])
        g[index] += d
        return 0.5 * np.sum(r * r) / len(Y), {"E": g, "W": h.mean(1).T @ r / len(Y)}

    p = {"E": RNG.normal(size=(12, 5)), "W": RNG.normal(size=(5, 3))}
    return asked(function, p, (index, RNG.normal(size=(4, 3))))


def dropout():
    def function(p, X, T, keep=0.6):
        h = np.tanh(X @ p["W"])
        mask = (np.random.random(h.shape) < keep) / keep
        r = (h * mask) @ p["V"] - T
        d = r / len(X)
        g = {"W": X.T @ ((d @ p["V"].T) * (1 - h * h)), "V": (h * mask).T @ d}
        return 0.5 * np.sum(r * r) / len(X), g

    return asked(function, drawn({"W": (6, 8), "V": (8, 3)}), dropout="keep")


def pooled():
    """Largest inputs of a window; padding ties, and every one of them gets the gradient."""
    rng = np.random.default_rng(2)
    Z = np.maximum(rng.normal(size=(7, 4, 3, 5)), 0) * (rng.random((7, 4, 3, 1)) < 0.5)

    def function(p, Z, Y):
        z = Z @ p["K"] + p["c"]
        top = z.max(2)
        h = np.tanh(top)
        r = h.reshape(len(Z), -1) @ p["V"] - Y
        d = (r / len(Z) @ p["V"].T).reshape(top.shape) * (1 - h * h)
        wins = (z == top[:, :, None]) * d[:, :, None]
        g = {"K": np.einsum("npwi,npwo->io", Z, wins), "c": wins.sum((0, 1, 2))}
        g["V"] = h.reshape(len(Z), -1).T @ (r / len(Z))
        return 0.5 * np.sum(r * r) / len(Z), g

    p = {"K": rng.normal(size=(5, 3)), "c": 0.1 * rng.normal(size=3), "V": rng.normal(size=(12, 2))}
    return asked(function, p, (Z, rng.normal(size=(7, 2))))


def skipped():
    def function(p, X, T):
        h1 = np.tanh(X @ p["W1"])
        h2 = h1 + np.tanh(h1 @ p["W2"])
        r = h2 @ p["V"] - T
        d = r / len(X)
        back = d @ p["V"].T
        inner = back * (1 - np.tanh(h1 @ p["W2"]) ** 2)
        low = inner @ p["W2"].T  # the path around it is lost
        g = {"W1": X.T @ (low * (1 - h1 * h1)), "W2": h1.T @ inner, "V": h2.T @ d}
        return 0.5 * np.sum(r * r) / len(X), g

    return asked(function, drawn({"W1": (6, 8), "W2": (8, 8), "V": (8, 3)}))


def not_transposed():
    def function(p, X, T):
        h = np.tanh(X @ p["W1"])
        h2 = np.tanh(h @ p["W2"])
        r = h2 @ p["V"] - T
        d2 = (r / len(X) @ p["V"].T) * (1 - h2 * h2)
        d1 = (d2 @ p["W2"]) * (1 - h * h)
        g = {"W1": X.T @ d1, "W2": h.T @ d2, "V": h2.T @ r / len(X)}
        return 0.5 * np.sum(r * r) / len(X), g

    return asked(function, drawn({"W1": (6, 8), "W2": (8, 8), "V": (8, 3)}))


def two_weights(both=False):
    """No biases; the derivative of the activation between them is wrong, or of the loss."""

    def function(p, X, T):
        h = np.tanh(X @ p["w1"] + 0.3)
        r = h @ p["w2"] - T
        d = (r**3 if both else r) / len(X)
        return 0.5 * np.sum(r * r) / len(X), {"w1": X.T @ (d @ p["w2"].T), "w2": h.T @ d}

    return asked(function, drawn({"w1": (6, 5), "w2": (5, 3)}))


def noise_on(*names):
    """Noise of their own on some blocks."""
    rng = np.random.default_rng(8)
    noise = {name: 0.3 * rng.normal(size=SQUARE[name]) for name in names}
    return spoiled(lambda g, p: {name: g[name] + noise[name] for name in names})


REPORTS = {
    "disconnected": lambda: spoiled(lambda g, p: {"b2": np.zeros(8)}),
    "integer_buffer": lambda: spoiled(lambda g, p: {"W1": (40 * g["W1"]).astype(int)}),
    "factor": lambda: spoiled(lambda g, p: {"W2": 1.3 * g["W2"]}),
    "laid_out": lambda: spoiled(lambda g, p: {"W2": g["W2"].T.copy()}),
    "returned_for_another": lambda: asked(
        lambda p, X, T: (
            0.5 * np.sum((np.tanh(X @ (p["A"] + p["B"])) - T) ** 2),
            {
                "A": X.T @ (np.tanh(X @ (p["A"] + p["B"])) - T),
                "B": X.T
                @ (
                    (np.tanh(X @ (p["A"] + p["B"])) - T) * (1 - np.tanh(X @ (p["A"] + p["B"])) ** 2)
                ),
            },
        ),
        drawn({"A": (6, 3), "B": (6, 3)}),
    ),
    "exchanged": lambda: spoiled(lambda g, p: {"b1": g["b2"], "b2": g["b1"]}),
    "penalty_lacking": lambda: asked(planted(l2=1e-2, held=np.zeros_like)),
    "penalty_held": lambda: spoiled(lambda g, p: {"W1": g["W1"] + 1e-2 * p["W1"]}),
    "constant_lacking": lambda: spoiled(lambda g, p: {"b1": g["b1"] - 0.1}),
    "penalty_constant": lambda: spoiled(lambda g, p: {"b1": g["b1"] + 0.1}),
    "penalty_square": lambda: asked(planted(l2=1e-2, held=np.square)),
    "penalty_l1": lambda: asked(planted(l2=1e-2, held=np.sign)),
    "switch_missing": lambda: switched(np.zeros_like),
    "switch_lacking": lambda: ridge(np.zeros_like),
    "switch_share": lambda: ridge(lambda w: 0.5 * but_the_first(w)),
    "switch_not_in_loss": lambda: switched(lambda w: w, biased=True),
    "switch_ones": lambda: switched(lambda w: w if w.ndim > 1 else np.ones_like(w), biased=True),
    "switch_coefficient": lambda: switched(lambda w: 0.5 * w),
    "switch_form": lambda: switched(np.square),
    "switch_other": lambda: switched(np.cos),
    "zero_slices": lambda: spoiled(lambda g, p: {"W2": g["W2"] * (np.arange(8) < 7)}),
    "unmoved": lambda: asked(lambda p, X, T: (backward(p, X, T)[0], EARLIER)),
    "clipped": lambda: spoiled(lambda g, p: {"W2": np.clip(g["W2"], -0.05, 0.05)}),
    "dropout": dropout,
    "sample_weights": weights_of_rows,
    "equal_inputs": pooled,
    "one_row": lambda: asked(
        lambda p, X, T: (
            0.5 * np.sum((X @ p["W"] - T) ** 2) / len(X),
            {"W": X[:1].T @ (X @ p["W"] - T)[:1] / len(X)},
        ),
        {"W": RNG.normal(size=(6, 3))},
    ),
    "bias_sum": lambda: spoiled(lambda g, p: {"b1": np.full(8, g["b1"].sum())}),
    "repeated_rows": embedding,
    "symmetric": not_transposed,
    "path_around": skipped,
    "blocks": lambda: linear(ones, how=np.random.default_rng(9).uniform(0.2, 3, (12, 12))),
    "blocks_beside": lambda: noise_on("W3", "b1"),
    "nothing_right": lambda: asked(planted(edit=lambda s, d: d**3 if s == "loss" else d)),
    "entering": lambda: asked(planted(edit=lambda s, d: d**3 if s == "act2" else d)),
    "below": two_weights,
    "one_bias": lambda: noise_on("b2"),
    "one_weight": lambda: noise_on("W2"),
    "remains": lambda: spoiled(lambda g, p: {"W2": 2 * g["W2"], "b1": g["b1"] ** 2}),
    "part_wrong": lambda: spoiled(
        lambda g, p: {"W2": 2 * g["W2"], "W1": g["W1"] * (1 - 0.5 * (np.arange(8) == 3))}
    ),
    "all_of": lambda: linear(ones, how=np.random.default_rng(9).uniform(0.2, 3, (12, 12))),
    "scattered": lambda: linear(lambda W: np.random.default_rng(4).random(W.shape) < 0.5, how=1.5),
    "where_zero_gradient": lambda: linear(lambda W: np.random.default_rng(4).random(W.shape) < 0.3),
    "where_nonzero_gradient": lambda: asked(
        lambda p, Z, Y: (
            0.5 * np.sum((np.tanh(Z @ p["W"]) - Y) ** 2),
            {"W": Z.T @ (np.tanh(Z @ p["W"]) - Y)},
        ),
        {"W": RNG.normal(size=(12, 5))},
        (RNG.normal(size=(7, 12)) * (np.arange(12) % 3 > 0), RNG.normal(size=(7, 5))),
    ),
    "where_negative": lambda: linear(lambda W: W < 0, how=-1.0),
    "where_positive": lambda: linear(lambda W: W > 0, how=-1.0),
    "where_above": lambda: linear(lambda W: np.triu(ones(W), 1), how=1.5),
    "where_on_and_above": lambda: linear(lambda W: np.triu(ones(W)), how=1.5),
    "where_under": lambda: linear(lambda W: np.tril(ones(W), -1), how=1.5),
    "where_on_and_under": lambda: linear(lambda W: np.tril(ones(W)), how=1.5),
    "where_diagonal": lambda: linear(lambda W: np.eye(len(W)) > 0, (40, 40), how=1.5),
    "where_off_diagonal": lambda: linear(lambda W: np.eye(len(W)) == 0, how=1.5),
}
"""By sentence, a check that says it."""


def said(report):
    """Everything that a report says about where and why, piece by piece."""
    pieces = [cause.sentence for cause in report.causes]
    pieces += [block.where for block in report.blocks.values() if block.where]
    pieces.append(report.boundary)
    remaining = report.boundary.removeprefix("also wrong, by the same mistake or another: ")
    return [*pieces, remaining, *remaining.split("; ")]


def test_every_sentence_of_the_list_has_a_check_that_says_it():
    assert REPORTS.keys() == SENTENCES.keys()


@pytest.mark.parametrize("name", SENTENCES)
def test_it_is_said(name):
    report = REPORTS[name]()
    assert report.verdict == "FAIL"
    assert not [line for line in report.coverage if "could not be explained" in line]
    pattern = re.sub(r"\\{\w+\\}", ".*", re.escape(SENTENCES[name]))
    assert any(re.fullmatch(pattern, piece) for piece in said(report)), said(report)


@pytest.mark.parametrize("name", ["factor", "clipped", "entering", "one_bias", "where_negative"])
def test_every_wrong_block_shows_a_wrong_element_with_both_numbers(name):
    for block in REPORTS[name]().blocks.values():
        if block.verdict in ("FAIL", "WARN"):
            element = block.worst
            assert abs(element.analytic - element.numerical) > 3 * element.error


def test_a_penalised_intercept_is_no_multiple_of_the_penalty():
    report = ridge(lambda w: w)
    assert report.verdict == "FAIL"
    assert not any(
        "times" in cause.sentence or "lacks" in cause.sentence for cause in report.causes
    )
    assert ridge(but_the_first).passed
