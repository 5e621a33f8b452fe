"""Every kind of array that is handled, in both forms, and what is refused before any call."""

import numpy as np
import pytest

from gradhook import GradCheckCallback, Objective, Verdict, check_gradients
from gradhook.errors import GradhookError

VALUES = np.random.default_rng(0).standard_normal((4, 6)) + 0.1


def read_only(array):
    array.flags.writeable = False
    return array


HANDLED = {
    "plain": lambda: VALUES.copy(),
    "fortran": lambda: np.asfortranarray(VALUES),
    "strided": lambda: np.repeat(np.repeat(VALUES, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda: VALUES.copy()[::-1, ::-2],
    "transposed": lambda: VALUES.copy().T,
    "unaligned": lambda: np.frombuffer(bytearray(4 + 192), np.uint8)[4:].view(float) + 0.5,
    "swapped bytes": lambda: VALUES.astype(">f8"),
    "0-d": lambda: np.array(0.7),
    "no axis longer than one": lambda: np.array([[0.7]]),
    "float16": lambda: VALUES.astype(np.float16),
    "float32": lambda: VALUES.astype(np.float32),
    "longdouble": lambda: VALUES.astype(np.longdouble),
    "subclass": lambda: VALUES.copy().view(type("Mine", (np.ndarray,), {})),
}


def loss_and_gradients(parameters):
    loss = sum(float(np.sum(np.sin(a.astype(float)))) for a in parameters.values())
    return loss, {name: np.cos(a.astype(float)) for name, a in parameters.items()}


def wrong(parameters):
    loss, gradients = loss_and_gradients(parameters)
    return loss, {name: 1.5 * gradient for name, gradient in gradients.items()}


def checked(function, parameters, form, **options):
    functional = Objective(parameters=parameters, loss_and_gradients=function, form="functional")
    inside = Objective(parameters=parameters, loss_and_gradients=lambda: function(parameters))
    return check_gradients(functional if form == "functional" else inside, **options)


@pytest.mark.parametrize("effort", ["quick", "standard"])
@pytest.mark.parametrize("form", ["functional", "in place"])
@pytest.mark.parametrize("kind", HANDLED)
def test_arrays_of_every_kind_are_checked_and_put_back(kind, form, effort):
    array = HANDLED[kind]()
    parameters = {"w": array}
    before = array.tobytes()
    right = checked(loss_and_gradients, parameters, form, effort=effort)
    if kind == "float16" and form == "in place":
        # Steps are taken in the array's own dtype, which may be too coarse to tell.
        assert right.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    else:
        assert right.verdict is Verdict.PASS
    assert checked(wrong, parameters, form, effort=effort).verdict is Verdict.FAIL
    assert parameters["w"] is array
    assert array.tobytes() == before


@pytest.mark.parametrize("effort", ["quick", "standard", "exhaustive"])
@pytest.mark.parametrize("form", ["functional", "in place"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_an_array_without_elements_is_untested_and_the_others_are_checked(shape, form, effort):
    parameters = {"empty": np.zeros(shape), "w": VALUES.copy()}
    report = checked(loss_and_gradients, parameters, form, effort=effort)
    assert report.passed
    assert report.blocks["empty"].verdict is Verdict.UNTESTED
    assert report.blocks["w"].verdict is Verdict.PASS
    assert any(sentence.startswith("empty untested") for sentence in report.coverage)


def test_memory_mapped_arrays_are_checked_as_copies_and_in_place_where_they_can_be_written(
    tmp_path,
):
    path = tmp_path / "w.npy"
    np.save(path, VALUES)
    before = path.read_bytes()
    reading = np.load(path, mmap_mode="r")
    assert checked(loss_and_gradients, {"w": reading}, "functional").passed
    with pytest.raises(GradhookError, match="'w' is read-only and the objective reads it in place"):
        checked(loss_and_gradients, {"w": reading}, "in place")
    writing = np.load(path, mmap_mode="r+")
    assert checked(loss_and_gradients, {"w": writing}, "in place").passed
    writing.flush()
    assert path.read_bytes() == before


def never(*_):
    raise AssertionError("called before the input was refused")


@pytest.mark.parametrize(
    "arguments",
    [
        {"parameters": np.arange(3)},
        {"parameters": np.array([True])},
        {"parameters": np.array([1j])},
        {"parameters": np.array([0.5], dtype=object)},
        {"parameters": np.ma.masked_array([0.5], [False])},
        {"parameters": np.ones((1, 1)).view(np.matrix)},
        {"parameters": np.array([np.nan])},
        {"parameters": np.array([np.inf])},
        {"parameters": {}},
        {"batch": np.ones((0, 3))},
        {"batch": []},
        {"batch": np.ones(3), "sample_axis": 1},
        {"batch": (1, 2, 3)},
        {"samples": 0},
        {"samples": 2.0},
        {"fixed": ("v",)},
        {"dropout": "train"},
        {"dropout": "nowhere"},
    ],
    ids=str,
)
def test_what_cannot_be_checked_is_refused_before_the_objective_is_called(arguments):
    objective = Objective(
        parameters=np.ones(3),
        loss=lambda x, y=0: never(),
        gradients=lambda x, y=0: never(),
        form="functional",
    )
    with pytest.raises(GradhookError):
        check_gradients(objective, **arguments)


def test_a_check_that_is_refused_in_a_loop_leaves_the_next_one_possible():
    check = GradCheckCallback(lambda x, *_: (x @ x, 2 * x), np.ones(3), schedule=1, enabled=True)
    with pytest.raises(GradhookError, match="the batch is empty"):
        check(1, batch=np.ones((0, 3)))
    assert check(2, batch=np.ones((4, 3))).verdict is Verdict.PASS
