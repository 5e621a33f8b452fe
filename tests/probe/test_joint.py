"""One direction over all blocks at once."""

import numpy as np
import pytest

from gradhook import check_gradients
from gradhook.probe import measure


def powers(p, wrong=1.0):
    return float((p["a"] ** 3).sum() + 1e6 * (p["b"] ** 3).sum()), {
        "a": wrong * 3 * p["a"] ** 2,
        "b": 3e6 * p["b"] ** 2,
    }


PARAMETERS = {"a": np.linspace(1, 2, 6), "b": np.linspace(1e-2, 2e-2, 7)}


def test_quick_effort_passes_right_blocks_jointly_within_its_budget():
    report = check_gradients(powers, PARAMETERS, effort="quick", progress=False)
    assert report.passed
    assert report.evaluations <= 24
    notes = {block.sentence for block in report.blocks.values()}
    assert notes == {"right jointly with the other blocks"}


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.01])
def test_quick_effort_names_the_block_that_is_wrong(factor):
    report = check_gradients(
        lambda p: powers(p, factor), PARAMETERS, effort="quick", progress=False
    )
    assert report.verdict == "FAIL"
    assert report.blocks["a"].verdict == "FAIL"
    assert report.blocks["b"].verdict == "PASS"


def test_a_block_without_a_share_in_the_slope_is_untested():
    def idle(p):
        loss, gradients = powers(p)
        return loss, gradients | {"c": np.zeros(3)}

    parameters = {**PARAMETERS, "c": np.ones(3)}
    report = check_gradients(idle, parameters, effort="quick", progress=False)
    assert report.blocks["c"].verdict == "UNTESTED"
    assert report.passed


def test_shares_are_of_each_block_at_its_own_scale(monkeypatch):
    seen = []
    original = measure.probe_jointly

    def spy(prober, budget):
        seen.append(original(prober, budget))
        return seen[-1]

    monkeypatch.setattr(measure, "probe_jointly", spy)
    check_gradients(powers, PARAMETERS, effort="quick", progress=False)
    ((evidence, shares),) = seen
    (probe,) = evidence.probes
    assert probe.analytic == pytest.approx(sum(shares.values()))
    assert abs(probe.residual) <= 3 * probe.slope.error
