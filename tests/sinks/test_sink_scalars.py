import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook._types import Tolerance, Verdict
from gradhook.report import Finding
from gradhook.sinks.tensorboard.scalars import log10_ratio, scalars


def of(report):
    return scalars(report, {name: name for name in report.blocks})


@given(st.floats(min_value=0, max_value=1))
def test_the_logarithm_of_a_ratio_is_finite_and_never_below_the_floor(ratio):
    assert log10_ratio(ratio) == (math.log10(ratio) if ratio > 1e-17 else -17)


@pytest.mark.parametrize("ratio", [math.nan, math.inf, -1.0])
def test_what_is_no_ratio_has_no_logarithm(ratio):
    assert math.isnan(log10_ratio(ratio))


@pytest.mark.parametrize("verdict", [Verdict.UNTESTED, Verdict.INCONCLUSIVE])
def test_a_block_that_was_not_judged_is_nan_whatever_its_ratio(make_report, make_block, verdict):
    found = Finding("generic point", verdict, 1e-12)
    values = of(make_report([make_block("W", verdict, ratio=1e-12, findings=(found,))]))
    assert math.isnan(values["gradcheck/W"])


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.KINK, Verdict.WARN, Verdict.FAIL])
def test_a_block_that_was_judged_shows_the_logarithm_of_its_ratio(make_report, make_block, verdict):
    assert of(make_report([make_block("W", verdict, ratio=1e-3)]))["gradcheck/W"] == -3


def test_a_block_that_passed_jointly_with_others_is_nan(make_report, make_block):
    values = of(make_report([make_block("W", ratio=math.nan)]))
    assert math.isnan(values["gradcheck/W"])


def test_a_block_shows_the_largest_ratio_over_the_settings_that_judged_it(make_report, make_block):
    findings = (
        Finding("generic point", Verdict.PASS, 1e-9),
        Finding("dropout replayed", Verdict.PASS, 1e-8),
        Finding("joint", Verdict.PASS, math.nan),
        Finding("current point", Verdict.KINK, 1e-1, kinks=2),
        Finding("penalty off", Verdict.INCONCLUSIVE, 1e-2),
    )
    values = of(make_report([make_block("W", ratio=1e-9, findings=findings)]))
    assert values["gradcheck/W"] == -8


def test_the_overall_ratio_of_a_check_that_could_not_tell_is_nan(make_report):
    report = make_report(verdict=Verdict.INCONCLUSIVE, ratio=1e-12)
    assert math.isnan(of(report)["gradcheck/ratio"])


def test_the_overall_ratio_of_a_check_that_judged_nothing_is_nan(make_report):
    report = make_report(verdict=Verdict.UNTESTED, passed=False, ratio=0.0)
    assert math.isnan(of(report)["gradcheck/ratio"])


def test_one_untested_block_does_not_hide_the_ratio_of_the_others(make_report, make_block):
    blocks = [make_block("W", ratio=1e-9), make_block("b", Verdict.UNTESTED, ratio=math.nan)]
    assert of(make_report(blocks, Verdict.UNTESTED, ratio=1e-9))["gradcheck/ratio"] == -9


def test_the_bands_are_the_logarithms_of_the_thresholds_used(make_report):
    values = of(make_report(tolerance=Tolerance(warn=1e-5, fail=1e-2)))
    bands = {tag: value for tag, value in values.items() if tag.startswith("gradcheck_bands/")}
    assert bands == {
        "gradcheck_bands/floor": -17,
        "gradcheck_bands/warn": -5,
        "gradcheck_bands/fail": -2,
        "gradcheck_bands/top": 0,
    }


def test_details_are_the_numbers_themselves(make_report, make_block):
    findings = (
        Finding("generic point", Verdict.FAIL, 0.5, kinks=2),
        Finding("current point", Verdict.FAIL, 0.4, kinks=1),
    )
    block = make_block("W", Verdict.FAIL, ratio=0.5, ratio_error=0.01, findings=findings)
    report = make_report(
        [block, make_block("b")],
        Verdict.FAIL,
        ratio=0.25,
        ratio_error=0.02,
        evaluations=7,
        gradient_evaluations=3,
        loss=1.5,
        seconds=2.0,
    )
    values = of(report)
    prefix = "gradcheck_detail/"
    details = {t.removeprefix(prefix): v for t, v in values.items() if t.startswith(prefix)}
    assert math.isnan(details.pop("b/ratio_error"))
    assert details == {
        "ratio": 0.25,
        "ratio_error": 0.02,
        "verdict": 5,
        "kinks": 3,
        "evaluations": 7,
        "gradient_evaluations": 3,
        "loss": 1.5,
        "seconds": 2.0,
        "W/ratio": 0.5,
        "W/ratio_error": 0.01,
        "W/verdict": 5,
        "W/kinks": 3,
        "b/ratio": 3e-9,
        "b/verdict": 0,
        "b/kinks": 0,
    }
