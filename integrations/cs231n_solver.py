"""CS231n's ``Solver``: a check at the start of its training and after scheduled steps.

    from gradhook.integrations import cs231n_solver

    solver = Solver(model, data, update_rule="adam", num_epochs=10)
    check = cs231n_solver.attach(solver, enabled=True, logdir="runs/cs231n")
    solver.train()

- *Hook.* ``solver._step`` is wrapped: the first check comes before the first step, the others after
  the steps that the schedule names, counted by ``solver.loss_history``.  ``solver.train`` closes
  the sinks when it ends.
- *Data.* Seven rows of ``solver.X_train`` and ``solver.y_train``, drawn by a generator of the
  check's own.  A solver without them (captioning) needs ``batch=(features, captions)``.
- *Parameters.* ``model.params``, read anew at each check: update rules return new arrays, and
  ``train`` ends by putting the best ones in their place.
- *Precision.* Models keep float32 by default.  During a check ``model.params`` holds float64 copies
  and ``model.dtype`` is ``float64``, as the notebooks ask for before a numeric check.
- *Dropout.* ``model.use_dropout`` is turned off, then on again with the masks replayed.  Setting
  ``dropout_param["mode"]`` would do nothing: ``loss`` overwrites it whenever it is given labels.
- *Penalty.* ``model.reg`` is in the loss and in the gradients; a check also turns it up, because a
  mistake in it hides behind 1e-4.
- *Restored.* Every array of the model, ``bn_params`` with their running statistics,
  ``dropout_param``, ``model.dtype``, and NumPy's global random state.
- *Not seen.* The update rule, the test-mode forward pass, the minibatches themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradhook import GradCheckCallback, Objective, Switch
from gradhook.errors import OptionError

from ._shared import hook_methods

__all__ = ["attach"]


def attach(solver: Any, **callback_keywords: Any) -> GradCheckCallback:
    """Check the gradients of a solver's model while it trains.

    Args:
        solver: A CS231n ``Solver``, or what has its ``model``, ``_step``, ``train`` and
            ``loss_history``.
        **callback_keywords: Keywords of ``GradCheckCallback``; ``batch``, ``dropout`` and
            ``penalty`` come from the solver and its model unless given.

    Returns:
        The callback; a disabled one leaves the solver as it is.

    Raises:
        OptionError: The solver has no training data, and no ``batch`` was given.

    Example:
        >>> from types import SimpleNamespace
        >>> import numpy as np
        >>> from gradhook.integrations import cs231n_solver
        >>> class Line:
        ...     params = {"w": np.array([0.5, -1.0])}
        ...
        ...     def loss(self, X, y=None):
        ...         r = X @ self.params["w"] - y
        ...         return r @ r / len(y), {"w": 2 * r @ X / len(y)}
        >>> solver = SimpleNamespace(
        ...     model=Line(), X_train=np.ones((9, 2)), y_train=np.ones(9), loss_history=[]
        ... )
        >>> solver._step = lambda: solver.loss_history.append(0.0)
        >>> solver.train = lambda: [solver._step() for _ in range(3)]
        >>> check = cs231n_solver.attach(solver, schedule=2, enabled=True)
        >>> steps = solver.train()
        >>> [(report.step, str(report.verdict)) for report in check.history]
        [(0, 'PASS'), (2, 'PASS')]
    """
    model = solver.model
    if "batch" not in callback_keywords:
        if not hasattr(solver, "X_train"):
            raise OptionError(
                f"{type(solver).__name__} has no X_train and y_train to check on: pass batch= what "
                "model.loss takes, for example batch=(features, captions)"
            )
        callback_keywords["batch"] = (solver.X_train, solver.y_train)
    if getattr(model, "use_dropout", False):
        callback_keywords.setdefault("dropout", Switch("use_dropout", off=False))
    if hasattr(model, "reg"):
        callback_keywords.setdefault("penalty", "reg")

    def loss_and_gradients(*batch: Any) -> Any:
        if not hasattr(model, "dtype"):
            return model.loss(*batch)
        dtype, model.dtype = model.dtype, np.float64
        try:
            return model.loss(*batch)
        finally:
            model.dtype = dtype

    objective = Objective(
        parameters=lambda: model.params,
        loss_and_gradients=loss_and_gradients,
        form="in_place",
        model=model,
    )
    check = GradCheckCallback(objective, **callback_keywords)
    return hook_methods(
        solver, check, step="_step", train="train", steps_made=lambda: len(solver.loss_history)
    )
