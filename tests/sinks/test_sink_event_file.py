"""Event files, read back by TensorBoard and parsed by its own messages."""

import math

import pytest

from gradhook.errors import OptionError
from gradhook.sinks import EventFile, TensorBoard
from gradhook.sinks.tensorboard.event_file import new_file
from tests.sinks.event_files import curve, read, tensor_util


def test_numbers_are_read_back_as_soon_as_they_are_written(tmp_path):
    curves = EventFile(tmp_path, run_name="mlp")
    assert curves.folder is None
    for step, value in ((0, 2.5), (10, math.nan), (20, -1)):
        curves.add_scalar("train/loss", value, step)
        assert curve(curves.folder, "train/loss")[-1] == pytest.approx((step, value), nan_ok=True)
    assert curves.folder == str(tmp_path / "mlp")


def test_text_is_read_back(tmp_path):
    notes = EventFile(tmp_path)
    notes.add_text("notes", "*µ*", 3)
    (event,) = read(notes.folder).Tensors("notes")
    assert tensor_util.make_ndarray(event.tensor_proto).item() == "*µ*".encode()
    assert event.step == 3


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


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        new_file(str(tmp_path / "file" / "run"))
