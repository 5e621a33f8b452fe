"""JAX: ``custom_vjp`` rules of your own, checked inside the loss that uses them.

    import jax
    from gradhook.integrations import jax_value_and_grad

    step = jax.jit(jax.value_and_grad(loss))  # loss(params, X, y)
    check = jax_value_and_grad.attach(step, lambda: params, enabled=True)
    for number, (X, y) in enumerate(batches, start=1):
        value, grads = step(params, X, y)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
        check.on_step_end(number, batch=(X, y))

- *Hook.* Loops are the user's in JAX and call ``on_step_end``; its first call also makes the check
  at the start, unless ``on_train_begin`` did.
- *What is checked.* What the function returns against its own values: derivatives that JAX makes
  are right, so a mismatch is in a ``custom_vjp``, ``custom_jvp`` or a ``stop_gradient``.
- *Precision.* During a check ``jax.enable_x64`` is on, and parameters and float arrays of the batch
  are float64: JAX compiles the function once more.  Without this adapter a plain
  ``check_gradients(step, params, batch=(X, y))`` works too, to the resolution of float32.
- *Parameters.* Dictionaries, lists and tuples of arrays, nested as they like.
- *Dropout.* A key in the batch draws the same mask each time.
- *Restored.* Arrays of JAX cannot be written to; the flag comes back.
- *Not seen.* The optimiser, arrays on other devices, ``pmap``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gradhook import GradCheckCallback, Objective

__all__ = ["attach"]


def attach(
    function: Callable[..., Any], parameters: Any = None, **callback_keywords: Any
) -> GradCheckCallback:
    """Check what ``jax.value_and_grad`` returns, in float64.

    Args:
        function: ``jax.value_and_grad(loss)``, compiled or not, called as ``function(parameters,
            *batch)``.
        parameters: As in ``GradCheckCallback``; a function that returns the newest ones, because
            loops in JAX bind new arrays.
        **callback_keywords: Keywords of ``GradCheckCallback``.

    Example:
        >>> import jax.numpy as jnp
        >>> import jax
        >>> from gradhook.integrations import jax_value_and_grad
        >>> def loss(w, X, y):
        ...     return jnp.mean((jnp.tanh(X @ w) - y) ** 2)
        >>> check = jax_value_and_grad.attach(
        ...     jax.value_and_grad(loss), jnp.array([0.5, -1.0]), enabled=True
        ... )
        >>> check.on_train_begin(batch=(jnp.arange(8.0).reshape(4, 2) / 8, jnp.ones(4))).verdict
        <Verdict.PASS: 'PASS'>
    """
    jax: Any = importlib.import_module("jax")

    def value_and_grad(values: Any, *batch: Any) -> Any:
        return function(values, *jax.tree.map(_float64, batch))

    def in_float64() -> Any:
        # Its name until JAX 0.8.
        home = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
        return home.enable_x64(True)

    callback_keywords.setdefault("evaluation_mode", in_float64)
    objective = Objective(
        parameters=parameters, loss_and_gradients=value_and_grad, form="functional"
    )
    return GradCheckCallback(objective, **callback_keywords)


def _float64(item: Any) -> Any:
    """An array of real numbers in float64; anything else as it is."""
    dtype = getattr(item, "dtype", None)
    return np.asarray(item, np.float64) if getattr(dtype, "kind", "") == "f" else item
