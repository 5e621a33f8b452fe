"""Signals are held back, and each reaches the user's handler once."""

# What comes after a signal is what is tested.
# ruff: noqa: PT012

import signal
import threading

import pytest

from gradhook.guard.guard import held_signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")


@pytest.fixture
def handlers():
    """Leave the handlers as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def received(handlers):
    """What a handler of the user's own got, which raises nothing."""
    got = []
    signal.signal(signal.SIGINT, lambda number, frame: got.append(number))
    return got


def test_a_signal_passes_while_the_users_code_runs(handlers):
    done = []
    with pytest.raises(KeyboardInterrupt), held_signals() as gate:
        gate.open = True
        signal.raise_signal(signal.SIGINT)
        done.append("went on")
    assert done == []


def test_a_second_one_after_it_waits_until_everything_is_put_back(handlers):
    done = []
    with pytest.raises(KeyboardInterrupt) as raised, held_signals() as gate:
        try:
            gate.open = True
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("put back")
    assert done == ["put back"]
    assert isinstance(raised.value.__context__, KeyboardInterrupt)


def test_a_handler_that_raises_nothing_gets_every_signal_once(received):
    with held_signals() as gate:
        gate.open = True
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert len(received) == 2
        gate.open = False
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert len(received) == 2
    assert len(received) == 4


def test_the_handler_gets_the_frame_that_was_interrupted(handlers):
    frames = []
    signal.signal(signal.SIGINT, lambda number, frame: frames.append(frame))
    with held_signals():
        signal.raise_signal(signal.SIGINT)
    assert frames[0].f_code.co_name == "test_the_handler_gets_the_frame_that_was_interrupted"


def test_other_signals_with_handlers_are_held_too(handlers):
    class Stop(Exception):
        pass

    def stop(number, frame):
        raise Stop

    signal.signal(signal.SIGUSR1, stop)
    signal.signal(signal.SIGTERM, stop)
    done = []
    with pytest.raises(Stop), held_signals():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        done.append("went on")
    assert done == ["went on"]
    assert signal.getsignal(signal.SIGTERM) is stop


def test_ignored_and_default_signals_are_left_alone(handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_signals():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.raise_signal(signal.SIGINT)


def test_a_handler_set_meanwhile_stays(received):
    def newer(number, frame):
        received.append("newer")

    with held_signals():
        signal.signal(signal.SIGINT, newer)
    assert signal.getsignal(signal.SIGINT) is newer


def test_who_kept_the_handler_for_later_reaches_the_users_one(received):
    with held_signals():
        kept = signal.getsignal(signal.SIGINT)
    kept(signal.SIGINT, None)
    assert received == [signal.SIGINT]


def test_one_inside_another_delivers_once(received):
    with held_signals() as outer:
        outer.open = True
        with held_signals():
            signal.raise_signal(signal.SIGINT)
            assert received == []
        assert received == [signal.SIGINT]
    assert received == [signal.SIGINT]


def test_other_threads_hold_nothing(handlers):
    seen = []

    def run():
        with held_signals() as gate:
            seen.append((signal.getsignal(signal.SIGINT), gate.open))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(signal.default_int_handler, False)]


def test_handlers_are_set_again_after_an_exception(handlers):
    with pytest.raises(KeyError), held_signals():
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
