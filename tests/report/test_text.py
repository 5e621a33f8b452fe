"""Text, summary and HTML: a person sees which block fails and why, whatever the names hold."""

import ast
import dataclasses
import html
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradhook import check_gradients
from gradhook._types import Tolerance, Verdict
from gradhook.report import BlockReport, Branch, Cause, Element, Finding, Report, story
from gradhook.report import pages as _render_html
from gradhook.report import text as _render
from gradhook.report import wording as _phrases
from gradhook.report.format import number
from tests.report.made import REPORTS, block, report_of

CALL = (
    "check_gradients(loss_and_gradients, params, batch=(X, y), samples=7, "
    "effort='standard', seed=0)"
)


def failing() -> Report:
    """One block of each kind of news, a cause, and something not exercised."""
    findings = (
        Finding("generic point", Verdict.FAIL, 0.33, 0.01, probes=3),
        Finding("current point", Verdict.KINK, 0.2, probes=3, kinks=2, note="black pixels"),
    )
    return report_of(
        block("b1", ratio=0.0),
        block(
            "W2",
            Verdict.FAIL,
            0.33,
            ratio_error=0.01,
            sentence="slopes differ in 3 of 3 probes",
            worst=Element((3, 5), 0.12, 0.34, 1e-9),
            where="W2[:, 7]",
            findings=findings,
            setting="generic point",
        ),
        block("b2", Verdict.UNTESTED, math.nan, sentence="12 of 20 units are dead"),
        verdict=Verdict.FAIL,
        ratio=0.31,
        ratio_error=0.02,
        causes=(
            Cause(
                "R", "reg_missing", ("W2",), "the gradient lacks 1e-3·W", "W2", "k = -1e-3", "λ=0"
            ),
        ),
        coverage=("b2: gradient is zero here",),
        notes=("the loss is random (dropout on?): checked with its mask frozen",),
        settings=("generic point", "current point"),
        evaluations=84,
        gradient_evaluations=6,
        loss=2.302585,
        step=100,
        rows=(1, 5, 9),
        batch_rows=200,
        seconds=0.1234,
        call=CALL,
    )


def test_the_text_of_a_failing_report_reads_from_top_to_bottom():
    assert str(failing()).splitlines() == [
        "gradcheck step 100: FAIL, W2 wrong, b2 untested; ratio 0.33; 1 of 3 blocks right",
        "",
        "cause: the gradient lacks 1e-3·W",
        "  W2[3, 5]: yours 0.12, numerical 0.34 ± 1e-09",
        "  evidence: k = -1e-3",
        "  next: add it to the gradient; if the optimiser applies it (decoupled weight",
        "    decay), take it out of the loss that is checked",
        "b2 untested: 12 of 20 units are dead",
        "",
        "verdict   block  shape     ratio",
        "FAIL      W2     (20, 10)  0.33 ± 0.01  W2[:, 7]",
        "UNTESTED  b2     (20, 10)  –",
        "PASS      b1     (20, 10)  0",
        "",
        "note: b2: gradient is zero here",
        "note: the loss is random (dropout on?): checked with its mask frozen",
        "ratio = |yours - numerical| / (|yours| + |numerical|), wrong above 1e-04",
        "3 of 200 rows, 84 loss evaluations, 0.12 s",
        "see it again:",
        "check_gradients(loss_and_gradients, params, batch=(X, y), samples=7,",
        "    effort='standard', seed=0)",
    ]


def test_the_details_tell_all_there_is():
    assert failing().details().splitlines() == [
        "gradcheck step 100: FAIL, W2 wrong, b2 untested; ratio 0.33; 1 of 3 blocks right",
        "",
        "note: the loss is random (dropout on?): checked with its mask frozen",
        "",
        "cause: the gradient lacks 1e-3·W",
        "  blocks: W2",
        "  where: W2",
        "  evidence: k = -1e-3",
        "  would be refuted by: λ=0",
        "  next: add it to the gradient; if the optimiser applies it (decoupled weight",
        "    decay), take it out of the loss that is checked",
        "",
        "verdict   block  shape     ratio",
        "FAIL      W2     (20, 10)  0.33 ± 0.01",
        "          slopes differ in 3 of 3 probes",
        "          where: W2[:, 7]",
        "          worst element W2[3, 5]: yours 0.12, numerical 0.34 ± 1e-09",
        "          generic point: FAIL, ratio 0.33 ± 0.01",
        "          current point: KINK, ratio 0.2, 2 of 3 probes met a kink; black pixels",
        "UNTESTED  b2     (20, 10)  –            12 of 20 units are dead",
        "PASS      b1     (20, 10)  0",
        "",
        "ratio = |yours - numerical| / (|yours| + |numerical|), wrong above 1e-04",
        "standard effort, 84 loss and 6 gradient evaluations, 0.123 s, 3 rows, seed 0,",
        "  loss 2.30259",
        "measured at: generic point; current point",
        "",
        "not exercised here:",
        "  - b2: gradient is zero here",
        "",
        "see it again:",
        "check_gradients(loss_and_gradients, params, batch=(X, y), samples=7,",
        "    effort='standard', seed=0)",
    ]


def story_of(*blocks, **more):
    report = report_of(*blocks, verdict=more.pop("verdict", Verdict.FAIL), **more)
    return str(report).split("\n\n")[1:-2]


def test_the_wrong_element_stands_with_both_numbers():
    worst = Element((3, 5), 0.12, 0.34, 1e-9)
    wrong = block("W2", Verdict.FAIL, 0.3, worst=worst, where="W2[3, 5]")
    numbers = "W2[3, 5]: yours 0.12, numerical 0.34 ± 1e-09"
    step = "\n  next: compare the lines that compute this gradient with those of the loss"
    assert story_of(wrong) == [f"wrong at {numbers}{step}"]
    assert story_of(dataclasses.replace(wrong, where=None)) == [f"wrong, as at {numbers}{step}"]
    spread = dataclasses.replace(wrong, where="W2[:, 5]")
    assert story_of(spread) == [f"wrong: W2[:, 5]\n  {numbers}{step}"]
    assert story_of(dataclasses.replace(spread, worst=None)) == [f"wrong: W2[:, 5]{step}"]


def test_where_a_fault_enters_stands_with_the_numbers_of_a_block_it_spoils():
    worst = Element((3, 5), 0.12, 0.34)
    wrong = [block("W1", Verdict.FAIL, 0.3, worst=worst, where="all of W1"), block("W2")]
    report = report_of(*wrong, verdict=Verdict.FAIL, boundary="it enters between W1 and W2")
    _, story, table, _ = str(report).split("\n\n")
    assert story.splitlines() == [
        "it enters between W1 and W2",
        "  W1[3, 5]: yours 0.12, numerical 0.34",
        "  next: compare the lines that compute these gradients with those of the loss",
    ]
    assert table.splitlines()[1].endswith("  all of W1")


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("generic point, dropout replayed", "generic point", "w: wrong with dropout on and right"),
        ("current point", "generic point", "w: wrong at these weights and right at others"),
        ("generic point", "current point", "w: wrong at other weights and right at these"),
    ],
)
def test_a_block_that_is_wrong_in_one_place_alone_says_where_in_plain_words(wrong, right, said):
    findings = (Finding(wrong, Verdict.FAIL, 0.3), Finding(right, Verdict.PASS, 3e-9))
    report = report_of(block("w", Verdict.FAIL, 0.3, findings=findings), verdict=Verdict.FAIL)
    assert said in str(report)
    everywhere = (findings[0], dataclasses.replace(findings[1], verdict=Verdict.FAIL))
    # On both sides of a threshold, and no further apart than the ratio's own error.
    beside = findings[0], dataclasses.replace(findings[1], ratio=0.25, ratio_error=0.1)
    for told in (everywhere, beside):
        made = dataclasses.replace(block("w", Verdict.FAIL, 0.3, findings=told), ratio_error=0.1)
        assert "w: wrong" not in str(report_of(made, verdict=Verdict.FAIL))


def test_what_is_said_alike_of_several_blocks_is_said_once():
    alike = [block(f"b{i}", Verdict.UNTESTED, math.nan, sentence="dead") for i in range(3)]
    text = str(report_of(block("W"), *alike, verdict=Verdict.UNTESTED))
    assert text.count("dead") == 1
    assert "\nb0, b1, b2 untested: dead\n" in text
    joint = [block(f"W{i}", sentence="right jointly") for i in range(7)]
    assert "\nall blocks: right jointly\n" in str(report_of(*joint))


def test_a_check_that_passed_with_untested_blocks_is_headed_pass_with_the_reason():
    def at(norm):
        return (Finding("current point", Verdict.UNTESTED, analytic_norm=norm),)

    right = dataclasses.replace(block("W"), findings=at(2.0))
    biases = [
        BlockReport(name, (5,), "float64", Verdict.UNTESTED, findings=at(1e-17), sentence="zero")
        for name in ("b1", "b2")
    ]
    text = str(report_of(right, *biases, verdict=Verdict.UNTESTED))
    assert text.replace("\n  ", " ").startswith(
        "gradcheck: PASS, 1 of 3 blocks; b1, b2 untested (zero but for rounding: bias before a "
        "normalisation?); largest ratio 3e-09 in W\n"
    )
    assert "untested: zero" not in text
    dead = dataclasses.replace(biases[0], findings=at(0.0))
    assert "b1 untested: zero" in str(report_of(right, dead, verdict=Verdict.UNTESTED))


def test_a_pass_in_coarse_arithmetic_says_how_far_it_saw():
    coarse = BlockReport("w", (3,), "float32", Verdict.PASS, 2e-6, 4e-5)
    assert str(report_of(coarse)).startswith("gradcheck: PASS to 4e-05 (float32), 1 block; ")
    fine = dataclasses.replace(coarse, dtype="float64")
    assert str(report_of(fine)).startswith("gradcheck: PASS to 4e-05, 1 block; ")


def test_the_same_failure_later_is_one_line():
    first = dataclasses.replace(failing(), step=0)
    later = dataclasses.replace(failing(), step=10, seconds=3.0, evaluations=70, rows=(2, 3))
    assert story.same_story(first, later)
    assert _render.in_short(later, first) == (
        "gradcheck step 10: FAIL, as at step 0 (the gradient lacks 1e-3·W)"
    )
    long = dataclasses.replace(first.causes[0], sentence="why " * 90)
    line = _render.in_short(dataclasses.replace(later, causes=(long,)), first, 100)
    assert len(line) <= 100
    assert "…" in line
    for other in (
        dataclasses.replace(later, causes=()),
        dataclasses.replace(later, verdict=Verdict.WARN),
        dataclasses.replace(later, blocks={**later.blocks, "b1": block("b1", Verdict.FAIL)}),
    ):
        assert not story.same_story(first, other)


def test_a_wrapped_call_is_still_the_same_python():
    text = str(failing())
    pasted = text.split("see it again:\n")[1]
    assert ast.dump(ast.parse(pasted)) == ast.dump(ast.parse(CALL))


def test_only_a_report_that_has_not_passed_says_how_to_see_it_again():
    passed = report_of(block("w"), call="check()")
    assert "see it again" not in str(passed) + passed._repr_html_()
    unjudged = dataclasses.replace(passed, passed=False, verdict=Verdict.UNTESTED)
    assert str(unjudged).endswith("\nsee it again: check()")


def test_blocks_come_by_severity_then_ratio_with_unknown_ratios_last():
    blocks = [
        block("pass low", ratio=1e-9),
        block("pass unknown", ratio=math.nan),
        block("pass high", ratio=1e-7),
        block("untested", Verdict.UNTESTED, math.nan),
        block("kink", Verdict.KINK, 0.9),
        block("warn", Verdict.WARN, 1e-5),
        block("inconclusive", Verdict.INCONCLUSIVE, math.nan),
        block("fail", Verdict.FAIL, 1e-3),
        block("fail infinite", Verdict.FAIL, math.inf),
    ]
    lines = str(report_of(*blocks, verdict=Verdict.FAIL)).splitlines()
    rows = [re.split("  +", line)[1] for line in lines if "(20, 10)" in line]
    assert rows == [
        "fail infinite", "fail", "inconclusive", "warn", "kink", "untested", "pass high",
        "pass low", "pass unknown",
    ]  # fmt: skip


def test_sixty_passing_blocks_are_twelve_rows_and_a_sum():
    blocks = [block(f"layer{i}/W", ratio=1e-9 * (i + 1)) for i in range(60)]
    text = str(report_of(*blocks))
    assert text.count("(20, 10)") == 12
    assert "… and 48 blocks that PASS, largest ratio 4.8e-08" in text


def test_sixty_failing_blocks_all_have_a_row_and_one_sentence():
    blocks = [block(f"w{i}", Verdict.FAIL, 0.5, sentence="why it fails") for i in range(60)]
    report = report_of(*blocks, verdict=Verdict.FAIL)
    assert str(report).count("(20, 10)") == report.details().count("(20, 10)") == 60
    assert str(report).count("why it fails") == 1
    assert "FAIL, all 60 blocks wrong; " in str(report)


def test_the_textbook_ratio_stands_beside_ours_where_it_is_known():
    report = report_of(
        block("a", textbook_ratio=2e-8), block("b", ratio=1e-9), textbook_ratio=1.5e-8, ratio=3e-9
    )
    text = str(report)
    assert "largest ratio 3e-09 in a (textbook 1.5e-08)" in text
    assert "verdict  block  shape     ratio  textbook\n" in text
    assert "PASS     a      (20, 10)  3e-09  2e-08\n" in text
    assert "PASS     b      (20, 10)  1e-09  –\n" in text
    assert "textbook" not in str(report_of(block("a")))


def test_the_thresholds_are_the_ones_of_the_report():
    report = report_of(block("w"), tolerance=Tolerance(warn=1e-8, fail=0.02))
    said = "wrong above 0.02"
    assert said in " ".join(report.details().split())
    wrong = report_of(block("w", Verdict.FAIL), verdict=Verdict.FAIL, tolerance=report.tolerance)
    assert ", wrong above 0.02\n" in str(wrong)
    slightly = report_of(block("w", Verdict.WARN), verdict=Verdict.WARN, tolerance=report.tolerance)
    assert ", slightly wrong above 1e-08 " in " ".join(str(slightly).split())
    assert said in report._repr_html_()


def test_what_nothing_exercised_has_no_ratio_and_is_said_once():
    report = check_gradients(
        lambda p: (np.sum(p["x"] ** 2), {"x": 2 * p["x"], "y": 0 * p["y"]}),
        {"x": np.ones(3), "y": np.ones(3)},
    )
    why = report.blocks["y"].sentence
    assert report.blocks["y"].verdict is Verdict.UNTESTED
    assert any(why in sentence for sentence in report.coverage)
    assert re.search(r"UNTESTED  y  \(3,\) +–", str(report))
    assert " ".join(str(report).split()).count(why.split("(")[0].strip()) == 1


def test_a_kink_in_a_passing_block_is_said_once():
    # At 0 the loss has the slopes -1 and 1 and the gradient is 1; at any other point it is right.
    report = check_gradients(
        lambda x: (1 + np.sum(np.abs(x)), np.where(x < 0, -1.0, 1.0)), np.zeros(5)
    )
    assert report.blocks["x"].verdict is Verdict.PASS
    text = report.details()
    assert str(report).count("at a tie the loss has no derivative") == 1
    assert text.count("at a tie the loss has no derivative") == 1


def test_the_lines_at_which_a_doubted_block_bends_are_told_everywhere_but_in_a_pass():
    branch = Branch("maximum", "/home/me/model.py", 23, "h = np.maximum(0, z)", 3, 480)
    told = "branches: 3 of 480 elements of np.maximum flip at model.py:23  `h = np.maximum(0, z)`"
    report = report_of(block("b", Verdict.KINK, sentence="at a tie", branches=(branch,)))
    assert told in " ".join(_render.details(report, 120).split("\n"))
    assert told in html.unescape(report._repr_html_())
    assert "b at a tie: at a tie; 3 of 480 elements of np.maximum flip at model.py:23" in str(
        report
    )
    assert "np.maximum" not in str(report_of(block("b", branches=(branch,))))


@pytest.mark.parametrize(
    ("confidence", "opening"),
    [("exact", "cause: "), ("family", "likely cause: ")],
)
def test_a_cause_says_how_far_it_reaches(confidence, opening):
    cause = Cause("M", "clipped", ("w",), "look below fc2", confidence=confidence)
    report = report_of(causes=(cause,))
    assert f"\n{opening}look below fc2\n" in str(report)
    assert f"\n{opening}look below fc2\n  blocks: w\n" in report.details()
    assert f"{opening}look below fc2" in report._repr_html_()


def test_colour_marks_verdicts_and_takes_no_columns():
    report = failing()
    plain = _render.text(report, 100)
    coloured = _render.text(report, 100, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31mFAIL\x1b[0m      W2" in coloured
    assert "gradcheck step 100: \x1b[1;31mFAIL\x1b[0m, W2 wrong" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert _render.summary(report, colour=True).startswith("gradcheck step 100: \x1b[1;31mFAIL")


def test_a_long_name_keeps_both_ends():
    name = "encoder/layer_12/attention/" + "x" * 200 + "/query/W"
    row = next(line for line in str(report_of(block(name))).splitlines() if "(20, 10)" in line)
    assert re.search(r"encoder/layer_12/\S*…\S*/query/W", row)
    assert len(row) == 80


LAYERS = [
    f"encoder/transformer_block_{i}/self_attention/output_projection/weight" for i in range(8)
]


@pytest.mark.parametrize("width", [80, 120])
def test_long_names_that_differ_in_the_middle_are_told_apart_wherever_they_stand(width):
    wrong = [block(name, Verdict.FAIL, 0.5 - i / 100) for i, name in enumerate(LAYERS)]
    right = block("right")
    cause = Cause("S", "scale", tuple(LAYERS), "the gradient is half of what it should be")
    report = report_of(*wrong, right, verdict=Verdict.FAIL, causes=(cause,))
    head, causes, table, *_ = _render.details(report, width).split("\n\n")
    rows = [line.split()[1] for line in table.splitlines()[1:-1]]
    assert len(set(rows)) == len(LAYERS)
    for i in range(4):  # The headline names four.
        assert f"…{i}/self_atte…tion/weight" in head
    for i in range(8):
        assert f"…{i}/self_atte…tion/weight" in causes
        assert re.search(rf"{i}\b", rows[i])
    assert len(set(re.findall(r'class="name">([^<]*)<', report._repr_html_()))) == 1 + len(LAYERS)
    wrong[5] = dataclasses.replace(wrong[5], ratio=0.9)
    assert "worst ratio 0.9 in …5/self_atte…tion/weight" in repr(
        report_of(*wrong, verdict=Verdict.FAIL)
    )


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (
            report_of(
                *(block(f"w{i}") for i in range(6)), ratio=3.1e-9, ratio_error=1e-9, step=100,
                evaluations=84,
            ),
            "gradcheck step 100: PASS, 6 blocks; largest ratio 3e-09 in w0",
        ),
        (
            report_of(
                block("b2"), block("W2", Verdict.FAIL, 0.33, sentence="sign is wrong"),
                verdict=Verdict.FAIL, step=0,
            ),
            "gradcheck step 0: FAIL, W2 wrong; ratio 0.33: sign is wrong",
        ),
        (
            report_of(
                *(block(f"w{i}", Verdict.FAIL, 0.1 + i / 10) for i in range(3)),
                verdict=Verdict.FAIL,
            ),
            "gradcheck: FAIL, all 3 blocks wrong; worst ratio 0.3 in w2",
        ),
        (
            report_of(block("w", Verdict.INCONCLUSIVE, math.nan, sentence="too coarse"),
                      verdict=Verdict.INCONCLUSIVE),
            "gradcheck: INCONCLUSIVE, w not judged: too coarse",
        ),
        (
            report_of(verdict=Verdict.INCONCLUSIVE, notes=("random loss",), evaluations=1),
            "gradcheck: INCONCLUSIVE, no block was measured: random loss",
        ),
        (
            report_of(
                block("w", Verdict.FAIL, 0.5, sentence="disagree"), verdict=Verdict.FAIL,
                causes=(Cause("A", "accumulated", ("w",), "gradients are not zeroed"),),
            ),
            "gradcheck: FAIL, w wrong; ratio 0.5: gradients are not zeroed",
        ),
        (
            report_of(block("w", Verdict.KINK, 0.2), block("v"), verdict=Verdict.KINK, ratio=2e-9),
            "gradcheck: PASS, 1 of 2 blocks; w at a tie; largest ratio 3e-09 in v",
        ),
    ],
)  # fmt: skip
def test_a_summary_says_in_one_line_what_matters(report, line):
    assert _render.summary(report) == line


class Page(HTMLParser):
    """Collects the tags, attributes and text of a fragment, and fails where tags do not nest."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said: list[str] = []
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.said.append(data)


TAGS = {
    "div", "style", "p", "span", "table", "tr", "th", "td", "ul", "li", "pre", "details", "summary",
}  # fmt: skip


@given(REPORTS, st.integers(0, 130), st.booleans())
@settings(max_examples=60)
@example(report_of(block("x" * 10_000, sentence="y" * 10_000)), 80, False)
@example(
    report_of(block("<script>alert(1)</script>"), block("\"'><img src=x onerror=y>")), 80, True
)
def test_nothing_shown_raises_overflows_or_sends_a_control_character_or_a_tag(
    report, width, colour
):
    for render in (_render.text, _render.details):
        text = render(report, width, colour=colour)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text) if colour else text
        for line in plain.split("\n"):
            assert len(line) <= max(width, 72)
            assert line.isprintable()
        plain.encode("utf-8")
    assert _render.summary(report).isprintable()
    assert repr(report).isprintable()
    page = Page(report._repr_html_())
    assert page.tags <= TAGS
    assert page.attributes <= {"class", "style", "scope", "colspan"}


def test_html_loads_and_runs_nothing():
    fragment = failing()._repr_html_()
    assert not re.search(r"script|https?:|url\(|@import|src=|href=|on\w+=", fragment)


def test_html_says_all_that_the_text_says():
    report = failing()
    said = " ".join(" ".join(Page(report._repr_html_()).said).split())
    assert " ".join(report.details().split()) in said
    paragraphs = [sentence for paragraph in story.story(report) for sentence in paragraph]
    sentences = [_phrases.headline(report), *paragraphs, story.ratio_meaning(report)]
    for sentence in [*sentences, *report.notes, *report.coverage, report.call]:
        assert sentence in said


@pytest.mark.parametrize("verdict", Verdict)
def test_a_pill_says_its_verdict_in_legible_words(verdict):
    fragment = report_of(block("w", verdict), verdict=verdict)._repr_html_()
    colour = _render_html.PILLS[verdict]
    assert fragment.count(f'style="background:{colour}">{verdict}</span>') >= 1
    assert verdict in _render.ANSI


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "–"), (0.0, "0"), (-0.0, "0"), (math.inf, "inf"), (-math.inf, "-inf"),
        (1.0, "1"), (0.334, "0.33"), (0.01, "0.01"), (5e-4, "5e-04"), (3.24e-9, "3.2e-09"),
        (1e-6, "1e-06"), (-2e-3, "-2e-03"), (1e-300, "1e-300"), (12345.0, "1.2e+04"),
    ],
)  # fmt: skip
def test_a_number_is_shown_in_two_digits(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("error", "headline"),
    [(4e-4, "gradcheck: PASS to 4e-04, 1 block"), (1e-9, "gradcheck: PASS, 1 block")],
)
def test_a_check_that_probed_jointly_says_how_far_it_saw(error, headline):
    joint = block("w", Verdict.PASS, math.nan, sentence="right jointly with the other blocks")
    report = report_of(joint, verdict=Verdict.PASS, ratio=error / 9, ratio_error=error)
    first, *others = str(report).splitlines()
    assert first == headline
    assert "w: right jointly with the other blocks" in others


@pytest.mark.parametrize(
    ("setting", "away"),
    [
        ("current point", ""),
        ("generic point", " (displaced weights)"),
        ("generic point, reg x 3700", " (displaced weights, reg x 3700)"),
        ("a step off the current point", " (a step away)"),
    ],
)
def test_numbers_that_no_user_sees_at_the_weights_as_they_are_say_where_they_were(setting, away):
    worst = Element((1,), 0.25, 0.5, 1e-9, setting=setting)
    wrong = BlockReport("W", (3,), "float64", Verdict.FAIL, 0.5, worst=worst)
    (line,) = story.numbers([wrong])
    assert line == f"W[1]: yours 0.25, numerical 0.5 ± 1e-09{away}"
