"""A block is probed further while that may change its verdict."""

import zlib

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.probe import adaptive


def noisy(level, *, factor=1.0):
    """A smooth network whose loss has noise of this share, the same whenever asked at a point."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((20, 5)), rng.standard_normal(20)
    parameters = {"W": rng.standard_normal((5, 6)) / 2, "v": rng.standard_normal(6) / 2}

    def loss_and_gradients(p, X, y):
        h = np.tanh(X @ p["W"])
        r = h @ p["v"] - y
        code = zlib.crc32(p["W"].tobytes() + p["v"].tobytes())
        loss = float((r * r).mean()) * (1 + level * (code / 2**31 - 1))
        d = 2 * r / len(y)
        return loss, {
            "W": factor * X.T @ (np.outer(d, p["v"]) * (1 - h * h)),
            "v": h.T @ d,
        }

    return check_gradients(loss_and_gradients, parameters, batch=(X, y), progress=False)


@pytest.mark.parametrize(("level", "factor"), [(1e-8, 1.001), (1e-6, 1.001), (1e-5, 1.01)])
def test_long_steps_see_small_mistakes_through_noise_and_pass_right_code(level, factor):
    assert noisy(level).passed
    assert noisy(level, factor=factor).blocks["W"].verdict == "FAIL"


def test_without_long_steps_that_mistake_would_pass_unseen(monkeypatch):
    monkeypatch.setattr(adaptive.AdaptiveProbing, "_from_afar", lambda self, evidence: evidence)
    assert noisy(1e-6, factor=1.001).blocks["W"].verdict != "FAIL"


def test_noise_that_hides_everything_is_inconclusive_and_no_pass():
    report = noisy(0.3, factor=1.5)
    assert report.verdict in ("INCONCLUSIVE", "FAIL")
    assert not report.passed


def test_a_loss_that_overflows_on_the_way_is_inconclusive_and_raises_nothing():
    def steep(p):
        with np.errstate(all="ignore"):
            return float(np.exp(p["x"] ** 2).sum()), {"x": 2 * p["x"] * np.exp(p["x"] ** 2)}

    report = check_gradients(steep, {"x": np.full(3, 26.0)}, progress=False)
    assert report.verdict != "FAIL"


def test_a_ratio_at_the_edge_is_settled_by_further_directions():
    w = np.random.default_rng(0).standard_normal((9, 9))

    def edge(p):
        return float((p["w"] ** 3).sum()), {"w": 3 * p["w"] ** 2 * (1 + 2.2e-4)}

    finding = check_gradients(edge, {"w": w}, progress=False).blocks["w"].findings[0]
    assert finding.verdict == "FAIL"
    assert finding.probes > 3
