import io
import sys

import pytest

from gradhook._types import Verdict
from gradhook.errors import OptionError
from gradhook.sinks import Terminal


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "110")


def test_a_check_that_passed_is_one_line(make_report, make_block, capsys):
    Terminal().write(make_report([make_block("W")], step=100))
    assert capsys.readouterr().out == ("gradcheck step 100: PASS, 1 block; ratio 3e-09\n")


def test_any_other_check_is_the_whole_table(make_report, make_block, capsys):
    report = make_report([make_block("W", Verdict.FAIL)], Verdict.FAIL)
    Terminal().write(report)
    assert capsys.readouterr().out == f"{report}\n\n"


def test_a_terminal_gets_colours_and_its_width(colours, make_report, make_block):
    screen = Screen()
    report = make_report(
        [make_block("W", Verdict.FAIL, sentence="x " * 200)], Verdict.FAIL, notes=("y " * 200,)
    )
    Terminal(screen).write(report)
    lines = screen.getvalue().splitlines()
    assert any("\x1b[1;31mFAIL\x1b[0m" in line for line in lines)
    assert 105 < max(len(line) for line in lines if "\x1b" not in line) <= 110
    Terminal(screen).write(make_report())
    assert screen.getvalue().splitlines()[-1].startswith("gradcheck: \x1b[32mPASS\x1b[0m, no block")


def test_a_failure_that_was_told_is_a_line_until_the_run_ends(make_report, make_block):
    screen = io.StringIO()
    sink = Terminal(screen)
    wrong = [make_block("W", Verdict.FAIL, sentence="sign is wrong")]
    first, again = (make_report(wrong, Verdict.FAIL, step=step) for step in (0, 10))
    sink.write(first)
    assert screen.getvalue() == f"{first}\n\n"
    right = make_report([make_block("W")], step=20)
    for report in (again, right, make_report(wrong, Verdict.FAIL, step=30)):
        sink.write(report)
    assert screen.getvalue().splitlines()[-3:] == [
        "gradcheck step 10: FAIL, as at step 0 (sign is wrong)",
        "gradcheck step 20: PASS, 1 block; ratio 3e-09",
        "gradcheck step 30: FAIL, as at step 0 (sign is wrong)",
    ]
    other = make_report([make_block("V", Verdict.FAIL)], Verdict.FAIL, step=40)
    sink.write(other)
    assert screen.getvalue().endswith(f"\n{other}\n\n")
    sink.close()
    sink.write(other)
    assert screen.getvalue().endswith(f"\n{other}\n\n{other}\n\n")


@pytest.mark.parametrize("colour", [True, False])
def test_colour_may_be_asked_for_or_declined(colours, make_report, colour):
    for stream in (Screen(), io.StringIO()):
        Terminal(stream, colour=colour).write(make_report())
        assert ("\x1b" in stream.getvalue()) == colour


def test_a_bar_on_the_screen_is_drawn_anew_below_the_line(make_report, monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with tqdm.tqdm(total=3, file=screen, ncols=40, bar_format="{desc}training {n_fmt}") as bar:
        bar.update()
        Terminal(screen).write(make_report())
    said = screen.getvalue()
    # The bar is wiped, the line written from the first column, and the bar drawn again.
    before, _line, after = said.partition("gradcheck: ")
    assert before.endswith("\r")
    assert after.partition("\n")[2].startswith("\rtraining")


def test_a_stream_that_is_replaced_later_is_followed(make_report, monkeypatch):
    sink = Terminal()
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    sink.write(make_report())
    assert screen.getvalue().startswith("gradcheck: PASS")


def test_what_is_no_stream_or_colour_is_refused():
    with pytest.raises(OptionError, match="stream must have a method write, int has none"):
        Terminal(3)
    with pytest.raises(OptionError, match="colour must be True, False or None, got 'red'"):
        Terminal(colour="red")
