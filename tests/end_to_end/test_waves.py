"""Losses that wave over a small share of their parameters' size, or lie far from zero."""

import numpy as np
import pytest

from gradhook import check_gradients

FREQUENCIES = (30.0, 300.0, 2e3, 1e4, 4e4, 2.5e5)


def problem(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 300))
    return {"w": rng.standard_normal(size)}, rng.uniform(0, 6, size)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_fast_wave_is_told_right_from_wrong(frequency, seed, factor):
    parameters, phases = problem(seed)

    def waves(p):
        angles = frequency * p["w"] + phases
        return float(np.sin(angles).sum()) / frequency, {"w": factor * np.cos(angles)}

    report = check_gradients(waves, parameters, seed=seed)
    assert report.verdict == ("PASS" if factor == 1.0 else "FAIL")


def test_a_wave_in_float32_is_not_taken_for_a_straight_line_along_a_step_as_long_as_itself():
    verdicts = {1.0: [], 1.05: []}
    for seed in range(20):
        for factor, said in verdicts.items():

            def wave(p, factor=factor):
                a, b = p.astype(np.float32)
                loss = np.float32(100) + a * a + np.float32(0.03) * np.sin(np.float32(1000) * b)
                return loss, np.array([2 * factor * a, 30 * np.cos(np.float32(1000) * b)])

            start = np.random.default_rng(seed).uniform(0.3, 1, 2)
            said.append(check_gradients(wave, start, seed=seed).verdict)
    assert "FAIL" not in verdicts[1.0]
    assert "PASS" not in verdicts[1.05]


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_parameter_far_from_zero_may_matter_over_a_short_way(offset, factor):
    # The onset of a step, as a year or a time stamp, and how steep it is.
    x = offset + np.linspace(-3, 3, 25)
    y = 1 / (1 + np.exp(-(x - offset)))

    def fit(p):
        rise = 1 / (1 + np.exp(-np.exp(p["log_steepness"]) * (x - p["onset"])))
        behind = (rise - y) * rise * (1 - rise) * np.exp(p["log_steepness"])
        return 0.5 * float(((rise - y) ** 2).sum()), {
            "onset": -factor * behind.sum(),
            "log_steepness": (behind * (x - p["onset"])).sum(),
        }

    start = {"onset": np.array(offset + 0.7), "log_steepness": np.array(0.3)}
    report = check_gradients(fit, start)
    found = {f.setting: str(f.verdict) for f in report.blocks["onset"].findings}
    # The generic point lies far off the data, and so does a first step off a tie.
    assert found["current point"] == ("PASS" if factor == 1.0 else "FAIL")
    assert report.blocks["log_steepness"].verdict == "PASS"
