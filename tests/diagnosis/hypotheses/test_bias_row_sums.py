"""A bias that is wrong beside its right weight: what its sum over the rows has lost."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses import row_sums
from gradhook.diagnosis.hypotheses.row_sums import BiasSum
from gradhook.diagnosis.hypothesis import Trial

RNG = np.random.default_rng(4)
X, D = RNG.standard_normal((7, 5)), RNG.standard_normal((7, 4))
Z, P = RNG.standard_normal((7, 5, 2, 2)), RNG.standard_normal((7, 4, 3))  # three positions
ACTS = "W", Trial("one row", "acts as the bias")


def dense(X, D):
    return X.T @ D


def kernel(Z, P):
    return np.einsum("nop,nihw->oihw", P, Z)


def made(synthetic, spoil, batch=(X, D), weight=dense, bias=-0.2, right=("W",)):
    """A mismatch of a bias alone; ``right`` blocks besides."""
    rows = batch[1]
    n = {"b": rows.reshape(len(rows), 4, -1).sum(axis=(0, 2))}
    beside = {"W": weight(*batch), "b": spoil(rows)}
    values = {"b": np.full(4, bias)}
    return synthetic(
        {"b": spoil(rows)}, n, values, batch=batch, right=right, gradients=beside, count=None
    )


@pytest.fixture
def found(synthetic, experiments, named, monkeypatch):
    """Return what is found of a bias whose gradient is ``spoil(rows)``."""

    def tried(spoil, batch=(X, D), weight=dense, bias_of=ACTS):
        monkeypatch.setattr(row_sums, "bias_of", lambda mismatch, name: bias_of)
        here = lambda batch: {"W": weight(*batch), "b": spoil(batch[1])}  # noqa: E731  # one line
        experiments(lambda *, batch, switches=None: (here(batch), here(batch)))
        mismatch = made(synthetic, spoil, batch, weight)
        mismatch.order = ["W", "b"]
        return named(BiasSum, mismatch)

    return tried


@pytest.mark.parametrize(
    ("spoil", "batch", "weight", "kind", "evidence"),
    [
        (
            lambda D: np.full(4, D.sum()),
            *((X, D), dense, "bias_oversum"),
            "two rows alone: elements all the same",
        ),
        (
            lambda D: D[1:].sum(0),
            *((X, D), dense, "bias_wrong_axis"),
            "b alone changes",
        ),
        (
            lambda P: P[:, :, 0].sum(0),
            *((Z, P), kernel, "conv_bias_nospatial"),
            "they add up, so that what is lost is lost within the rows",
        ),
    ],
)
def test_a_sum_that_lost_something_is_named(found, spoil, batch, weight, kind, evidence):
    cause = found(spoil, batch, weight)
    assert (cause.family, cause.kind, cause.blocks) == ("B", kind, ("b",))
    assert "; one row: acts as the bias; " in cause.evidence
    assert cause.evidence.endswith(evidence)
    assert cause.sentence.startswith("db wrong, dW right: ")


NO_BIAS = Trial("one row", "it differs", refuted=True)


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (lambda D: D.sum(0) ** 2, {}, ["the rows in another order: the gradient stays"]),
        (
            lambda P: P.sum(axis=(0, 2)) ** 2,
            {"batch": (Z, P), "weight": kernel},
            ["both halves of the rows by themselves: b does not add up"],
        ),
        (
            lambda D: np.full(4, D.sum()) if len(D) == 7 else D.sum(0),
            {},
            ["two rows alone: elements differ"],
        ),
        (lambda D: D[1:].sum(0), {"bias_of": ("W", NO_BIAS)}, ["one row: it differs"]),
        # The order of the rows means something, as in a recurrence.
        (lambda D: D[1:].sum(0), {"weight": lambda X, D: X.T @ np.cumsum(D, axis=0)}, None),
    ],
    ids=["squared", "squared, convolution", "by chance", "no bias", "recurrence"],
)
def test_what_is_wrong_in_another_way_is_not(found, spoil, options, said):
    assert found(spoil, **options) == said
