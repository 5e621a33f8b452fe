"""Thinc: hand-written backprop callbacks, of a whole model or of one layer.

    from gradhook.integrations import thinc_model

    def cross_entropy(guesses, truths):  # mean over the rows; truths are one-hot
        loss = -(truths * ops.xp.log(guesses)).sum() / len(guesses)
        return loss, (guesses - truths) / len(guesses)

    check = thinc_model.attach(model, loss=cross_entropy, enabled=True)
    for step, (X, Y) in enumerate(batches, start=1):
        guesses, backprop = model.begin_update(X)
        backprop(cross_entropy(guesses, Y)[1])
        model.finish_update(optimizer)
        check.on_step_end(step, batch=(X, Y))

- *Hook.* Loops are the user's in Thinc and call ``on_step_end``, before or after ``finish_update``.
  Its first call also makes the check at the start, unless ``on_train_begin`` did.
- *What is checked.* ``begin_update`` and its callback.  Without ``loss`` the output is contracted
  with a random cotangent, which tests the callback by itself.  ``Softmax`` alone needs its loss, as
  above: its callback takes the gradient of the *logits*.
- *Loss.* The number whose gradient is returned.  Thinc's ``Loss`` objects return the squared
  length of their gradient, and are refused.
- *Parameters.* Float64 copies by ``set_param``, named ``relu.1.W``; float arrays of the batch too.
- *Dropout.* Every ``attrs["dropout_rate"]`` is set to 0, then back with the masks replayed.
- *Restored.* Parameters, gradients collected so far, attributes, NumPy's global random state.
- *Not seen.* The optimiser's L2 and clipping, wrapped frameworks, sequences, arrays on a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradhook import GradCheckCallback, Objective, Switch
from gradhook.errors import OptionError

from ._shared import cotangent

__all__ = ["attach"]


def attach(
    model: Any, *, loss: Callable[..., Any] | None = None, **callback_keywords: Any
) -> GradCheckCallback:
    """Check the backprop callbacks of a Thinc model or layer.

    Args:
        model: An initialised ``thinc.model.Model``.
        loss: ``(guesses, *truths) -> (loss, gradient)``; ``None`` for a random cotangent.
        **callback_keywords: Keywords of ``GradCheckCallback``.

    Raises:
        OptionError: ``loss`` is one of Thinc's ``Loss`` objects.

    Example:
        >>> import numpy as np
        >>> from thinc.api import Relu
        >>> from gradhook.integrations import thinc_model
        >>> X = np.random.default_rng(0).normal(size=(9, 4)).astype("f")
        >>> layer = Relu(nO=3, nI=4).initialize()
        >>> thinc_model.attach(layer, enabled=True).on_train_begin(batch=X).verdict
        <Verdict.PASS: 'PASS'>
    """
    if hasattr(loss, "get_grad"):
        raise OptionError(
            f"Thinc's {type(loss).__name__} returns the squared length of its gradient, not the "
            "loss that belongs to it: pass a function (guesses, truths) -> (loss, gradient)"
        )
    measure = loss or _contracted

    def run(values: Mapping[str, Any], X: Any, *truths: Any, back: bool = True) -> tuple[Any, Any]:
        own = _named(model)
        saved = [(*at, at[0].get_param(at[1]), at[0].maybe_get_grad(at[1])) for at in own.values()]
        try:
            for name, (node, key) in own.items():
                node.set_param(key, values[name])
                node.set_grad(key, np.zeros(values[name].shape))  # callbacks add to what is there
            guesses, backprop = model.begin_update(X)
            value, gradient = measure(guesses, *truths)
            if back:
                backprop(gradient)
            return value, {name: node.get_grad(key) for name, (node, key) in own.items()}
        finally:
            for node, key, parameter, collected in saved:
                node.set_param(key, parameter)
                if collected is not None:  # where there was none, the check removes the zeros
                    node.set_grad(key, collected)

    nodes = list(model.walk())
    if any("dropout_rate" in node.attrs for node in nodes):
        callback_keywords.setdefault("dropout", Switch("nodes.*.attrs.dropout_rate", off=0.0))
    objective = Objective(
        parameters=lambda: {n: node.get_param(k) for n, (node, k) in _named(model).items()},
        loss=lambda values, *batch: run(values, *batch, back=False)[0],
        loss_and_gradients=run,
        form="functional",
        model=SimpleNamespace(nodes=nodes),
    )
    return GradCheckCallback(objective, **callback_keywords)


def _named(model: Any) -> dict[str, tuple[Any, str]]:
    """Node and key of each parameter, in forward order; nodes of one name are numbered."""
    nodes = [node for node in model.walk(order="dfs_pre") if node.param_names]
    many = Counter(node.name for node in nodes)
    seen, named = Counter[str](), {}
    for node in nodes:
        seen[node.name] += 1
        name = f"{node.name}.{seen[node.name]}" if many[node.name] > 1 else node.name
        named.update({f"{name}.{key}": (node, key) for key in node.param_names})
    return named


def _contracted(output: Any, *truths: Any) -> tuple[Any, Any]:
    u = cotangent(output.shape)
    return (u * output).sum(), u
