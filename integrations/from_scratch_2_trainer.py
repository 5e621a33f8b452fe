"""The ``Trainer`` of *Deep Learning from Scratch 2*: models with ``params`` and ``grads`` lists.

    from gradhook.integrations import from_scratch_2_trainer

    trainer = Trainer(model, optimizer)
    check = from_scratch_2_trainer.attach(trainer, enabled=True, logdir="runs/from_scratch_2")
    trainer.fit(x, t, max_epoch=10, batch_size=30)

- *Hook.* ``trainer.optimizer.update`` is wrapped: the first check comes before the first update,
  the others after the updates that the schedule names.  ``trainer.fit`` closes the sinks.
- *Data.* Seven rows of the batch that ``model.forward(x, t)`` was last given, drawn by a generator
  of the check's own.  A model that carries a hidden state from batch to batch (``RnnlmTrainer``)
  needs all of them: ``samples=None``.
- *Parameters.* ``model.params`` with ``model.grads``, read anew at each check; weights that stand
  there twice are checked against the sum of their gradients, as ``remove_duplicate`` adds them.
- *Dropout.* ``dropout_ratio`` of every layer is set to 0, then back with the masks replayed.
- *Restored.* The parameters, gradients, whatever the layers keep, NumPy's global random state.
- *Not seen.* The optimiser, ``max_grad``, and the model with ``train_flg=False``.

The book's cross-entropy adds 1e-7 inside the logarithm; the check takes ``-log(y)`` where the loss
is that of ``model.loss_layer``, as for the first book.
"""

from __future__ import annotations

from typing import Any

from gradhook import GradCheckCallback, Objective, Switch

from ._shared import NOTE, hook_methods, left_out, surround

__all__ = ["attach"]


def attach(trainer: Any, **callback_keywords: Any) -> GradCheckCallback:
    """Check the gradients of a trainer's model while it trains.

    Args:
        trainer: The book's ``Trainer``, or what has its ``model``, ``optimizer`` and ``fit``.
        **callback_keywords: Keywords of ``GradCheckCallback``; ``dropout`` comes from the model's
            layers unless given.

    Returns:
        The callback; a disabled one leaves the trainer as it is.

    Example:
        >>> from types import SimpleNamespace
        >>> import numpy as np
        >>> from gradhook.integrations import from_scratch_2_trainer
        >>> class Line:
        ...     def __init__(self):
        ...         self.params, self.grads = [np.array([0.5, -1.0])], [np.zeros(2)]
        ...
        ...     def forward(self, x, t):
        ...         self.x, self.r = x, x @ self.params[0] - t
        ...         return self.r @ self.r / len(t)
        ...
        ...     def backward(self):
        ...         self.grads[0][...] = self.r @ self.x / len(self.x)  # the 2 forgotten
        >>> model, optimizer = Line(), SimpleNamespace(update=lambda params, grads: None)
        >>> def fit(x, t):
        ...     model.forward(x, t), model.backward()
        ...     optimizer.update(model.params, model.grads)
        >>> trainer = SimpleNamespace(model=model, optimizer=optimizer, fit=fit)
        >>> check = from_scratch_2_trainer.attach(trainer, on_fail="record", enabled=True)
        >>> trainer.fit(np.ones((9, 2)), np.ones(9))
        >>> check.last_report.blocks["params[0]"].verdict
        <Verdict.FAIL: 'FAIL'>
    """
    model, optimizer = trainer.model, trainer.optimizer
    forward = model.forward
    if any(hasattr(layer, "dropout_ratio") for layer in getattr(model, "layers", ())):
        callback_keywords.setdefault("dropout", Switch("layers.*.dropout_ratio", off=0.0))
    last = getattr(model, "loss_layer", None)

    def run(x: Any, t: Any) -> Any:
        loss = forward(x, t)
        model.backward()
        return loss + left_out(last, loss)

    notes = (NOTE,) if hasattr(last, "y") and hasattr(last, "t") else ()
    objective = Objective(parameters=model, loss_and_gradients=run, model=model, notes=notes)
    check = GradCheckCallback(objective, **callback_keywords)
    if not check.enabled:
        return check
    seen: list[Any] = []

    def noted(forward: Any, x: Any, t: Any, *rest: Any, **keywords: Any) -> Any:
        seen[:] = [(x, t)]
        return forward(x, t, *rest, **keywords)

    surround(model, "forward", noted)
    hook_methods(optimizer, check, step="update", batch=lambda *_: seen[0])
    return hook_methods(trainer, check, train="fit")
