"""The generic point: what is drawn, what is spread, what stays."""

import math

import numpy as np
import pytest

from gradhook.evaluation.points import generic, nearby, shrunk
from gradhook.evaluation.workspace import Workspace
from gradhook.objective.parameters import Tree


def at(parameters, moves):
    """The parameters after a move."""
    workspace = Workspace(Tree.of(parameters), in_place=False)
    workspace.move(moves)
    return workspace.arrays


def moved(parameters, *, fixed=(), seed=0):
    return at(parameters, generic(parameters, fixed=fixed, seed=seed))


def test_a_zero_bias_is_drawn_with_standard_deviation_0_3():
    drawn = moved({"b": np.zeros(5000)})["b"]
    assert drawn.std() == pytest.approx(0.3, rel=4 / math.sqrt(2 * 5000))
    assert abs(drawn.mean()) < 4 * 0.3 / math.sqrt(5000)


def test_constant_blocks_are_spread_and_keep_their_sign():
    gamma = moved({"gamma": np.full(1000, -2.0)})["gamma"]
    assert gamma.max() < -1 + 1e-9
    assert gamma.min() > -3 - 1e-9
    assert gamma.std() == pytest.approx(2 / math.sqrt(12), rel=0.1)


def test_other_blocks_move_by_at_most_a_tenth():
    x = np.linspace(1, 2, 100)
    assert np.abs(moved({"x": x})["x"] / x - 1).max() <= 0.1 + 1e-12


def test_entries_at_zero_leave_it_and_keep_to_the_side_on_which_the_others_are():
    mixed = np.array([0.0, 3.0, -4.0, 0.0, 0.0, 1.0])
    for block in (mixed, np.abs(mixed)):
        x = moved({"x": block})["x"]
        assert np.all(x != 0)
        # No quantile of the table lies beyond 2.9 standard deviations, of a tenth of the RMS each.
        assert np.all(np.abs(x - block) < 0.29 * np.sqrt(np.mean(block**2)))
    assert np.all(x > 0)
    sparse = moved({"W": 1e-3 * np.eye(9)})["W"]
    assert np.all(sparse > 0)
    assert sparse.max() > 1 / 3  # of N(0, 1/9)


def test_small_weights_are_brought_to_the_size_at_which_activations_bend():
    rng = np.random.default_rng(0)
    drawn = moved({"W": 0.001 * rng.standard_normal((64, 32))})["W"]
    assert np.sqrt(np.mean(drawn**2)) == pytest.approx(1 / 8, rel=0.05)


def test_a_shrunk_move_goes_the_same_way_less_far():
    x = {"x": np.linspace(1, 2, 50), "b": np.zeros(4)}
    moves = generic(x, fixed=(), seed=3)
    full, quarter = at(x, moves), at(x, shrunk(moves, 0.25))
    for name in x:
        assert np.allclose(quarter[name] - x[name], 0.25 * (full[name] - x[name]), atol=1e-15)


def test_a_nearby_point_leaves_every_tie_by_the_distance_asked_for():
    x = {"x": np.array([0.0, 3.0, 0.0]), "b": np.zeros(200)}
    near = at(x, nearby(x, distance=1e-3, fixed=(), seed=0))
    assert np.abs(near["x"] - x["x"]).min() > 0.4e-3 * math.sqrt(3)
    assert np.sqrt(np.mean(near["b"] ** 2)) == pytest.approx(0.3e-3, rel=0.1)
