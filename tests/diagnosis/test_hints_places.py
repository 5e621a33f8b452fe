"""What needs no cause is said only where it was measured."""

import numpy as np
import pytest

from gradhook import check_gradients

RNG = np.random.default_rng(3)
A = RNG.normal(size=(6, 6))
X, T = RNG.normal(size=(7, 6)), RNG.normal(size=(7, 3))


def of_a_matrix(gradient, K):
    """``sum(sin(S))`` where ``S`` is read off the lower triangle of ``K``."""

    def function(p):
        S = np.tril(p["K"]) + np.tril(p["K"], -1).T
        return float(np.sum(np.sin(S))), {"K": gradient(S)}

    return check_gradients(function, {"K": K}).boundary


@pytest.mark.parametrize(
    ("gradient", "K", "said"),
    [
        (np.cos, A + A.T, True),
        (lambda S: np.cos(S) ** 2, A + A.T, False),
        (np.cos, A, False),
    ],
    ids=["right along symmetric directions", "wrong along them too", "no symmetric matrix"],
)
def test_a_matrix_is_told_to_be_read_as_symmetric(gradient, K, said):
    assert ("the code reads it as symmetric" in of_a_matrix(gradient, K)) is said


@pytest.mark.parametrize(
    ("times", "said"),
    [(1.0, "dA holds besides dB"), (-1.0, "dA lacks dB"), (0.5, "")],
    ids=["added", "taken away", "half of it"],
)
def test_the_gradient_of_another_block_is_named_where_all_of_it_is_the_residual(times, said):
    def function(p, X, T):
        ra, hb = X @ p["A"] - T, np.tanh(X @ p["B"])
        ga, gb = X.T @ ra / len(X), X.T @ ((hb - T) * (1 - hb**2)) / len(X)
        loss = 0.5 * (np.sum(ra**2) + np.sum((hb - T) ** 2)) / len(X)
        return loss, {"A": ga + times * gb, "B": gb}

    p = {"A": RNG.normal(size=(6, 3)), "B": RNG.normal(size=(6, 3))}
    boundary = check_gradients(function, p, batch=(X, T)).boundary
    assert said in boundary if said else "besides" not in boundary and "lacks" not in boundary
