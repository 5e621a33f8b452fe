"""Everything a check may disturb, saved before and put back after, to the bit.

A ``Guard`` saves the global random state of NumPy and of Python and whatever the objective's
functions can reach. During a check it puts back, before each evaluation, only what an evaluation is
known to change, so that every evaluation sees the same generators (*common random numbers*) and the
same running statistics.  At the end it puts back everything, compares every byte with what was
saved, and raises ``RestoreError`` rather than stay silent.

Restoring is idempotent.  While a check runs in the main thread, the first Ctrl-C interrupts it as
usual and any further one waits until everything is back.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gradhook._state import Saved
from gradhook._walk import reach
from gradhook.errors import RestoreError

__all__ = ["Guard", "one_interrupt"]


class Guard:
    """Saved state of everything that the roots reach, and of the global random streams.

    Args:
        roots: Functions, models, containers, arrays, generators to start from.
        without: Objects looked after elsewhere, such as the parameters' arrays and their
            containers.
    """

    def __init__(self, roots: Iterable[Any], *, without: Iterable[Any] = ()) -> None:
        self._without = list(without)
        self._globals = (np.random.get_state(), random.getstate())
        self._saved = reach(roots, without=self._without)
        self._generators = [record for record in self._saved if record.is_generator]
        self._volatile: list[Saved] = list(self._saved)

    @property
    def has_generators(self) -> bool:
        """Whether a generator other than the global streams was found."""
        return bool(self._generators)

    def any_generator_moved(self) -> bool:
        """Whether any generator, global ones included, has been drawn from since the last restore."""
        keys, *rest = np.random.get_state()[1:]
        saved_keys, *saved_rest = self._globals[0][1:]
        if rest != saved_rest or not np.array_equal(keys, saved_keys):  # type: ignore[arg-type]
            return True
        return random.getstate() != self._globals[1] or any(g.changed() for g in self._generators)

    def learn_volatile(self) -> None:
        """Note what has changed since the snapshot: from now on ``rewind`` puts back only that, and generators."""
        self._volatile = [r for r in self._saved if not r.is_generator and r.changed()]

    def rewind_generators(self) -> None:
        """Put every generator back to where it was when saved."""
        np.random.set_state(self._globals[0])
        random.setstate(self._globals[1])
        for record in self._generators:
            record.restore()

    def rewind(self) -> None:
        """Put back generators and whatever evaluations are known to change."""
        self.rewind_generators()
        for record in self._volatile:
            record.restore()

    def restore(self) -> None:
        """Put everything back and verify it.

        Raises:
            RestoreError: Something differs from what was saved; everything that could be put back
                has been.
        """
        np.random.set_state(self._globals[0])
        random.setstate(self._globals[1])
        wrong: list[str] = []
        for record in self._saved:
            try:
                record.restore()
                if record.changed():
                    wrong.append(record.describe())
            except Exception as error:  # the rest must still be put back
                wrong.append(f"{record.describe()} ({type(error).__name__}: {error})")
        if wrong:
            raise RestoreError(
                f"{len(wrong)} thing(s) that the check touched could not be put back: "
                f"{'; '.join(wrong[:5])}; "
                "restart from a checkpoint, or exclude the cause with state="
            )


@contextlib.contextmanager
def one_interrupt() -> Iterator[None]:
    """Let the first SIGINT through and hold further ones back until the block ends (main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    original = signal.getsignal(signal.SIGINT)
    if not callable(original):
        yield
        return
    received: list[tuple[int, Any]] = []

    def handler(number: int, frame: Any) -> None:
        received.append((number, frame))
        if len(received) == 1:
            original(number, frame)

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, original)
        if len(received) > 1:
            original(*received[-1])
