"""What leaves the callback: reports, and what is said of the run beside them.

A finished report goes into the sinks, and then to whoever is to act on it.  A sink that fails is
dropped with a warning, for an observer must not stop what it observes.  What happens where a check
did not pass is the user's choice, and comes last: by then the report is kept.

Of the run it is said where training no longer moves the arrays that are checked.  ``theta = theta -
rate * gradient`` makes a new array each time, and whoever was handed the first one goes on looking
at it: it passes for ever.  Blocks that hold the same bytes at two checks, with steps between and a
gradient at the first that should have moved them, were left behind; or they are frozen, or wait
their turn.
"""

from __future__ import annotations

import copy
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from gradhook._types import Verdict, nearest_name
from gradhook.check.guarded import moving_blocks
from gradhook.check.reading import read
from gradhook.errors import GradientMismatchError, OptionError, RestoreError, warn
from gradhook.objective.batch import as_batch
from gradhook.objective.holders import holds
from gradhook.objective.objective import Objective
from gradhook.options import Options
from gradhook.report import Report
from gradhook.report.story import same_story
from gradhook.report.text import in_short, summary
from gradhook.report.wording import begun, outcome, title
from gradhook.sinks import Sink, Terminal

REMEDY = (
    "the loop seems to rebind its arrays (theta = theta - ...), and the checks look at those that "
    "it left behind. Pass them to the hook, on_step_end(step, batch=..., parameters=theta), or to "
    "the callback as a function, parameters=lambda: theta. A network that is frozen, or waits its "
    "turn, looks the same"
)

Action: TypeAlias = Literal["warn", "raise", "record"]
OnFail: TypeAlias = Action | Callable[[Report], object]


class Delivery:
    """Sinks, and what to do where a check did not pass."""

    def __init__(self, sinks: Iterable[Sink], on_fail: OnFail) -> None:
        if isinstance(sinks, Sink) or not isinstance(sinks, Iterable):
            raise OptionError(f"sinks takes several: write sinks=[{type(sinks).__name__}(...)]")
        self.sinks = list(sinks)
        for sink in self.sinks:
            if isinstance(sink, type) or not isinstance(sink, Sink):
                raise OptionError(
                    f"a sink is an object with write(report) and close(), got {sink!r}"
                )
        if not callable(on_fail) and on_fail not in get_args(Action):
            known = list(get_args(Action))
            raise OptionError(
                f"on_fail must be one of {', '.join(map(repr, known))} or a function of the "
                f"report, got {on_fail!r}{nearest_name(str(on_fail), known)}"
            )
        self._on_fail = on_fail
        self._told: set[str] = set()
        self._told_of_end = 0
        self._first_wrong: Report | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Delivery:
        # A copy has no sinks: two that write to one run would mix, and an open one does not copy.
        twin = Delivery([], copy.deepcopy(self._on_fail, memo))
        twin._told = set(self._told)
        return twin

    def write(self, report: Report) -> None:
        """Hand a report to every sink."""
        self._let(self.sinks, lambda sink: sink.write(report))

    def begin(self, first: Report, due: int | None) -> None:
        """Say on the screen that a run is checked and when next, before the first report."""
        self._say(begun(None if self._screen() else first, due))

    def end(self, history: Sequence[Report], noted: str = "") -> None:
        """Say on the screen, once, how a run's checks ended and what was noted; close the sinks."""
        if len(history) > self._told_of_end:
            self._told_of_end = len(history)
            self._say(f"gradhook: {outcome(history)}" + (f"\n{noted}" if noted else ""))
        self._let(self.sinks, lambda sink: sink.close())
        self._first_wrong = None  # another training is told of anew

    def warn_once(self, message: str, reason: str = "") -> None:
        """Warn, unless the same ``reason`` was given before, numbers aside; else the message's."""
        reason = re.sub(r"\b\d[\d.]*(e[+-]?\d+)?", "0", reason or message)
        if reason not in self._told:
            self._told.add(reason)
            warn(message)

    def act(self, report: Report, *, unmade: str = "") -> None:
        """Do what the user wants done where a check did not pass, or could not be made."""
        if unmade:
            self.warn_once(f"{title(report)}: {unmade}")
        if report.passed or self._on_fail == "record":
            return
        if callable(self._on_fail):
            self._on_fail(report)
        elif self._on_fail == "raise" and report.verdict is Verdict.FAIL:
            raise GradientMismatchError(str(report), report)
        elif report.verdict in (Verdict.FAIL, Verdict.WARN):
            warn(self._warning(report))
        elif not unmade:
            undecided = (b for b in report.blocks.values() if b.verdict is report.verdict)
            reasons = "; ".join(sorted({block.sentence for block in undecided}))
            self.warn_once(summary(report), reason=reasons)

    def _warning(self, report: Report) -> str:
        """What a warning says: what stands on the screen, or was said before, in short."""
        if self._screen() is not None:
            return f"{title(report)} (the report stands above)"
        first = self._first_wrong if same_story(self._first_wrong, report) else None
        self._first_wrong = report if first is None else first
        return in_short(report, first, 120) or summary(report)

    def _screen(self) -> Terminal | None:
        return next((sink for sink in self.sinks if isinstance(sink, Terminal)), None)

    def _say(self, said: str) -> None:
        screen = self._screen() or (Terminal(sys.stderr) if sys.stderr is not None else None)
        if screen is not None:
            self._let([screen], lambda _: screen.say(said))

    def _let(self, sinks: Sequence[Sink], act: Callable[[Sink], object]) -> None:
        """Let sinks act, and drop those that fail, with a warning when all have acted."""
        failed: dict[int, str] = {}
        for sink in sinks:
            try:
                act(sink)
            except Exception as error:
                failed[id(sink)] = f"{type(sink).__name__} failed ({type(error).__name__}: {error})"
        self.sinks = [sink for sink in self.sinks if id(sink) not in failed]
        for said in failed.values():
            warn(f"the sink {said} and is dropped")


class Rebinding:
    """Compares the bytes of all blocks from check to check."""

    def __init__(self) -> None:
        self.brought = False  # whether a hook has brought the parameters since the last look
        self._in_a_row = 0
        self._told = False
        self._named: set[str] = set()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Compare with no check of an earlier training, which may have begun at the same values."""
        self._batch: Any = None  # of the last look
        self._before: tuple[int, dict[str, bytes]] = (0, {})  # step and digests
        self.unsaid = ""  # the newest that was found and not warned about, with its step

    def look(
        self, step: int, objective: Objective, options: Options, batch: Any
    ) -> tuple[str, bool]:
        """Say which blocks training has left behind, and whether it is time to warn."""
        earlier, self._batch = self._batch, batch
        brought, self.brought = self.brought, False
        if holds(objective.parameters):
            return "", False  # an object is read anew each time
        since, before = self._before
        try:
            with read(objective, options, as_batch(batch)) as given:
                now = {
                    name: hashlib.blake2b(np.ascontiguousarray(leaf).data, digest_size=16).digest()
                    for name, leaf in given.tree.blocks.items()
                }
                self._before = step, now
                comparable = step > since and not brought
                still = [n for n in now if comparable and before.get(n) == now[n]]
                whole = len(still) == len(now)
                new = [name for name in still if whole or name not in self._named]
                if new:
                    moving = moving_blocks(objective, options, as_batch(earlier))
                    new = [name for name in new if name in moving]
        except RestoreError:
            raise
        except Exception:  # the batch of then may be gone
            return "", False
        if before:
            self._in_a_row = self._in_a_row + 1 if whole and new else 0
        if not new:
            return "", False
        loud = whole and self._in_a_row > 1 and not self._told
        self._told = self._told or loud
        if whole:
            said = (
                f"no parameter has moved from step {since} to step {step}, under a gradient that "
                f"should move them: {REMEDY}"
            )
        else:
            self._named.update(new)
            said = (
                f"{', '.join(new)} stood still from step {since} to step {step} under a gradient "
                f"that should move {'it' if len(new) == 1 else 'them'}: frozen, or rebound?"
            )
        self.unsaid = "" if loud else f"step {step}: {said}"
        return said, loud
