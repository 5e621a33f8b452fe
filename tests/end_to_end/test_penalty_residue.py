"""A penalty that is added to a gradient and taken off again leaves its rounding."""

import numpy as np
import pytest

from gradhook import check_gradients


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_penalty_taken_off_again_is_lacking_and_of_no_other_form(kind):
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(60, 5)), rng.normal(size=60), rng.normal(size=5)

    def ridge(p, X, y, reg=0.1):
        e, w = X @ p["w"] - y, p["w"]
        gradient = (X.T @ e / len(y) + kind(reg) * w) - reg * w
        return 0.5 * np.mean(e * e) + 0.5 * reg * w @ w, {"w": gradient}

    (cause,) = check_gradients(ridge, {"w": w}, batch=(X, y), penalty="reg", progress=False).causes
    assert cause.kind == "reg_missing"
    assert cause.sentence.startswith("dw lacks 0.1 * w")
