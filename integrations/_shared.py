"""What several adapters use: hooks around methods, scikit-learn's protocol, losses to check.

A random cotangent makes a number of a vector so that its Jacobian can be checked.  With ``u``
constant, the gradient of ``⟨u, y(x)⟩`` is ``Jᵀu``: right for almost every ``u`` only if the whole
Jacobian is right.

The cross-entropy of the from-scratch books adds 1e-7 to the probabilities.  Their gradient is that
of ``-log(y)``, and right code is off by 1e-7 / y, which is much for a digit that is mistaken.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradhook import GradCheckCallback

__all__ = ["NOTE", "FitHooks", "cotangent", "hook_methods", "left_out"]

NOTE = "cross-entropy checked as -log(y): the book's adds 1e-7 to y, and its gradient does not"


def cotangent(shape: int | tuple[int, ...]) -> Any:
    """Entries of either sign between 0.5 and 1.5, so that no output is scaled away.

    Equal shapes give equal cotangents, because a check compares losses.
    """
    random = np.random.default_rng(0)
    return random.choice([-1.0, 1.0], shape) * random.uniform(0.5, 1.5, shape)


def left_out(layer: Any, loss: Any) -> float:
    """``-log(y)`` less the book's cross-entropy, where a layer has computed just that, else 0.

    The layer is the last one, with probabilities ``y`` and labels ``t``; it returned the loss.
    """
    y: Any = getattr(layer, "y", None)
    t: Any = getattr(layer, "t", None)
    if t is None or np.ndim(y) != 2 or not isinstance(loss, float) or not np.all(np.isfinite(y)):
        return 0.0
    chosen = y[np.arange(len(y)), np.argmax(t, axis=1) if np.size(t) == np.size(y) else t]
    books = -np.log(chosen + 1e-7).sum() / len(y)
    if not np.isclose(loss, books, rtol=1e-12, atol=0) or not np.all(chosen > 0):
        return 0.0
    return float(-np.log(chosen).sum() / len(y) - books)


def hook_methods(
    trainer: Any,
    check: GradCheckCallback,
    *,
    step: str | None = None,
    train: str | None = None,
    steps_made: Callable[[], int | None] = lambda: None,
    batch: Callable[..., Any] = lambda *_, **__: None,
) -> GradCheckCallback:
    """Let a trainer's own methods call a callback's hooks; a disabled callback is not hooked.

    ``step`` names the method of that one object that makes an update, ``train`` the one that makes
    them all.  ``steps_made`` counts finished updates, and ``batch`` makes the batch of the
    arguments of ``step``; where they return ``None`` the callback counts, and takes what it has.
    """
    if step is not None and check.enabled:
        make_step = getattr(trainer, step)

        @functools.wraps(make_step)
        def checked_step(*args: Any, **keywords: Any) -> Any:
            found = batch(*args, **keywords)
            check.on_train_begin(batch=found)  # does nothing once the check at the start is made
            returned = make_step(*args, **keywords)
            check.on_step_end(steps_made(), batch=found)
            return returned

        setattr(trainer, step, checked_step)
    if train is not None and check.enabled:
        make_all = getattr(trainer, train)

        @functools.wraps(make_all)
        def checked_train(*args: Any, **keywords: Any) -> Any:
            with check:
                return make_all(*args, **keywords)

        setattr(trainer, train, checked_train)
    return check


class FitHooks:
    """What ``estimator.set_callbacks`` takes: scikit-learn's ``FitCallback`` protocol.

    Copies of an estimator carry its callbacks along: a clone shares them, a pickle takes them to
    another process.  Only the estimator attached to is checked, so for a clone these hooks do
    nothing, and what is left of them in a pickle knows no estimator at all.  ``parameters`` are
    names of the attributes that must be there before a check can be made.
    """

    def __init__(
        self, check: Any = None, estimator: Any = None, parameters: Sequence[str] = ()
    ) -> None:
        self._check, self._estimator, self._parameters = check, estimator, parameters

    def __reduce__(self) -> tuple[Any, ...]:
        return FitHooks, ()

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing; the protocol calls it before ``fit``."""

    def on_fit_task_begin(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None
    ) -> None:
        """Make the check at the start, as soon as there are parameters."""
        if estimator is not self._estimator or X is None:
            return
        if all(hasattr(estimator, name) for name in self._parameters):
            self._check.on_train_begin(batch=_batch(X, y))

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None
    ) -> None:
        """Count a task without subtasks as a step, and make a check if one is due."""
        if estimator is self._estimator and context.max_subtasks == 0:
            self._check.on_step_end(batch=_batch(X, y))

    def teardown(self, estimator: Any, context: Any) -> None:
        """Close the sinks; the protocol calls it after ``fit``, however it ends."""
        if estimator is self._estimator:
            self._check.on_train_end()


def _batch(X: Any, y: Any) -> tuple[Any, ...] | None:
    return None if X is None else (X,) if y is None else (X, y)
