"""The callback that sits in a training loop.

It decides *when* (a schedule), gets its data from the loop, makes the check, and hands the report to the sinks; what is
checked and how it is judged is none of its business.  A disabled callback is another class whose methods are empty, so
that it costs a method call and nothing else.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal

import numpy as np

from gradhook._check import check
from gradhook._debug import is_enabled
from gradhook._objective import Objective
from gradhook._options import Options
from gradhook._parameters import Tree
from gradhook._render import summary
from gradhook._subset import as_batch
from gradhook._types import Batch, Verdict, nearest_name
from gradhook.errors import GradCheckWarning, GradientMismatchError, InternalError, OptionError
from gradhook.report import BlockReport, Report
from gradhook.schedules import as_schedule, logarithmic
from gradhook.sinks import Sink

__all__ = ["GradCheckCallback", "OnFail"]

OnFail = Literal["warn", "raise", "record"] | Callable[[Report], object]

_warn = functools.partial(warnings.warn, category=GradCheckWarning, stacklevel=4)


class GradCheckCallback:
    """Checks gradients at the start of training and at scheduled steps; an opt-in debug flag.

    Args:
        objective: Anything that ``Objective.of`` accepts.
        parameters: The parameters, or a function returning them; ``None`` takes the objective's own.  May also be given
            anew to every hook, because many loops rebind arrays.
        schedule: When to check: of ``gradhook.schedules``, a positive integer n (every n steps), or steps.  Default
            100, 1 000, 10 000, ….
        at_start: Whether to check before the first step.
        batch: The batch to check on where a hook gives none; ``()`` if the objective needs no data.
        on_fail: ``"warn"``, ``"raise"`` (a ``GradientMismatchError`` on FAIL, warnings otherwise), ``"record"``, or a
            function of the report of a check that did not pass.
        logdir: Folder for a TensorBoard run; ``None`` for none.
        sinks: Further sinks, closed by ``on_train_end``.
        enabled: Explicit flag; ``None`` asks ``with gradhook.debug():``, then the environment's ``GRADHOOK``, else off.
        **options: The keywords of ``check_gradients``.

    Attributes:
        enabled: Whether this callback checks.
        history: Reports, oldest first.
        last_report: The newest report, ``None`` before the first.

    Raises:
        OptionError: An option has a value that gradhook does not know.
        TypeError: An option is not known.

    Example:
        >>> import numpy as np
        >>> from gradhook import GradCheckCallback, schedules
        >>> def loss_and_gradients(parameters, X, y):
        ...     residual = X @ parameters["w"] - y
        ...     return 0.5 * np.mean(residual**2), {"w": X.T @ residual / len(y)}
        >>> X, y = np.arange(20.0).reshape(10, 2), np.ones(10)
        >>> parameters = {"w": np.array([0.1, -0.2])}
        >>> check = GradCheckCallback(loss_and_gradients, parameters, schedule=schedules.every(2), enabled=True)
        >>> with check:
        ...     for step in range(1, 5):
        ...         parameters["w"] -= 1e-3 * loss_and_gradients(parameters, X, y)[1]["w"]
        ...         report = check.on_step_end(step, batch=(X, y))
        >>> [(report.step, str(report.verdict)) for report in check.history]
        [(1, 'PASS'), (2, 'PASS'), (4, 'PASS')]
    """

    def __new__(cls, *args: Any, enabled: bool | None = None, **keywords: Any) -> GradCheckCallback:
        """Choose the empty class for a disabled callback."""
        quiet = cls is GradCheckCallback and not is_enabled(enabled)
        return super().__new__(_Disabled if quiet else cls)

    def __init__(
        self,
        objective: Any,
        parameters: Any = None,
        *,
        schedule: Any = None,
        at_start: bool = True,
        batch: Any = None,
        on_fail: OnFail = "warn",
        logdir: Any = None,
        sinks: Iterable[Sink] = (),
        enabled: bool | None = None,
        **options: Any,
    ) -> None:
        self.enabled = is_enabled(enabled)
        self.history: list[Report] = []
        self.last_report: Report | None = None
        self._options = Options.named(options)
        self._objective = Objective._recognise(objective)
        self._parameters = parameters
        self._schedule = logarithmic() if schedule is None else as_schedule(schedule)
        self._batch: Batch | None = None if batch is None else as_batch(batch)
        self._seen: Batch | None = None
        self._on_fail = _known_on_fail(on_fail)
        self._sinks = _checked_sinks(sinks) if self.enabled else []
        if logdir is not None and self.enabled:
            from gradhook.sinks import TensorBoard

            self._sinks.append(TensorBoard(logdir))
        self._start_due = bool(at_start)
        self._step = 0
        self._offset = 0
        self._restarted = False
        self._due = self._schedule.next_after(0)

    def on_train_begin(self, batch: Any = None, parameters: Any = None) -> Report | None:
        """Make the check at the start, if a batch is known; else the first call that brings one makes it.

        Args:
            batch: What the objective takes besides the parameters.
            parameters: The parameters, if they are not those given at construction.

        Returns:
            The report, ``None`` if no check was made.
        """
        self._remember(batch, parameters)
        return self._check_start()

    def on_step_end(self, step: int | None = None, batch: Any = None, parameters: Any = None) -> Report | None:
        """Make a check if one is due.

        Args:
            step: Number of finished updates; ``None`` lets the callback count.  A lower one than the last starts a new
                epoch, from which the callback counts on by itself.
            batch: What the objective takes besides the parameters; the last one seen if not given.
            parameters: The parameters, if they are not those given before.

        Returns:
            The report, ``None`` if no check was due.
        """
        number = self._count(step)
        if not self._start_due and (self._due is None or number < self._due):
            if batch is not None:
                self._seen = batch
            if parameters is not None:
                self._parameters = parameters
            return None
        self._remember(batch, parameters)
        report = self._check_start(number)
        if self._due is None or number < self._due or self._known_batch() is None:
            return report
        self._due = self._schedule.next_after(number)
        # A start check made at this very step has just said the same.
        return self._check(number) if report is None else report

    def on_train_end(self) -> None:
        """Close the sinks; the history stays."""
        for sink in self._sinks:
            self._guard_sink(sink, sink.close)

    def __call__(self, step: int | None = None, batch: Any = None, parameters: Any = None) -> Report | None:
        """The same as ``on_step_end``."""
        return self.on_step_end(step, batch, parameters)

    def __enter__(self) -> GradCheckCallback:
        """Return the callback."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sinks."""
        self.on_train_end()

    def _remember(self, batch: Any, parameters: Any) -> None:
        if batch is not None:
            self._seen = batch
        if parameters is not None:
            self._parameters = parameters

    def _known_batch(self) -> Any:
        """The hook's batch, or the constructor's, or the last one seen."""
        return self._batch if self._batch is not None else self._seen

    def _count(self, step: int | None) -> int:
        if step is None:
            self._step += 1
            return self._step
        if isinstance(step, bool) or not hasattr(step, "__index__"):
            raise OptionError(f"step must be an integer (the number of finished updates), got {step!r}")
        number = int(step) + self._offset
        if number < self._step:
            if not self._restarted:
                _warn(f"step fell from {self._step} to {step}: taken as a new epoch, steps are counted on from here")
                self._restarted = True
            self._offset += self._step + 1 - number
            number = self._step + 1
        self._step = number
        return number

    def _check_start(self, number: int = 0) -> Report | None:
        if not self._start_due or self._known_batch() is None:
            return None
        self._start_due = False
        return self._check(number)

    def _check(self, number: int) -> Report | None:
        seed = self._options.seed + len(self.history)
        options = replace(self._options, seed=seed)
        objective = Objective.of(self._objective, self._parameters)
        batch = as_batch(self._known_batch())
        try:
            report = check(objective, options, batch, step=number)
        except InternalError as error:  # an observer must not kill the run that it observes
            report = _undecided(objective, options, number, str(error))
        self.history.append(report)
        self.last_report = report
        for sink in list(self._sinks):
            self._guard_sink(sink, functools.partial(sink.write, report))
        self._act_on(report)
        return report

    def _guard_sink(self, sink: Sink, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            if sink in self._sinks:
                self._sinks.remove(sink)
            _warn(f"the sink {type(sink).__name__} failed ({type(error).__name__}: {error}) and is dropped")

    def _act_on(self, report: Report) -> None:
        if report.passed or self._on_fail == "record":
            return
        if callable(self._on_fail):
            self._on_fail(report)
        elif self._on_fail == "raise" and report.verdict is Verdict.FAIL:
            raise GradientMismatchError(str(report), report)
        else:
            _warn(summary(report))


class _Disabled(GradCheckCallback):
    """A callback that does nothing, at the cost of a method call."""

    def on_train_begin(self, batch: Any = None, parameters: Any = None) -> Report | None:
        """Do nothing."""

    def on_step_end(self, step: int | None = None, batch: Any = None, parameters: Any = None) -> Report | None:
        """Do nothing."""

    def __call__(self, step: int | None = None, batch: Any = None, parameters: Any = None) -> Report | None:
        """Do nothing."""

    def on_train_end(self) -> None:
        """Do nothing."""


def _known_on_fail(value: Any) -> OnFail:
    known = ["warn", "raise", "record"]
    if callable(value) or value in known:
        return value  # type: ignore[no-any-return]
    raise OptionError(
        f"on_fail must be one of {', '.join(map(repr, known))} or a function of the report, got {value!r}"
        + nearest_name(str(value), known)
    )


def _checked_sinks(sinks: Iterable[Sink]) -> list[Sink]:
    chosen = list(sinks)
    for sink in chosen:
        if not isinstance(sink, Sink):
            raise OptionError(f"a sink needs write(report) and close(); {type(sink).__name__} lacks them")
    return chosen


def _undecided(objective: Objective, options: Options, step: int, why: str) -> Report:
    """The report of a check that gradhook itself could not finish."""
    blocks = {
        name: BlockReport(
            name, np.shape(leaf), str(np.asarray(leaf).dtype), Verdict.INCONCLUSIVE, sentence=why
        )
        for name, leaf in Tree.of(objective.parameters).blocks.items()
    }
    return Report(
        Verdict.INCONCLUSIVE,
        False,
        blocks,
        notes=(f"{why}; training goes on unchecked, please report it",),
        seed=options.seed,
        effort=options.effort,
        tolerance=options.tolerance,
        step=step,
        call=options.call(options.seed),
    )
