"""Hooks around the methods of a trainer that has none of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gradhook import GradCheckCallback

__all__ = ["hook_methods"]


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
        >>> from gradhook.integrations._method_hooks import hook_methods
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
