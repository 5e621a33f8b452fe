"""Everything a check may disturb, saved before and put back after, to the bit.

A ``Guard`` saves the global random streams of NumPy and of Python and whatever the objective's
functions can reach.  During a check it puts back, before each evaluation, only what evaluations are
known to change, so that every evaluation sees the same generators (*common random numbers*) and the
same running statistics, and a model that also holds its optimiser's moments does not pay for them
each time.  What evaluations change is learned by comparing everything around the first ones, and
generators and small things again wherever the switches or the point change.  At the end everything
is put back and compared with what was saved; ``RestoreError`` says what differs.

What the user's code changes before that, while parameters and rows are read, is kept as it was by
``Changes``: evaluations go on from it, and it is put back last.

A Python signal handler runs between any two instructions of the main thread, so Ctrl-C may raise
``KeyboardInterrupt`` anywhere, in the middle of putting things back included.  While a check runs,
a signal is therefore let through only while the user's own code runs, which is where nearly all
time goes; one that arrives at any other moment is delivered before the next evaluation, or, once
the check has begun to put things back, after that is done.  Each signal reaches the user's handler
once, whatever handler that is.  Signals without a handler written in Python (those that end the
process at once, those ignored) are left alone, and so is everything outside the main thread, where
Python runs no handlers.
"""

from __future__ import annotations

import contextlib
import functools
import math
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from gradhook._types import Array
from gradhook.errors import RestoreError
from gradhook.guard.objects import Saved, SavedArray, extent, global_streams
from gradhook.guard.reach import BUDGET, Reach, is_plain, reach

SMALL_ARRAY = 1 << 20
"""Bytes up to which an array is compared again where switches or the point change."""

NAMED_FIRST = 5
"""Things named in a message."""

HELD = ("SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGBREAK", "SIGINT")
"""Signals whose handlers are held back: those that programs use to stop or to time out.

The interrupt comes last, so that its own handler is set again after all others.
"""


class Guard:
    """Saved state of everything that the roots reach, and of the global random streams.

    What shares memory with arrays that are ``moving``, because others write to them on purpose
    during the check, is put back at the end only.
    """

    def __init__(
        self,
        roots: Iterable[Any],  # functions, models, containers, arrays, generators to start from
        *,
        named: Iterable[Any] = (),  # more of these, whose arrays are copied however large
        without: Iterable[Any] = (),  # looked after elsewhere, as the parameters' arrays
        moving: Iterable[Array] = (),
        budget: float = BUDGET,  # bytes that copies of arrays may take which are not named
        hidden: Iterable[str] = (),  # what else cannot be saved, as ``Changes`` have found
    ) -> None:
        found = reach(roots, named=named, without=without, budget=budget)
        found.hidden = list(dict.fromkeys([*found.hidden, *hidden]))
        kept = [*global_streams(), *found.saved]
        self._saved = kept + found.watched
        self._generators = [record for record in kept if record.kind.is_generator]
        arrays = [record for record in kept if isinstance(record, SavedArray)]
        self._arrays = {extent(record.thing): record for record in arrays}
        # Going by the first and last byte of each.
        moved = {id(r) for a in moving for r in arrays if np.may_share_memory(r.thing, a)}
        # What is compared before evaluations, and before how many more.
        self._compared = [record for record in kept if id(record) not in moved]
        self._left = math.inf
        self._volatile: dict[int, Saved] = {}
        self.hidden = found.hidden[:NAMED_FIRST]
        self.notes = _notes(found)

    def any_generator_moved(self) -> bool:
        """Whether a generator, global ones included, has been drawn from since it was saved."""
        return any(record.changed() for record in self._generators)

    def record_of(self, array: Array) -> Saved | None:
        """What was saved of an array; ``None`` if nothing was, because it is read-only."""
        return self._arrays.get(extent(array))

    def learn_volatile(self) -> None:
        """Note what has changed: from now on ``rewind`` looks after that, and nothing else."""
        self._note_changes()
        small = (r for r in self._compared if getattr(r.state, "nbytes", 0) <= SMALL_ARRAY)
        self._compared = list(small)
        self._left = 0

    def watch(self) -> None:
        """Compare generators and small things around the next two evaluations as well."""
        self._left = max(self._left, 2)

    def rewind_generators(self) -> None:
        """Put generators back to where they were when saved."""
        self._note_changes()
        for record in self._volatile.values():
            if record.kind.is_generator:
                record.restore()

    def rewind(self) -> None:
        """Put back generators and whatever else evaluations are known to change."""
        self._note_changes()
        self._left = max(0, self._left - 1)
        for record in self._volatile.values():
            record.restore()

    def restore(self) -> None:
        """Put everything back and verify it; may be called again.

        Raises:
            RestoreError: Something differs from what was saved; everything that could be put back
                has been.
        """
        _restore(self._saved)

    def _note_changes(self) -> None:
        for record in self._compared if self._left else ():
            if id(record) not in self._volatile and record.changed():
                self._volatile[id(record)] = record


class Changes:
    """What the user's code changes in pieces of a check that come before its guard."""

    def __init__(self, *roots: Any) -> None:
        # What that code can reach; what is plain runs none, and costs nothing.
        self._roots = [root for root in roots if not is_plain(root)]
        self._pieces: list[list[Saved]] = []
        self.hidden: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note what a block changes, and the global streams whatever comes after it."""
        found = reach(self._roots)
        saved = [*global_streams(), *found.saved, *found.watched]
        try:
            yield
        finally:
            # Copies of what is as it was are let go: memory is needed for the check.
            self._pieces.append([r for r in saved if r.kind.is_generator or _differs(r)])
            self.hidden += found.hidden

    def restore(self) -> None:
        """Put everything back, the last changes first; may be called again.

        Raises:
            RestoreError: As of a ``Guard``.
        """
        put_back(*(functools.partial(_restore, piece) for piece in reversed(self._pieces)))


def _restore(saved: Iterable[Saved]) -> None:
    """Put records back and verify them."""
    wrong: list[str] = []
    changed = [record for record in saved if _differs(record)]
    for record in changed:
        try:
            record.restore()
        except Exception as error:  # the rest must still be put back
            wrong.append(f"{record.describe()} ({type(error).__name__}: {error})")
    wrong += [record.describe() for record in changed if _differs(record)]
    if wrong:
        raise RestoreError(
            "the objective changed what the check could not put back: "
            f"{'; '.join(dict.fromkeys(wrong[:NAMED_FIRST]))}{_more(wrong)}. Go on from a "
            "checkpoint, and let loss and gradients leave these alone"
        )


def put_back(*restores: Callable[[], None]) -> None:
    """Call functions that restore something, every one of them whatever fails on the way.

    Raises:
        RestoreError: Something could not be put back; everything else has been.
    """
    problems: list[Exception] = []
    for restore in restores:
        try:
            restore()
        except Exception as error:  # the rest must still be put back
            problems.append(error)
        except BaseException:  # thrown in from outside: all over again, nothing is undone twice
            put_back(*restores)
            raise
    if problems:
        first = next((e for e in problems if isinstance(e, RestoreError)), problems[0])
        for other in problems:
            if other is not first:
                first.add_note(f"{type(other).__name__}: {other}")
        if isinstance(first, RestoreError):
            raise first
        raise RestoreError(
            f"the check could not put everything back ({type(first).__name__}: {first}): go on "
            "from a checkpoint"
        ) from first


def _differs(record: Saved) -> bool:
    try:
        return record.changed()
    except Exception:  # what cannot be compared is put back, and then said to differ
        return True


def _more(things: list[str]) -> str:
    return f" and {len(things) - NAMED_FIRST} more" if len(things) > NAMED_FIRST else ""


def _notes(found: Reach) -> list[str]:
    """What could not be saved, one sentence each."""
    notes = []
    if found.hidden:
        notes.append(
            f"not saved, because its state cannot be read: "
            f"{', '.join(found.hidden[:NAMED_FIRST])}{_more(found.hidden)}; what an evaluation "
            "changes there stays changed"
        )
    notes += [f"compared but not saved: {r.describe()}" for r in found.watched[:NAMED_FIRST]]
    if found.cut:
        notes.append(
            "the functions reach more objects than a check saves: what an evaluation changes in "
            "the others stays changed; pass state= what it does change"
        )
    return notes


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
