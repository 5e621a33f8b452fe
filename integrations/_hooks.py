"""Hooks: around the methods of a trainer that has none of its own, and scikit-learn's protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradhook import GradCheckCallback

__all__ = ["FitHooks", "hook_methods"]


def hook_methods(
    trainer: Any,
    check: GradCheckCallback,
    *,
    step: str | None = None,
    train: str | None = None,
    steps_made: Callable[[], int | None] = lambda: None,
    batch: Callable[..., Any] = lambda *_, **__: None,
) -> None:
    """Let a trainer's own methods call a callback's hooks; a disabled callback is not hooked.

    Args:
        trainer: The object whose methods are wrapped; its class stays as it is.
        check: The callback.
        step: Name of the method that makes one update; ``None`` for none.
        train: Name of the method that makes them all; ``None`` for none.
        steps_made: Number of finished updates; ``None`` lets the callback count.
        batch: Makes the batch of the arguments of ``step``; ``None`` is what the callback has.

    Example:
        >>> from types import SimpleNamespace
        >>> import numpy as np
        >>> from gradhook import GradCheckCallback
        >>> from gradhook.integrations._hooks import hook_methods
        >>> trainer = SimpleNamespace(step=lambda: "stepped", train=lambda: None)
        >>> check = GradCheckCallback(lambda x: (x @ x, 2 * x), np.ones(3), batch=(), enabled=True)
        >>> hook_methods(trainer, check, step="step", train="train", steps_made=lambda: 1)
        >>> trainer.step(), check.last_report.step
        ('stepped', 0)
    """
    if not check.enabled:
        return
    if step is not None:
        make_step = getattr(trainer, step)

        @functools.wraps(make_step)
        def checked_step(*args: Any, **keywords: Any) -> Any:
            found = batch(*args, **keywords)
            check.on_train_begin(batch=found)  # does nothing once the check at the start is made
            returned = make_step(*args, **keywords)
            check.on_step_end(steps_made(), batch=found)
            return returned

        setattr(trainer, step, checked_step)
    if train is not None:
        make_all = getattr(trainer, train)

        @functools.wraps(make_all)
        def checked_train(*args: Any, **keywords: Any) -> Any:
            with check:
                return make_all(*args, **keywords)

        setattr(trainer, train, checked_train)


class FitHooks:
    """What ``estimator.set_callbacks`` takes: scikit-learn's ``FitCallback`` protocol.

    Copies of an estimator carry its callbacks along: a clone shares them, a pickle takes them to
    another process.  Only the estimator attached to is checked, so for a clone these hooks do
    nothing, and what is left of them in a pickle knows no estimator at all.

    Args:
        check: The callback.
        estimator: The estimator attached to.
        parameters: Names of the attributes that must be there before a check can be made.

    Example:
        >>> import pickle
        >>> from gradhook.integrations._hooks import FitHooks
        >>> pickle.loads(pickle.dumps(FitHooks())).on_fit_task_end(object(), None)
    """

    def __init__(
        self,
        check: GradCheckCallback | None = None,
        estimator: Any = None,
        parameters: Sequence[str] = (),
    ) -> None:
        self._check = check
        self._estimator = estimator
        self._parameters = parameters

    def __reduce__(self) -> tuple[Any, ...]:
        return FitHooks, ()

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing; the protocol calls it before ``fit``."""

    def on_fit_task_begin(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None
    ) -> None:
        """Make the check at the start, as soon as there are parameters."""
        if self._check is None or estimator is not self._estimator or X is None:
            return
        if all(hasattr(estimator, name) for name in self._parameters):
            self._check.on_train_begin(batch=_batch(X, y))

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None
    ) -> None:
        """Count a task without subtasks as a step, and make a check if one is due."""
        if self._check is None or estimator is not self._estimator:
            return
        if context.max_subtasks == 0:
            self._check.on_step_end(batch=_batch(X, y))

    def teardown(self, estimator: Any, context: Any) -> None:
        """Close the sinks; the protocol calls it after ``fit``, however it ends."""
        if self._check is not None and estimator is self._estimator:
            self._check.on_train_end()


def _batch(X: Any, y: Any) -> tuple[Any, ...] | None:
    return None if X is None else (X,) if y is None else (X, y)
