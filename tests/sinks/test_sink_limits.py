"""The two limits as runs of their own, in every block's card."""

import shutil

import pytest

from gradhook import Tolerance
from gradhook.sinks import TensorBoard
from tests.sinks.event_files import curve, read


def lines(folder, tag="gradcheck/W"):
    """Points of a tag by run."""
    runs = [run for run in sorted(folder.iterdir()) if run.name != "run"]
    return {run.name: curve(run, tag) for run in runs}


@pytest.fixture
def sink(tmp_path):
    return TensorBoard(tmp_path, run_name="run")


def test_a_line_has_two_points_from_the_first_check_and_goes_on_to_the_last(
    tmp_path, sink, make_report, make_block
):
    sink.write(make_report([make_block("W")], step=5))
    assert lines(tmp_path) == {
        "right below": [(5, -6), (6, -6)],
        "wrong above": [(5, -4), (6, -4)],
    }
    sink.write(make_report([make_block("W"), make_block("b")], step=100))
    assert lines(tmp_path)["wrong above"][-1] == (100, -4)
    assert lines(tmp_path, "gradcheck/b")["wrong above"] == [(100, -4)]


def test_other_limits_are_runs_of_their_own_and_without_blocks_there_are_none(
    tmp_path, sink, make_report, make_block
):
    sink.write(make_report(step=0))
    assert lines(tmp_path) == {}
    sink.write(make_report([make_block("W")], step=0, tolerance=Tolerance(fail=1e-3)))
    assert list(lines(tmp_path)) == ["right below", "wrong above -3"]


def test_a_file_taken_away_meanwhile_is_made_anew(tmp_path, sink, make_report, make_block):
    sink.write(make_report([make_block("W")], step=0))
    shutil.rmtree(tmp_path / "wrong above")
    sink.write(make_report([make_block("W")], step=9))
    assert lines(tmp_path)["wrong above"] == [(9, -4), (10, -4)]
    assert lines(tmp_path)["right below"] == [(0, -6), (1, -6), (9, -6)]


def test_a_card_says_how_it_is_read_by_other_limits(tmp_path, sink, make_report, make_block):
    sink.write(make_report([make_block("W")], tolerance=Tolerance(fail=5e-4, warn=1e-7)))
    said = read(tmp_path / "run").SummaryMetadata("gradcheck/W")
    assert said.display_name == "W: wrong above −3.3, right below −7"
    assert said.summary_description.startswith(
        "log10 of the ratio; wrong above −3.3, right below −7. The ratio is"
    )
