"""The page is rendered by TensorBoard's own function, and read back as a browser would."""

import html.parser
import math
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradhook._types import Verdict
from gradhook.report import Cause, Element
from gradhook.sinks.tensorboard.markdown import escape, markdown
from gradhook.sinks.tensorboard.tags import printable


class Page(html.parser.HTMLParser):
    """The tables of a page as rows of cell texts, and every element that occurs."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.elements, self._cell = [], [], None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        assert not [name for name, _ in attrs if name != "align"], f"attributes {attrs}"
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.rows[-1].append(self._cell)
            self._cell = None


def page_of(text):
    with warnings.catch_warnings():
        # TensorBoard bundles a library that warns when it is imported or used.
        warnings.simplefilter("ignore")
        from tensorboard.plugin_util import markdown_to_safe_html

        return Page(markdown_to_safe_html(text))


def render(report, since=None):
    return page_of(markdown(report, since))


# Characters that mean something to Markdown or HTML, among some that do not.
MARKS = st.text("\\`*_{}[]()<>#+-.!|&;:~=\"'$^%@/ \n\tab19é", max_size=40)


@given(st.one_of(MARKS, st.text()))
@example("__x__ and *y* and `z`")
@example("[a](http://b) ![a](b) [a]: b [a][b]")
@example("&amp; &lt; &#42; <b>x</b> <!-- y --> <http://z>")
@example("a|b \\| c \\")
@example("W2[:, 7] lacks 1.0e-3·W")
def test_any_text_is_shown_as_it_is(text):
    cell = escape(text)
    page = page_of(f"| head | next |\n| --- | --- |\n| .{cell}. | end |\n")
    # A dot on either side, because white space at the ends of a cell is nobody's.
    assert page.rows == [["head", "next"], [f".{printable(text)}.", "end"]]
    assert page.elements == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]


def test_a_long_sentence_is_cut():
    assert len(escape("word " * 10_000)) == 2000
    assert escape("word " * 10_000).endswith("…")


def test_an_ordinary_sentence_needs_no_escape():
    sentence = "the gradient of W1, W2[:, 7] and W3[3, 5] lacks 1.0e-3·W: no_1_over_N, (a - n) = 0"
    assert escape(sentence) == sentence


def test_the_page_shows_verdict_blocks_causes_coverage_notes_and_the_call(make_report, make_block):
    worst = Element((2, 1), analytic=0.5, numerical=0.25)
    report = make_report(
        [
            make_block("W", Verdict.FAIL, ratio=0.33, ratio_error=0.002, where="W[:, 1]"),
            make_block("V", Verdict.FAIL, ratio=0.2, worst=worst, sentence="wrong everywhere"),
            make_block("b", Verdict.UNTESTED, ratio=math.nan, sentence="12 of 20 units dead"),
        ],
        Verdict.FAIL,
        ratio=0.33,
        ratio_error=0.002,
        step=100,
        seconds=0.5,
        seed=7,
        causes=(
            Cause(
                "R",
                "reg_missing",
                ("W", "V"),
                "the L2 term is missing",
                where="everywhere",
                evidence="residual is 1.0e-3 times the weights",
                refuted_by="a check with reg=0 that fails",
            ),
        ),
        coverage=("dropout was off",),
        notes=("the loss is random",),
        call="check_gradients(f, params, seed=7)",
    )
    head = "\n**FAIL** at step 100: W, V wrong, b untested; worst ratio 0.33 in W; none right\n"
    assert head in markdown(report)
    assert render(report, {"W": 100, "V": 0, "b": 0}).rows == [
        ["note"],
        ["the loss is random"],
        ["cause: the L2 term is missing"],
        ["blocks: W, V"],
        ["where: everywhere"],
        ["evidence: residual is 1.0e-3 times the weights"],
        ["refuted by: a check with reg=0 that fails"],
        ["block", "shape", "verdict", "ratio", "since step"],
        ["W", "(3, 4)", "FAIL", "0.33 ± 2e-03", "100"],
        ["V", "(3, 4)", "FAIL", "0.2", "0"],
        ["b", "(3, 4)", "UNTESTED", "–", "0"],
        ["block", "what was found"],
        ["W", "where: W[:, 1]"],
        ["V", "wrong everywhere"],
        ["", "worst element V[2, 1]: yours 0.5, numerical 0.25"],
        ["b", "12 of 20 units dead"],
        ["not exercised here"],
        ["dropout was off"],
        ["what the numbers mean"],
        [
            (
                "ratio = |a - n| / (|a| + |n|), a analytic, n numerical; warn 1e-06, fail 1e-04; "
                "– not measured"
            )
        ],
        ["standard effort, 58 loss and 0 gradient evaluations, 0.5 s, seed 7"],
        ["see it again"],
        ["check_gradients(f, params, seed=7)"],
    ]


def test_the_page_of_a_check_that_passed_has_one_line_for_each_block(make_report, make_block):
    worst = Element((0, 0), 1.0, 1.0)
    blocks = [make_block(name, worst=worst) for name in "ab"]
    page = render(make_report(blocks), {"a": 0, "b": 0})
    assert page.rows[:4] == [
        ["block", "shape", "verdict", "ratio"],
        ["a", "(3, 4)", "PASS", "3e-09"],
        ["b", "(3, 4)", "PASS", "3e-09"],
        ["what the numbers mean"],
    ]


def test_of_sixty_passing_blocks_twelve_have_a_line(make_report, make_block):
    page = render(make_report([make_block(f"W{i}") for i in range(60)]))
    lines = [row[0] for row in page.rows]
    assert sum(line.startswith("W") for line in lines) == 12
    assert "… and 48 blocks that PASS, largest ratio 3e-09" in lines


def test_the_textbook_ratio_has_a_column_where_it_is_known(make_report, make_block):
    page = render(make_report([make_block("W", textbook_ratio=2e-8), make_block("b")]))
    assert page.rows[:3] == [
        ["block", "shape", "verdict", "ratio", "textbook"],
        ["W", "(3, 4)", "PASS", "3e-09", "2e-08"],
        ["b", "(3, 4)", "PASS", "3e-09", "–"],
    ]


def test_the_headline_says_when_a_check_passed_though_it_could_not_judge_all(make_report):
    for verdict in (Verdict.UNTESTED, Verdict.PASS):
        assert markdown(make_report(verdict=verdict)).startswith("**PASS**: no block was measured")


def test_names_of_any_kind_leave_the_page_whole(make_report, make_block, awkward_names):
    def page(names):
        blocks = [make_block(name, sentence=f"{name} is right") for name in names]
        cause = Cause("S", "scale", tuple(names), f"{names[-3]} is twice too large")
        return render(make_report(blocks, causes=(cause,), call=f"f({names[0]!r})"))

    harmless = page([f"block{i}" for i in range(len(awkward_names))])
    awkward = page(awkward_names)
    assert awkward.elements == harmless.elements
    assert [len(row) for row in awkward.rows] == [len(row) for row in harmless.rows]
    assert max(len(cell) for row in awkward.rows for cell in row) <= 2000


@pytest.mark.parametrize("field", ["notes", "coverage"])
def test_an_empty_sentence_makes_no_row(make_report, field):
    assert markdown(make_report(**{field: ("", " \n")})) == markdown(make_report())
