"""Signals held back while a check is not running the user's code.

A Python signal handler runs between any two instructions of the main thread, so Ctrl-C may raise
``KeyboardInterrupt`` anywhere, in the middle of putting things back included.  While a check runs,
a signal is therefore let through only while the user's own code runs, which is where nearly all
time goes; one that arrives at any other moment is delivered before the next evaluation, or, once
the check has begun to put things back, after that is done.

Each signal reaches the user's handler once, whatever handler that is.  Signals without a handler
written in Python (those that end the process at once, those ignored) are left alone, and so is
everything outside the main thread, where Python runs no handlers.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["Gate", "held_signals"]

HELD = ("SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGBREAK", "SIGINT")
"""Signals whose handlers are held back: those that programs use to stop or to time out.

The interrupt comes last, so that its own handler is set again after all others.
"""


class Gate:
    """Lets signals through while it is open, the user's code running, and keeps them else."""

    def __init__(self) -> None:
        self.open = False
        self._kept: list[tuple[int, Any]] = []
        self.originals: dict[int, Any] = {}  # the user's handlers, by number

    def deliver(self) -> None:
        """Hand over what was kept; a handler may raise."""
        while self._kept:
            number, frame = self._kept.pop(0)
            self.originals[number](number, frame)

    def receive(self, number: int, frame: Any) -> None:
        """Stand in for a handler."""
        if not self.open:
            self._kept.append((number, frame))
            return
        # Should the handler raise, everything is put back with the gate closed.
        self.open = False
        self.originals[number](number, frame)
        self.open = True


@contextlib.contextmanager
def held_signals() -> Iterator[Gate]:
    """Hold signals back for the length of a block, except while the gate is open."""
    gate = Gate()
    if threading.current_thread() is not threading.main_thread():
        yield gate
        return
    try:
        with contextlib.suppress(ValueError):  # no handlers in a subinterpreter
            for number in (getattr(signal, name) for name in HELD if hasattr(signal, name)):
                original = signal.getsignal(number)
                if callable(original):
                    gate.originals[number] = original
                    signal.signal(number, gate.receive)
        yield gate
    finally:
        gate.open = False
        try:
            # Save those handlers that somebody else has replaced meanwhile.
            for number, original in gate.originals.items():
                if signal.getsignal(number) == gate.receive:
                    signal.signal(number, original)
        finally:
            # Whoever kept this handler for later gets what it stands for.
            gate.open = True
            gate.deliver()
