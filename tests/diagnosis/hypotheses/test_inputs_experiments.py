"""Wrong where inputs are equal, and right once they are moved apart."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses.experiments import EqualInputs

RNG = np.random.default_rng(1)
WRONG, RIGHT = ({"W": RNG.standard_normal((6, 5))} for _ in range(2))
PADDED = np.where(RNG.random((7, 9)) < 0.5, 0.0, RNG.random((7, 9)))


def ties(X):
    return np.unique(X).size < X.size


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (ties, None),
        (lambda X: True, "inputs moved apart: the difference stays"),
        (
            lambda X: 0.0 in X,  # a mask of what is zero
            "inputs moved, equal ones alike: the difference vanishes too",
        ),
    ],
    ids=["ties", "anyway", "zeros"],
)
def test_named_where_the_fault_goes_with_the_ties_alone(
    synthetic, experiments, named, spoiled, said
):
    experiments(lambda *, batch: (WRONG if spoiled(batch[0]) else RIGHT, RIGHT))
    found = named(EqualInputs, synthetic(WRONG, RIGHT, batch=(PADDED, PADDED[:, 0])))
    if said is None:
        assert (found.family, found.kind, found.confidence) == ("K", "pool_all_ties", "family")
        assert found.evidence == (
            "inputs moved apart: the difference vanishes; inputs moved, equal ones alike: the "
            "difference stays"
        )
    else:
        assert found == [said]


def test_inputs_that_the_loss_does_not_take_tell_nothing(synthetic, experiments, named):
    experiments(lambda *, batch: None)
    assert named(EqualInputs, synthetic(WRONG, RIGHT, batch=(PADDED,))) is None
