"""The ``Trainer`` of *Deep Learning from Scratch*: a check at the start and after scheduled steps.

    from gradhook.integrations import from_scratch_trainer

    trainer = Trainer(network, x_train, t_train, x_test, t_test, epochs=5, mini_batch_size=100)
    check = from_scratch_trainer.attach(trainer, enabled=True, logdir="runs/from_scratch")
    trainer.train()

- *Hook.* ``trainer.train_step`` is wrapped: the first check comes before the first step, the others
  after the steps that the schedule names, counted by ``trainer.current_iter``.  ``trainer.train``
  closes the sinks when it ends.
- *Data.* Seven rows of ``trainer.x_train`` and ``trainer.t_train``, drawn by a generator of the
  check's own.
- *Parameters.* ``network.params``, moved in place and put back: the layers hold references to the
  same arrays, so new ones would never be seen.  float32 therefore stays float32.
- *Mode.* ``loss(x, t)`` alone evaluates (dropout off, running statistics) while ``gradient(x, t)``
  trains; the check calls ``loss(x, t, train_flg=True)`` so that both mean the same function.
- *Dropout.* ``dropout_ratio`` of every layer is set to 0, then back with the masks replayed.  At 0
  the book's dropout does nothing; it scales when testing and not when training.
- *Penalty.* ``weight_decay_lambda`` is in the loss and in the gradients; a check also turns it up.
- *Restored.* The parameters, whatever the layers cache, their running statistics, NumPy's global
  random state.
- *Not seen.* The optimiser, and the network with ``train_flg=False``.

The book's cross-entropy is ``-log(y + 1e-7)`` while its gradient is that of ``-log(y)``: right code
is off by 1e-7 / y, which is much for a digit that is mistaken.  Where ``network.last_layer`` (or
``lastLayer``) holds just that loss, the check takes ``-log(y)``, and the report has a note.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from gradhook import GradCheckCallback, Objective, Switch

from ._shared import NOTE, hook_methods, left_out

__all__ = ["attach"]


def attach(trainer: Any, **callback_keywords: Any) -> GradCheckCallback:
    """Check the gradients of a trainer's network while it trains.

    Args:
        trainer: The book's ``Trainer``, or what has its ``network``, ``x_train``, ``t_train``,
            ``train_step``, ``train`` and ``current_iter``.
        **callback_keywords: Keywords of ``GradCheckCallback``; ``batch``, ``dropout`` and
            ``penalty`` come from the trainer and its network unless given.

    Returns:
        The callback; a disabled one leaves the trainer as it is.

    Example:
        >>> from types import SimpleNamespace
        >>> import numpy as np
        >>> from gradhook.integrations import from_scratch_trainer
        >>> class Line:
        ...     params = {"w": np.array([0.5, -1.0])}
        ...
        ...     def loss(self, x, t):
        ...         self.residual = x @ self.params["w"] - t
        ...         return self.residual @ self.residual / len(t)
        ...
        ...     def gradient(self, x, t):
        ...         return {"w": self.residual @ x / len(t)}  # the 2 forgotten
        >>> trainer = SimpleNamespace(
        ...     network=Line(), x_train=np.ones((9, 2)), t_train=np.ones(9), current_iter=0
        ... )
        >>> trainer.train_step = trainer.train = lambda: None
        >>> check = from_scratch_trainer.attach(trainer, on_fail="record", enabled=True)
        >>> trainer.train_step()
        >>> check.last_report.blocks["w"].verdict
        <Verdict.FAIL: 'FAIL'>
    """
    network = trainer.network
    callback_keywords.setdefault("batch", (trainer.x_train, trainer.t_train))
    layers = getattr(network, "layers", {})
    layers = layers.values() if hasattr(layers, "values") else layers
    if any(hasattr(layer, "dropout_ratio") for layer in layers):
        callback_keywords.setdefault("dropout", Switch("layers.*.dropout_ratio", off=0.0))
    if hasattr(network, "weight_decay_lambda"):
        callback_keywords.setdefault("penalty", "weight_decay_lambda")
    mode = {"train_flg": True} if "train_flg" in inspect.signature(network.loss).parameters else {}
    last = getattr(network, "last_layer", getattr(network, "lastLayer", None))
    objective = Objective(
        parameters=lambda: network.params,
        loss=lambda x, t: network.loss(x, t, **mode) + left_out(last, getattr(last, "loss", None)),
        gradients=network.gradient,
        form="in_place",
        model=network,
        notes=(NOTE,) if hasattr(last, "y") and hasattr(last, "t") else (),
    )
    check = GradCheckCallback(objective, **callback_keywords)
    count = functools.partial(getattr, trainer, "current_iter")
    return hook_methods(trainer, check, step="train_step", train="train", steps_made=count)
