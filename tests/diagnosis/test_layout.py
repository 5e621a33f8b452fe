"""Every array that the right gradient may be: what undoes a mistake is among them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import CAUSE_KINDS
from gradhook.diagnosis.fit import scaled, with_penalty
from gradhook.diagnosis.hypotheses.layout import layouts
from gradhook.diagnosis.hypotheses.penalty import form

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def kinds_that_restore(wrong_block, wrong, right, gradients=None):
    """Kinds of the layouts that make the right gradient of the wrong one."""
    block = wrong_block(wrong, right)
    return [
        layout.kind
        for layout in layouts(block, gradients or {})
        if layout.move is not None and np.array_equal(layout.move(wrong), right)
    ]


@given(shapes)
def test_a_layout_moves_numbers_and_changes_none(wrong_block, shape):
    a = random(shape)
    for layout in layouts(wrong_block(a, random(shape, 1)), {}):
        moved = layout.move(a)
        assert moved.shape == shape
        np.testing.assert_array_equal(np.sort(moved, axis=None), np.sort(a, axis=None))
        assert not np.array_equal(moved, a)
        assert layout.kind in CAUSE_KINDS
        assert layout.how


@given(shapes, st.data())
def test_a_gradient_rolled_along_any_axis_is_rolled_back(wrong_block, shape, data):
    long = [axis for axis, length in enumerate(shape) if length > 1]
    if not long:
        assert list(layouts(wrong_block(random(shape), random(shape, 1)), {})) == []
        return
    axis, right = data.draw(st.sampled_from(long)), random(shape)
    for shift in (-1, 1):
        wrong = np.roll(right, shift, axis=axis)
        assert "rolled_rows" in kinds_that_restore(wrong_block, wrong, right)


@given(st.integers(2, 6))
def test_a_square_gradient_is_tried_transposed(wrong_block, length):
    right = random((length, length))
    assert kinds_that_restore(wrong_block, right.T, right) == ["dW_transposed"]


def test_a_matrix_that_is_not_square_is_not_tried_transposed(wrong_block):
    found = layouts(wrong_block(random((3, 4)), random((3, 4), 1)), {})
    assert "dW_transposed" not in {layout.kind for layout in found}


@pytest.mark.parametrize("axes", [(0, 1), (2, 3)])
def test_a_kernel_with_two_axes_exchanged_is_put_right(wrong_block, axes):
    right = random((3, 3, 2, 2))
    wrong = np.swapaxes(right, *axes)
    assert "conv_channel_swap" in kinds_that_restore(wrong_block, wrong, right)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_a_gradient_in_reverse_order_is_turned_round(wrong_block, axis):
    right = random((3, 4))
    assert "flipped" in kinds_that_restore(wrong_block, np.flip(right, axis), right)


def test_the_gradient_of_any_other_block_of_that_shape_is_tried(wrong_block):
    gradients = {name: random((3, 4), k) for k, name in enumerate(("W1", "W2", "W3"))}
    gradients["b1"] = random((4,))
    block = wrong_block(gradients["W2"], gradients["W3"], name="W2")
    others = [layout.other for layout in layouts(block, gradients) if layout.move is None]
    assert others == ["W1", "W3"]


def test_a_scale_multiplies_the_analytic_gradient(wrong_block):
    a = random((3, 4))
    prediction = scaled(wrong_block(a, 7 * a))
    np.testing.assert_allclose(prediction.at([7.0]), 7 * a, rtol=1e-15)


@pytest.mark.parametrize("sign", [False, True])
def test_a_penalty_beside_a_wrong_scale_is_one_more_term(wrong_block, sign):
    data, w = random((3, 4)), random((3, 4), 1)
    added = 0.1 * (np.sign(w) if sign else w)
    a, n = data / 7 + added, data + added
    prediction = with_penalty(scaled(wrong_block(a, n, w)), sign=sign)
    # n = 7 (a - 0.1 w) + 0.1 w.
    np.testing.assert_allclose(prediction.at([7.0, 0.1 - 0.7]), n, atol=1e-14)


@pytest.mark.parametrize(
    ("key", "in_loss", "in_gradient"),
    [
        ("weights", lambda w: w, lambda w: 0),
        ("sign", np.sign, lambda w: 0),
        ("constant", np.ones_like, lambda w: 0),
        ("reg_square", lambda w: w, np.square),
        ("reg_l1_form", lambda w: w, np.sign),
    ],
)
def test_each_form_of_a_penalty_gives_back_the_right_gradient(
    wrong_block, key, in_loss, in_gradient
):
    data, w = random((3, 4)), random((3, 4), 1)
    a, n = data + 0.1 * in_gradient(w), data + 0.1 * in_loss(w)
    prediction = form(key, wrong_block(a, n, w))
    np.testing.assert_allclose(prediction.at([0.1]), n, atol=1e-14)
