"""A layer and a cotangent as an objective; whole checks stand in tests/end_to_end."""

import numpy as np
import pytest

from gradhook.objective.layer import Layer, is_real

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3))


def test_the_cotangent_has_the_precision_of_the_output():
    handed = []

    def backward(dy, cache):
        handed.append(dy)
        return dy @ cache[1].T, cache[0].T @ dy

    layer = Layer(lambda x, W: (x @ W, (x, W)), backward, X, {"W": W}, None, None, 0)
    layer._both({"x": X, "W": W})
    layer._both({"x": X.astype(np.float32), "W": W.astype(np.float32)})
    assert [dy.dtype for dy in handed] == [np.float64, np.float32]
    np.testing.assert_array_equal(handed[0], handed[1])


@pytest.mark.parametrize(
    ("value", "real"),
    [(1.5, True), ([0.5], True), (3, False), ("x", False), ([[1], [1, 2]], False)],
)
def test_real_is_what_holds_floats(value, real):
    assert is_real(value) is real
