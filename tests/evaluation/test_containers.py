"""Containers hold what a check wants while it runs, and what the user had after it."""

import numpy as np
import pytest

from gradhook.errors import NestedCheckError, ParameterError
from gradhook.evaluation.containers import Holders, refuse_unwritable, sole_mover
from gradhook.objective.parameters import Tree


@pytest.fixture
def parameters():
    return {"W": np.ones(3, dtype=np.float32), "layers": [{"b": np.zeros(2)}]}


def test_other_arrays_are_held_and_found_replaced_until_the_users_come_back(parameters):
    W, inner = parameters["W"], parameters["layers"][0]
    holders = Holders(Tree.of(parameters))
    finer = {"W": W.astype(float), "layers[0]/b": inner["b"]}
    holders.hold(finer)
    assert parameters["W"] is finer["W"]
    assert holders.replaced() == []
    parameters["W"], inner["extra"] = W, 1
    assert holders.replaced() == ["W"]
    holders.install()
    assert parameters["W"] is finer["W"]
    assert list(inner) == ["b"]
    holders.restore()
    assert parameters["W"] is W
    assert parameters["layers"] == [inner]


def test_what_is_deleted_is_bound_again(parameters):
    holders = Holders(Tree.of(parameters))
    layers, b = parameters.pop("layers"), parameters
    del layers[0]["b"]
    assert holders.replaced() == ["layers[0]/b"]
    holders.install()
    assert b["layers"] is layers
    np.testing.assert_array_equal(layers[0]["b"], np.zeros(2))


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


def read_only():
    array = np.zeros(3)
    array.flags.writeable = False
    return array


BASE = np.zeros(6)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"W": read_only()}, "parameter 'W' is read-only and the objective reads it in place"),
        ({"W": np.broadcast_to(np.zeros(1), 3).view()}, "parameter 'W' is read-only"),
        ({"W": 1.0}, "parameter 'W' is a float, which cannot be written in place"),
        (
            {"W": np.lib.stride_tricks.as_strided(BASE, (4, 3), (8, 8))},
            "parameter 'W' overlaps itself (strides (8, 8)), so that no entry can be moved alone",
        ),
    ],
    ids=["read-only", "broadcast", "number", "overlapping"],
)
def test_what_cannot_be_written_in_place_is_refused_with_the_remedy(parameters, said):
    with pytest.raises(ParameterError) as caught:
        refuse_unwritable(Tree.of(parameters))
    assert said in str(caught.value)
    assert refuse_unwritable(Tree.of({"W": BASE, "V": BASE[:3]})) is None
