"""Any method as a hook: a check whenever a method of a trainer or an optimiser has run.

    from gradhook.integrations import method

    check = method.attach(trainer, "update", loss_and_gradients, params, enabled=True)
    trainer.train()

- *Hook.* The method of that one object is wrapped; its copies train unchecked.  The check at the
  start comes before its first call, the others after scheduled ones; ``train=`` names the method at
  whose end sinks are closed.
- *Data.* By default, those arguments of the method that the objective takes, by name: ``update(X,
  y)`` for ``loss_and_gradients(params, X, y)``.  ``batch=("x", "t")`` names others, in the order in
  which the objective takes them; ``batch=`` a function is called with the method's arguments; what
  else ``batch=`` may be is the data itself.
- *Not seen.* Calls that do not go through the object, as ``type(trainer).update``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gradhook import GradCheckCallback, Objective
from gradhook.errors import OptionError

from ._shared import hook_methods

__all__ = ["attach"]

PARAMETER_NAMES = ("params", "parameters", "p", "w", "weights", "theta")


def attach(
    owner: Any,
    name: str,
    objective: Any,
    parameters: Any = None,
    *,
    batch: Any = None,
    train: str | None = None,
    **callback_keywords: Any,
) -> GradCheckCallback:
    """Make a check whenever a method has run.

    Args:
        owner: The object whose method it is: a trainer, an optimiser, a model.
        name: The method that makes one update.
        objective: As in ``GradCheckCallback``.
        parameters: As in ``GradCheckCallback``.
        batch: Names of the method's arguments, a function of them, or the data; ``None`` takes the
            arguments that the objective takes by the same names.
        train: The method at whose end the sinks are closed; ``None`` for none.
        **callback_keywords: Keywords of ``GradCheckCallback``.

    Raises:
        OptionError: The object has no such method, or its arguments are not those named.

    Example:
        >>> import numpy as np
        >>> from gradhook.integrations import method
        >>> class Trainer:
        ...     w = np.array([0.5, -1.0])
        ...
        ...     def gradient(self, X, y):
        ...         r = X @ self.w - y
        ...         return r @ r / len(y), [2 * r @ X / len(y)]
        ...
        ...     def update(self, X, y):
        ...         self.w = self.w - 0.1 * self.gradient(X, y)[1][0]
        >>> trainer, X = Trainer(), np.arange(12.0).reshape(6, 2)
        >>> check = method.attach(
        ...     trainer, "update", trainer.gradient, lambda: [trainer.w], enabled=True, schedule=2
        ... )
        >>> for _ in range(2):
        ...     trainer.update(X, X[:, 0])
        >>> [(report.step, str(report.verdict)) for report in check.history]
        [(0, 'PASS'), (2, 'PASS')]
    """
    for each in (name, train):
        if each is not None and not callable(getattr(owner, each, None)):
            found = [n for n in dir(owner) if n[0] != "_" and callable(getattr(owner, n, None))]
            known = ", ".join(found) or "none"
            raise OptionError(f"the {type(owner).__name__} has no method {each!r}; it has {known}")
    find = _finder(getattr(owner, name), batch, objective, parameters)
    check = GradCheckCallback(objective, parameters, **callback_keywords)
    return hook_methods(owner, check, step=name, train=train, batch=find)


def _finder(
    method: Callable[..., Any], batch: Any, objective: Any, parameters: Any
) -> Callable[..., Any]:
    """The function that makes a batch of a method's arguments."""
    if callable(batch):
        return batch  # type: ignore[no-any-return]  # the user's
    names = batch if isinstance(batch, (tuple, list)) else [batch] if isinstance(batch, str) else []
    named = bool(names) and all(isinstance(each, str) for each in names)
    if batch is not None and not named:
        return lambda *_, **__: batch
    signature = inspect.signature(method)
    if not named:
        function = inspect.signature(Objective.of(objective, parameters).functions[0])
        names = [n for n, p in function.parameters.items() if p.default is p.empty]
        if names[:1] and (names[0] in PARAMETER_NAMES or names[0] not in signature.parameters):
            del names[0]
    missing = [each for each in names if each not in signature.parameters]
    if missing or not names:
        raise OptionError(
            f"{method.__name__}{signature} has no argument {', '.join(missing)}: name those that "
            "are the batch, batch=('x', 't'), or pass a function of them, batch=lambda *a: (X, y)"
        )

    def find(*arguments: Any, **keywords: Any) -> Any:
        bound = signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        return tuple(bound.arguments[each] for each in names)

    return find
