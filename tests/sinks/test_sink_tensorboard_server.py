"""A real TensorBoard server shows what was written."""

import html
import math

import numpy as np
import pytest

from gradhook._types import Verdict
from gradhook.sinks import TensorBoard

LIMITS = ("wrong above", "right below")


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
    # Names of blocks, such as ../../x, reach no path.
    assert {path.name for path in tmp_path.iterdir()} == {"mlp", *LIMITS}
    return "mlp", tensorboard_server(tmp_path)


def test_a_server_shows_curves_text_charts_and_histograms(run_and_server, awkward_names):
    run, server = run_and_server

    tags = server.wait_for(
        "plugin/scalars/tags",
        lambda answer: all("gradcheck/W2" in answer.get(each, ()) for each in (run, *LIMITS)),
    )
    curves = [tag for tag in tags[run] if tag.startswith("gradcheck/")]
    # Wrong blocks, the overall ratio, the two blocks above and the awkward ones.
    assert len(curves) == 2 + 2 + len(awkward_names)
    assert tags[run]["gradcheck/W2"]["displayName"] == "W2: wrong above −4, right below −6"
    assert "log10 of the ratio; wrong above −4" in tags[run]["gradcheck/W2"]["description"]
    for limit in LIMITS:
        blocks = {*curves} - {"gradcheck/ratio", "gradcheck/0 wrong blocks"}
        assert {*tags[limit]} == blocks
        assert tags[limit]["gradcheck/W2"] == tags[run]["gradcheck/W2"]
    for tag in curves:
        points = server.get("plugin/scalars/scalars", run=run, tag=tag)
        assert [step for _, step, _ in points] == [1, 100], tag
    points = server.get("plugin/scalars/scalars", run=run, tag="gradcheck/ratio")
    # A float32 holds 24 bits.
    assert [value for *_, value in points] == pytest.approx([-8, math.log10(0.25)], rel=2**-23)
    points = server.get("plugin/scalars/scalars", run=run, tag="gradcheck/dead")
    assert [value for *_, value in points] == ["NaN", "NaN"]

    assert {r: t for r, t in server.get("plugin/text/tags").items() if t} == {
        run: ["gradcheck_report/text"]
    }
    texts = server.get("plugin/text/text", run=run, tag="gradcheck_report/text")
    assert [text["step"] for text in texts] == [1, 100]
    page = texts[-1]["text"]
    assert "gradcheck step 100: FAIL" in page
    assert "<script" not in page
    assert "<script>alert(1)</script>" in html.unescape(page)

    layout = server.get("plugin/custom_scalars/layout")
    # More blocks than one heading holds: first those that are wrong.
    assert [chart["title"] for chart in layout["category"][0]["chart"]] == ["all blocks", "W2"]
    charts = [chart for category in layout["category"] for chart in category["chart"]]
    drawn = set()
    for chart in charts:
        (pattern,) = chart["multiline"]["tag"]
        answer = server.get("plugin/custom_scalars/scalars", run=run, tag=pattern)
        assert [len(points) for points in answer["tag_to_events"].values()] == [2]
        drawn |= {*answer["tag_to_events"]}
    assert drawn == {*curves} - {"gradcheck/0 wrong blocks"}

    images = server.get("plugin/images/images", run=run, tag="gradcheck_where/W2", sample=0)
    assert [image["step"] for image in images] == [1, 100]
    picture = server.fetch(f"plugin/images/individualImage?{images[-1]['query']}")
    assert picture.startswith(b"\x89PNG")
    description = server.get("plugin/images/tags")[run]["gradcheck_where/W2"]["description"]
    assert "A frame marks" in description
    assert "dark red 1" in description

    histograms = server.get("plugin/histograms/histograms", run=run, tag="gradcheck_elements/W2")
    assert [(step, len(buckets)) for _, step, buckets in histograms] == [(1, 36), (100, 36)]
    assert sum(count for *_, count in histograms[0][2]) == 12
