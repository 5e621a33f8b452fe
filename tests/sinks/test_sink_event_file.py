import math
import warnings

import pytest

from gradhook.errors import OptionError
from gradhook.sinks import EventFile, TensorBoard

with warnings.catch_warnings():
    # The message classes warn on some pairs of Python and protobuf when they are loaded.
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util


def read(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_numbers_are_read_back_as_soon_as_they_are_written(tmp_path):
    curves = EventFile(tmp_path, run_name="mlp")
    assert curves.folder is None
    for step, value in ((0, 2.5), (10, math.nan), (20, -1)):
        curves.add_scalar("train/loss", value, step)
        assert [event.step for event in read(curves.folder).Scalars("train/loss")][-1] == step
    values = [event.value for event in read(curves.folder).Scalars("train/loss")]
    assert values == [2.5, pytest.approx(math.nan, nan_ok=True), -1]
    assert curves.folder == str(tmp_path / "mlp")


def test_text_is_read_back(tmp_path):
    notes = EventFile(tmp_path)
    notes.add_text("notes", "*started*", 3)
    (event,) = read(notes.folder).Tensors("notes")
    assert tensor_util.make_ndarray(event.tensor_proto).item() == b"*started*"
    assert event.step == 3


def test_two_runs_of_one_name_have_a_folder_each(tmp_path):
    for expected in ("mlp", "mlp-2"):
        curves = EventFile(tmp_path, run_name="mlp")
        curves.add_scalar("loss", 1, 0)
        assert curves.folder == str(tmp_path / expected)


def test_nothing_is_made_before_the_first_number(tmp_path):
    curves = EventFile(tmp_path / "runs")
    curves.flush()
    curves.close()
    assert list(tmp_path.iterdir()) == []


def test_it_may_be_the_writer_that_reports_go_to(tmp_path, make_report, make_block):
    curves = EventFile(tmp_path, run_name="mlp")
    curves.add_scalar("train/loss", 2.5, 0)
    TensorBoard(writer=curves).write(make_report([make_block("W")], step=100))
    accumulator = read(tmp_path / "mlp")
    assert {"train/loss", "gradcheck/W"} <= set(accumulator.Tags()["scalars"])
    assert "gradcheck_report/text" in accumulator.Tags()["tensors"]


def test_what_is_no_folder_or_run_is_refused(tmp_path):
    with pytest.raises(OptionError, match="logdir must be a path, got None"):
        EventFile(None)
    with pytest.raises(OptionError, match="run_name must be the name of one folder, got 'a/b'"):
        EventFile(tmp_path, run_name="a/b")
