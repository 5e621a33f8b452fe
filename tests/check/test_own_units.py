"""The generic point: inside the domain, and in units in which the loss moves."""

import numpy as np
import pytest

from gradhook import check_gradients


def kernels(far, *, factor=1.0):
    """Radial basis functions of width 1 at coordinates far from zero."""
    rng = np.random.default_rng(4)
    X, y = far + rng.standard_normal((25, 2)), rng.standard_normal(25)
    parameters = {"c": far + rng.standard_normal((4, 2)), "w": rng.standard_normal(4)}

    def loss_and_gradients(p, X, y):
        away = X[:, None] - p["c"]
        k = np.exp(-0.5 * (away**2).sum(axis=-1))
        r = k @ p["w"] - y
        g = 2 * r / len(y)
        dc = ((g[:, None] * p["w"] * k)[..., None] * away).sum(axis=0)
        return float((r * r).mean()), {"c": factor * dc, "w": k.T @ g}

    return check_gradients(loss_and_gradients, parameters, batch=(X, y), progress=False)


@pytest.mark.parametrize("far", [1e3, 5e5, 1e8])
def test_coordinates_far_from_zero_are_displaced_in_units_of_their_own(far):
    report = kernels(far)
    assert report.passed, str(report)
    assert {block.verdict for block in report.blocks.values()} == {"PASS"}
    assert {block.findings[0].setting for block in report.blocks.values()} == {"generic point"}
    wrong = kernels(far, factor=1.1)
    assert [wrong.blocks[name].verdict for name in "cw"] == ["FAIL", "PASS"]
