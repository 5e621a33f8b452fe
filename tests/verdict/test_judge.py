"""Six verdicts, and how they combine."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook import Tolerance, Verdict
from gradhook.difference.base import Estimate
from gradhook.report import Finding
from gradhook.verdict.evidence import BlockEvidence, Probe
from gradhook.verdict.judge import Further, combine, judge, judge_kink, overall, passes

TOLERANCE = Tolerance()


def judged(
    analytic,
    numerical,
    error,
    *,
    norm=None,
    ordinary=1.0,
    arithmetic="",
    kink=False,
    gap=0.0,
    **fields,
):
    """One block of a hundred elements, three directions with equal numbers."""
    probe = Probe(analytic, Estimate(numerical, error, 1e-6, kink=kink, gap=gap))
    size = norm if norm is not None else abs(analytic)
    evidence = BlockEvidence("W", 100, size, 1.0, (probe,) * 3, **fields)
    return judge(evidence, "generic point", TOLERANCE, ordinary=ordinary, arithmetic=arithmetic)


def verdict(*args, **keywords):
    return judged(*args, **keywords).finding.verdict


@pytest.mark.parametrize(
    ("analytic", "numerical", "error", "expected"),
    [
        *((1.0, 1.0, 1e-9, "PASS"), (1.0, 1.0 + 1e-7, 1e-9, "PASS")),
        *(
            (1.0, 1.0 + 1e-5, 1e-9, "WARN"),
            (1.0, 1.0 + 1e-3, 1e-9, "FAIL"),
            (1.0, 2.0, 1e-9, "FAIL"),
        ),
        (1.0, 1.0 + 1e-5, 5e-5, "PASS"),  # not resolved, and the error is below fail
        (0.0, 1e-6, 1e-10, "FAIL"),  # resolved, and so never untested however small its block
        (1e-9, 1.1e-9, 1e-10, "UNTESTED"),  # too small to measure, and not inconclusive
        (1.0, math.nan, math.inf, "INCONCLUSIVE"),  # nowhere finite
    ],
)
def test_a_ratio_is_judged_by_the_thresholds_and_its_error(analytic, numerical, error, expected):
    assert verdict(analytic, numerical, error) == expected


def test_a_check_too_coarse_to_tell_is_inconclusive_never_pass():
    found = judged(1.0, 1.001, 1e-2)
    assert found.finding.verdict == "INCONCLUSIVE"
    assert "5e-03" in found.finding.note


def test_zero_on_both_sides_is_untested_if_an_ordinary_gradient_would_have_shown():
    assert verdict(0.0, 1e-10, 1e-10, ordinary=1.0) == "UNTESTED"
    assert verdict(0.0, 1e-3, 1e-2, ordinary=1.0) != "UNTESTED"


def test_a_block_that_moves_nothing_with_a_gradient_is_wrong_and_told_so():
    found = judged(0.5, 0.0, 1e-12, unmoved=True)
    assert found.finding.verdict == "FAIL"
    assert "does not change by a bit" in found.finding.note


def test_a_gradient_with_nan_is_wrong():
    found = judged(1.0, 1.0, 1e-9, spoiled="W[3, :]")
    assert found.finding.verdict == "FAIL"
    assert "NaN or infinite at W[3, :]" in found.finding.note


def test_an_empty_block_is_untested():
    evidence = BlockEvidence("E", 0, 0.0, 1.0)
    found = judge(evidence, "generic point", TOLERANCE, ordinary=1.0)
    assert found.finding.verdict == "UNTESTED"


def test_coarse_arithmetic_passes_with_its_resolution_and_not_above_a_hundredth():
    found = judged(1.0, 1.0, 1e-3, arithmetic="float32")
    assert found.finding.verdict == "PASS"
    assert "right to 5e-04, as far as float32 lets see" in found.finding.note
    assert verdict(1.0, 1.0, 0.1, arithmetic="float32") == "INCONCLUSIVE"
    assert verdict(1.0, 1.3, 1e-3, arithmetic="float32") == "FAIL"


def test_coarse_arithmetic_excuses_no_mismatch_that_it_resolves():
    # 0.3 %, measured to 1e-6: three directions tell the size to 40 %, and that it is there at all.
    found = judged(1.0, 1.0 + 6e-3, 1e-6, arithmetic="float32").finding
    assert found.verdict == "FAIL"
    assert found.ratio_error > 1e-3
    assert verdict(1.0, 1.0 + 1e-5, 1e-6, arithmetic="float32") == "WARN"


@pytest.mark.parametrize(
    ("numerical", "error", "more", "asked", "spared"),
    [
        (1.0, 1e-9, {}, Further.NOTHING, ~Further.NOTHING),
        (1.0 + 2e-4, 1e-9, {}, Further.DIRECTIONS, Further.NOTHING),  # near a threshold
        (1.5, 1e-9, {}, Further.NOTHING, Further.DIRECTIONS | Further.PART),
        (1.0 + 1e-5, 1e-9, {}, Further.PART, Further.NOTHING),  # small and resolved
        (1.0 + 1e-7, 1e-10, {}, Further.PART, Further.NOTHING),
        (1.5, 1e-3, {"kink": True, "gap": 1e-3}, Further.AGAIN, Further.NOTHING),
        (1.5, 1e-3, {}, Further.NOTHING, Further.AGAIN),
        (1.0, 1e-2, {}, Further.AFAR, Further.NOTHING),  # what short steps do not see
        (1.0, 1e-3, {"arithmetic": "float32"}, Further.AFAR, Further.NOTHING),
        (1.0, 1e-2, {"kink": True}, Further.AFAR, Further.NOTHING),
        (1.0, 1e-5, {}, Further.NOTHING, Further.AFAR),
    ],
)
def test_what_more_is_asked_for(numerical, error, more, asked, spared):
    further = judged(1.0, numerical, error, **more).further
    assert asked in further
    assert not further & spared


def test_one_probe_that_stands_out_alone_asks_for_more_directions():
    probes = [Probe(1.0, Estimate(n, 1e-9, 1e-6)) for n in (1.0, 1.1, 1.0, 1.0, 1.0)]
    evidence = BlockEvidence("W", 100, 1.0, 1.0, tuple(probes))
    found = judge(evidence, "generic point", TOLERANCE, ordinary=1.0)
    assert Further.DIRECTIONS in found.further


def test_a_ratio_above_what_coarse_arithmetic_may_leave_does_not_pass_within_its_error():
    passed = judged(1.0, 1.01, 4e-3, arithmetic="float32")
    assert passed.finding.verdict == "PASS"
    assert "right to 5e-03" in passed.finding.note
    assert judged(1.0, 1.03, 1.1e-2, arithmetic="float32").finding.verdict == "INCONCLUSIVE"


def test_a_mismatch_or_an_unclear_kink_asks_for_a_point_nearby():
    assert judged(1.0, 1.5, 1e-9).suspect
    assert judged(1.0, 1.0, 1e-1, kink=True).suspect
    assert not judged(1.0, 1.0, 1e-1).suspect
    assert not judged(1.0, 1.0, 1e-9, kink=True).suspect


def test_a_gradient_that_is_rounding_is_untested_where_the_numerical_one_is_no_larger():
    found = judged(1e-3, 1e-5, 1e-9, analytic_error=1e-3, ordinary=1.0)
    assert found.finding.verdict == "UNTESTED"
    assert "gradient is rounding" in found.finding.note
    assert verdict(1e-3, 1.0, 1e-9, analytic_error=1e-3, ordinary=1.0) == "FAIL"


def test_a_mismatch_that_vanishes_a_step_away_is_a_kink():
    here, away = judged(0.0, 1.0, 1e-9, norm=1.0, kink=True), judged(1.0, 1.0, 1e-9)
    found = judge_kink(here, away, TOLERANCE)
    assert found.finding.verdict == "KINK"
    assert found.finding.ratio == away.finding.ratio
    assert "at a tie the loss has no derivative" in found.finding.note


def test_a_mismatch_here_alone_without_a_kink_is_wrong_exactly_here():
    here, away = judged(0.0, 1.0, 1e-9, norm=1.0), judged(1.0, 1.0, 1e-9)
    found = judge_kink(here, away, TOLERANCE, kink=False).finding
    assert found.verdict == "FAIL"
    assert "wrong exactly here, where the loss is smooth" in found.note
    assert found.ratio == here.finding.ratio


def test_a_part_of_a_block_that_is_no_better_a_step_away_is_not_wrong_here_alone():
    small = judged(1.0, 1.0 + 2e-8, 1e-10)
    here = replace(small, finding=replace(small.finding, verdict=Verdict.FAIL))  # of its part
    coarser, as_wrong = judged(1.0, 1.0 + 8e-8, 1e-6), judged(1.0, 1.0 + 8e-8, 1e-10)
    assert judge_kink(here, coarser, TOLERANCE, kink=False).finding.verdict == "INCONCLUSIVE"
    assert judge_kink(here, as_wrong, TOLERANCE, kink=False).finding.verdict == "PASS"
    assert (
        judge_kink(here, judged(1.0, 1.0, 1e-10), TOLERANCE, kink=False).finding.verdict == "FAIL"
    )


def test_where_nothing_can_be_traced_both_readings_are_told():
    here, away = judged(0.0, 1.0, 1e-9, norm=1.0), judged(1.0, 1.0, 1e-9)
    found = judge_kink(here, away, TOLERANCE, kink=None).finding
    assert found.verdict == "WARN"
    assert "cannot be traced" in found.note
    assert "special case" in found.note


def test_a_mismatch_no_larger_than_the_rounding_of_the_gradient_nearby_is_untested():
    away = judged(1e-3, 1e-5, 1e-9, analytic_error=1e-3, ordinary=1.0)
    near = judge_kink(judged(2e-3, 1e-5, 1e-9), away, TOLERANCE).finding
    assert near.verdict == "UNTESTED"
    assert math.isnan(near.ratio)
    assert judge_kink(judged(0.5, 1e-5, 1e-9), away, TOLERANCE).finding.verdict == "INCONCLUSIVE"


def test_a_mismatch_that_stays_a_step_away_counts():
    found = judge_kink(judged(0.0, 1.0, 1e-9, norm=1.0), judged(1.0, 2.0, 1e-9), TOLERANCE)
    assert found.finding.verdict == "FAIL"


def test_a_mismatch_no_larger_than_what_could_be_seen_a_step_away_is_not_here_alone():
    here, away = judged(1.0, 1.02, 1e-3), judged(1.0, 1.01, 9e-3, arithmetic="float32")
    assert judge_kink(here, away, TOLERANCE).finding.verdict == "INCONCLUSIVE"
    sharper = judged(1.0, 1.0, 3e-3, arithmetic="float32")
    assert judge_kink(here, sharper, TOLERANCE).finding.verdict == "KINK"


def test_a_tie_with_no_answer_nearby_is_inconclusive():
    found = judge_kink(judged(0.0, 1.0, 1e-9, norm=1.0), judged(1.0, 1.0, 1e-1), TOLERANCE)
    assert found.finding.verdict == "INCONCLUSIVE"


ORDER = ("FAIL", "WARN", "PASS", "KINK", "INCONCLUSIVE", "UNTESTED")


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ORDER, 2)))
def test_over_settings_what_judged_outranks_what_could_not(first, second):
    findings = [Finding("a", Verdict(second), ratio=0.5), Finding("b", Verdict(first), ratio=0.1)]
    assert combine(findings).verdict == first


def test_among_equal_verdicts_the_largest_ratio_speaks():
    findings = [Finding("a", Verdict.PASS, ratio=1e-9), Finding("b", Verdict.PASS, ratio=1e-8)]
    assert combine(findings).setting == "b"


def test_overall_the_worst_block_counts():
    worst_first = ["FAIL", "INCONCLUSIVE", "WARN", "KINK", "UNTESTED", "PASS"]
    for i, worst in enumerate(worst_first):
        assert overall(Verdict(v) for v in worst_first[i:]) == worst


verdicts = st.lists(st.sampled_from(list(Verdict)), min_size=1)


@given(verdicts)
def test_a_check_passes_only_with_a_block_judged_right_and_none_wrong_or_doubtful(blocks):
    expected = Verdict.PASS in blocks and not {"FAIL", "WARN", "INCONCLUSIVE"} & set(blocks)
    assert passes(overall(blocks), blocks) == expected
