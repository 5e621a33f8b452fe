import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook._types import Verdict
from gradhook.report import Finding
from gradhook.sinks.metrics import log10_ratio, scalars


@given(st.floats(min_value=0, max_value=1))
def test_the_logarithm_of_a_ratio_is_finite_and_never_below_the_floor(ratio):
    assert log10_ratio(ratio) == (math.log10(ratio) if ratio > 1e-17 else -17)


@pytest.mark.parametrize("ratio", [math.nan, math.inf, -1.0])
def test_what_is_no_ratio_has_no_logarithm(ratio):
    assert math.isnan(log10_ratio(ratio))


@pytest.mark.parametrize("verdict", [Verdict.UNTESTED, Verdict.INCONCLUSIVE])
def test_a_block_that_was_not_judged_is_nan_whatever_its_ratio(make_report, make_block, verdict):
    found = Finding("generic point", verdict, 1e-12)
    values = scalars(make_report([make_block("W", verdict, ratio=1e-12, findings=(found,))]))
    assert math.isnan(values["gradcheck/W"])


def test_only_what_is_wrong_is_drawn_above_the_upper_limit(make_report, make_block):
    """A coarse PASS and a KINK are no alarm, in a right run or beside a block that is wrong."""
    harmless = [make_block("W", ratio=2e-3), make_block("b", Verdict.KINK, ratio=0.3)]
    wrong = make_block("V", Verdict.FAIL, ratio=1e-3)
    for blocks, verdict in ((harmless, Verdict.KINK), ([*harmless, wrong], Verdict.FAIL)):
        values = scalars(make_report(blocks, verdict, ratio=0.3))
        assert math.isnan(values["gradcheck/W"])
        assert math.isnan(values["gradcheck/b"])
        assert math.isnan(values["gradcheck/ratio"]) == (verdict is Verdict.KINK)
    assert values["gradcheck/V"] == -3


def test_a_block_at_a_kink_shows_what_it_was_judged_by(make_report, make_block):
    found = (Finding("generic point", Verdict.PASS, 1e-8), Finding("here", Verdict.KINK, 0.3))
    block = make_block("W", Verdict.KINK, ratio=0.3, findings=found)
    assert scalars(make_report([block], Verdict.KINK))["gradcheck/W"] == -8


def test_the_number_of_wrong_blocks_counts_every_mismatch(make_report, make_block):
    verdicts = (Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.UNTESTED)
    blocks = [make_block(str(verdict), verdict) for verdict in verdicts]
    assert scalars(make_report(blocks, Verdict.FAIL))["gradcheck/0 wrong blocks"] == 2
    assert scalars(make_report(blocks[:1]))["gradcheck/0 wrong blocks"] == 0
    assert next(iter(scalars(make_report(blocks)))) == "gradcheck/0 wrong blocks"


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.UNTESTED])
def test_a_check_that_could_not_tell_has_not_found_0_wrong_blocks(make_report, make_block, verdict):
    values = scalars(make_report([make_block("W", verdict)], verdict, passed=False))
    assert math.isnan(values["gradcheck/0 wrong blocks"])


def test_a_block_shows_the_largest_ratio_over_the_settings_that_judged_it(make_report, make_block):
    findings = (
        Finding("generic point", Verdict.PASS, 1e-9),
        Finding("dropout replayed", Verdict.PASS, 1e-8),
        Finding("joint", Verdict.PASS, math.nan),
        Finding("current point", Verdict.KINK, 1e-1, kinks=2),
        Finding("penalty off", Verdict.INCONCLUSIVE, 1e-2),
    )
    values = scalars(make_report([make_block("W", ratio=1e-9, findings=findings)]))
    assert values["gradcheck/W"] == -8


@pytest.mark.parametrize(("verdict", "ratio"), [("INCONCLUSIVE", 1e-12), ("UNTESTED", 0.0)])
def test_the_overall_ratio_of_a_check_that_could_not_tell_is_nan(make_report, verdict, ratio):
    report = make_report(verdict=Verdict(verdict), passed=False, ratio=ratio)
    assert math.isnan(scalars(report)["gradcheck/ratio"])
