"""scikit-learn: the gradient of an estimator of your own, checked while it fits.

    from gradhook.integrations import scikit_learn_fit

    model = SoftmaxRegression()  # with loss_and_gradients(X, y), coef_ and intercept_
    check = scikit_learn_fit.attach(model, enabled=True)
    model.fit(X, y)

A loop over ``partial_fit`` has no hook and calls the check itself, with any scikit-learn:

    check = scikit_learn_fit.attach(model, hook="partial_fit", enabled=True)
    for X, y in batches:
        model.partial_fit(X, y, classes=classes)
        check.on_step_end(batch=(X, y))

- *Hook.* ``set_callbacks``, scikit-learn's own since 1.9, on estimators that derive from
  ``sklearn.callback.CallbackSupportMixin``.  The check at the start comes with the first task that
  begins with parameters there, the others when a task without subtasks (a minibatch, an iteration)
  ends.  Callbacks that were set before are kept.
- *Data.* What the estimator passes to its tasks: ``X``, and ``y`` where there is one.
- *Parameters.* Fitted attributes by name.  Float64 copies stand in their place while
  ``loss_and_gradients`` runs, so integers, float32 and scalars are welcome.
- *Dropout, penalty.* ``dropout=`` and ``penalty=`` name attributes of the estimator (``"alpha"``).
- *Restored.* The attributes and all that the estimator holds, global random state.
- *Not seen.* Clones (``GridSearchCV``, ``cross_val_score``), worker processes, sample weights.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from gradhook import GradCheckCallback, Objective
from gradhook.errors import OptionError

from ._shared import FitHooks

__all__ = ["attach"]


def attach(
    estimator: Any,
    *,
    objective: str | Callable[..., Any] = "loss_and_gradients",
    parameters: Sequence[str] = ("coef_", "intercept_"),
    hook: Literal["fit", "partial_fit"] = "fit",
    **callback_keywords: Any,
) -> GradCheckCallback:
    """Check the gradients of an estimator while it fits.

    Args:
        estimator: The estimator.
        objective: Name of its method ``(X, y) -> (loss, gradients)``, or a function ``(estimator,
            X, y)`` that returns the same; gradients by name, or in the order of ``parameters``.
        parameters: Names of the attributes that hold the parameters.
        hook: ``"fit"`` for ``set_callbacks``, ``"partial_fit"`` for a loop that calls the check.
        **callback_keywords: Keywords of ``GradCheckCallback``.

    Raises:
        OptionError: The estimator has no ``set_callbacks``, and ``hook`` is ``"fit"``.

    Example:
        >>> import numpy as np
        >>> from gradhook.integrations import scikit_learn_fit
        >>> class Line:
        ...     coef_ = np.zeros(2)
        ...
        ...     def partial_fit(self, X, y):
        ...         self.coef_ = self.coef_ - 0.1 * self.loss_and_gradients(X, y)[1][0]
        ...
        ...     def loss_and_gradients(self, X, y):
        ...         r = X @ self.coef_ - y
        ...         return r @ r / (2 * len(y)), [r @ X / len(y)]
        >>> model, X = Line(), np.arange(20.0).reshape(10, 2)
        >>> check = scikit_learn_fit.attach(
        ...     model, parameters=["coef_"], hook="partial_fit", enabled=True
        ... )
        >>> model.partial_fit(X, X[:, 0])
        >>> check.on_step_end(batch=(X, X[:, 0])).verdict
        <Verdict.PASS: 'PASS'>
    """
    if hook == "fit" and not hasattr(estimator, "set_callbacks"):
        installed = importlib.metadata.version("scikit-learn")
        raise OptionError(
            f"{type(estimator).__name__} has no set_callbacks: estimators derived from "
            "sklearn.callback.CallbackSupportMixin have it, from scikit-learn 1.9 on (installed: "
            f"{installed}). In a loop over partial_fit, attach(..., hook='partial_fit') and call "
            "check.on_step_end(batch=(X, y)) after each call"
        )

    def loss_and_gradients(values: Mapping[str, Any], *batch: Any) -> tuple[Any, Any]:
        saved = {name: getattr(estimator, name) for name in parameters}
        try:
            for name in parameters:
                setattr(estimator, name, values[name])
            if isinstance(objective, str):
                loss, gradients = getattr(estimator, objective)(*batch)
            else:
                loss, gradients = objective(estimator, *batch)
        finally:
            for name, value in saved.items():
                setattr(estimator, name, value)
        named = isinstance(gradients, Mapping)
        return loss, gradients if named else dict(zip(parameters, gradients, strict=True))

    check = GradCheckCallback(
        Objective(
            parameters=lambda: {name: getattr(estimator, name) for name in parameters},
            loss_and_gradients=loss_and_gradients,
            form="functional",
            model=estimator,
        ),
        **callback_keywords,
    )
    if hook == "fit" and check.enabled:
        hooks = FitHooks(check, estimator, parameters)
        estimator.set_callbacks(*getattr(estimator, "_skl_callbacks", ()), hooks)
    return check
