import io
import os

import pytest

from gradhook.report import format as _terminal


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def environment(monkeypatch):
    for name in ("NO_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


def test_a_terminal_has_colours_and_a_file_has_none(environment):
    assert _terminal.has_colour(Screen())
    assert not _terminal.has_colour(io.StringIO())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_declined(environment, name, value):
    environment.setenv(name, value)
    assert not _terminal.has_colour(Screen())


@pytest.mark.parametrize(("columns", "used"), [(60, 60), (100, 100), (120, 120), (300, 120)])
def test_the_width_is_that_of_the_terminal_up_to_120(environment, columns, used):
    environment.setattr("shutil.get_terminal_size", lambda _: os.terminal_size((columns, 24)))
    assert _terminal.width(Screen()) == used


def test_a_file_is_80_columns_wide(environment):
    environment.setenv("COLUMNS", "100")
    assert _terminal.width(io.StringIO()) == 80


def test_a_stream_that_does_not_say_what_it_is_is_taken_for_a_file(environment):
    assert not _terminal.has_colour(object())
    assert _terminal.width(object()) == 80
