"""A real TensorBoard server shows what was written."""

import html
import json
import math
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest

from gradhook._types import Verdict
from gradhook.sinks import TensorBoard

PATIENCE = 60.0
"""Seconds after which a server that does not answer counts as broken."""


class Server:
    """TensorBoard on a port of its own choice."""

    def __init__(self, logdir):
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # A server that never says its address would block the loop below for ever.
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        said = []
        self.address = None
        for line in self._process.stderr:
            said.append(line)
            if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.address = match[0]
                break
        watch.cancel()
        if self.address is None:
            self.stop()
            raise AssertionError(f"TensorBoard did not start: {''.join(said)}")
        # A full pipe would stop the server.
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def get(self, route, **query):
        url = f"{self.address}/data/{route}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return json.load(response)

    def wait_for(self, route, ready):
        """Ask until the answer is complete: the server reads its files in the background."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.get(route)
            if ready(answer):
                return answer
            time.sleep(0.1)
        raise AssertionError(f"{route} still answers {answer}")

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._process.stderr.close()


@pytest.fixture
def run_and_server(tmp_path, make_report, make_block, awkward_names):
    sink = TensorBoard(tmp_path, run_name="mlp")
    for step, ratio in ((1, 1e-8), (100, 0.25)):
        blocks = [make_block(name, ratio=ratio) for name in awkward_names]
        blocks += [
            make_block("dead", Verdict.UNTESTED, ratio=math.nan),
            make_block("W2", Verdict.FAIL, relative_errors=np.full((3, 4), 1e-3)),
        ]
        sink.write(make_report(blocks, Verdict.FAIL, ratio=ratio, step=step))
    server = Server(tmp_path)
    try:
        yield "mlp", server
    finally:
        server.stop()


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
    assert "<script>alert(1)</script> (3, 4)" in html.unescape(page)

    layout = server.get("plugin/custom_scalars/layout")
    charts = layout["category"][0]["chart"]
    assert {f"gradcheck/{chart['title']}" for chart in charts} == set(curves)
    for tag in charts[1]["margin"]["series"][0].values():
        answer = server.get("plugin/custom_scalars/scalars", run=run, tag=re.escape(tag) + "$")
        assert [len(points) for points in answer["tag_to_events"].values()] == [2]

    histograms = server.get("plugin/histograms/histograms", run=run, tag="gradcheck_elements/W2")
    assert [(step, len(buckets)) for _, step, buckets in histograms] == [(1, 36), (100, 36)]
    assert sum(count for *_, count in histograms[0][2]) == 12
