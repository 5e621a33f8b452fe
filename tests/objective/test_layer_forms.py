"""A layer's form is read off the signature of its ``forward``."""

import numpy as np
import pytest

from gradhook.errors import ObjectiveError
from gradhook.objective.layer import inputs_of, is_real, style_of


@pytest.mark.parametrize(
    ("x", "names"),
    [(np.ones(2), ["x"]), ((np.ones(2), 3), ["x1", "x2"]), ({"left": 1.0, 5: 2.0}, ["left", "5"])],
)
def test_inputs_are_named_by_their_place_or_by_their_key(x, names):
    assert list(inputs_of(x)) == names


def test_floats_become_arrays_and_all_else_stays():
    inputs = inputs_of(([1.0, 2.0], [1, 2]))
    assert isinstance(inputs["x1"], np.ndarray)
    assert inputs["x2"] == [1, 2]


@pytest.mark.parametrize(
    ("value", "real"),
    [(1.5, True), ([0.5], True), (3, False), ("x", False), ([[1], [1, 2]], False)],
)
def test_real_is_what_holds_floats(value, real):
    assert is_real(value) is real


@pytest.mark.parametrize(
    ("forward", "parameters", "style"),
    [
        (lambda x: x, None, "held"),
        (lambda x, params: x, ["W"], "mapping"),
        (lambda x, W, b: x, ["b", "W"], "names"),
        (lambda x, w, c: x, ["W", "b"], "order"),
    ],
)
def test_the_signature_says_how_parameters_are_handed_over(forward, parameters, style):
    assert style_of(forward, 1, parameters) == style


def test_a_signature_that_fits_no_form_is_refused():
    with pytest.raises(ObjectiveError):
        style_of(lambda: None, 1, ["W"])
