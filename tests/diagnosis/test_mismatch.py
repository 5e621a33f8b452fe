"""A mismatch measures more of what is wrong, where it is wrong."""

import numpy as np
import pytest

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 6)), RNG.normal(size=(20, 5))


def regression(spoil):
    def function(p, X, Y):
        r = X @ p["W"] + p["b"] - Y
        g = {"W": X.T @ r, "b": r.sum(0)}
        return 0.5 * np.sum(r * r), spoil(g)

    return function


def numerical(mismatch):
    """The gradient at the mismatch's point, on its rows."""
    X, Y = mismatch.evaluator.batch
    values = mismatch.evaluator.workspace.values
    r = X @ values("W") + values("b") - Y
    return {"W": X.T @ r, "b": r.sum(0)}


PARAMETERS = {"W": RNG.normal(size=(6, 5)), "b": RNG.normal(size=5)}


@pytest.fixture
def ask(inside):
    """Return what a question is answered about a regression with a wrong gradient."""

    def asked(question, spoil):
        return inside(regression(spoil), PARAMETERS, (X, Y), question)

    return asked


def everywhere(g):
    return g | {"W": 1.3 * g["W"], "b": 1.2 * g["b"]}


def in_places(*index):
    def spoil(g):
        W = g["W"].copy()
        W[index] += 0.3
        return g | {"W": W}

    return spoil


def test_fresh_directions_meet_the_numerical_gradient_and_no_other(ask):
    def question(mismatch):
        right = numerical(mismatch)
        off = right | {"W": right["W"] + 1e-3 * np.eye(6, 5)}
        inside = {"W": np.eye(6, 5, dtype=bool)}  # which says nothing of the diagonal
        cases = (right, None), (off, None), (off, inside)
        found = [mismatch.confirms(*case) for case in cases]
        mismatch.budget = mismatch.budget.share(1e9)
        return [*found, mismatch.confirms(right)]

    assert ask(question, everywhere) == [True, False, True, None]


def test_every_blocks_residual_counts_one_in_a_joint_probe(ask):
    def question(mismatch):
        parts = mismatch.fresh(["W", "b"], 0)
        codes = [[v.codes.tolist() for _, v, _ in mismatch.fresh(["W", "b"], k)] for k in (0, 0, 1)]
        sizes = [weight * mismatch.blocks[name].residual_norm for name, _, weight in parts]
        return codes[0] == codes[1], codes[0] == codes[2], sizes

    assert ask(question, everywhere) == (True, False, pytest.approx([1.0, 1.0]))


def test_the_wrong_part_is_located_and_a_fault_all_over_the_block_is_not(ask):
    location = ask(lambda m: m.located("W"), in_places(4, 2))
    assert list(location.elements) == [(4, 2)]
    assert location.elements[4, 2].residual == pytest.approx(0.3, rel=1e-6)
    assert not ask(lambda m: m.located("W"), everywhere).concentrated


def test_of_a_few_slices_those_that_are_wrong_are_told(ask):
    def question(mismatch):
        some = mismatch.wrong_slices("W", 0, np.array([0, 2, 3]))
        return some.tolist(), len(mismatch.wrong_slices("W", 0, np.arange(6)))

    assert ask(question, in_places([2, 3])) == ([2, 3], 0)  # six would be too dear


def test_a_block_is_measured_along_more_directions_or_element_by_element(ask):
    def question(mismatch):
        counted = mismatch.extended("W", 9).count, mismatch.extended("W", 4).count
        short, long = mismatch.by_element("b"), mismatch.by_element("W")
        np.testing.assert_allclose(short.slopes, numerical(mismatch)["b"], rtol=1e-6)
        W = mismatch.blocks["W"]
        np.testing.assert_allclose(W.slopes, W.along(numerical(mismatch)["W"]), rtol=1e-6)
        return counted, short.exact, long is W

    assert ask(question, everywhere) == ((9, 9), True, True)


def test_another_setting_that_shows_the_same_blocks_wrong_is_another_point(ask):
    def question(mismatch):
        there = mismatch.seen_at_another_point(["W"])
        apart = there.evaluator.workspace.values("W")
        mismatch.enter()
        return mismatch.rows, not np.array_equal(apart, mismatch.evaluator.workspace.values("W"))

    assert ask(question, everywhere) == (7, True)
    assert ask(lambda m: m.seen_at_another_point(["b"]), in_places(4)) is None
