"""A real TensorBoard server shows what was written."""

import html
import math
import re

import numpy as np
import pytest

from gradhook._types import Verdict
from gradhook.sinks import TensorBoard


@pytest.fixture
def run_and_server(tmp_path, tensorboard_server, make_report, make_block, awkward_names):
    sink = TensorBoard(tmp_path, run_name="mlp")
    for step, ratio in ((1, 1e-8), (100, 0.25)):
        blocks = [make_block(name, ratio=ratio) for name in awkward_names]
        blocks += [
            make_block("dead", Verdict.UNTESTED, ratio=math.nan),
            make_block("W2", Verdict.FAIL, relative_errors=np.full((3, 4), 1e-3)),
        ]
        sink.write(make_report(blocks, Verdict.FAIL, ratio=ratio, step=step))
    return "mlp", tensorboard_server(tmp_path)


def test_a_server_shows_curves_text_charts_and_histograms(run_and_server, awkward_names):
    run, server = run_and_server

    tags = server.wait_for(
        "plugin/scalars/tags", lambda answer: "gradcheck/W2" in answer.get(run, ())
    )
    curves = [tag for tag in tags[run] if tag.startswith("gradcheck/")]
    # The overall ratio, the two blocks above and the awkward ones, each with a curve.
    assert len(curves) == 1 + 2 + len(awkward_names)
    assert "log10 of" in tags[run]["gradcheck/W2"]["description"]
    for tag in curves:
        points = server.get("plugin/scalars/scalars", run=run, tag=tag)
        assert [step for _, step, _ in points] == [1, 100], tag
    points = server.get("plugin/scalars/scalars", run=run, tag="gradcheck/ratio")
    # A float32 holds 24 bits.
    assert [value for *_, value in points] == pytest.approx([-8, math.log10(0.25)], rel=2**-23)
    points = server.get("plugin/scalars/scalars", run=run, tag="gradcheck/dead")
    assert [value for *_, value in points] == ["NaN", "NaN"]

    assert server.get("plugin/text/tags") == {run: ["gradcheck_report/text"]}
    texts = server.get("plugin/text/text", run=run, tag="gradcheck_report/text")
    assert [text["step"] for text in texts] == [1, 100]
    page = texts[-1]["text"]
    assert "<strong>FAIL</strong> at step 100" in page
    assert "<script" not in page
    assert "<td><script>alert(1)</script></td>" in html.unescape(page)

    layout = server.get("plugin/custom_scalars/layout")
    # More blocks than one heading holds: first those that are wrong.
    assert [chart["title"] for chart in layout["category"][0]["chart"]] == ["W2", "all blocks"]
    charts = [chart for category in layout["category"] for chart in category["chart"]]
    assert {chart["margin"]["series"][0]["value"] for chart in charts} == set(curves)
    for tag in charts[0]["margin"]["series"][0].values():
        answer = server.get("plugin/custom_scalars/scalars", run=run, tag=re.escape(tag) + "$")
        assert [len(points) for points in answer["tag_to_events"].values()] == [2]

    images = server.get("plugin/images/images", run=run, tag="gradcheck_where/W2", sample=0)
    assert [image["step"] for image in images] == [1, 100]
    picture = server.fetch(f"plugin/images/individualImage?{images[-1]['query']}")
    assert picture.startswith(b"\x89PNG")
    description = server.get("plugin/images/tags")[run]["gradcheck_where/W2"]["description"]
    assert "A frame marks" in description

    histograms = server.get("plugin/histograms/histograms", run=run, tag="gradcheck_elements/W2")
    assert [(step, len(buckets)) for _, step, buckets in histograms] == [(1, 36), (100, 36)]
    assert sum(count for *_, count in histograms[0][2]) == 12
