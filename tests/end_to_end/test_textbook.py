"""The textbook example, run as its users run it."""

import re

import pytest

from tests.end_to_end import programs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("textbook")
    process = programs.run(str(programs.EXAMPLES / "textbook.py"), folder=folder)
    assert process.returncode == 0, process.stderr
    return process.stdout, folder / "runs" / "textbook"


@pytest.fixture(scope="module")
def table(finished):
    """Two-sided estimate, its error, one-sided estimate, its error, by ε as printed."""
    rows = re.findall(r"^ +(1e-\d\d) +(\S+) +(\S+) +(\S+) +(\S+)$", finished[0], re.MULTILINE)
    return {float(epsilon): tuple(map(float, numbers)) for epsilon, *numbers in rows}


@pytest.fixture(scope="module")
def charts(finished):
    return programs.charts(finished[1])


def test_a_step_of_a_hundredth_gives_the_numbers_of_the_textbook(table):
    two_sided, two_sided_error, one_sided, one_sided_error = table[0.01]
    # Printed with ten decimals; round-off of a loss near 1 over the step is 2e-14.
    assert two_sided == 3.0001
    assert two_sided_error == 1e-4
    assert one_sided == 3.0301
    assert one_sided_error == 0.03


def test_errors_fall_like_the_square_and_like_the_step_while_truncation_rules(table):
    assert len(table) == 12
    for epsilon in (1e-1, 1e-2, 1e-3, 1e-4):
        _, two_sided_error, _, one_sided_error = table[epsilon]
        # ε² and 3ε + ε², to the two digits printed.
        assert two_sided_error == pytest.approx(epsilon**2, rel=0.05)
        assert one_sided_error == pytest.approx(3 * epsilon + epsilon**2, rel=0.05)


def test_round_off_takes_over_at_the_smallest_steps(table):
    assert table[1e-12][1] > 100 * table[1e-5][1]
    assert table[1e-12][3] > 100 * table[1e-8][3]


def test_the_step_left_to_choose_is_right_within_its_error_estimate(finished):
    pattern = r"(\S+)  left to choose; estimates its error: (\S+)$"
    value, error = map(float, re.search(pattern, finished[0], re.MULTILINE).groups())
    # Ten decimals are printed, and one digit of the error.
    assert abs(value - 3) <= 1.5 * error + 1e-10
    assert error < 1e-8


def test_each_threshold_of_the_ratio_is_met_by_an_example(finished):
    output, _ = finished
    found = re.findall(r"^ +(\S.*?)  (\S+)   .*(1e-\d): ", output, re.MULTILINE)
    right, rounded, coarse, forgotten = (float(ratio) for _, ratio, _ in found)
    assert right < 1e-7 < rounded < 1e-5 < coarse < 1e-3 < forgotten
    assert [threshold for _, _, threshold in found] == ["1e-7", "1e-5", "1e-3", "1e-3"]


def test_charts_hold_what_the_table_says_at_minus_the_logarithm_of_the_step(charts, table):
    tags = [
        f"{what}/{side}"
        for what in ("estimate", "log10_error")
        for side in ("two-sided", "one-sided")
    ]
    assert sorted(charts) == sorted(tags)
    for tag in tags:
        assert [point.step for point in charts[tag]] == list(range(1, 13))
    for column, tag in ((0, "estimate/two-sided"), (2, "estimate/one-sided")):
        printed = [numbers[column] for numbers in table.values()]
        # Event files hold single precision.
        assert [point.value for point in charts[tag]] == pytest.approx(printed, rel=1e-7)
    errors = [10**point.value for point in charts["log10_error/two-sided"]]
    # Printed to two digits.
    assert errors == pytest.approx([numbers[1] for numbers in table.values()], rel=0.06)
    assert charts["log10_error/one-sided"][1].value == pytest.approx(-1.5214, abs=1e-4)
