"""What a person sees in TensorBoard, in a real browser: which block is wrong, since when, and why.

Pictures of every page are left in the test's folder, or in the one that GRADHOOK_PICTURES names.
"""

import importlib
import os
import re
import sys
from pathlib import Path

import pytest

from gradhook import Report, Verdict
from gradhook.report import BlockReport
from gradhook.sinks import TensorBoard

pytestmark = pytest.mark.browser

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "pictures"))
make = importlib.import_module("make")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tensorboard_server):
    """A server that shows a right run and one whose last row of dW1 is missing; and the latter."""
    logdir = tmp_path_factory.mktemp("runs")
    make.train(logdir, "right")
    history = make.train(logdir, "wrong", bug=make.BUG)
    server = tensorboard_server(logdir)
    server.wait_for(
        "plugin/text/tags", lambda tags: {"right", "wrong"} <= {run for run in tags if tags[run]}
    )
    return server, history


@pytest.fixture
def visit(browser, tmp_path, runs):
    """Open a page, wait for its words, leave a picture, and find no error on the console."""
    folder = Path(os.environ.get("GRADHOOK_PICTURES", tmp_path))

    def visit(tab, *expected, server=runs[0], name=None):
        browser.errors()
        browser.open(f"{server.address}/?darkMode=false#{tab}")
        browser.wait_until(lambda: set(expected) <= set(browser.words().splitlines()))
        browser.picture(folder / f"{name or tab}.png")
        assert browser.errors() == []
        return browser.words()

    return visit


def test_time_series_show_logarithms_and_never_a_ratio_as_zero(visit, browser):
    visit("timeseries", "gradcheck", "/W1", "/W2")
    # The table below each chart has a line for each run: smoothed value, value, step.
    browser.wait_until(lambda: browser.words().splitlines().count("right") >= 3)
    assert browser.count("line-chart canvas") >= 2
    words = browser.words().splitlines()
    values = {
        run: float(words[words.index(run, words.index("/W1")) + 2]) for run in ("right", "wrong")
    }
    assert -17 <= values["right"] < -6
    assert -4 < values["wrong"] <= 0


def test_custom_scalars_show_the_wrong_block_first_out_of_its_band(visit, browser):
    words = visit("custom_scalars", "all blocks", "W1", "b1", "W2")
    lines = words.splitlines()
    assert any("in the band right, above the line wrong" in line for line in lines)
    titles = [line for line in lines if line in {"all blocks", "W1", "b1", "W2"}]
    assert titles == ["all blocks", "W1", "b1", "W2"]
    # Each of the seven charts has a curve, a line and two bands of each run.
    browser.wait_until(lambda: browser.count("path.line") >= 7 * 2 * 2)
    assert browser.count("path.area") >= 7 * 2


def test_the_text_names_the_block_its_verdict_and_since_when(visit, runs):
    _, history = runs
    assert history[-1].failing == ("W1",)
    words = visit("text", "FAIL", "W1", "since step", "what was found").splitlines()
    row = words.index("since step") + 1
    assert (words[row], words[row + 2], words[row + 4]) == ("W1", "FAIL", "0")
    assert any(word.startswith("worst element W1[63, ") for word in words)


def test_images_show_where_the_block_is_wrong(visit, browser):
    visit("images", "gradcheck_where/W1")
    browser.wait_until(lambda: browser.sizes_of_images() != [])
    # One that could not be decoded has no width.
    assert min(browser.sizes_of_images()) > 200


def test_histograms_show_relative_errors_of_every_block(visit, browser):
    visit("histograms", "gradcheck_elements/W1", "gradcheck_elements/W2")
    # Three steps of two runs in each chart.
    browser.wait_until(lambda: browser.count("path.outline") >= 2 * 3 * 2)


@pytest.fixture(scope="module")
def deep(tmp_path_factory, tensorboard_server):
    """A run of sixty blocks, one of which is wrong at one check of four and another untested."""
    logdir = tmp_path_factory.mktemp("deep")
    sink = TensorBoard(logdir, run_name="deep")
    for step in (0, 100, 1000, 10000):
        blocks = {}
        for layer in range(20):
            for name in (f"layer{layer}/W", f"layer{layer}/b", f"layer{layer}/gamma"):
                wrong = name == "layer13/W" and step == 1000
                verdict, ratio = (Verdict.FAIL, 0.3) if wrong else (Verdict.PASS, 2e-9)
                if name == "layer7/b":
                    verdict, ratio = Verdict.UNTESTED, 0.0
                blocks[name] = BlockReport(name, (8, 8), "float64", verdict, ratio)
        worst = max(blocks.values(), key=lambda block: block.verdict.severity)
        passed = worst.verdict is not Verdict.FAIL
        sink.write(Report(worst.verdict, passed, blocks, ratio=worst.ratio or 2e-9, step=step))
    server = tensorboard_server(logdir)
    server.wait_for("plugin/text/tags", lambda tags: bool(tags.get("deep")))
    return server


def test_of_sixty_blocks_one_wrong_once_is_seen_first_with_its_spike_and_the_rest_by_layer(
    visit, deep, browser
):
    words = visit("custom_scalars", "layer19", server=deep, name="sixty_blocks").splitlines()
    assert [word for word in words if re.fullmatch(r"layer\d+", word)] == [
        f"layer{i}" for i in range(20)
    ]
    assert [word for word in words if word in ("all blocks", "layer13/W", "layer0/W")] == [
        "all blocks",
        "layer13/W",
    ]
    # The axes go up to 0, the logarithm of a ratio of 1; cut at the band they would end at -6.
    browser.wait_until(lambda: browser.count("path.line") >= 2 * 2)
    assert browser.words().splitlines().count("0") >= 2
