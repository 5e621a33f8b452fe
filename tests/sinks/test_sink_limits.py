"""The two limits as runs of their own, in every block's card."""

import shutil

import pytest

from gradhook import Tolerance
from gradhook.sinks.tensorboard.limits import Limits, rule
from tests.sinks.event_files import curve


def lines(folder, tag="gradcheck/W"):
    """Points of a tag by run."""
    return {run.name: curve(run, tag) for run in sorted(folder.iterdir())}


def test_a_line_has_two_points_from_the_first_check_and_goes_on_to_the_last(tmp_path):
    limits = Limits(str(tmp_path))
    limits.write(["W"], Tolerance(), 5)
    assert lines(tmp_path) == {
        "right below": [(5, -6), (6, -6)],
        "wrong above": [(5, -4), (6, -4)],
    }
    limits.write(["W", "b"], Tolerance(), 100)
    assert lines(tmp_path)["wrong above"][-1] == (100, -4)
    assert lines(tmp_path, "gradcheck/b")["wrong above"] == [(100, -4)]


def test_other_limits_are_runs_of_their_own_and_without_blocks_there_are_none(tmp_path):
    limits = Limits(str(tmp_path))
    limits.write([], Tolerance(), 0)
    assert list(tmp_path.iterdir()) == []
    limits.write(["W"], Tolerance(fail=1e-3), 0)
    assert list(lines(tmp_path)) == ["right below", "wrong above -3"]


def test_a_file_taken_away_meanwhile_is_made_anew(tmp_path):
    limits = Limits(str(tmp_path))
    limits.write(["W"], Tolerance(), 0)
    shutil.rmtree(tmp_path / "wrong above")
    limits.write(["W"], Tolerance(), 9)
    assert lines(tmp_path)["wrong above"] == [(9, -4), (10, -4)]
    assert lines(tmp_path)["right below"] == [(0, -6), (1, -6), (9, -6)]


@pytest.mark.parametrize(
    ("tolerance", "title"),
    [
        (Tolerance(), "W: wrong above −4, right below −6"),
        (Tolerance(fail=5e-4, warn=1e-7), "W: wrong above −3.3, right below −7"),
    ],
)
def test_a_card_says_how_it_is_read(tolerance, title):
    said, description = rule("W", tolerance)
    assert said == title
    assert description.startswith(f"log10 of the ratio; {title.partition(': ')[2]}. The ratio is")
