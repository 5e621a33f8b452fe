"""Writes of the user's functions are seen at the first call of a kind at a point, and undone."""

import numpy as np
import pytest

from gradhook.evaluation.directions import random_direction
from gradhook.evaluation.evaluator import Writes
from gradhook.evaluation.workspace import Workspace
from gradhook.guard.guard import Guard
from gradhook.objective.parameters import Tree


@pytest.fixture(params=[True, False], ids=["in place", "copies"])
def workspace(request):
    parameters = {"W": np.arange(3.0), "b": np.ones(2)}
    return Workspace(Tree.of(parameters), in_place=request.param)


def call(writes, workspace, spoil=lambda parameters, batch: None, batch=(), kind="loss"):
    container = workspace.container()
    before = writes.before(kind)
    spoil(container, batch)
    writes.after(before, container, batch)
    return {name: array.tolist() for name, array in workspace.arrays.items()}


def test_the_block_that_was_written_to_is_named_and_written_back(workspace):
    writes = Writes(workspace, Guard([]))

    def spoil(parameters, batch):
        parameters["b"] *= 2

    start = call(writes, workspace)
    writes.watch()
    assert call(writes, workspace, spoil) == start
    assert (writes.parameters, writes.batch) == (["b"], False)
    assert call(writes, workspace, spoil) == start  # no longer watched, and undone all the same


def test_only_one_call_of_each_kind_is_watched_at_a_point(workspace):
    writes = Writes(workspace, Guard([]))
    assert writes.before("loss").marks is not None
    assert writes.before("loss").marks is None
    assert writes.before("gradients").marks is not None
    writes.watch()
    workspace.write("W", random_direction(3, 1), 0.1)  # a step along a line is no point
    assert writes.before("loss").marks is None
    workspace.write("W")
    assert writes.before("loss").marks is not None
    assert writes.before("loss").copies is None


def test_a_block_bound_to_another_array_counts_as_written_to(workspace):
    writes = Writes(workspace, Guard([]))
    call(writes, workspace, lambda parameters, batch: parameters.update(W=np.zeros(3)))
    assert writes.parameters == ["W"]


def test_writes_to_the_batch_are_told_and_reading_it_is_not(workspace):
    X, y = np.ones((2, 2)), [1, 2]
    writes = Writes(workspace, Guard([X, y]))
    call(writes, workspace, lambda parameters, batch: batch[0].sum(), (X, y))
    assert (writes.batch, writes.parameters) == (False, [])
    call(writes, workspace, lambda parameters, batch: batch[0].sort(), (X, y), kind="gradients")
    assert not writes.batch  # equal bytes
    writes.watch()
    call(writes, workspace, lambda parameters, batch: batch[0].fill(0), (X, y))
    assert (writes.batch, writes.parameters) == (True, [])


def test_blocks_are_noted_in_the_users_order(workspace):
    writes = Writes(workspace, Guard([]))
    writes.note(["b"])
    writes.note({"W"})
    assert writes.parameters == ["W", "b"]
