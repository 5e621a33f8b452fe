"""Writers that people already have open, the real ones."""

import importlib
import math
import warnings

import pytest

from gradhook._types import Verdict
from gradhook.sinks import TensorBoard
from tests.sinks.event_files import curve, read


@pytest.mark.parametrize(
    "module",
    ["tensorboardX", pytest.param("torch.utils.tensorboard", marks=pytest.mark.framework)],
)
def test_a_summary_writer_takes_curves_and_text(module, tmp_path, make_report, make_block):
    pytest.importorskip(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer = importlib.import_module(module).SummaryWriter(str(tmp_path))
    sink = TensorBoard(writer=writer)
    blocks = [make_block("W", ratio=1e-8), make_block("dead", Verdict.UNTESTED)]
    for step in (0, 100):
        sink.write(make_report(blocks, Verdict.UNTESTED, step=step))
    writer.add_scalar("train/loss", 0.5, 100)
    writer.close()
    assert curve(tmp_path, "gradcheck/W") == [(0, -8), (100, -8)]
    assert all(math.isnan(value) for _, value in curve(tmp_path, "gradcheck/dead"))
    assert curve(tmp_path, "train/loss") == [(100, 0.5)]
    tensors = read(tmp_path).Tags()["tensors"]
    assert any(tag.startswith("gradcheck_report/text") for tag in tensors)
