"""Weights and masks that the loss uses and the gradient does not."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses.experiments import SampleWeights

RNG = np.random.default_rng(7)
X, D = RNG.standard_normal((8, 5)), RNG.standard_normal((8, 3))
WEIGHTS = RNG.uniform(0.1, 2.0, 8)
MASK = np.array([True, False, True, True, False, True, True, False])
IGNORED = np.where(MASK, 1, -100)  # a label that means: do not count this row


def counts(item):
    flat = item.reshape(-1)
    return np.where(flat < 0, 0.0, 1.0) if flat.dtype.kind == "i" else flat.astype(float)


def weighted(X, D, item):
    """A loss of which rows carry weight, with the numerical gradient of it."""
    w = counts(item)
    return float(np.sum(w * np.cos(X.sum(1)) * D.sum(1))), {"W": X.T @ (w[:, None] * D)}


@pytest.fixture
def found(synthetic, experiments, named):
    """Return what is found where the gradient is that of rows that all count alike."""

    def tried(item, loss=lambda *batch: weighted(*batch)[0], spoiled=0.0):
        def gradients(*, batch):
            plain = {"W": X.T @ D + spoiled}
            return plain, weighted(*batch)[1]

        experiments(gradients)
        a, n = gradients(batch=(X, D, item))
        return named(SampleWeights, synthetic(a, n, batch=(X, D, item), loss=loss))

    return tried


@pytest.mark.parametrize(
    ("item", "kind", "what"),
    [
        (WEIGHTS, "sample_weight_ignored", "the sample weights"),
        (WEIGHTS[:, None] > 1, "mask_ignored", "the mask"),
        (MASK, "mask_ignored", "the mask"),
        (MASK.astype(float), "mask_ignored", "the mask"),
        (IGNORED, "mask_ignored", "the mask"),
    ],
    ids=["weights", "a column", "truth values", "zeros and ones", "a label below zero"],
)
def test_weights_that_the_gradient_ignores_are_named(found, item, kind, what):
    cause = found(item)
    assert cause.kind == kind
    assert cause.sentence.startswith(f"dW wrong unless {what} (item 2 of the batch) let every row")
    first, second = cause.evidence.split("; ")
    assert first.endswith("the same for every row: the difference vanishes")
    assert second == OTHER + "stays, then changes"


OTHER = "other data in 4 rows, their entries of item 2 off, then on: the loss "


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spoiled": 0.1}, "the same for every row: the difference stays"),
        ({"loss": lambda X, D, w: float(X.sum() + (D.sum(1) - w).sum())}, OTHER + "changes, then"),
        ({"loss": lambda X, D, w: float(w.sum())}, OTHER + "stays, then stays"),
    ],
    ids=["another fault", "a target", "rows without a say"],
)
def test_what_gives_no_row_its_weight_is_not(found, options, said):
    (tried,) = found(WEIGHTS, **options)
    assert said in tried


def test_a_loss_that_takes_no_other_rows_tells_nothing(found):
    assert found(WEIGHTS, loss=lambda X, D, w: 1.0 if w is WEIGHTS else np.nan) is None
