"""A gradient that is that of one row, told by exchanging that row and the others."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses.row_sums import OneRow

RNG = np.random.default_rng(2)
X, D = RNG.standard_normal((7, 5)), RNG.standard_normal((7, 3))


def whole(X, D):
    return {"W": X.T @ D / len(X), "b": D.mean(0)}


def of_row(row):
    return lambda X, D: {name: g / len(X) for name, g in whole(X[[row]], D[[row]]).items()}


def last(rows):
    """One where the batch's last row stands, zero elsewhere; shape (n, 1)."""
    return (X[-1] == rows).all(axis=1, keepdims=True)


@pytest.fixture
def found(synthetic, experiments, named):
    """Return what is found where some blocks have the gradients that ``wrong(X, D)`` returns."""

    def tried(wrong, names="Wb", loss=lambda X, D: D.sum()):
        def gradients(*, batch, switches=None):
            analytic = {**whole(*batch), **{n: wrong(*batch)[n] for n in names}}
            return analytic, whole(*batch), loss(*batch)

        experiments(gradients)
        here, right = gradients(batch=(X, D))[0], [n for n in "Wb" if n not in names]
        mismatch = synthetic(
            {n: here[n] for n in names}, whole(X, D), batch=(X, D), right=right, loss=loss
        )
        mismatch.order = ["W", "b"]
        proposed = bool(list(OneRow.propose(mismatch, list(names))))
        return named(OneRow, mismatch) if proposed else "nothing"

    return tried


@pytest.mark.parametrize(
    ("wrong", "loss", "said"),
    [
        (lambda X, D: of_row(len(X) // 2)(X, D), None, "nothing"),
        (lambda X, D: whole(X[: len(X) // 2 + 1], D[: len(X) // 2 + 1]), None, "nothing"),
        # Multiples of all elements alike are proportional to anything like them.
        (lambda X, D: {n: np.sign(g) for n, g in whole(X, D).items()}, None, "nothing"),
        (
            lambda X, D: {"W": np.arange(15.0).reshape(5, 3), "b": np.arange(3.0)},
            None,
            ["the first row exchanged with another: the gradient stays"],
        ),
        # A sum to which the others add nothing: that row counts wherever it stands.
        (
            lambda rows, D: {n: len(rows) * g for n, g in whole(rows, D * last(rows)).items()},
            None,
            ["the last row exchanged with another: the gradient stays"],
        ),
        (
            of_row(0),
            lambda X, D: D[0].sum(),
            ["the other rows exchanged: the loss stays: only that row counts"],
        ),
    ],
    ids=[
        "a middle row",
        "the first four",
        "signs",
        "no row at all",
        "the last alone",
        "a loss of one row",
    ],
)
def test_what_follows_other_rows_or_none_is_not(found, wrong, loss, said):
    assert found(wrong, **({"loss": loss} if loss else {})) == said
