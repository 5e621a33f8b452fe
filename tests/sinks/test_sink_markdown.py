"""The page is rendered by TensorBoard's own function, and read back as a browser would."""

import html.parser
import warnings

from hypothesis import example, given
from hypothesis import strategies as st

from gradhook._types import Verdict
from gradhook.report import Cause, Report
from gradhook.report.format import printable
from gradhook.sinks.tensorboard.sink import LONGEST_SENTENCE, markdown


class Page(html.parser.HTMLParser):
    """The text of a page by the innermost element around it, and every element that occurs."""

    def __init__(self, page):
        super().__init__()
        self.said, self.elements, self._open = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert not attrs, f"attributes {attrs}"
        self.elements.append(tag)
        self._open.append(tag)
        self.said.append((tag, ""))

    def handle_data(self, data):
        if self._open:
            self.said[-1] = (self._open[-1], self.said[-1][1] + data)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def page_of(text):
    with warnings.catch_warnings():
        # TensorBoard bundles a library that warns when it is imported or used.
        warnings.simplefilter("ignore")
        from tensorboard.plugin_util import markdown_to_safe_html

        return Page(markdown_to_safe_html(text))


def on_one_line(text):
    return " ".join(printable(text).split())


def render(report):
    """The sentence on top, where there is one, and the text below it."""
    page = page_of(markdown(report))
    sentence = [said for tag, said in page.said if tag == "strong"]
    ((_, text),) = [pair for pair in page.said if pair[0] == "code"]
    assert page.elements == [*["p", "strong"] * len(sentence), "pre", "code"]
    return *sentence, text


# Characters that mean something to Markdown or HTML, among some that do not.
MARKS = st.text("\\`*_{}[]()<>#+-.!|&;:~=\"'$^%@/ \n\tab19é", max_size=40)


@given(st.one_of(MARKS, st.text()))
@example("__x__ and *y* and `z`")
@example("[a](http://b) ![a](b) [a]: b [a][b]")
@example("&amp; &lt; &#42; <b>x</b> <!-- y --> <http://z>")
@example("a|b \\| c \\")
@example("W2[:, 7] lacks 1.0e-3·W")
def test_any_sentence_is_shown_as_it_is(text):
    shown = on_one_line(text)
    if shown:
        report = Report(Verdict.FAIL, False, {}, boundary=text)
        assert render(report) == (shown, f"{report}\n")


def test_a_long_sentence_is_cut():
    report = Report(Verdict.FAIL, False, {}, boundary="word " * 10_000)
    sentence, _ = render(report)
    assert len(sentence) == LONGEST_SENTENCE
    assert "…" in sentence


def test_the_page_begins_with_the_cause_and_then_is_the_report(make_report, make_block):
    causes = [
        Cause("R", "reg_missing", ("W",), "W lacks 1.0e-3 · W", evidence="to 2e-9"),
        Cause("S", "factor_two", ("V",), "V is twice too large"),
    ]
    blocks = [make_block(name, Verdict.FAIL, sentence="they disagree") for name in "WV"]
    report = make_report(
        blocks,
        Verdict.FAIL,
        causes=causes,
        boundary="something else remains",
        coverage=("dropout was off",),
        notes=("the loss is random",),
        step=100,
    )
    assert render(report) == ("cause: W lacks 1.0e-3 · W", f"{report}\n")


def test_without_a_cause_it_begins_with_the_place_or_why_a_block_is_wrong(make_report, make_block):
    blocks = [make_block("W"), make_block("b", Verdict.FAIL, sentence="3 values are NaN")]
    report = make_report(blocks, Verdict.FAIL)
    assert render(report) == ("b: 3 values are NaN", f"{report}\n")
    report = make_report(blocks, Verdict.FAIL, boundary="enters between W and b")
    assert render(report) == ("enters between W and b", f"{report}\n")


def test_names_of_any_kind_leave_the_page_whole(make_report, make_block, awkward_names):
    fences = ("~~~", "~~~~~~", "```", "x\n~~~\n# y")
    names = [*awkward_names, *fences]
    blocks = [make_block(name, Verdict.FAIL, sentence=f"{name} is wrong") for name in names]
    for name in names:
        cause = Cause("S", "scale", tuple(names), f"{name} is twice too large")
        report = make_report(blocks, Verdict.FAIL, causes=[cause], call=f"f({name!r})")
        sentence, text = render(report)
        assert text == f"{report}\n"
        if len(name) < 100:
            assert sentence == on_one_line(f"cause: {cause.sentence}")
