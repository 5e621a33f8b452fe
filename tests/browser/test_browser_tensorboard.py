"""What a person sees in TensorBoard, in a real browser: which block is wrong, since when, and why.

Pictures of every page are left in the test's folder, or in the one that GRADHOOK_PICTURES names.
"""

import importlib
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "pictures"))
make = importlib.import_module("make")


LIMITS = ("wrong above", "right below")
RUNS = ("right", "wrong", *LIMITS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tensorboard_server):
    """A server that shows a right run and one whose last row of dW1 is missing; and the latter."""
    logdir = tmp_path_factory.mktemp("runs")
    make.train(logdir, "right")
    history = make.train(logdir, "wrong", bug=make.BUG)
    server = tensorboard_server(logdir)
    server.wait_for(
        "plugin/scalars/tags",
        lambda tags: all(
            "gradcheck/b3" in tags.get(run, ()) for run in ("right", "wrong", *LIMITS)
        ),
    )
    return server, history


@pytest.fixture
def visit(browser, tmp_path, runs):
    """Open a page, wait for its words, leave a picture, and find no error on the console."""
    folder = Path(os.environ.get("GRADHOOK_PICTURES", tmp_path))

    def visit(tab, *expected, server=runs[0], name=None):
        browser.errors()
        browser.open(f"{server.address}/?darkMode=false#{tab}", height=2000)
        browser.wait_until(lambda: set(expected) <= set(browser.words().splitlines()))
        browser.picture(folder / f"{name or tab}.png")
        assert browser.errors() == []
        return browser.words()

    return visit


@pytest.fixture(scope="module")
def cards(browser, runs):
    """The cards of curves on the landing tab, drawn to the end."""
    server, _ = runs
    browser.errors()
    browser.open(f"{server.address}/?darkMode=false", height=2000)

    def curves():
        found = browser.cards().items()
        return {tag: card for tag, card in found if tag.startswith("gradcheck/")}

    def drawn():
        return [all(curve.points for curve in card.values()) for card in curves().values()]

    # Wrong blocks, ratio and six blocks.
    browser.wait_until(lambda: drawn() == [True] * 8)
    assert browser.errors() == []
    return curves()


def test_the_first_card_says_0_wrong_blocks_of_the_right_run_and_1_of_the_wrong_one(cards):
    assert next(iter(cards)) == "gradcheck/0 wrong blocks"
    found = {run: curve.value for run, curve in cards["gradcheck/0 wrong blocks"].items()}
    assert found == {"right": "0", "wrong": "1"}


def test_each_block_has_its_limits_drawn_as_level_lines_as_long_as_its_curve(cards):
    for name in ("W1", "b1", "W2", "b2", "W3", "b3"):
        card = cards[f"gradcheck/{name}"]
        assert {*card} == {*RUNS}
        (first, *_, last) = sorted(x for x, _ in card["right"].points)
        assert last - first > 150
        for run, value in zip(LIMITS, ("-4", "-6"), strict=True):
            columns, rows = zip(*card[run].points, strict=True)
            assert card[run].value == value
            assert (min(columns), max(columns)) == pytest.approx((first, last))
            assert max(rows) - min(rows) < 0.01


def test_the_right_run_lies_below_both_lines_and_the_wrong_one_above(cards):
    heights = {run: [y for _, y in curve.points] for run, curve in cards["gradcheck/W1"].items()}
    # Pixels count downwards.
    above, below = (heights[run][0] for run in LIMITS)
    assert max(heights["wrong"]) < above < below < min(heights["right"])
    for name in ("b1", "W2", "b2", "W3", "b3"):
        card = cards[f"gradcheck/{name}"]
        for run in ("right", "wrong"):
            assert min(y for _, y in card[run].points) > card["right below"].points[0][1]


def test_limits_are_in_no_card_but_the_blocks(cards):
    for tag in ("gradcheck/ratio", "gradcheck/0 wrong blocks"):
        assert {*cards[tag]} == {"right", "wrong"}


def test_custom_scalars_show_the_wrong_block_first_between_its_limits(visit, browser):
    words = visit("custom_scalars", "all blocks", "W1", "b1", "W2")
    titles = [line for line in words.splitlines() if line in {"all blocks", "W1", "b1", "W2"}]
    assert titles == ["all blocks", "W1", "b1", "W2"]
    # Six blocks with four lines each, and the two runs of all blocks.
    browser.wait_until(lambda: browser.count("path.line") >= 6 * 4 + 2)
    assert browser.count("path.area") == 0


def test_the_text_begins_with_the_cause(visit, runs):
    _, history = runs
    assert history[-1].failing == ("W1",)
    (cause,) = history[-1].causes
    sentence = f"cause: {cause.sentence}"
    lines = visit("text", "gradcheck_report/text", sentence).splitlines()
    begin = lines.index(sentence)
    assert lines[begin + 1].startswith("gradcheck step 50: FAIL")


def test_images_show_where_the_block_is_wrong_at_standard_effort(visit, browser, runs):
    _, history = runs
    assert {report.effort for report in history} == {"standard"}
    visit("images", "gradcheck_where/W1", "W1, 64 rows, 12 columns: where it is wrong")
    browser.wait_until(lambda: browser.sizes_of_images() != [])
    # Twelve columns share 480 pixels; a picture that could not be decoded has no width.
    assert browser.sizes_of_images() == [480]
