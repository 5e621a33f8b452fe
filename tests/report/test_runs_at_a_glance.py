"""A run at a glance: in words, as a drawing, as a page."""

import math
import xml.etree.ElementTree as ET

import pytest

from gradhook import Report, Verdict
from gradhook.report import BlockReport, Element, wording
from gradhook.report.pages import Run, page, plot
from gradhook.sinks.metrics import scalars


def report_of(verdict, step, ratios=None):
    blocks = {
        name: BlockReport(name, (3,), "float64", verdict, ratio)
        for name, ratio in (ratios or {"W": 0.3 if verdict is Verdict.FAIL else 3e-9}).items()
    }
    return Report(verdict, verdict is Verdict.PASS, blocks, step=step)


RIGHT = [report_of(Verdict.PASS, step) for step in (0, 10, 100)]
WRONG = [report_of(Verdict.FAIL, step) for step in (0, 10)]


def test_a_run_says_how_many_checks_passed_and_which_did_not():
    assert wording.outcome(RIGHT) == "3 checks, all passed"
    assert wording.outcome(RIGHT[:1]) == "1 check, passed"
    assert wording.outcome(WRONG[:1]) == "1 check, did not pass: FAIL at step 0 (W)"
    assert wording.outcome(WRONG + RIGHT) == ("5 checks, 2 did not pass: FAIL at steps 0, 10 (W)")
    many = [report_of(Verdict.FAIL, step) for step in range(9)]
    assert wording.outcome(many) == ("9 checks, none passed: FAIL at steps 0, 1, 2, 3, … (W)")
    mixed = [*WRONG, report_of(Verdict.INCONCLUSIVE, 20)]
    assert wording.outcome(mixed).endswith("FAIL at steps 0, 10 (W); INCONCLUSIVE at step 20 (W)")


def test_the_verdict_of_a_run_is_its_worst_and_pass_where_all_passed():
    untested = Report(Verdict.UNTESTED, True, {}, step=1)
    assert wording.overall([*RIGHT, untested]) is Verdict.PASS
    assert wording.overall([*RIGHT, report_of(Verdict.WARN, 7), *WRONG]) is Verdict.FAIL


def test_the_beginning_says_the_first_verdict_and_when_the_next_check_comes():
    assert wording.begun(WRONG[0], 100).endswith(": FAIL at step 0, next at step 100")
    assert wording.begun(RIGHT[0], None).endswith(": PASS at step 0, no further check is due")
    assert wording.begun(None, 100).endswith(": next at step 100")


def test_a_failure_is_held_against_the_last_one_that_was_told():
    other = report_of(Verdict.FAIL, 30, {"V": 0.3})
    checks = [*WRONG, RIGHT[2], report_of(Verdict.FAIL, 20), other]
    firsts = [first for _, first in wording.with_first(checks)]
    assert firsts == [None, WRONG[0], None, WRONG[0], None]


def test_a_page_opens_with_the_verdict_of_all_and_the_run_that_failed():
    good, bad = Run("/a/b/good", "good", list(RIGHT)), Run("/a/b/bad", "bad", [*RIGHT, *WRONG])
    shown = page([good, bad])
    order = [
        shown.index(words)
        for words in (
            "8 checks, 2 did not pass", ">bad: 5 checks", "gradcheck step 0: <span",
            "as at step 0 (", ">good: 3 checks, all passed",
        )
    ]  # fmt: skip
    assert order == sorted(order)
    assert shown.count("<section>") == 1  # the second failure is the first one's
    assert shown.count("<style>") == 1


def dots(reports):
    """Place and title of each dot of a drawing, and all of its words."""
    svg = ET.fromstring(plot(reports))
    found = [(float(d.get("cx")), float(d.get("cy")), d[0].text) for d in svg.iter("circle")]
    return found, {text.text: float(text.get("y")) for text in svg.iter("text")}


def test_a_ratio_above_the_limit_is_drawn_above_its_line_and_a_right_one_below():
    (wrong, right), words = dots([report_of(Verdict.FAIL, 0), report_of(Verdict.PASS, 50)])
    assert wrong[1] < words["wrong above"] < words["right below"] < right[1]
    assert wrong[0] < right[0]
    assert wrong[2] == "W: FAIL, ratio 0.3"
    assert {"step 0", "step 50", "1e-12"} <= set(words)


def test_what_has_no_ratio_has_no_dot_and_zero_and_infinity_stay_inside():
    reports = [
        report_of(Verdict.PASS, 0, {"<a>": 0.0, "b": math.nan}),
        report_of(Verdict.FAIL, 5, {"<a>": math.inf, "b": math.nan}),
        report_of(Verdict.INCONCLUSIVE, 9, {"<a>": 0.5}),
    ]
    found, _ = dots(reports)
    assert [title for _, _, title in found] == ["<a>: PASS, ratio 0", "<a>: FAIL, ratio inf"]
    assert all(0 < y < 180 for _, y, _ in found)


@pytest.mark.parametrize("reports", [RIGHT[:1], [], [RIGHT[0], RIGHT[0]]])
def test_fewer_than_two_steps_are_no_drawing(reports):
    assert plot(reports) == ""


def test_a_small_part_that_is_wrong_shows_its_own_ratio_wherever_the_block_is_told():
    """A wrong element of many leaves the ratio of its block within the limits."""
    element = Element((7, 3), analytic=-5.51, numerical=-5.45, error=2e-6)
    block = BlockReport(
        "W", (300, 200), "float64", Verdict.FAIL, 1e-5, 4e-6, where="W[7, 3]",
        worst=element, sentence="W[7, 3] wrong: ratio 5.0e-03 there",
    )  # fmt: skip
    report = Report(Verdict.FAIL, False, {"W": block}, ratio=1e-5, step=0)
    first = str(report).splitlines()[0]
    assert first == "gradcheck step 0: FAIL, W wrong; ratio 5.5e-03 at W[7, 3]"
    assert "  W[7, 3]: yours -5.51, numerical -5.45 ± 2e-06" in str(report).splitlines()
    (dot,), words = dots([report, Report(Verdict.PASS, True, {}, step=9)])
    assert dot[1] < words["wrong above"]
    values = scalars(report)
    assert values["gradcheck/W"] == values["gradcheck/ratio"] == pytest.approx(-2.26, abs=0.01)
