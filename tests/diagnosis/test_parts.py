"""Boxes that touch are one part."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradhook.diagnosis.parts import joined


@given(st.sets(st.integers(0, 30)))
def test_the_same_elements_are_covered(indices):
    mask = np.zeros(31, dtype=bool)
    for (box,) in joined([(slice(i, i + 1),) for i in indices]):
        assert not np.any(mask[box])
        mask[box] = True
    assert set(np.flatnonzero(mask)) == indices
