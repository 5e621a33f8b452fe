"""``scipy.optimize``: the ``jac`` that is passed to ``minimize`` or ``least_squares``, checked.

    from scipy.optimize import minimize
    from gradhook.integrations import scipy_optimize

    check = scipy_optimize.callback(fun, jac, x0=x0, schedule=10, enabled=True)
    result = minimize(fun, x0, jac=jac, callback=check)

- *Hook.* SciPy's own ``callback=``, called after each iteration by every method that takes
  ``jac``, with an ``intermediate_result`` or, by ``TNC``, the bare ``x``.  Nothing is called before
  the first one; with ``x0=`` the check at the start is made when the callback is built.
- *Forms.* ``jac`` is a function, or ``True`` where ``fun`` returns ``(f, g)``; ``args`` go to both.
  Where ``fun`` returns a vector (``least_squares``; ``callback=`` from SciPy 1.16 on, not for
  ``lm``), its product with a random cotangent is checked: ``u @ fun(x)`` against ``jac(x).T @ u``.
- *Stopping.* ``stop_on_fail=True`` raises ``StopIteration`` on FAIL, which ends the optimisation
  with its result so far; ``TNC`` knows no such thing and lets it through.
- *Data.* All rows of ``args``; ``samples=7`` draws some, where the loss is a sum over them.
- *Dropout, penalty.* None is known here; ``dropout=`` and ``penalty=`` work as always.
- *Restored.* ``fun`` and ``jac`` get float64 copies of ``x``; what else they reach is put back.
- *Not seen.* Hessians, constraints and their Jacobians, SciPy's own differences (``"2-point"``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from gradhook import GradCheckCallback, Objective, Verdict
from gradhook.errors import OptionError

from ._shared import cotangent

__all__ = ["OptimizeCheck", "callback"]


class OptimizeCheck(GradCheckCallback):
    """A ``GradCheckCallback`` that SciPy can call; ``callback`` makes it."""

    def __init__(self, objective: Objective, *, stop_on_fail: bool, **keywords: Any) -> None:
        super().__init__(objective, **keywords)
        self._stop_on_fail = stop_on_fail

    def __call__(self, intermediate_result: Any) -> None:  # type: ignore[override]  # SciPy calls it so
        """Check if a check is due, at an ``OptimizeResult``'s ``x`` or at ``x`` itself."""
        if not self.enabled:
            return
        x = getattr(intermediate_result, "x", intermediate_result)
        report = self.on_step_end(parameters=np.array(x))
        if self._stop_on_fail and report is not None and report.verdict is Verdict.FAIL:
            raise StopIteration


def callback(
    fun: Callable[..., Any],
    jac: Callable[..., Any] | Literal[True],
    *,
    args: Any = (),
    x0: Any = None,
    stop_on_fail: bool = False,
    **callback_keywords: Any,
) -> OptimizeCheck:
    """Make a callback for SciPy that checks ``jac``.

    Args:
        fun: ``fun(x, *args)``: a number, residuals, or ``(f, g)`` where ``jac`` is ``True``.
        jac: ``jac(x, *args)``: the gradient, or the Jacobian in any form that SciPy takes.
        args: As passed to SciPy.
        x0: Where to check at once; ``None`` makes the first iterate the start.
        stop_on_fail: Whether a FAIL stops the optimisation.
        **callback_keywords: Keywords of ``GradCheckCallback``.

    Raises:
        OptionError: ``jac`` is neither a function nor ``True``.

    Example:
        >>> from scipy.optimize import minimize, rosen, rosen_der
        >>> from gradhook.integrations import scipy_optimize
        >>> check = scipy_optimize.callback(
        ...     rosen, rosen_der, x0=[1.3, 0.7], schedule=20, enabled=True
        ... )
        >>> result = minimize(rosen, [1.3, 0.7], jac=rosen_der, callback=check)
        >>> [(report.step, str(report.verdict)) for report in check.history]
        [(0, 'PASS'), (20, 'PASS')]
    """
    if jac is not True and not callable(jac):
        raise OptionError(
            f"jac={jac!r} leaves the derivative to SciPy, so there is nothing to check: pass the "
            "function that you wrote, or True where fun returns (f, g)"
        )
    functions: dict[str, Any] = {"loss_and_gradients": fun}
    if jac is not True:
        functions = {
            "loss": lambda x, *rest: _contracted(fun(x, *rest)),
            "gradients": lambda x, *rest: _pulled_back(jac(x, *rest)),
        }
    objective = Objective(form="functional", **functions)
    keywords = {"batch": args, "samples": None, **callback_keywords}
    check = OptimizeCheck(objective, stop_on_fail=stop_on_fail, **keywords)
    if x0 is not None and check.enabled:
        check.on_train_begin(parameters=np.array(x0, dtype=float, ndmin=1))
    return check


def _contracted(value: Any) -> Any:
    vector = np.asarray(value)
    return value if vector.size == 1 else cotangent(vector.size) @ vector.reshape(-1)


def _pulled_back(jacobian: Any) -> Any:
    if len(getattr(jacobian, "shape", ())) == 2:
        return jacobian.T @ cotangent(jacobian.shape[0])
    return jacobian
