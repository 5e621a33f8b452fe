"""The callback that sits in a training loop.

It decides *when* (a schedule), gets its data from the loop, makes the check, and hands the report
to the sinks; what is checked and how it is judged is none of its business.  A disabled callback is
another class whose methods are empty, so that it costs a method call and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal

from gradhook._assemble import undecided
from gradhook._check import check
from gradhook._clock import Clock
from gradhook._debug import is_enabled
from gradhook._objective import Objective
from gradhook._options import Options
from gradhook._render import summary
from gradhook._selftest import selftest
from gradhook._subset import as_batch
from gradhook._types import Batch, Verdict, nearest_name
from gradhook._warn import warn
from gradhook.errors import GradientMismatchError, InternalError, OptionError
from gradhook.report import Report
from gradhook.schedules import as_schedule, logarithmic
from gradhook.sinks import Sink

__all__ = ["GradCheckCallback", "OnFail"]

OnFail = Literal["warn", "raise", "record"] | Callable[[Report], object]


class GradCheckCallback:
    """Checks gradients at the start of training and at scheduled steps; an opt-in debug flag.

    Args:
        objective: Anything that ``Objective.of`` accepts.
        parameters: The parameters, or a function returning them; ``None`` takes the objective's
            own.  May also be given anew to every hook, because many loops rebind arrays.
        schedule: When to check: of ``gradhook.schedules``, a positive integer n (every n steps), or
            steps.  Default 100, 1 000, 10 000, ….
        at_start: Whether to check before the first step.
        batch: The batch to check on where a hook gives none; ``()`` if the objective needs no data.
        on_fail: ``"warn"``, ``"raise"`` (a ``GradientMismatchError`` on FAIL, warnings otherwise),
            ``"record"``, or a function of the report of a check that did not pass.
        logdir: Folder for a TensorBoard run; ``None`` for none.
        sinks: Further sinks, closed by ``on_train_end``.
        enabled: Explicit flag; ``None`` asks ``with gradhook.debug():``, then the environment's
            ``GRADHOOK``, else off.
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
        >>> check = GradCheckCallback(
        ...     loss_and_gradients, parameters, schedule=schedules.every(2), enabled=True
        ... )
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
        self._batch: Batch | None = None if batch is None else as_batch(batch)
        self._seen: Batch | None = None
        self._on_fail = _known_on_fail(on_fail)
        self._sinks = _checked_sinks(sinks) if self.enabled else []
        if logdir is not None and self.enabled:
            from gradhook.sinks import TensorBoard

            self._sinks.append(TensorBoard(logdir))
        self._start_due = bool(at_start)
        self._clock = Clock(logarithmic() if schedule is None else as_schedule(schedule))

    def on_train_begin(self, batch: Any = None, parameters: Any = None) -> Report | None:
        """Make the check at the start, if a batch is known; else the first call that brings one
        makes it.

        Args:
            batch: What the objective takes besides the parameters.
            parameters: The parameters, if they are not those given at construction.

        Returns:
            The report, ``None`` if no check was made.
        """
        return self._checked(0, batch, parameters) if self._start_due else None

    def on_step_end(
        self, step: int | None = None, batch: Any = None, parameters: Any = None
    ) -> Report | None:
        """Make a check if one is due.

        Args:
            step: Number of finished updates; ``None`` lets the callback count.  A lower one than
                the last starts a new epoch, from which the callback counts on by itself.
            batch: What the objective takes besides the parameters; the last one seen if not given.
            parameters: The parameters, if they are not those given before.

        Returns:
            The report, ``None`` if no check was due.
        """
        number = self._clock.at(step)
        due = self._clock.due
        if not self._start_due and (due is None or number < due):
            if batch is not None:
                self._seen = batch
            if parameters is not None:
                self._parameters = parameters
            return None
        report = self._checked(number, batch, parameters)
        if report is not None and due is not None and number >= due:
            self._clock.done(number)
        return report

    def on_train_end(self) -> None:
        """Close the sinks; the history stays."""
        for sink in self._sinks:
            self._guard_sink(sink, sink.close)

    def __call__(
        self, step: int | None = None, batch: Any = None, parameters: Any = None
    ) -> Report | None:
        """The same as ``on_step_end``."""
        return self.on_step_end(step, batch, parameters)

    def __enter__(self) -> GradCheckCallback:
        """Return the callback."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the sinks."""
        self.on_train_end()

    def _checked(self, number: int, batch: Any, parameters: Any) -> Report | None:
        """Make a check if its data are known: the hook's batch, the constructor's, the last seen."""
        if parameters is not None:
            self._parameters = parameters
        if batch is not None:
            self._seen = batch
        chosen = batch if batch is not None else self._batch
        chosen = self._seen if chosen is None else chosen
        if chosen is None:
            return None
        self._start_due = False
        options = replace(self._options, seed=self._options.seed + len(self.history))
        objective = Objective.of(self._objective, self._parameters)
        try:
            if not self.history and (failures := selftest()):
                raise InternalError(f"gradhook's self-test failed: {'; '.join(failures)}")
            report = check(objective, options, as_batch(chosen), step=number)
        except InternalError as error:  # an observer must not kill the run that it observes
            report = undecided(objective, options, number, str(error))
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
            warn(
                f"the sink {type(sink).__name__} failed ({type(error).__name__}: {error}) and is dropped"
            )

    def _act_on(self, report: Report) -> None:
        if report.passed or self._on_fail == "record":
            return
        if callable(self._on_fail):
            self._on_fail(report)
        elif self._on_fail == "raise" and report.verdict is Verdict.FAIL:
            raise GradientMismatchError(str(report), report)
        else:
            warn(summary(report))


class _Disabled(GradCheckCallback):
    """A callback that does nothing, at the cost of a method call."""

    def on_train_begin(self, batch: Any = None, parameters: Any = None) -> Report | None:
        """Do nothing."""

    def on_step_end(
        self, step: int | None = None, batch: Any = None, parameters: Any = None
    ) -> Report | None:
        """Do nothing."""

    def __call__(
        self, step: int | None = None, batch: Any = None, parameters: Any = None
    ) -> Report | None:
        """Do nothing."""

    def on_train_end(self) -> None:
        """Do nothing."""


def _known_on_fail(value: Any) -> OnFail:
    known = ["warn", "raise", "record"]
    if callable(value) or value in known:
        return value  # type: ignore[no-any-return]
    raise OptionError(
        f"on_fail must be one of {', '.join(map(repr, known))} or a function of the report, got "
        f"{value!r}" + nearest_name(str(value), known)
    )


def _checked_sinks(sinks: Iterable[Sink]) -> list[Sink]:
    chosen = list(sinks)
    for sink in chosen:
        if not isinstance(sink, Sink):
            raise OptionError(
                f"a sink needs write(report) and close(); {type(sink).__name__} lacks them"
            )
    return chosen
