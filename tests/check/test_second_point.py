"""Blocks that the first generic point leaves UNTESTED are looked at once more elsewhere."""

import numpy as np
import pytest

from gradhook import check_gradients


def gated(factor):
    """A gate that the usual displacement of a tenth does not open; b acts behind it."""

    def loss_and_gradients(p):
        gate = np.maximum(0.0, np.abs(p["w"] - 1).max() - 0.2)
        k = int(np.abs(p["w"] - 1).argmax())
        dw = 2 * p["w"]
        if gate > 0:
            dw[k] += (p["b"] ** 2).sum() * np.sign(p["w"][k] - 1)
        loss = float((p["w"] ** 2).sum() + gate * (p["b"] ** 2).sum())
        return loss, {"w": dw, "b": factor * 2 * gate * p["b"]}

    return check_gradients(
        loss_and_gradients,
        {"w": np.linspace(0.95, 1.05, 12), "b": np.linspace(1.0, 2.0, 5)},
        progress=False,
    )


def test_a_block_behind_a_gate_that_only_opens_further_away_is_judged():
    assert gated(1.0).blocks["b"].verdict == "PASS"
    assert "second generic point" in gated(1.0).settings
    assert gated(1.5).blocks["b"].verdict == "FAIL"


@pytest.mark.parametrize("gradient", [np.zeros(3)])
def test_a_block_that_no_point_exercises_stays_untested(gradient):
    def loss_and_gradients(p):
        return float((p["w"] ** 2).sum()), {"w": 2 * p["w"], "idle": gradient}

    report = check_gradients(
        loss_and_gradients, {"w": np.linspace(1, 2, 4), "idle": np.ones(3)}, progress=False
    )
    assert report.blocks["idle"].verdict == "UNTESTED"
    assert report.passed
