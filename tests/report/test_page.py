"""Runs as Markdown: what did not pass first, nothing formatted that the user named."""

from gradhook import Verdict
from gradhook.report.pages import Run, markdown
from tests.report.made import block, report_of


def of_step(verdict, step):
    return report_of(block("W", verdict, 0.3), verdict=verdict, step=step)


RIGHT = Run("a", "right", [of_step(Verdict.PASS, 1), of_step(Verdict.PASS, 2)])
WRONG = Run("b", "wrong", [of_step(Verdict.FAIL, 7), of_step(Verdict.PASS, 8)])


def test_the_verdict_comes_first_then_the_run_that_failed_then_what_passed():
    said = markdown([RIGHT, WRONG])
    assert said.startswith("## Gradient checks: FAIL\n\n```text\nwrong: 2 checks, 1 did not pass")
    assert said.index("step 7") < said.index("<summary>1 passed<") < said.index("right: 2 checks")
    assert "<details><summary>2 passed</summary>" in said


def test_the_same_failure_again_is_one_line_and_verbose_is_longer():
    again = Run("c", "again", [of_step(Verdict.FAIL, step) for step in (7, 8)])
    once = Run("c", "again", again.reports[:1])
    assert markdown([again]).count("\n") - markdown([once]).count("\n") == 4
    assert len(markdown([once], verbose=True)) > len(markdown([once]))


def test_a_run_that_was_cut_off_says_so():
    torn = Run("e", "torn", RIGHT.reports, torn=True)
    assert "\nnot all of this run could be read\n" in markdown([torn])
    assert "not all of this run" not in markdown([RIGHT])
