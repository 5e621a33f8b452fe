"""What is said of a wrong gradient without a cause holds where it was measured, and only there."""

import numpy as np
import pytest

from gradhook.diagnosis.hints import hints

RNG = np.random.default_rng(0)
A, B, H = (RNG.normal(size=(6, 6)) for _ in range(3))
SYMMETRIC = H + H.T


def said(inside, gradient, S=SYMMETRIC):
    """What is hinted at of the wrong gradient of S, beside a right V of the same shape."""

    def function(p):
        loss = np.sum(A * p["S"]) + np.sum(np.sin(p["V"]) * B)
        dV = np.cos(p["V"]) * B
        return loss, {"S": gradient(dV), "V": dV}

    return inside(function, {"S": S, "V": H.copy()}, (), lambda m: list(hints(m, "S")))


@pytest.mark.parametrize(
    ("gradient", "what"),
    [(lambda dV: A - dV, "lacks"), (lambda dV: A + dV, "holds besides")],
)
def test_the_gradient_of_another_block_that_is_missing_or_too_much_is_told(inside, gradient, what):
    assert said(inside, gradient, H) == [
        f"dS {what} dV: what is missing or too much is that gradient"
    ]


def test_a_matrix_that_the_code_reads_as_symmetric_is_told(inside):
    (line,) = said(inside, lambda dV: (A + A.T) / 2)
    assert line.startswith("S is symmetric, and right where it stays so: the code reads it as")


@pytest.mark.parametrize(
    ("gradient", "S"),
    [
        (lambda dV: A - 0.5 * dV, H),  # a share of it may be anything
        (lambda dV: (A + A.T) / 2, H),  # no symmetric block
        (lambda dV: A + A.T, SYMMETRIC),  # wrong along symmetric directions too
    ],
)
def test_nothing_is_told_that_does_not_hold(inside, gradient, S):
    assert said(inside, gradient, S) == []
