"""Fresh directions tell the numerical gradient from any other."""

import numpy as np

RNG = np.random.default_rng(0)
BATCH = RNG.normal(size=(20, 6)), RNG.normal(size=(20, 5))
PARAMETERS = {"W": RNG.normal(size=(6, 5)), "b": RNG.normal(size=5)}


def regression(p, X, Y, factors=(1.3, 1.2)):
    r = X @ p["W"] + p["b"] - Y
    return 0.5 * np.sum(r * r), {"W": factors[0] * X.T @ r, "b": factors[1] * r.sum(0)}


def test_fresh_directions_meet_the_numerical_gradient_and_no_other(inside):
    def question(mismatch):
        values = {name: mismatch.evaluator.workspace.values(name) for name in PARAMETERS}
        _, right = regression(values, *mismatch.evaluator.batch, factors=(1.0, 1.0))
        off = right | {"W": right["W"] + 1e-3 * np.eye(6, 5)}
        anywhere = {"W": np.eye(6, 5, dtype=bool)}  # which says nothing of the diagonal
        cases = (right, None), (off, None), (off, anywhere)
        found = [mismatch.confirms(*case) for case in cases]
        mismatch.budget = mismatch.budget.share(1e9)
        return [*found, mismatch.confirms(right)]

    assert inside(regression, PARAMETERS, BATCH, question) == [True, False, True, None]
