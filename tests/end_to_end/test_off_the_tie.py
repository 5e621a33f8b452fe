"""Mismatches at a tie, measured again a step away on both sides of it."""

import numpy as np
import pytest

from gradhook import check_gradients
from tests import catalogue

ONE_SIDED = ["cnn/leaky_slope_ignored/notebook/1024", "cnn/wrong_layer_act/notebook/1007"]


def checked(case):
    return check_gradients(case.objective, case.parameters, batch=case.batch, **case.check_options)


@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_bug_that_shows_on_one_side_of_a_tie_fails(name):
    case = catalogue.case(name)
    assert case.wrong
    assert checked(case).verdict == "FAIL"


@pytest.mark.parametrize("name", ONE_SIDED)
def test_the_right_twin_of_a_bug_at_a_tie_passes(name):
    architecture, operator, start, seed = name.split("/")
    case = catalogue.case(f"{architecture}/clean-{operator}/{start}/{seed}")
    assert case.clean
    assert checked(case).passed


def zero_unit(slope, seed):
    """A leaky unit that stands at exactly zero, below it on one side of every step away."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.5, 1.5, 3)
    parameters = {"w": np.zeros(1), "v": c}

    def loss_and_gradients(p):
        w, v = p["w"][0], p["v"]
        a = w if w > 0 else 0.1 * w
        da = 1.0 if w > 0 else slope
        total = float(np.sum(v))
        loss = total * a + 0.5 * float(v @ v)
        return loss, {"w": np.array([total * da]), "v": v + a}

    return check_gradients(loss_and_gradients, parameters, points=("current",), seed=seed)


@pytest.mark.parametrize(("slope", "verdict"), [(0.0, "FAIL"), (0.1, "KINK")])
@pytest.mark.parametrize("seed", range(10))
def test_a_slope_below_zero_is_judged_on_whichever_side_the_first_step_falls(seed, slope, verdict):
    assert zero_unit(slope, seed).blocks["w"].verdict == verdict


@pytest.mark.parametrize("points", [("current",), ("generic", "current")])
def test_a_point_that_the_gradient_treats_apart_is_wrong_and_no_kink_of_the_loss(points):
    w = np.random.default_rng(0).normal(size=12)
    w[:4] = 0
    report = check_gradients(
        lambda w: (float(np.sin(w).sum()), np.cos(w) * (w != 0)), w, points=points
    )
    (finding,) = [f for f in report.blocks["w"].findings if f.setting == "current point"]
    assert finding.verdict == "FAIL"
    assert "wrong exactly here, where the loss is smooth" in finding.note
    said = " ".join([finding.note, *report.coverage, *report.notes, str(report)])
    assert "no derivative" not in said
    assert "one-sided slopes differ" not in said


@pytest.mark.parametrize("share", [2e-5, 5e-5])
def test_a_block_with_a_small_fault_elsewhere_does_not_fail_for_a_tie(share):
    def loss_and_gradients(p):
        w = p["w"]
        gradient = (w > 0) * 1.0 + (w < 0)
        gradient[3] *= 1 + share
        return float(np.maximum(w, 0).sum() - np.maximum(-w, 0).sum()), {"w": gradient}

    assert check_gradients(loss_and_gradients, {"w": np.zeros(200)}).verdict == "WARN"
