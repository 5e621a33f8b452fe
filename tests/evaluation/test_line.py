"""The loss along a direction."""

import numpy as np
import pytest

from gradhook.errors import OptionError
from gradhook.evaluation.directions import Coordinate, random_direction
from gradhook.evaluation.workspace import Line, Workspace
from gradhook.objective.parameters import Tree


@pytest.fixture
def workspace():
    parameters = {"W": np.arange(6.0).reshape(2, 3), "b": np.array([1.0, -1.0])}
    return Workspace(Tree.of(parameters), in_place=True)


def total(workspace):
    return lambda: float(sum(a.sum() for a in workspace.arrays.values()))


def test_phi_is_the_loss_a_step_along_the_direction(workspace):
    v = random_direction(6, 1)
    start = total(workspace)()
    with Line(workspace, [("W", v, 2.0), ("b", Coordinate(1), 1.0)], total(workspace)) as line:
        # The loss is linear, with slope 2 * sum(v) + 1; rounding of eight terms of size 20.
        expected = start + 0.25 * (2 * v.dot(np.ones(6)) + 1)
        assert line(0.25) == pytest.approx(expected, abs=8 * 20 * np.finfo(float).eps)
        assert line(0.0) == start


def test_the_slope_taken_is_that_of_the_steps_that_a_coarse_dtype_allows():
    """In float16, 1 + 0.0003 rounds to 1 and 1 - 0.0003 to 1 - 2**-11: half the step is taken."""
    workspace = Workspace(Tree.of({"w": np.ones(1, np.float16)}), in_place=True)
    with Line(workspace, [("w", Coordinate(0), 1.0)], lambda: 0.0) as line:
        taken = line.slope_taken({"w": np.array([3.0])}, 0.0003)
    assert taken == 3.0 * 2.0**-11 / 0.0006


def test_complex_steps_are_handed_over_and_not_written(workspace):
    seen, v = {}, random_direction(6, 1)
    workspace = Workspace(workspace.tree, in_place=False)
    parts = [("W", v, 2.0), ("b", Coordinate(0), 2.0)]
    with Line(workspace, parts, lambda: 0.0, lambda p: seen.update(p) or 1j) as line:
        assert line(0.5j) == 1j
    np.testing.assert_array_equal(seen["W"].imag.ravel(), v.table[v.codes])
    assert seen["b"].tolist() == [1 + 1j, -1]
    assert workspace.arrays["b"].dtype == np.float64


def test_complex_steps_need_a_functional_objective(workspace):
    line = Line(workspace, [("b", Coordinate(0), 1.0)], lambda: 0.0)
    with pytest.raises(OptionError, match="ComplexStep needs a functional objective"):
        line(1j)
