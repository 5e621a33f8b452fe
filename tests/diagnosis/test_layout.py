"""Every array that the right gradient may be: what undoes a mistake is among them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import CAUSE_KINDS
from gradhook.diagnosis.hypotheses.layout import layouts

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


def test_a_matrix_that_is_not_square_is_not_tried_transposed(wrong_block):
    found = layouts(wrong_block(random((3, 4)), random((3, 4), 1)), {})
    assert "dW_transposed" not in {layout.kind for layout in found}


@pytest.mark.parametrize("axes", [(0, 1), (2, 3)])
def test_a_kernel_with_two_axes_exchanged_is_put_right(wrong_block, axes):
    right = random((3, 3, 2, 2))
    wrong = np.swapaxes(right, *axes)
    assert "conv_channel_swap" in kinds_that_restore(wrong_block, wrong, right)


def test_the_gradient_of_any_other_block_of_that_shape_is_tried(wrong_block):
    gradients = {name: random((3, 4), k) for k, name in enumerate(("W1", "W2", "W3"))}
    gradients["b1"] = random((4,))
    block = wrong_block(gradients["W2"], gradients["W3"], name="W2")
    others = [layout.other for layout in layouts(block, gradients) if layout.move is None]
    assert others == ["W1", "W3"]
