"""The step of the next probe, from what earlier ones have taught."""

import math

import pytest

from gradhook.difference.base import Estimate
from gradhook.difference.noise import Noise
from gradhook.probe.steps import FINEST, JOINT, Steps

SCALES = {"W": 2.0, "b": 0.5}


def steps_of(noise=1e-14, loss=1.0):
    return Steps(Noise(noise, coarse=False, contrast=1.0), loss=loss, scales=SCALES)


def slope(value=3.0, *, error=1e-9, step=1e-3, curvature=4.0, gap=1.0, **more):
    return Estimate(value, error, step, curvature=curvature, gap=gap, **more)


def test_a_pair_balances_the_noise_against_the_curvature_seen():
    steps = steps_of()
    steps.learn("W", slope())
    h = steps.pair_step("W")
    assert h == pytest.approx(math.sqrt(4 * 1e-14 / 4.0))
    assert 2 * steps.noise / h == pytest.approx(h * 4.0 / 2)
    assert steps.step("W", sharp=False) == h
    assert steps.step("W", sharp=True) == 1e-3
    flat = steps_of()
    flat.learn("W", slope(curvature=0.0))
    assert flat.pair_step("W") == 1e-3  # never longer than the step that was sharp


def test_a_block_begins_where_the_last_one_ended_in_units_of_its_scale():
    steps = steps_of()
    steps.pass_on("W", slope(step=4e-4))
    assert steps.step("b", sharp=True) == pytest.approx(1e-4)
    before = steps.step(JOINT, sharp=True)
    steps.pass_on("W", slope(step=2e-10, kink=True))  # driven down: half way in powers
    assert steps.step(JOINT, sharp=True) == pytest.approx(math.sqrt(1e-10 * before))


def test_along_several_blocks_the_shortest_step_suits_all():
    steps = steps_of()
    steps.learn("W", slope(step=2e-3))
    steps.learn("b", slope(step=2e-4))
    assert steps.step(JOINT, sharp=True) == pytest.approx(4e-4)


def test_the_noise_grows_with_the_loss_and_what_was_learned_stays():
    steps = steps_of()
    steps.learn("W", slope())
    larger, smaller = (steps.carried_on(growth=by, scales=SCALES) for by in (5.0, 0.1))
    assert (larger.noise, smaller.noise) == (5e-14, 1e-14)
    assert larger.knows("W")
    assert larger.typical == 0.0
    assert steps.typical == 6.0  # the slope in units of the scale


def test_an_estimate_is_good_by_its_own_slope_or_the_largest_seen():
    steps = steps_of()
    assert steps.good("W", FINEST)(slope(1.0, error=9e-8))
    assert not steps.good("W", FINEST)(slope(1.0, error=2e-7))
    steps.learn("W", slope(10.0))
    assert steps.good("W", FINEST)(slope(1.0, error=9e-7))
    assert steps_of(noise=1e-6).good("W", FINEST)(slope(1.0, error=2e-4))  # noise allows less


def test_what_a_copy_learns_the_original_does_not():
    first = steps_of()
    first.learn("W", slope(1.0))
    second = first.copied()
    second.learn("W", slope(-7.0, step=9e-3))
    second.learn("b", slope(math.nan))
    assert (first.typical, second.typical) == (2.0, 14.0)
    assert second.step("W", sharp=True) == 1e-3  # the first slope of a block teaches its step
    assert second.has_moved("W")
    assert not second.knows("b")
