"""The analytic side rounds too: gradients of zero by an invariance are rounding on tiny data."""

import numpy as np
import pytest

from gradhook import check_gradients


def normalised(scale, *, center=True):
    """A bias before a batch normalisation with eps 0, on data of this size."""
    rng = np.random.default_rng(3)
    X, y = scale * rng.standard_normal((30, 4)), rng.standard_normal(30)

    def loss_and_gradients(p, X, y):
        a = X @ p["W"] + p["b"]
        deviation = a.std(axis=0)
        x = (a - a.mean(axis=0)) / deviation
        h = np.tanh(x)
        r = h @ p["v"] - y
        d = 2 * r[:, None] / len(y) * p["v"] * (1 - h * h)
        means = d.mean(axis=0) if center else 0.0
        da = (d - means - x * (d * x).mean(axis=0)) / deviation
        return float((r * r).mean()), {
            "W": X.T @ da,
            "b": da.sum(axis=0),
            "v": 2 * h.T @ r / len(y),
        }

    parameters = {
        "W": rng.standard_normal((4, 5)),
        "b": 0.3 * rng.standard_normal(5),
        "v": rng.standard_normal(5),
    }
    return check_gradients(loss_and_gradients, parameters, batch=(X, y), progress=False)


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1.0, 1e6])
def test_right_gradients_pass_on_data_of_any_size_and_the_bias_is_untested(scale):
    report = normalised(scale)
    assert report.passed
    assert report.blocks["W"].verdict == "PASS"
    assert report.blocks["b"].verdict == "UNTESTED"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_bias_whose_means_were_forgotten_fails(scale):
    assert normalised(scale, center=False).blocks["b"].verdict == "FAIL"
