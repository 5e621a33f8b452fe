import io
import re
import sys
import threading
import types

import pytest

from gradhook.errors import OptionError
from gradhook.sinks import Progress
from gradhook.sinks import base as progress_module


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


@pytest.fixture
def clock(monkeypatch):
    """The time that the sink sees, which the test moves on."""
    now = [1000.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def work(progress, total=40):
    progress.start(total, "gradient check")
    for _ in range(4):
        progress.advance(10)
    progress.close()


def left_on(text):
    """What stays on a terminal after carriage returns and movements upwards wrote over it."""
    lines, row, column = [""], 0, 0
    for part in re.findall("\r|\n|\x1b\\[A|[^\r\n\x1b]+", text):
        if part == "\r":
            column = 0
        elif part == "\x1b[A":
            row -= 1
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return "\n".join(line.rstrip() for line in lines).strip()


def test_a_bar_is_drawn_and_wiped(screen):
    stream = screen()
    work(Progress(delay=0))
    assert "gradient check: " in stream.getvalue()
    assert "10/40" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    assert left_on(stream.getvalue()) == ""


def test_nothing_is_drawn_during_the_first_second(screen, clock):
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


def test_tqdm_is_not_even_loaded_for_a_short_check(run_python):
    program = """
import sys
sys.stderr.isatty = lambda: True
import numpy as np, gradhook
assert gradhook.check_gradients(lambda x: (x @ x, 2 * x), np.ones(3))
print([m for m in sys.modules if m.startswith("tqdm")])
"""
    done = run_python(program)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


LOOP = """
import sys, time
import numpy as np, tqdm
import gradhook
from gradhook.sinks import Progress

sys.stderr.isatty = lambda: True
def slow(x):
    time.sleep(0.002)
    return x @ x, 2 * x
for _ in tqdm.tqdm(range(3), desc="training", ncols=60, bar_format="{desc} {n_fmt}/{total_fmt}"):
    assert gradhook.check_gradients(slow, np.ones(3), progress=Progress(delay=0.02))
print("done", file=sys.stderr)
"""


def test_the_bar_of_the_training_is_not_torn(run_python):
    # Read as text, carriage returns would become new lines.
    said = run_python(LOOP, check=True, text=False).stderr.decode()
    assert "gradient check" in said
    assert left_on(said) == "training 3/3\ndone"


@pytest.mark.parametrize(
    ("terminal", "disable", "drawn"),
    [(False, None, False), (False, False, True), (True, True, False)],
)
def test_nothing_is_drawn_where_nobody_sees_it_and_disable_decides(
    screen, terminal, disable, drawn
):
    stream = screen(terminal=terminal)
    work(Progress(delay=0, disable=disable))
    said = stream.getvalue()
    assert "10/40" in said if drawn else said == ""


@pytest.mark.parametrize("shell", [types.SimpleNamespace(kernel=object()), None])
def test_a_notebook_shows_the_bar_and_ipython_that_is_merely_imported_is_none(
    screen, monkeypatch, shell
):
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    stream = screen(terminal=False)
    work(Progress(delay=0))
    said = stream.getvalue()
    assert "10/40" in said if shell else said == ""


def test_the_total_may_be_unknown_or_too_small(screen):
    stream = screen()
    work(Progress(delay=0), total=None)
    work(Progress(delay=0), total=15)
    assert left_on(stream.getvalue()) == ""


def test_no_thread_is_started(screen):
    screen()
    before = set(threading.enumerate())
    progress = Progress(delay=0)
    progress.start(10, "gradient check")
    progress.advance()
    assert set(threading.enumerate()) == before
    progress.close()


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "1", None])
def test_a_delay_that_is_no_number_of_seconds_is_refused(delay):
    with pytest.raises(OptionError, match="delay must be a number of seconds, at least 0, got"):
        Progress(delay=delay)


def test_disable_must_be_one_of_three():
    with pytest.raises(OptionError, match="disable must be True, False or None, got 'no'"):
        Progress(disable="no")


def test_a_missing_package_is_named(monkeypatch, screen):
    screen()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match="a progress bar needs tqdm: pip install tqdm"):
        Progress().start(10, "gradient check")
