"""The arrays a check works in: written from saved bytes, made good, and put back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradhook.errors import NestedCheckError, ParameterError, RestoreError
from gradhook.evaluation.containers import sole_mover
from gradhook.evaluation.directions import CHUNK, Coordinate, Move, random_direction
from gradhook.evaluation.points import generic
from gradhook.evaluation.workspace import Line, Workspace
from gradhook.guard.objects import SavedArray
from gradhook.objective.parameters import Tree

FLOATS = st.sampled_from(["f2", "f4", "f8", "g"])
BLOCKS = FLOATS.flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=6),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": -100, "max_value": 100},
    )
)


def workspace_of(parameters, *, in_place):
    return Workspace(Tree.of(parameters), in_place=in_place)


def moves_of(workspace):
    return generic(workspace.arrays, fixed=(), seed=3)


@given(BLOCKS, st.booleans(), st.floats(-1, 1))
def test_coming_back_from_a_step_is_exact(array, in_place, step):
    workspace = workspace_of({"W": array}, in_place=in_place)
    before = workspace.arrays["W"].tobytes()
    workspace.write("W", random_direction(array.size, 1), step)
    workspace.write("W", Coordinate(0), step)
    workspace.write("W")
    assert workspace.arrays["W"].tobytes() == before


@given(BLOCKS.filter(lambda array: array.size), st.booleans(), st.booleans(), st.data())
def test_a_block_is_altered_where_one_number_is_another(array, in_place, away, data):
    workspace = workspace_of({"W": array}, in_place=in_place)
    unread = {"W": Move(np.full(256, np.nan), "add", 0)}
    for moves in (unread, moves_of(workspace) if away else {}):
        workspace.move(moves)
        assert not workspace.altered("W")
    live = workspace.arrays["W"]
    entry = data.draw(st.integers(0, live.size - 1))
    live.flat[entry] = np.nextafter(live.flat[entry], np.inf)
    assert workspace.altered("W")


@given(BLOCKS)
def test_coming_back_from_another_point_is_exact(array):
    before = array.tobytes()
    workspace = workspace_of([array], in_place=True)
    workspace.move(moves_of(workspace))
    workspace.move({})
    assert array.tobytes() == before
    workspace.move(moves_of(workspace))
    workspace.restore()
    assert array.tobytes() == before


@pytest.mark.parametrize("size", [1, 7, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_a_displaced_point_is_made_again_from_its_seed(size, layout):
    array = np.random.default_rng(0).normal(size=(size, 2))
    array = {"C": array, "F": np.asfortranarray(array), "strided": array[:, ::-1]}[layout]
    workspace = workspace_of({"W": array.copy(order="K")}, in_place=True)
    workspace.move(moves_of(workspace))
    first = workspace.arrays["W"].copy()
    workspace.write("W", random_direction(array.size, 2), 0.1)
    assert not np.array_equal(workspace.arrays["W"], first)
    workspace.write("W")
    assert workspace.arrays["W"].tobytes() == first.tobytes()
    assert workspace.values("W").tobytes() == first.tobytes()
    index = array.size - 1
    assert workspace.entry("W", index) == first.flat[index]


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("direction", [random_direction(6, 2), Coordinate(4)])
def test_where_a_line_has_ended_a_block_stands_at_the_present_point(in_place, direction):
    parameters = {"W": np.arange(-2.0, 4).reshape(2, 3), "b": np.array([1.0, -1.0])}
    workspace = workspace_of(parameters, in_place=in_place)
    workspace.move(moves_of(workspace))
    before = workspace.arrays["W"].tobytes()
    with Line(workspace, [("W", direction, 1.0)], lambda: 0.0) as line:
        line(0.5)
        assert workspace.displaced == ("W",)
    assert workspace.displaced == ()
    for now in (workspace.arrays, workspace.container()):
        assert now["W"].tobytes() == before
    assert workspace.values("W").tobytes() == before


def test_coarse_arrays_give_way_to_float64_ones_for_a_while():
    array = np.ones(3, np.float32)
    parameters = {"W": array}
    workspace = workspace_of(parameters, in_place=True)
    assert workspace.upcast()
    assert parameters["W"].dtype == np.float64
    workspace.write("W", Coordinate(0), 1e-12)
    assert parameters["W"][0] == 1 + 1e-12
    parameters["W"] = None
    workspace.install()
    assert parameters["W"] is workspace.arrays["W"]
    workspace.restore()
    assert parameters["W"] is array
    assert array.tolist() == [1, 1, 1]
    # A tuple cannot hold other arrays.
    assert not workspace_of((np.ones(3, np.float32),), in_place=True).upcast()


def test_an_array_that_cannot_be_put_back_is_named_and_the_others_are_put_back():
    class Stuck(SavedArray):
        def restore(self):
            raise OSError("read-only file system")

    W, b = np.ones(3), np.ones(2)
    workspace = workspace_of({"W": W, "b": b}, in_place=True)
    workspace._saved["W"] = Stuck(W)
    b.fill(0)
    with pytest.raises(
        RestoreError, match=r"put back parameter 'W' \(OSError: .*from a checkpoint"
    ):
        workspace.restore()
    assert b.tolist() == [1, 1]


def test_two_checks_never_move_the_same_memory():
    a, other = np.zeros((4, 4)), np.zeros(3)
    with sole_mover([a[:2], other]):
        second = pytest.raises(NestedCheckError, match="check a model from one thread at a time")
        with second, sole_mover([np.zeros(2), a.T]):
            pytest.fail("both move it")
        with sole_mover([np.zeros(3)]):
            pass
        with pytest.raises(NestedCheckError), sole_mover([a]):
            pytest.fail("the first still moves it")
    with sole_mover([a, other]):  # free again
        pass


def test_what_cannot_be_written_in_place_is_refused():
    # Arrays that are read-only or overlap themselves, and numbers, are refused in tests/objective.
    broadcast = {"W": np.broadcast_to(np.zeros(1), 3).view()}
    with pytest.raises(ParameterError, match="parameter 'W' is read-only"):
        workspace_of(broadcast, in_place=True)
