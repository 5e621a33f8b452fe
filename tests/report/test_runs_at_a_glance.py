"""A run at a glance: in words, as a page."""

from gradhook import Report, Verdict
from gradhook.report import BlockReport, wording
from gradhook.report.runs import Run, page


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
