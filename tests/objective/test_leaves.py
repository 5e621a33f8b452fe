"""Parameters that share memory: found, named, and moved as one block."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import Objective, Verdict, check_gradients
from gradhook.errors import ParameterError
from gradhook.objective.leaves import find_ties
from gradhook.objective.parameters import Tree


def memory(size=12):
    return np.random.default_rng(0).standard_normal(size)


def cubes(parameters):
    """A loss to which every array adds its own term, and the gradient of each term alone."""
    weights = range(1, 1 + len(parameters))
    loss = sum(k * float(np.sum(a**3)) for k, a in zip(weights, parameters.values(), strict=True))
    return loss, {n: 3 * k * a**2 for k, (n, a) in zip(weights, parameters.items(), strict=True)}


def in_place(parameters):
    return Objective(parameters=parameters, loss_and_gradients=lambda: cubes(parameters))


slices = st.slices(12).filter(lambda s: len(range(*s.indices(12))) > 0)


@given(slices)
def test_an_array_and_a_view_of_it_are_one_block_that_gives_each_back_and_adds_up(part):
    buffer, whole = memory(), np.ones(12)
    arrays = {"part": buffer[part], "back": buffer[::-1]}
    (tie,) = find_ties(arrays)
    assert tie.names == ("part", "back")
    for name, array in arrays.items():
        np.testing.assert_array_equal(tie.part(name, tie.storage), array)
    gradients = {"part": 10 * np.ones_like(arrays["part"]), "back": np.ones(12)}
    whole[part] += 10
    total = tie.total(gradients, gradients)
    assert dict(zip(tie.storage, total, strict=True)) == dict(zip(buffer, whole, strict=True))


@given(slices, slices)
def test_views_of_which_none_holds_the_other_are_refused_if_they_share_an_element(first, second):
    buffer = memory()
    one, two = set(range(12)[first]), set(range(12)[second])
    arrays = {"a": buffer[first], "b": buffer[second]}
    if one & two and not (one <= two or two <= one):
        with pytest.raises(ParameterError, match="'a' and 'b' overlap in part: give the array"):
            find_ties(arrays)
    else:
        assert [tie.names for tie in find_ties(arrays)] == ([("a", "b")] if one & two else [])


def test_arrays_that_only_lie_between_each_other_are_not_tied():
    matrix = memory().reshape(3, 4)
    assert find_ties({"left": matrix[:, :2], "right": matrix[:, 2:], "own": memory()}) == []


def test_a_whole_and_parts_that_do_not_meet_are_one_block_at_the_place_of_its_first_name():
    buffer = memory()
    tree = Tree.of({"z": memory(2), "a": buffer[:5], "m": memory(3), "b": buffer[8:], "c": buffer})
    assert list(tree.blocks) == ["z", "a = b = c", "m"]
    assert tree.notes == [
        "a, b and c share memory: checked as one block, against the sum of their gradients"
    ]


@pytest.mark.parametrize("form", ["functional", "in place"])
@pytest.mark.parametrize(
    "cut",
    [
        lambda m: {"W_in": m, "W_out": m},
        lambda m: {"W_in": m, "W_out": m[:]},
        lambda m: {"all": m, "row": m[1]},
        lambda m: {"forth": m, "back": m.reshape(-1)[::-1]},
    ],
)
def test_right_gradients_of_shared_memory_pass_and_wrong_ones_fail(form, cut):
    parameters = cut(memory().reshape(3, 4))
    name = " = ".join(parameters)

    def wrong(parameters):
        loss, gradients = cubes(parameters)
        last = list(gradients)[-1]
        return loss, {**gradients, last: 1.1 * gradients[last]}

    for function, verdict in ((cubes, Verdict.PASS), (wrong, Verdict.FAIL)):
        functional = Objective(
            parameters=parameters, loss_and_gradients=function, form="functional"
        )
        inside = Objective(
            parameters=parameters,
            loss_and_gradients=functools.partial(function, parameters),
            form="in_place",
        )
        report = check_gradients(functional if form == "functional" else inside)
        assert list(report.blocks) == [name]
        assert report.verdict is verdict
        assert any("share memory" in note for note in report.notes)


@pytest.mark.parametrize("share", [lambda g: g, lambda g: g[:]], ids=["one object", "one memory"])
def test_a_gradient_returned_under_both_names_counts_once(share):
    weights = memory(4)

    def loss_and_gradients(parameters):
        loss, gradients = cubes(parameters)
        both = gradients["W_in"] + gradients["W_out"]
        return loss, {"W_in": both, "W_out": share(both)}

    report = check_gradients(loss_and_gradients, {"W_in": weights, "W_out": weights})
    assert report.verdict is Verdict.PASS


def test_gradients_that_overlap_as_their_parameters_do_count_once_where_they_overlap():
    buffer = memory()

    def loss_and_gradients(parameters):
        gradient = 3 * parameters["a"] ** 2
        gradient[4:] += 6 * parameters["b"] ** 2
        return cubes(parameters)[0], {"a": gradient, "b": gradient[4:]}

    report = check_gradients(loss_and_gradients, {"a": buffer, "b": buffer[4:]})
    assert report.verdict is Verdict.PASS


@pytest.mark.parametrize("name", ["W_in", "W_out", "W_in = W_out"])
def test_options_know_a_tied_block_by_any_of_its_names(name):
    weights = memory(3)
    report = check_gradients(
        cubes,
        {"b": memory(2), "W_in": weights, "W_out": weights},
        layers=(name, "b"),
        fixed=(name,),
    )
    assert list(report.blocks) == ["W_in = W_out", "b"]
    assert report.verdict is Verdict.PASS


def test_memory_of_two_dtypes_is_refused():
    buffer = memory()
    with pytest.raises(ParameterError, match=r"of different dtypes \(float64, float32\)"):
        Tree.of({"a": buffer, "b": buffer.view(np.float32)})


def test_an_array_that_overlaps_itself_is_refused_in_place_and_copied_otherwise():
    repeated = {"w": np.lib.stride_tricks.as_strided(np.ones(1), (3,), (0,))}
    with pytest.raises(ParameterError, match=r"'w' overlaps itself \(strides \(0,\)\), so that"):
        check_gradients(in_place(repeated))
    assert check_gradients(cubes, repeated).verdict is Verdict.PASS


def test_zero_size_arrays_and_numbers_are_never_tied():
    empty = np.zeros((0, 2))
    assert find_ties({"a": empty, "b": empty, "c": 1.0, "d": 1.0}) == []
