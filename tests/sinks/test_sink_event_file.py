"""Event files, read back by TensorBoard and parsed by its own messages."""

import math
import struct

import pytest

from gradhook.errors import OptionError
from gradhook.sinks import EventFile, TensorBoard
from gradhook.sinks.tensorboard.event_file import Summary, new_file
from gradhook.sinks.tensorboard.tags import Heading
from tests.sinks.event_files import Event, Layout, curve, read, tensor_util


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


def parsed(record):
    """The event in one record: its length, a checksum, the message, a checksum."""
    (length,) = struct.unpack("<Q", record[:8])
    assert len(record) == 8 + 4 + length + 4
    return Event.FromString(record[12 : 12 + length])


def value_of(add):
    summary = Summary()
    add(summary)
    event = parsed(summary.record(7))
    assert event.step == 7
    (value,) = event.summary.value
    return value


def test_a_number_is_a_simple_value_and_says_once_what_it_is():
    plain = value_of(lambda s: s.scalar("tag", 2.5))
    assert (plain.tag, plain.simple_value, plain.HasField("metadata")) == ("tag", 2.5, False)
    said = value_of(lambda s: s.scalar("tag", 2.5, title="a title", description="*words*")).metadata
    assert (said.display_name, said.summary_description) == ("a title", "*words*")
    assert (said.plugin_data.plugin_name, said.data_class) == ("scalars", 1)


def test_charts_match_their_own_tag_and_no_other():
    headings = [Heading("wrong", ["a.b", "ratio"], closed=False)]
    value = value_of(lambda s: s.custom_charts(headings))
    assert value.tag == "custom_scalars__config__"
    (category,) = Layout.FromString(tensor_util.make_ndarray(value.tensor).item()).category
    assert (category.title, category.closed) == ("wrong", False)
    assert [c.multiline.tag[0] for c in category.chart] == [
        r"^gradcheck/a\.b$",
        "^gradcheck/ratio$",
    ]
    assert [chart.title for chart in category.chart] == ["a.b", "all blocks"]


def test_a_new_file_holds_its_version_and_is_known_by_its_name(tmp_path):
    first, second = (new_file(str(tmp_path / "run")) for _ in range(2))
    assert first != second
    assert "/run/events.out.tfevents." in first
    with open(first, "rb") as file:
        assert parsed(file.read()).file_version == "brain.Event:2"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        new_file(str(tmp_path / "file" / "run"))
