"""Hypotheses that need no experiment to be proposed: what fits is, and nothing else is."""

import numpy as np
import pytest

from gradhook.diagnosis.hypotheses import factor, penalty, written
from gradhook.diagnosis.hypothesis import name_cause, survives


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def proposed(family, mismatch, names=None):
    return list(family.propose(mismatch, names or list(mismatch.blocks)))


def kinds(family, mismatch):
    return [each.kind for each in proposed(family, mismatch)]


FAMILIES = (
    written.Disconnected,
    written.CutToIntegers,
    factor.SharedFactor,
    factor.MeaningfulFactor,
    factor.PlainFactor,
    factor.FactorBesidePenalty,
    written.Misplaced,
    penalty.PenaltyForm,
    written.Clipped,
)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_proposed_for_two_gradients_that_have_nothing_in_common(synthetic, family, seed):
    mismatch = synthetic(random((6, 5), seed), random((6, 5), seed + 100))
    assert proposed(family, mismatch) == []


def test_a_gradient_of_zero_is_disconnected_until_another_point_shows_otherwise(synthetic, stays):
    n = random((6, 5))
    mismatch = synthetic(np.zeros((6, 5)), n)
    (found,) = proposed(written.Disconnected, mismatch)
    assert found.kind == "disconnected"
    stays(gradients={"W": np.zeros((6, 5))})
    assert name_cause(found, found.refute(mismatch)).evidence.endswith("exactly zero there too")
    stays(gradients={"W": n})
    assert not survives(found.refute(mismatch))


def test_gradients_of_zero_are_one_cause_without_those_that_are_not_zero_elsewhere(
    synthetic, stays
):
    zero, n = np.zeros((6, 5)), {name: random((6, 5), k) for k, name in enumerate("UVW")}
    mismatch = synthetic(dict.fromkeys("UVW", zero), n)
    (found,) = proposed(written.Disconnected, mismatch)
    stays(gradients={"U": zero, "V": n["V"], "W": zero})
    cause = name_cause(found, found.refute(mismatch))
    assert cause.blocks == ("U", "W")
    assert cause.sentence.startswith("dU, dW are zero, and the loss depends on the blocks:")


def test_a_sum_that_happens_to_cancel_on_these_rows_is_not_disconnected(synthetic, experiments):
    X, n = random((7, 5)), random((5, 4))
    mismatch = synthetic({"W": np.zeros((5, 4))}, {"W": n}, batch=(X,))
    (found,) = proposed(written.Disconnected, mismatch)
    rounding = {7: 0.0, 1: 1e-17}
    experiments(
        lambda batch, moves=None: ({"W": np.full((5, 4), rounding[len(batch[0])])}, {"W": n})
    )
    mismatch.at_other_weights = mismatch.revisit
    (trial,) = found.refute(mismatch)
    assert str(trial) == "on row 0 alone: not zero"
    assert not survives((trial,))


def test_a_factor_that_is_another_at_another_point_is_no_factor(synthetic, stays):
    n = random((6, 5))
    mismatch = synthetic(1.3 * n, n)
    (found,) = proposed(factor.PlainFactor, mismatch)
    assert found.coefficient == pytest.approx(1.3)
    stays(meets=True)
    assert survives(found.refute(mismatch))
    stays(meets=False)
    refuted = found.refute(mismatch)
    assert str(refuted[-1]) == "at other weights: another factor"
    assert not survives(refuted)


def test_a_factor_on_some_blocks_beside_right_ones_means_nothing_without_a_meaning(synthetic):
    n = {"W1": random((6, 5)), "W2": random((5, 4), 1)}
    mismatch = synthetic(
        {name: 1.3 * g for name, g in n.items()}, n, right=["W3"], gradients={"W3": random((4, 3))}
    )
    assert proposed(factor.PlainFactor, mismatch) == []


@pytest.mark.parametrize(
    ("in_loss", "in_gradient", "kind"),
    [
        (lambda w: w, np.zeros_like, "reg_missing"),
        (np.zeros_like, lambda w: w, "reg_coefficient"),
        (np.sign, np.zeros_like, "reg_missing"),
        (lambda w: w, np.square, "reg_square"),
        (lambda w: w, np.sign, "reg_l1_form"),
        (np.zeros_like, np.ones_like, "reg_ones_on_bias"),
        (np.ones_like, np.zeros_like, "term_missing"),
    ],
)
def test_a_multiple_of_the_weights_is_a_penalty_while_it_stays_one(
    synthetic, stays, monkeypatch, in_loss, in_gradient, kind
):
    data, w = random((6, 5)), random((6, 5), 1)
    mismatch = synthetic(data + 0.1 * in_gradient(w), data + 0.1 * in_loss(w), w)
    (found,) = proposed(penalty.PenaltyForm, mismatch)
    assert found.kind == kind
    stays(meets=True)
    assert survives(found.refute(mismatch))
    stays(meets=False)  # a buffer that equals the weights here, and not there
    refuted = found.refute(mismatch)
    assert str(refuted[-1]) == "at other weights: no such multiple of the blocks"
    assert not survives(refuted)


def clip_of(synthetic, n, limit):
    return synthetic({k: np.clip(g, -limit, limit) for k, g in n.items()}, n)


@pytest.mark.parametrize(
    ("there", "survived"),
    [(0.7, True), (0.9, False), (0.6, False)],
    ids=["the same limit", "beyond it", "below it"],
)
def test_a_limit_must_be_the_same_at_another_point(synthetic, stays, there, survived):
    n = {"W": random((8, 8))}
    mismatch = clip_of(synthetic, n, 0.7)
    found = proposed(written.Clipped, mismatch)[0]
    other = np.clip(random((8, 8), 5), -there, there)
    stays(gradients={"W": other})
    assert survives(found.refute(mismatch)) is survived


def test_a_gradient_that_is_the_same_everywhere_is_not_taken_for_a_clipped_one(synthetic, stays):
    n = {"W": random((8, 8))}
    mismatch = clip_of(synthetic, n, 0.7)
    found = proposed(written.Clipped, mismatch)[0]
    stays(gradients=mismatch.gradients)  # as that of a hinge
    assert found.refute(mismatch)[-1] is None


def test_signs_in_place_of_a_gradient_are_neither_clipped_nor_whole_numbers(synthetic, stays):
    n = 0.1 * random((8, 8))
    mismatch = synthetic(np.sign(n), n)
    assert proposed(written.CutToIntegers, mismatch) == []
    stays(gradients={"W": np.sign(random((8, 8), 5))})
    for found in proposed(written.Clipped, mismatch):
        assert not survives(found.refute(mismatch))
