"""What is written is read back by TensorBoard's own reader."""

import importlib.util
import os
import re
import stat
import struct
import sys
import time

import numpy as np
import pytest

from gradhook._types import Verdict
from gradhook.errors import OptionError
from gradhook.report import Element
from gradhook.sinks import TensorBoard
from gradhook.sinks import files as _files
from gradhook.sinks.tensorboard.heat_map import png
from tests.sinks.event_files import Event, Layout, RawEventFileLoader, curve, read, tensor_util

TEXT = "gradcheck_report/text"


def array(folder, tag, index=-1):
    return tensor_util.make_ndarray(read(folder).Tensors(tag)[index].tensor_proto)


LIMITS = {"wrong above": -4, "right below": -6}


def only(folder):
    """The only run of a folder; the limits are no run of anybody's."""
    (entry,) = (entry for entry in folder.iterdir() if entry.name not in LIMITS)
    return entry


def events(folder):
    (file,) = folder.glob("events.out.tfevents.*")
    return file


@pytest.fixture
def frozen_clock(monkeypatch):
    """Every run starts in the same second."""
    began = time.struct_time((2024, 2, 29, 23, 59, 59, 3, 60, 0))
    form = time.strftime
    monkeypatch.setattr(_files.time, "strftime", lambda wanted: form(wanted, began))


class Writer:
    """A writer of the user's, with no more than is asked for."""

    def __init__(self):
        self.calls = []

    def add_scalar(self, tag, value, step, /):
        self.calls.append((tag, value, step))


class FullWriter(Writer):
    def __init__(self):
        super().__init__()
        self.texts, self.others = [], []

    def add_text(self, tag, text, step, /):
        self.texts.append((tag, text, step))

    def flush(self):
        self.others.append("flush")

    def close(self):
        self.others.append("close")


# Scalars.


def test_the_first_card_says_how_many_blocks_are_wrong(tmp_path, make_report, make_block):
    sink = TensorBoard(tmp_path)
    for step, verdict in ((0, Verdict.PASS), (10, Verdict.FAIL)):
        blocks = [make_block("V", verdict), make_block("W"), make_block("b", verdict)]
        sink.write(make_report(blocks, verdict, step=step))
    assert curve(sink.run_folder, "gradcheck/0 wrong blocks") == [(0, 0), (10, 2)]
    assert min(read(sink.run_folder).Tags()["scalars"]) == "gradcheck/0 wrong blocks"


# Limits.


def test_five_runs_share_two_limits(tmp_path, make_report, make_block):
    sinks = [TensorBoard(tmp_path) for _ in range(5)]
    for step in (0, 100):
        for sink in sinks:
            sink.write(make_report([make_block("W")], step=step))
    assert len(list(tmp_path.iterdir())) == 5 + 2
    for run, limit in LIMITS.items():
        files = list((tmp_path / run).iterdir())
        assert len(files) == 5
        values = {
            value.simple_value
            for file in files
            for record in RawEventFileLoader(str(file)).Load()
            for value in Event.FromString(record).summary.value
        }
        assert values == {limit}


def test_a_report_without_a_step_follows_the_last_one(tmp_path, make_report):
    sink = TensorBoard(tmp_path)
    for step in (None, None, 100, None):
        sink.write(make_report(step=step))
    steps = [step for step, _ in curve(sink.run_folder, "gradcheck/ratio")]
    assert steps == [0, 1, 100, 101]


def test_curves_say_what_they_show_and_so_do_their_limits(tmp_path, make_report, make_block):
    sink = TensorBoard(tmp_path)
    for step in (1, 2):
        sink.write(make_report([make_block("W")], step=step))
    said = {
        tag: read(sink.run_folder).SummaryMetadata(tag)
        for tag in read(sink.run_folder).Tags()["scalars"]
    }
    assert {metadata.plugin_data.plugin_name for metadata in said.values()} == {"scalars"}
    assert said["gradcheck/0 wrong blocks"].display_name == "wrong blocks: 0 is good"
    assert said["gradcheck/ratio"].display_name == "all blocks: wrong above −4, right below −6"
    assert said["gradcheck/W"].display_name == "W: wrong above −4, right below −6"
    for tag in ("gradcheck/W", "gradcheck/ratio"):
        assert said[tag].summary_description.startswith(
            "log10 of the ratio; wrong above −4, right below −6."
        )
    for run in LIMITS:
        assert read(tmp_path / run).SummaryMetadata("gradcheck/W") == said["gradcheck/W"]


# Text, charts, histograms.


def test_each_block_has_a_custom_chart_of_its_curves(tmp_path, make_report, make_block):
    sink = TensorBoard(tmp_path)
    sink.write(make_report([make_block("W[0]"), make_block("ratio")]))
    sink.write(make_report([make_block("late")]))
    sink.write(make_report([make_block("W[0]")]))
    accumulator = read(sink.run_folder)
    tag = "custom_scalars__config__"
    assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "custom_scalars"
    assert [event.step for event in accumulator.Tensors(tag)] == [0, 1]
    layout = Layout.FromString(array(sink.run_folder, tag).item())
    (category,) = layout.category
    assert [chart.title for chart in category.chart] == ["all blocks", "W[0]", "ratio_", "late"]
    drawn = []
    for chart in category.chart:
        (pattern,) = chart.multiline.tag
        drawn += [tag for tag in accumulator.Tags()["scalars"] if re.match(pattern, tag)]
    assert drawn == [f"gradcheck/{name}" for name in ("ratio", "W[0]", "ratio_", "late")]


def test_a_block_that_is_found_wrong_moves_to_the_front_and_stays_there(
    tmp_path, make_report, make_block
):
    sink = TensorBoard(tmp_path)
    for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.PASS):
        sink.write(make_report([make_block("W"), make_block("b", verdict)]))
    steps = [event.step for event in read(sink.run_folder).Tensors("custom_scalars__config__")]
    assert steps == [0, 1]
    (category,) = Layout.FromString(
        array(sink.run_folder, "custom_scalars__config__").item()
    ).category
    assert [chart.title for chart in category.chart] == ["all blocks", "b", "W"]


def test_a_wrong_matrix_is_a_picture_with_its_worst_element_marked(
    tmp_path, make_report, make_block
):
    errors = np.full((3, 4), 1e-9)
    wrong = {"relative_errors": errors, "worst": Element((2, 1), 1.0, 2.0)}
    sink = TensorBoard(tmp_path)
    sink.write(
        make_report(
            [
                make_block("W", Verdict.FAIL, **wrong),
                make_block("V", relative_errors=errors),
                make_block("b", Verdict.FAIL, relative_errors=errors[0]),
                make_block("empty", Verdict.FAIL, relative_errors=errors[:0]),
                make_block("unmeasured", Verdict.FAIL),
            ],
            Verdict.FAIL,
            step=7,
        )
    )
    accumulator = read(sink.run_folder)
    assert accumulator.Tags()["images"] == ["gradcheck_where/W"]
    (picture,) = accumulator.Images("gradcheck_where/W")
    assert picture.step == 7
    assert picture.encoded_image_string == png(errors, (2, 1)) != png(errors)
    width, height = struct.unpack(">II", picture.encoded_image_string[16:24])
    assert (picture.height, picture.width) == (height, width)
    metadata = accumulator.SummaryMetadata("gradcheck_where/W")
    assert metadata.display_name == "W, 3 rows, 4 columns: where it is wrong"
    assert "yellow 1e-4" in metadata.summary_description


def test_a_part_that_was_located_is_a_picture_without_every_element_measured(
    tmp_path, make_report, make_block
):
    parts = (((slice(2, 3), slice(0, 4)), 1.0), ((slice(0, 1), slice(1, 2)), 1e-2))
    sink = TensorBoard(tmp_path)
    block = make_block("W", Verdict.FAIL, wrong_parts=parts, worst=Element((0, 1), 1.0, 2.0))
    sink.write(make_report([block, make_block("V", wrong_parts=parts)], Verdict.FAIL))
    (tag,) = read(sink.run_folder).Tags()["images"]
    assert tag == "gradcheck_where/W"
    nan = np.nan
    errors = np.array([[nan, 1e-2, nan, nan], [nan] * 4, [1.0] * 4])
    assert read(sink.run_folder).Images(tag)[0].encoded_image_string == png(errors, (0, 1))
    assert "gradcheck_elements/W" not in read(sink.run_folder).Tags()["tensors"]


def test_relative_errors_are_read_back_as_a_histogram_of_their_logarithms(
    tmp_path, make_report, make_block
):
    errors = np.array([[0.0, 1e-30, 3e-9, 3.1e-9], [2e-3, 2.0, np.nan, 1e300]])
    sink = TensorBoard(tmp_path)
    sink.write(make_report([make_block("W", relative_errors=errors), make_block("b")]))
    accumulator = read(sink.run_folder)
    tag = "gradcheck_elements/W"
    assert "gradcheck_elements/b" not in accumulator.Tags()["tensors"]
    assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "histograms"
    table = array(sink.run_folder, tag)
    assert table.shape == (36, 3)
    np.testing.assert_array_equal(table[:, 0], np.arange(-17, 1, 0.5))
    np.testing.assert_array_equal(table[:, 1], table[:, 0] + 0.5)
    # log10: two at the floor, two of -8.5, then -2.7, 0.3 and one beyond the end; no NaN.
    filled = {left: count for left, _, count in table if count}
    assert filled == {-17: 2, -9: 2, -3: 1, 0: 1, 0.5: 1}


def test_a_block_without_elements_has_an_empty_histogram(tmp_path, make_report, make_block):
    sink = TensorBoard(tmp_path)
    sink.write(make_report([make_block("W", relative_errors=np.empty((0, 3)))]))
    assert array(sink.run_folder, "gradcheck_elements/W")[:, 2].sum() == 0


# Files.


def test_a_run_is_named_by_when_it_began(tmp_path, make_report, frozen_clock):
    for _ in range(2):
        TensorBoard(tmp_path).write(make_report())
    names = {folder.name for folder in tmp_path.iterdir()} - {*LIMITS}
    assert names == {"gradcheck 02-29 23.59.59", "gradcheck 02-29 23.59.59-2"}


def test_a_named_run_never_writes_into_another(tmp_path, make_report):
    other = tmp_path / "mlp"
    other.mkdir()
    for expected in ("mlp-2", "mlp-3"):
        sink = TensorBoard(tmp_path, run_name="mlp")
        sink.write(make_report())
        assert os.path.basename(sink.run_folder) == expected
    assert list(other.iterdir()) == []


def test_the_file_begins_with_its_version_and_holds_one_event_for_each_report(
    tmp_path, make_report
):
    sink = TensorBoard(tmp_path)
    for _ in range(2):
        sink.write(make_report())
    loader = RawEventFileLoader(str(events(only(tmp_path))))
    first, *rest = [Event.FromString(record) for record in loader.Load()]
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in rest] == [0, 1]
    assert all(event.HasField("summary") for event in rest)


@pytest.mark.skipif(os.name != "posix", reason="needs a umask")
def test_folders_and_files_follow_the_umask(tmp_path, make_report):
    sink = TensorBoard(tmp_path / "runs")
    before = os.umask(0o027)
    try:
        sink.write(make_report())
    finally:
        os.umask(before)
    run = only(tmp_path / "runs")
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o750
    assert stat.S_IMODE(run.stat().st_mode) == 0o750
    assert [stat.S_IMODE(file.stat().st_mode) for file in run.iterdir()] == [0o640, 0o640]


def test_an_event_file_deleted_meanwhile_is_an_error_and_not_a_silent_loss(tmp_path, make_report):
    sink = TensorBoard(tmp_path)
    sink.write(make_report())
    events(only(tmp_path)).unlink()
    with pytest.raises(FileNotFoundError):
        sink.write(make_report())


def test_no_file_stays_open(tmp_path, make_report):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    sink = TensorBoard(tmp_path)
    sink.write(make_report())
    targets = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert not [target for target in targets if target.startswith(str(tmp_path))]


# Other processes.

WRITE = """
import os, signal, sys
from gradhook._types import Verdict
from gradhook.report import BlockReport, Report
from gradhook.sinks import TensorBoard
block = BlockReport("W", (2,), "float64", Verdict.PASS, 1e-8)
report = Report(Verdict.PASS, True, {"W": block}, ratio=1e-8, step=7)
sink = TensorBoard(sys.argv[1])
sink.write(report)
"""


def test_no_deep_learning_framework_is_imported_even_where_installed(tmp_path, run_python):
    for name in ("tensorflow", "torch", "jax", "keras"):
        (tmp_path / "installed" / name).mkdir(parents=True)
        (tmp_path / "installed" / name / "__init__.py").write_text("raise SystemExit(__name__)")
    done = run_python(WRITE, tmp_path / "runs", path=[tmp_path / "installed"])
    assert (done.returncode, done.stderr) == (0, "")
    assert curve(only(tmp_path / "runs"), "gradcheck/ratio") == [(7, -8)]


FULL_DISK = """
import resource
size = max(os.path.getsize(file) for file in os.scandir(sink.run_folder))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    sink.write(report)
except OSError as error:
    print(type(error).__name__)
sink.close()
"""


@pytest.mark.skipif(importlib.util.find_spec("resource") is None, reason="needs setrlimit")
def test_a_full_disk_is_an_error_in_write_and_nowhere_later(tmp_path, run_python):
    done = run_python(WRITE + FULL_DISK, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "OSError\n", "")
    # What had been written before is still there.
    assert curve(only(tmp_path), "gradcheck/W") == [(7, -8)]


# The user's own writer.


def test_a_writer_is_called_by_position_with_every_scalar(make_report, make_block):
    writer = Writer()
    sink = TensorBoard(writer=writer)
    sink.write(make_report([make_block("W", ratio=1e-8)], step=5))
    sink.close()
    values = {tag: (value, step) for tag, value, step in writer.calls}
    assert len(values) == len(writer.calls)
    assert values["gradcheck/W"] == (-8, 5)
    assert values["gradcheck/0 wrong blocks"] == (0, 5)
    assert sink.run_folder is None


def test_a_writer_gets_the_text_and_is_flushed_but_never_closed(make_report):
    writer = FullWriter()
    sink = TensorBoard(writer=writer)
    sink.write(make_report(step=5))
    sink.close()
    ((tag, text, step),) = writer.texts
    assert (tag, step) == (TEXT, 5)
    assert "gradcheck step 5: PASS" in text
    assert writer.others == ["flush"]


def test_a_writer_needs_no_tensorboard(make_report, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    writer = Writer()
    TensorBoard(writer=writer).write(make_report())
    assert writer.calls


# What is refused.


PLACES, FOLDER = "either logdir or writer, got ", "run_name must be the name of one folder"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logdir": "runs", "writer": Writer()}, PLACES + "both"),
        ({}, PLACES + "neither"),
        ({"writer": object()}, r"add_scalar\(tag, value, step\), object has none"),
        *(({"logdir": name}, "logdir must be the path of a file or folder") for name in ("", "\0")),
        ({"logdir": 3}, "logdir must be a path, got 3"),
        *(
            ({"logdir": "runs", "run_name": name}, FOLDER)
            for name in ("", ".", "..", "a/b", "../x", "a\\b", "a\0", 3)
        ),
        ({"writer": Writer(), "run_name": "mlp"}, "run_name names a folder in logdir"),
    ],
)
def test_what_names_no_place_is_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        TensorBoard(**arguments)


def test_a_missing_package_is_named_when_the_sink_is_built(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match="logdir needs the tensorboard package: pip install"):
        TensorBoard(tmp_path)
