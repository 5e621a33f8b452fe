"""Wrong with dropout on, right with it off: its own backward pass."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses import masks
from gradhook.diagnosis.hypotheses.masks import Dropout

RNG = np.random.default_rng(0)
WRONG, RIGHT = ({"W": RNG.standard_normal((6, 5))} for _ in range(2))


@pytest.fixture
def mismatch(synthetic, switch):
    return synthetic(WRONG, RIGHT, switches=[switch("penalty"), switch("dropout")])


def test_a_difference_that_vanishes_with_dropout_off_is_its_own(mismatch, experiments, named):
    def gradients(*, batch, switches):
        on = [s.role for s, state in switches if state == "on"]
        return (WRONG if "dropout" in on else RIGHT), RIGHT

    experiments(masks, gradients)
    cause = named(Dropout, mismatch)
    assert (cause.kind, cause.blocks) == ("dropout_mask_missing", ("W",))
    assert cause.evidence == "dropout turned off: the difference vanishes"
    assert cause.sentence.startswith("dW wrong with dropout on and right with it off")


@pytest.mark.parametrize(
    ("off", "said"),
    [((WRONG, RIGHT), ["dropout turned off: the difference stays"]), (None, None)],
    ids=["it stays", "outside the domain"],
)
def test_one_that_stays_or_cannot_be_seen_is_not(mismatch, experiments, named, off, said):
    experiments(masks, lambda **changed: off)
    assert named(Dropout, mismatch) == said
