"""Gradients: found by name in what the user's code returns, copied, refused if they do not fit."""

import numpy as np
import pytest

from gradhook.errors import GradientNameError, GradientShapeError
from gradhook.objective.gradients import name_gradients, own_gradients
from gradhook.objective.parameters import Tree

W, B = np.ones((2, 3)), np.ones(3)
LAYER = {"W1": W, "b1": B}


def matched(gradients, parameters=LAYER, rule=None):
    tree = Tree.of(parameters)
    given, said = name_gradients(gradients, tree, rule)
    return own_gradients(given, tree), said


@pytest.mark.parametrize(
    ("parameters", "gradients", "said"),
    [
        (LAYER, {"W1": W, "b1": B}, ""),
        (LAYER, {"dW1": W, "db1": B}, '"d" + name (dW1 for W1)'),
        (LAYER, {"b1": B, "extra": None, "W1": W, "dW1": None}, ""),
        (LAYER, {"dA1": None, "dW1": W, "db1": B}, '"d" + name (dW1 for W1)'),
        ({"l": LAYER}, {"l": {"dW1": W, "db1": B}}, '"d" + name (l/dW1 for l/W1)'),
        ([W, B], (W, B), ""),
        ((W, [B]), [W, (B,)], ""),
        (W, W, ""),
        (W, W.tolist(), ""),
        (W, {"x": W}, ""),
        (W, {"dx": W}, '"d" + name (dx for x)'),
    ],
)
def test_gradients_are_found_by_name_or_by_d_and_name_and_the_rule_is_said(
    parameters, gradients, said
):
    found, sentence = matched(gradients, parameters)
    tree = Tree.of(parameters)
    assert list(found) == list(tree.blocks)
    for name, leaf in tree.blocks.items():
        np.testing.assert_array_equal(found[name], leaf)
    assert said in sentence
    assert bool(said) == bool(sentence)


@pytest.mark.parametrize(
    "rule", ["grad_{}", {"W1": "grad_W1", "b1": "grad_b1"}, lambda name: f"grad_{name}"]
)
def test_a_rule_of_the_users_own_is_followed_even_where_plain_names_exist(rule):
    wrong = {"W1": 0 * W, "b1": 0 * B}
    found, said = matched({**wrong, "grad_W1": W, "grad_b1": B}, rule=rule)
    assert found["W1"].all()
    assert said == "gradients matched by the rule given as gradient_name"


def test_what_is_found_is_a_copy():
    buffer = np.ones(3)
    found, _ = matched(buffer, buffer)
    buffer[:] = 0
    assert found["x"].all()


def test_a_missing_gradient_is_an_error_with_both_lists():
    with pytest.raises(GradientNameError) as caught:
        matched({"W1": W, "B1": B})
    assert str(caught.value) == (
        "no gradient for b1: the parameters are W1, b1; the gradients are W1, B1; did you mean "
        "'B1'? If they are named by another rule, pass it, for example gradient_name={'b1': 'B1'}; "
        "what is frozen is left out of the parameters"
    )
    with pytest.raises(GradientNameError, match=r"the gradients are empty\. If they are named by"):
        matched({})


@pytest.mark.parametrize(
    ("gradients", "said"),
    [(None, "None"), (W, "one array"), (1.0, "a float"), (iter([W]), "a list_")],
)
def test_gradients_without_names_are_refused_where_parameters_have_some(gradients, said):
    with pytest.raises(
        GradientNameError, match=f"the gradients are {said}.*the parameters are W1, b1"
    ):
        matched(gradients)


@pytest.mark.parametrize("gradient", [B[:2], np.float64(1.0), np.ones((3, 3)), np.ones((2, 3))])
def test_another_shape_is_refused_also_where_it_would_broadcast(gradient):
    with pytest.raises(GradientShapeError) as caught:
        matched({"W1": W, "b1": gradient})
    assert f"'b1' has shape {np.shape(gradient)}, the parameter has (3,)" in str(caught.value)
    assert "broadcasting would hide a missing sum over the batch" in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3)])
def test_leading_axes_of_length_one_make_no_difference_and_that_is_said(shape):
    found, said = matched({"W1": W, "b1": B.reshape(shape)})
    assert found["b1"].shape == (3,)
    assert (
        said
        == f"the gradient of b1 was read without regard to axes of length one ({shape} for (3,))"
    )
    row = {"b": np.ones((1, 3))}
    assert matched({"b": B}, row)[0]["b"].shape == (1, 3)
    assert matched(np.ones(1), np.array(0.5))[0]["x"].shape == ()


@pytest.mark.parametrize(
    ("gradient", "parameter", "wide"),
    [((3, 1), (3,), "(3, 3)"), ((3,), (3, 1), "(3, 3)"), ((1, 3), (3, 1), "(3, 3)")],
)
def test_a_column_for_a_row_is_refused_with_what_the_update_would_do(gradient, parameter, wide):
    with pytest.raises(GradientShapeError) as caught:
        matched({"b": np.ones(gradient)}, {"b": np.ones(parameter)})
    assert str(caught.value) == (
        f"the gradient of 'b' has shape {gradient}, the parameter has {parameter}: the update "
        f"would broadcast to {wide}; keepdims=True?"
    )


@pytest.mark.parametrize("form", ["grad_{}", "{}_grad", "g{}", "d{}"])
def test_every_rule_of_naming_is_read_and_said(form):
    gradients = {form.replace("{}", "W1"): W, form.replace("{}", "b1"): B}
    found, said = matched(gradients)
    assert found["W1"].shape == W.shape
    assert f"({form.replace('{}', 'W1')} for W1)" in said
    nested = matched({"l": gradients}, {"l": LAYER})
    assert list(nested[0]) == ["l/W1", "l/b1"]


@pytest.mark.parametrize("kind", [list, tuple])
def test_gradients_without_names_count_in_the_order_of_the_parameters(kind):
    found, said = matched(kind([2 * W, 3 * B]))
    assert found["W1"][0, 0] == 2
    assert said == f"the gradients are a {kind.__name__}, read in the order of the parameters"


def test_gradients_without_names_are_never_permuted_to_fit():
    with pytest.raises(GradientShapeError) as caught:
        matched((B, W))
    assert "gradient of 'W1' has shape (3,), the parameter has (2, 3)" in str(caught.value)
    with pytest.raises(GradientNameError, match="a tuple of 1, the parameters are W1, b1: return"):
        matched((W,))


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (None, "is None; an array of real numbers with shape (3,) is needed"),
        (B * 1j, "is of dtype complex128"),
        (B.astype(object), "is of dtype object"),
        (B > 0, "is of dtype bool"),
        (np.ma.masked_array(B, [0, 0, 1]), "is a masked array"),
        ([[1.0], [1.0, 2.0]], "is not an array: "),
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(gradient, said):
    # A list among named gradients is read as further blocks.
    parameters = B if isinstance(gradient, list) else LAYER
    given = gradient if isinstance(gradient, list) else {"W1": W, "b1": gradient}
    with pytest.raises(GradientShapeError) as caught:
        matched(given, parameters)
    assert said in str(caught.value)


@pytest.mark.parametrize("dtype", [int, np.uint8, np.float16, np.float32, np.longdouble])
def test_real_numbers_of_any_kind_become_float64(dtype):
    found, _ = matched({"W1": W.astype(dtype), "b1": B})
    assert found["W1"].dtype == np.float64
