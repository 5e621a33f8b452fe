"""The HTML of a report, read in a real browser on wide and narrow, light and dark pages."""

import math
import os
from pathlib import Path

import pytest

from gradhook import Report, Verdict
from gradhook.report import BlockReport, Cause, Element, Finding

pytestmark = pytest.mark.browser

LONG = "encoder/layer_12/self_attention/output_projection/weight"


def failing() -> Report:
    settings = ("generic point", "generic point, dropout replayed", "current point")
    findings = tuple(Finding(s, Verdict.FAIL, 0.33, 0.01, probes=3) for s in settings)
    blocks = (
        BlockReport(
            LONG, (512, 64), "float64", Verdict.FAIL, 0.33, 0.01,
            "analytic and numerical gradient disagree (generic point)",
            Element((3, 5), 0.12, 0.34, 1e-9), f"{LONG}[:, 7]", findings, 0.31,
        ),
        BlockReport("<b>b1</b>", (64,), "float64", Verdict.UNTESTED, math.nan,
                    sentence="gradient is zero here: 12 of 20 units are dead"),
        *(BlockReport(f"W{i}", (64, 64), "float64", Verdict.PASS, 3e-9, 2e-8, textbook_ratio=2e-8)
          for i in range(3)),
    )  # fmt: skip
    cause = Cause(
        "W", "last_column_missing", (LONG,), "column 7 is zero: a loop that stops one short?",
        evidence="the other 63 columns agree to 2e-9", refuted_by="a column that is not zero",
    )  # fmt: skip
    return Report(
        Verdict.FAIL, False, {b.name: b for b in blocks}, 0.31, 0.02, (cause,),
        coverage=("dropout was off",), settings=settings, evaluations=84, step=100,
        notes=("the loss is random (dropout on?): checked with its mask frozen",),
        call="gradhook.check_gradients(objective, parameters, batch=batch, seed=0)",
    )  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_report_is_read_without_scrolling_sideways(browser, tmp_path, width, theme):
    colours = {"light": "#fff; color: #111", "dark": "#111; color: #eee"}[theme]
    page = tmp_path / "report.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><body style="background: {colours}">'
        + failing()._repr_html_(),
        encoding="utf-8",
    )
    browser.errors()
    browser.open(page.as_uri(), width=width, height=900)
    words = browser.words().splitlines()
    for expected in (
        "cause: column 7 is zero: a loop that stops one short?",
        "<b>b1</b>",
        "0.33 ± 0.01",
        "note: the loss is random (dropout on?): checked with its mask frozen",
    ):
        assert expected in words
    wide = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    # Nothing is cut off either.
    hidden = browser.driver.execute_script(
        "return [...document.querySelectorAll('.gradhook-report *')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0"
        " && getComputedStyle(e).display !== 'inline').map(e => e.outerHTML.slice(0, 80))"
    )
    assert hidden == []
    assert browser.errors() == []
    folder = Path(os.environ.get("GRADHOOK_PICTURES", tmp_path))
    browser.picture(folder / f"html_{width}_{theme}.png")
