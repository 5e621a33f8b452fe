"""The noise of a loss at a point, and noise that only a long step shows."""

import contextlib
import math
from types import SimpleNamespace

import numpy as np
import pytest

from gradhook.difference.base import EPS, Estimate
from gradhook.evaluation.workspace import Workspace
from gradhook.objective.parameters import Tree
from gradhook.probe.block_evidence import hidden_noise
from gradhook.probe.prober import Prober
from gradhook.probe.setting import EnteredSetting, Setting
from gradhook.verdict.evidence import Probe


def noise_of(loss):
    workspace = Workspace(Tree.of({"W": np.ones((4, 3)), "empty": np.ones(0)}), in_place=False)
    values = lambda: float(loss(workspace.arrays["W"]))  # noqa: E731  # one line
    evaluator = SimpleNamespace(workspace=workspace, loss=values, complex_loss=None)
    gradients = {name: np.zeros(array.shape) for name, array in workspace.arrays.items()}
    entered = EnteredSetting(evaluator, Setting("here", {}, ()), 0, values(), gradients)
    steps = Prober(entered).steps
    np.testing.assert_array_equal(workspace.arrays["W"], np.ones((4, 3)))  # and back again
    return steps


def test_a_smooth_loss_has_the_noise_of_its_arithmetic():
    fine = noise_of(lambda W: np.sum(np.exp(W)))
    assert not fine.coarse
    assert fine.noise < 1e-13
    coarse = noise_of(lambda W: np.float32(np.sum(np.exp(W))))
    assert coarse.coarse
    assert 1e-7 < coarse.noise < 1e-4  # a float32 of 33 is right to 2e-6


def test_where_the_domain_ends_close_by_a_shorter_way_stays_inside():
    near = noise_of(lambda W: math.nan if np.ptp(W) > 1e-3 else np.float32(np.sum(W**2)))
    assert near.noise > 1e-8
    lone = noise_of(lambda W: 12.0 if np.ptp(W) == 0 else math.nan)
    assert lone.noise == np.finfo(float).eps * 12


def stairs(t):
    """A slope of 2 that is rounded to steps of 1e-4, beside a constant."""
    return round(2 * t / 1e-4) * 1e-4 + math.sqrt(2)


def probe(numerical):
    return Probe(2.0, Estimate(numerical, 1e-9, 1e-7))


def noise_along(line, made, *, at_zero=2**0.5, rounding=EPS):
    """The hidden noise of a probe made along a line of a block of scale 1."""
    prober = SimpleNamespace(
        loss=at_zero,
        noise=1e-16,
        scales={"W": 1.0},
        rounding=lambda name: rounding,
        line=lambda *parts: contextlib.nullcontext(line),
    )
    return hidden_noise(prober, [("W", None, 1.0)], made)


@pytest.mark.parametrize("fine", [0.0, 0.7])
def test_stairs_that_a_short_step_does_not_see_have_made_the_mismatch(fine):
    found = noise_along(lambda t: stairs(t) + fine * t, probe(fine))
    assert 1e-5 < found < 1e-3


def test_a_mismatch_that_a_long_step_shows_too_costs_two_evaluations_for_each():
    seen = []

    def line(t):
        seen.append(t)
        return 3 * t + math.sqrt(2)

    assert noise_along(line, probe(3.0)) == 0.0
    assert len(seen) == 4  # two for each long step


@pytest.mark.parametrize("often", [1e2, 1e3, 1e5])
def test_a_wave_within_the_long_step_is_no_noise(often):
    def line(t):
        return math.sqrt(2) + 2 * t + 0.5 * math.sin(often * t) / often

    assert noise_along(line, probe(2.5)) == 0.0


@pytest.mark.parametrize(
    "line",
    [lambda t: 2 * t + max(0.0, t - 1e-5), lambda t: 2.5 * t + np.exp(-(((t - 6e-3) / 1e-5) ** 2))],
    ids=["kink", "bump"],
)
def test_what_changes_by_and_by_is_no_noise(line):
    assert noise_along(line, probe(3.0), at_zero=0.0) == 0.0


@pytest.mark.parametrize("rounding", [0.0, 1e-25])
def test_the_way_to_a_jump_ends_where_no_number_lies_between(rounding):
    found = noise_along(stairs, probe(0.0), rounding=rounding)
    assert 1e-5 < found < 1e-3
