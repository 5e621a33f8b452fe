import io
import sys
import threading
import types

import pytest
import tqdm
import tqdm.auto

from gradhook._progress import ProgressLike
from gradhook.errors import OptionError
from gradhook.sinks import Progress

AN_HOUR = 3600.0


class Screen(io.StringIO):
    """A standard error stream that is, or is not, a terminal."""

    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture
def screen(monkeypatch):
    def put(terminal=True):
        stream = Screen(terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return put


def work(progress, total=40):
    progress.start(total, "gradient check")
    for _ in range(4):
        progress.advance(10)
    progress.close()


def left_on(text):
    """What stays in the one line of a terminal after carriage returns wrote over it."""
    line = []
    for part in text.split("\r"):
        line[: len(part)] = part
    return "".join(line).strip()


def test_a_bar_is_drawn_and_wiped(screen):
    stream = screen()
    work(Progress(delay=0))
    assert "gradient check:   0%" in stream.getvalue()
    assert "0/40" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    assert left_on(stream.getvalue()) == ""


def test_nothing_is_drawn_during_the_first_second(screen, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: clock[0])
    stream = screen()
    progress = Progress()
    progress.start(40, "gradient check")
    clock[0] += 0.9
    progress.advance(10)
    assert stream.getvalue() == ""
    clock[0] += 0.2
    progress.advance(10)
    assert "20/40" in stream.getvalue()
    progress.close()
    assert left_on(stream.getvalue()) == ""


def test_a_check_shorter_than_the_delay_leaves_no_trace(screen):
    stream = screen()
    work(Progress(delay=AN_HOUR))
    assert stream.getvalue() == ""


def test_nothing_is_drawn_where_nobody_sees_it(screen):
    stream = screen(terminal=False)
    work(Progress(delay=0))
    assert stream.getvalue() == ""


def test_disable_decides_against_the_terminal(screen):
    stream = screen(terminal=False)
    work(Progress(delay=0, disable=False))
    assert "0/40" in stream.getvalue()
    stream = screen(terminal=True)
    work(Progress(delay=0, disable=True))
    assert stream.getvalue() == ""


def test_a_notebook_shows_the_bar_though_its_stream_is_no_terminal(screen, monkeypatch):
    class NotebookBar(tqdm.std.tqdm):
        """Stands for tqdm's own, which needs a notebook to be imported."""

    monkeypatch.setitem(sys.modules, "tqdm.notebook", types.SimpleNamespace(tqdm=NotebookBar))
    monkeypatch.setattr(tqdm.auto, "tqdm", NotebookBar)
    stream = screen(terminal=False)
    work(Progress(delay=0))
    assert "0/40" in stream.getvalue()


def test_the_total_may_be_unknown_or_too_small(screen):
    stream = screen()
    work(Progress(delay=0), total=None)
    work(Progress(delay=0), total=15)
    assert left_on(stream.getvalue()) == ""


def test_a_second_start_ends_the_first_bar(screen):
    stream = screen()
    progress = Progress(delay=0)
    progress.start(10, "first")
    progress.start(10, "second")
    progress.close()
    assert left_on(stream.getvalue()) == ""
    assert "second" in stream.getvalue()


def test_advance_and_close_without_start_do_nothing():
    progress = Progress()
    progress.advance()
    progress.close()
    progress.close()


def test_no_thread_is_started(screen):
    screen()
    before = set(threading.enumerate())
    progress = Progress(delay=0)
    progress.start(10, "gradient check")
    assert set(threading.enumerate()) == before
    progress.close()


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "1", None])
def test_a_delay_that_is_no_number_of_seconds_is_refused(delay):
    with pytest.raises(OptionError, match="delay must be a number of seconds, at least 0, got"):
        Progress(delay=delay)


def test_disable_must_be_one_of_three():
    with pytest.raises(OptionError, match="disable must be True, False or None, got 'no'"):
        Progress(disable="no")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="a progress bar needs tqdm: pip install tqdm"):
        Progress().start(10, "gradient check")


def test_it_is_what_a_check_asks_for():
    assert isinstance(Progress(), ProgressLike)
