"""What a function returns, read by rules that never permute."""

import numpy as np
import pytest

from gradhook.errors import ObjectiveError
from gradhook.objective.gradients import read_returned

W, B = np.ones((2, 3)), np.ones(3)
SHAPES = ((2, 3), (3,))


@pytest.mark.parametrize(
    ("returned", "gradients", "said"),
    [
        ((1.0, {"W": W}), {"W": W}, ""),
        ((1.0, [W, B]), [W, B], ""),
        (([W, B], 1.0), [W, B], "f returns (gradients, loss)"),
        ((1.0, W, B), (W, B), "f returns the loss, then the gradients"),
        ([np.array([[1.0]]), W, B[None]], (W, B[None]), "f returns the loss, then the gradients"),
        ((1.0, W, B, None), (W, B), "f returns the loss, then the gradients, and 1 more, not read"),
        ((1.0, [W, B], "h"), [W, B], "f returns (loss, gradients), and 1 more, not read"),
    ],
)
def test_every_form_is_read(returned, gradients, said):
    found = read_returned("f", returned, SHAPES)
    assert np.size(found.loss) == 1
    assert repr(found.gradients) == repr(gradients)
    assert found.sentence == said


@pytest.mark.parametrize(
    "returned", [None, 1.0, (1.0,), (1.0, B, W), (W, B, 1.0), (1.0, W, B[:, None])]
)
def test_anything_else_is_refused_and_nothing_permuted(returned):
    with pytest.raises(ObjectiveError, match=r"f must return \(loss, gradients\); it returned"):
        read_returned("f", returned, SHAPES)


def test_a_flat_tuple_that_does_not_fit_is_told_with_both_lists_of_shapes():
    with pytest.raises(ObjectiveError) as caught:
        read_returned("f", (1.0, B, W), SHAPES)
    assert "their shapes are (3,), (2, 3), those of the parameters (2, 3), (3,)" in str(
        caught.value
    )
