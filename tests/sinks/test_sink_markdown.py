"""The page is rendered by TensorBoard's own function, and read back as a browser would."""

import html.parser
import math
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradhook._types import Verdict
from gradhook.report import Cause, Element
from gradhook.sinks._markdown import escape, markdown
from gradhook.sinks._tags import printable


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


def render(report):
    return page_of(markdown(report))


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
    text = markdown(report)
    assert text.startswith(
        "**FAIL** at step 100: ratio 3.3e-01 ± 2e-03, 58 loss evaluations, 0.5 s, seed 7\n"
    )
    assert render(report).rows == [
        ["note"],
        ["the loss is random"],
        ["cause", "blocks", "where", "because", "not so if"],
        [
            "the L2 term is missing",
            "W, V",
            "everywhere",
            "residual is 1.0e-3 times the weights",
            "a check with reg=0 that fails",
        ],
        ["block", "verdict", "ratio", "where", "why"],
        ["W (3, 4)", "FAIL", "3.3e-01 ± 2e-03", "W[:, 1]", ""],
        ["V (3, 4)", "FAIL", "2.0e-01", "worst [2, 1]: 0.5, numerically 0.25", "wrong everywhere"],
        ["b (3, 4)", "UNTESTED", "–", "", "12 of 20 units dead"],
        ["not exercised"],
        ["dropout was off"],
        ["to repeat this check"],
        ["check_gradients(f, params, seed=7)"],
    ]


def test_the_headline_says_when_a_check_passed_though_it_could_not_judge_all(make_report):
    assert markdown(make_report(verdict=Verdict.UNTESTED)).startswith("**UNTESTED** (passed): ")
    assert markdown(make_report(verdict=Verdict.PASS)).startswith("**PASS**: ")


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
