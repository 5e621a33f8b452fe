"""scikit-learn's ``FitCallback`` protocol, translated into a ``GradCheckCallback``'s hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradhook import GradCheckCallback

__all__ = ["FitHooks"]


class FitHooks:
    """What ``estimator.set_callbacks`` takes.

    Copies of an estimator carry its callbacks along: a clone shares them, a pickle takes them to
    another process.  Only the estimator attached to is checked, so for a clone these hooks do
    nothing, and what is left of them in a pickle knows no estimator at all.

    Args:
        check: The callback.
        estimator: The estimator attached to.
        parameters: Names of the attributes that must be there before a check can be made.

    Example:
        >>> import pickle
        >>> from gradhook.integrations._fit_hooks import FitHooks
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
