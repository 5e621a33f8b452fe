"""Fresh directions tell the numerical gradient from any other."""

import types

import numpy as np

from gradhook.diagnosis.hypothesis import confirm

RNG = np.random.default_rng(0)
BATCH = RNG.normal(size=(20, 6)), RNG.normal(size=(20, 5))
PARAMETERS = {"W": RNG.normal(size=(6, 5)), "b": RNG.normal(size=5)}


def regression(p, X, Y, factors=(1.3, 1.2)):
    r = X @ p["W"] + p["b"] - Y
    return 0.5 * np.sum(r * r), {"W": factors[0] * X.T @ r, "b": factors[1] * r.sum(0)}


def tried(mismatch, predicted, inside):
    """Whether a prediction is met; nothing where that was not tried."""
    trial = confirm(mismatch, types.SimpleNamespace(predicted=predicted, inside=inside))
    return trial and not trial.refuted


def test_fresh_directions_meet_the_numerical_gradient_and_no_other(inside):
    def question(mismatch):
        values = {name: mismatch.evaluator.workspace.values(name) for name in PARAMETERS}
        _, right = regression(values, *mismatch.evaluator.batch, factors=(1.0, 1.0))
        off = right | {"W": right["W"] + 1e-1 * np.eye(6, 5)}
        anywhere = {"W": np.eye(6, 5, dtype=bool)}  # which says nothing of the diagonal
        cases = (right, {}), (off, {}), (off, anywhere)
        found = [tried(mismatch, *case) for case in cases]
        mismatch.budget = mismatch.budget.share(1e9)
        return [*found, tried(mismatch, right, {})]

    assert inside(regression, PARAMETERS, BATCH, question) == [True, False, True, None]
