"""A layer and a cotangent as an objective; whole checks stand in tests/end_to_end."""

import pytest

from gradhook.objective.layer import is_real


@pytest.mark.parametrize(
    ("value", "real"),
    [(1.5, True), ([0.5], True), (3, False), ("x", False), ([[1], [1, 2]], False)],
)
def test_real_is_what_holds_floats(value, real):
    assert is_real(value) is real
