"""The layer above made symmetric, or zero: what it passes down, and what passes around it."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses.experiments import PathAround, Symmetric

RNG = np.random.default_rng(5)
V, K = RNG.standard_normal((4, 4)), RNG.standard_normal((3, 4, 2, 2))
D, S = RNG.standard_normal((6, 4)), RNG.standard_normal((6, 4))
DOWN = RNG.standard_normal((3, 2, 2, 24))


def flipped(K):
    return K[:, :, ::-1, ::-1]


def through(K):
    """What a convolution passes down, of the shape of the block below."""
    return np.einsum("oihw,ohwk->ik", K, DOWN)


@pytest.fixture
def mismatch(synthetic, experiments):
    """Return a mismatch of W below a right V, with both its gradients as functions of V."""

    def made(analytic, numerical, above=V, right=("V",), order=("W", "V")):
        def gradients(*, batch, values=None, switches=None):
            there = values["V"] if values else above
            return {"W": analytic(there)}, {"W": numerical(there)}

        experiments(gradients)
        here = {"W": analytic(above)}, {"W": numerical(above)}
        beside = {"V": above, "U": np.ones((4, 4))}
        found = synthetic(*here, {"V": above}, right=right, gradients=beside)
        found.order = list(order)
        return found

    return made


@pytest.mark.parametrize(
    ("family", "analytic", "numerical", "said"),
    [
        (
            *(Symmetric, lambda V: 1.1 * D @ V.T, lambda V: D @ V.T),
            "V made symmetric: the difference stays",
        ),
        (
            *(PathAround, lambda V: 1.1 * D @ V.T, lambda V: D @ V.T),
            "V set to zero: nothing passes around it",
        ),
        (
            *(PathAround, lambda V: D @ V.T + 1.5 * S, lambda V: D @ V.T + S),
            "V set to zero: the gradient is neither lost nor doubled",
        ),
        (
            *(PathAround, lambda V: D @ V.T + np.roll(S, 1), lambda V: D @ V.T + S),
            "V set to zero: the gradient is neither lost nor doubled",
        ),
    ],
)
def test_what_does_not_go_with_the_layer_above_is_not(
    mismatch, named, family, analytic, numerical, said
):
    assert named(family, mismatch(analytic, numerical)) == [said]
