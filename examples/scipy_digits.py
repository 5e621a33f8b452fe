"""``scipy.optimize.minimize`` fits softmax regression to digits, and its ``jac`` is checked.

    python examples/scipy_digits.py
    python examples/scipy_digits.py --plant-bug

With ``--plant-bug`` the penalty is missing in ``jac``, and the check stops the optimisation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from digits_mlp import digits

from gradhook import GradCheckCallback
from gradhook.integrations import scipy_optimize

Array: TypeAlias = NDArray[Any]


def log_probabilities(w: Array, X: Array) -> Array:
    """Return the logarithm of each class's probability for each row; ``w`` is a flat vector."""
    scores = X @ w.reshape(X.shape[1], -1)
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def fun(w: Array, X: Array, y: Array, alpha: float) -> float:
    """Return mean cross-entropy plus ``alpha / 2`` times the squared weights."""
    return float(alpha / 2 * w @ w - log_probabilities(w, X)[np.arange(len(y)), y].mean())


def jac(w: Array, X: Array, y: Array, alpha: float) -> Array:
    """Return the gradient of ``fun``."""
    residual = np.exp(log_probabilities(w, X))
    residual[np.arange(len(y)), y] -= 1
    return (X.T @ residual / len(y)).ravel() + alpha * w


def jac_without_penalty(w: Array, X: Array, y: Array, alpha: float) -> Array:
    """Return a wrong gradient: that of the cross-entropy alone."""
    return jac(w, X, y, 0.0)


def fit(
    jac: Callable[..., Array] = jac, *, method: str = "L-BFGS-B", **check_options: Any
) -> tuple[OptimizeResult, GradCheckCallback]:
    """Fit the weights and return SciPy's result and the callback."""
    X, X_test, y, y_test = digits()
    args, x0 = (X, y, 1e-2), np.zeros(640)
    check = scipy_optimize.callback(fun, jac, args=args, x0=x0, schedule=5, **check_options)
    result = minimize(fun, x0, args, method, jac=jac, callback=check, options={"maxiter": 12})
    accuracy = np.mean(log_probabilities(result.x, X_test).argmax(axis=1) == y_test)
    print(f"test accuracy {accuracy:.1%} after {result.nit} iterations: {result.message}")
    return result, check


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check the jac that is passed to SciPy.")
    parser.add_argument("--plant-bug", action="store_true", help="forget the penalty in jac")
    options = parser.parse_args(arguments)
    chosen = jac_without_penalty if options.plant_bug else jac
    _, check = fit(chosen, enabled=True, on_fail="record", stop_on_fail=True)
    for report in check.history:
        print(report)


if __name__ == "__main__":
    main()
