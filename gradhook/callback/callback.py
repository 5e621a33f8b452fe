"""The callback that sits in a training loop.

It decides *when* (a schedule), gets its data from the loop, makes the check, and hands the report
to the sinks; what is checked and how it is judged is none of its business.

No check may end somebody's training.  The first one is preceded by a self-test, and raises what is
wrong with the set-up.  From the second on everything was once found in order, and whatever keeps a
check from being made, gradhook's own fault or an exception of the user's, is a report that decides
nothing and says why.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self, Unpack

import numpy as np

from gradhook._types import Batch, Verdict
from gradhook.callback.clock import KEYWORDS, Clock, is_enabled, refuse_misuse, refuses_with
from gradhook.callback.delivery import Delivery, OnFail
from gradhook.callback.rebinding import Rebinding
from gradhook.check.check import check, selftest
from gradhook.check.generic_point import no_longer_read
from gradhook.check.reading import CallLine, Scope, read_once
from gradhook.errors import InternalError, OptionError, RestoreError, UnreadParametersError, warn
from gradhook.objective.batch import as_batch
from gradhook.objective.calls import misplaced_batch
from gradhook.objective.objective import Objective
from gradhook.objective.parameters import Tree
from gradhook.options import BatchKeywords, Options, shows_options
from gradhook.report import BlockReport, Report
from gradhook.report.format import count
from gradhook.schedules import as_schedule, logarithmic
from gradhook.sinks import Sink, TensorBoard
from gradhook.sinks.files import as_path

NO_BATCH = (
    "no check was made, because no batch was given: pass batch= to the hooks, or batch=() to the "
    "callback if the objective needs no data"
)
OWN_OPTIONS = ("schedule", "at_start", "batch", "on_fail", "logdir", "sinks", "enabled")


class GradCheckCallback:
    """Checks gradients at the start of training and at scheduled steps; an opt-in debug flag.

    Args:
        objective: Anything that ``Objective.of`` accepts.
        parameters: The parameters, or a function returning them (``lambda: theta``), which is
            called anew at every check; ``None`` takes the objective's own.  May also be given to
            every hook.  A loop that rebinds its arrays (``theta = theta - ...``) needs one of these
            two, and is told so.
        *misplaced: Nothing; a batch that stands here is told where it belongs.
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

    A copy checks as the original does.  What comes back from a pickle is disabled and keeps the
    history: build a new callback for the model that was loaded.

    Attributes:
        history: Reports, oldest first.
        last_report: The newest report, ``None`` before the first.
        notes: What is to be said of the run, as ``(step, sentence)``: of arrays that training seems
            to have left behind.

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

    @shows_options()
    def __init__(
        self,
        objective: Any,
        parameters: Any = None,
        *misplaced: Any,
        schedule: Any = None,
        at_start: bool = True,
        batch: Any = None,
        on_fail: OnFail = "warn",
        logdir: Any = None,
        sinks: Iterable[Sink] = (),
        enabled: bool | None = None,
        **options: Unpack[BatchKeywords],
    ) -> None:
        __tracebackhide__ = True
        if misplaced:
            raise TypeError(misplaced_batch("GradCheckCallback", len(misplaced)))
        self._enabled = is_enabled(enabled)
        self.history: list[Report] = []  # the user's, who may clear it
        self._made = 0
        self.last_report: Report | None = None
        self._options = Options.named(options, beside=OWN_OPTIONS)
        if inspect.isgenerator(getattr(self._options.evaluation_mode, "gen", None)):
            raise OptionError(
                "evaluation_mode is a context manager that can be entered once, and every check "
                "enters it: pass the function that makes it, without calling it"
            )
        self._objective = Objective._recognise(objective, self._options.gradient)
        self._parameters = parameters
        self._batch: Batch | None = None if batch is None else as_batch(batch)
        self._seen: Any = None
        self._given = objective
        # Names by which the user knows what was passed, for the line that repeats a check.
        self._known: dict[str, str] = {}
        if self._enabled:
            named = CallLine(objective, parameters, self._batch, Scope.of_caller())
            self._known = named.names()
        self.notes: list[tuple[int, str]] = []
        self._rebinding = Rebinding()
        self._waits_for_batch = False
        self._start_due = self._at_start = bool(at_start)
        self._clock = Clock(logarithmic() if schedule is None else as_schedule(schedule))
        self._delivery = Delivery(sinks, on_fail)
        if logdir is not None:
            logdir = as_path(logdir, "logdir")
            if self._enabled:
                self._delivery.sinks.append(TensorBoard(logdir))
        if type(self) is GradCheckCallback and not self._enabled:
            self.__class__ = _Disabled

    def __copy__(self) -> Self:
        twin: Self = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin: Self = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def __repr__(self) -> str:
        state = f"{count(self._made, 'check')} made" if self._enabled else "disabled"
        return f"<GradCheckCallback: {state}>"

    def __getstate__(self) -> dict[str, Any]:
        # A model that holds its callback must not become one that cannot be saved.
        kept = {name: getattr(self, name) for name in ("history", "last_report", "notes")}
        return {**kept, "_enabled": False}

    @property
    def enabled(self) -> bool:
        """Whether this callback checks, as was decided when it was built."""
        return self._enabled

    @refuses_with(KEYWORDS)
    def on_train_begin(
        self, *misplaced: Any, batch: Any = None, parameters: Any = None
    ) -> Report | None:
        """Make the check at the start; without a batch, the first call that brings one does.

        After ``on_train_end`` this, or whichever hook comes next, begins another training, with a
        check of its own; steps are counted on.

        Args:
            *misplaced: Nothing: what is passed by position is refused.
            batch: What the objective takes besides the parameters.
            parameters: The parameters, if they are not those given at construction.

        Returns:
            The report, ``None`` if no check was made.

        Raises:
            HookCallError: Something was passed by position.
        """
        __tracebackhide__ = True
        if misplaced:
            refuse_misuse("on_train_begin", None, misplaced)
        if not self._enabled:
            return None
        self._remember(batch, parameters)
        return self._checked(self._clock.now, batch) if self._start_due else None

    @refuses_with(KEYWORDS)
    def on_step_end(
        self,
        step: int | None = None,
        *misplaced: Any,
        batch: Any = None,
        parameters: Any = None,
    ) -> Report | None:
        """Make a check if one is due.

        After one check has been made, what keeps another from being made is a report that says why,
        and a warning: only ``KeyboardInterrupt``, ``RestoreError`` and, with ``on_fail="raise"``,
        ``GradientMismatchError`` leave a hook then.

        Args:
            step: Number of finished updates; ``None`` lets the callback count.  A lower one than
                the last starts a new epoch, from which the callback counts on by itself.
            *misplaced: Nothing: what is passed by position is refused.
            batch: What the objective takes besides the parameters; the last one seen if not given.
            parameters: The parameters, if they are not those given before.

        Returns:
            The report, ``None`` if no check was due.

        Raises:
            HookCallError: Something but the step was passed by position.
        """
        __tracebackhide__ = True
        if misplaced or (step.__class__ is not int and step is not None):
            refuse_misuse("on_step_end", step, misplaced, enabled=self._enabled)
        if not self._enabled:
            return None
        try:
            number = self._clock.at(step)
        except OptionError as error:
            if not self._made:
                raise
            self._delivery.warn_once(f"{error}; counted on by one")
            number = self._clock.at(None)
        self._remember(batch, parameters)
        due = self._clock.due
        scheduled = due is not None and number >= due
        report = self._checked(number, batch) if self._start_due or scheduled else None
        if scheduled and self._waits_for_batch:
            self._delivery.warn_once(NO_BATCH)
        return report

    @refuses_with("pass it nothing")
    def on_train_end(self) -> None:
        """Close the sinks; the history stays."""
        if not self._enabled:
            return
        self._delivery.end(self.history, self._rebinding.unsaid)
        # Another training begins with a check and a batch of its own.
        self._start_due, self._seen = self._at_start, None
        self._rebinding.begin_anew()
        if self._waits_for_batch:
            self._delivery.warn_once(NO_BATCH)

    @refuses_with(KEYWORDS)
    def __call__(
        self,
        step: int | None = None,
        *misplaced: Any,
        batch: Any = None,
        parameters: Any = None,
    ) -> Report | None:
        """The same as ``on_step_end``."""
        __tracebackhide__ = True
        return self.on_step_end(step, *misplaced, batch=batch, parameters=parameters)

    def __enter__(self) -> Self:
        """Return the callback."""
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Close the sinks, like ``on_train_end``."""
        if error is not None:
            self._waits_for_batch = False  # there is worse to tell
        self.on_train_end()

    def _remember(self, batch: Any, parameters: Any) -> None:
        if batch is not None:
            self._seen = batch
        if parameters is not None:
            self._parameters = parameters
            self._rebinding.brought = True
            self._known.pop("parameters", None)

    def _checked(self, number: int, batch: Any) -> Report | None:
        """Make a check on the hook's batch, else the constructor's, else the last seen."""
        __tracebackhide__ = True
        known = (b for b in (batch, self._batch, self._seen) if b is not None)
        if (chosen := next(known, None)) is None:
            self._waits_for_batch = True
            return None
        self._waits_for_batch = False
        options = replace(self._options, seed=self._options.seed + self._made)
        first, unmade, present = not self._made, "", None
        with contextlib.ExitStack() as undoing:
            try:
                objective = Objective.of(self._objective, self._parameters)
                # So that what is checked and what is looked at for movement are the same.
                present = undoing.enter_context(read_once(objective))
                line = self._line(present, chosen)
                if first and (failures := selftest()):
                    raise InternalError(f"gradhook's self-test failed: {'; '.join(failures)}")
                report = check(present, options, as_batch(chosen), step=number, call=line(options))
            except RestoreError:
                raise
            except Exception as error:
                if first and not isinstance(error, InternalError):
                    raise
                line = self._line(present or self._objective, chosen)
                report = _undecided(error, present, options, number, line(options))
                unmade = report.notes[0]
        # Only now: a check that was interrupted, or that asked for other input, is made again.
        self._start_due = False
        if self._clock.due is not None and number >= self._clock.due:
            self._clock.done(number)
        self._made += 1
        self.history.append(report)
        self.last_report = report
        if first:
            self._delivery.begin(report, self._clock.due)
        said, loud = "", False
        if present is not None and not unmade:
            said, loud = self._rebinding.look(number, present, self._options, chosen)
        self._delivery.write(report)
        if said:
            self.notes.append((number, said))
        if loud:
            warn(said)
        if line.redefined:
            self._delivery.warn_once(
                f"{line.redefined} was defined anew after this callback was built, which checks "
                "the one before: build it again"
            )
        self._delivery.act(report, unmade=unmade)
        return report

    def _line(self, objective: Objective, batch: Any) -> CallLine:
        """What makes the line that repeats a check."""
        known = {n: name for n, name in self._known.items() if n != "batch" or batch is self._batch}
        given, scope = self._parameters, Scope.of_caller()
        if given is not None and scope.name_of(given) is None:
            given = objective.parameters
        return CallLine(self._given, given, batch, scope, known)


class _Disabled(GradCheckCallback):
    """A callback whose steps do nothing, at the cost of a method call."""

    @refuses_with(KEYWORDS)
    def on_step_end(
        self,
        step: int | None = None,
        *misplaced: Any,
        batch: Any = None,
        parameters: Any = None,
    ) -> Report | None:
        """Do nothing, but refuse what is no step."""
        if misplaced or (step is not None and (step.__class__ is not int or step < 0)):
            refuse_misuse("on_step_end", step, misplaced, enabled=False)
        return None


def _undecided(
    error: Exception, objective: Objective | None, options: Options, step: int, call: str
) -> Report:
    """What a check that could not be made leaves: the blocks, if they can be read, and why."""
    blocks: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # they may be the reason
        blocks = Tree.of(objective.parameters).blocks if objective is not None else {}
    why = f"not checked: {type(error).__name__}: {error}"
    if isinstance(error, InternalError):
        why = f"{error}; training goes on unchecked, please report it"
    elif isinstance(error, UnreadParametersError):
        why = f"{', '.join(blocks)}: {no_longer_read(list(blocks))}"
    return Report(
        Verdict.INCONCLUSIVE,
        False,
        {
            name: BlockReport(name, leaf.shape, str(leaf.dtype), Verdict.INCONCLUSIVE, sentence=why)
            for name, leaf in zip(blocks, map(np.asarray, blocks.values()), strict=True)
        },
        notes=(why,),
        seed=options.seed,
        effort=options.effort,
        tolerance=options.tolerance,
        step=step,
        call=call,
    )
