"""Boxes that touch are one part."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradhook.diagnosis.parts import joined


def rows(*indices, columns=4):
    return [(slice(i, i + 1), slice(0, columns)) for i in indices]


def test_rows_one_after_the_other_are_a_range():
    assert joined(rows(3, 1, 2)) == ((slice(1, 4), slice(0, 4)),)


def test_parts_of_different_columns_stay_apart():
    boxes = [(slice(0, 1), slice(0, 2)), (slice(1, 2), slice(1, 3))]
    assert joined(boxes) == tuple(boxes)


@given(st.sets(st.integers(0, 30)))
def test_the_same_elements_are_covered(indices):
    mask = np.zeros(31, dtype=bool)
    for (box,) in joined([(slice(i, i + 1),) for i in indices]):
        assert not np.any(mask[box])
        mask[box] = True
    assert set(np.flatnonzero(mask)) == indices
