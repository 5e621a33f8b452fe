"""What leaves the callback: where its reports go.

A finished report goes into the sinks, and then to whoever is to act on it.  A sink that fails is
dropped with a warning, for an observer must not stop what it observes.  What happens where a check
did not pass is the user's choice, and comes last: by then the report is kept.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, get_args

from gradhook._types import Verdict, nearest_name
from gradhook.errors import GradientMismatchError, OptionError, warn
from gradhook.report import Report
from gradhook.report.story import same_story
from gradhook.report.text import in_short, summary
from gradhook.report.wording import begun, outcome, title
from gradhook.sinks import Sink, Terminal

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
