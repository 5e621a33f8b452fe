"""An estimator of one's own in scikit-learn's style, its gradient checked while it fits digits.

    python examples/scikit_learn_digits.py
    python examples/scikit_learn_digits.py --plant-bug
    python examples/scikit_learn_digits.py --partial-fit

The estimator supports scikit-learn's callbacks (1.9 or newer), so ``attach`` is all there is to it;
with ``--partial-fit`` the program's own loop calls the check, which any version can do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]  # stands in for it
        """Nothing to support."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


sys.path.append(str(Path(__file__).resolve().parents[1]))  # A checkout works without installing.

from digits_mlp import digits

from gradhook import GradCheckCallback, schedules
from gradhook.integrations import scikit_learn_fit

Array: TypeAlias = NDArray[Any]


class SoftmaxRegression(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Softmax regression by minibatches.

    Args:
        alpha: Strength of the penalty ``alpha / 2 * sum(coef_**2)``.
        learning_rate: Step of gradient descent.
        batch_size: Rows of a minibatch.
        max_iter: Number of minibatches.
        random_state: Seed of the minibatches.
    """

    def __init__(
        self,
        alpha: float = 1e-3,
        learning_rate: float = 0.2,
        batch_size: int = 100,
        max_iter: int = 60,
        random_state: int = 0,
    ) -> None:
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[float, tuple[Array, Array]]:
        """Return the loss and its gradients with respect to ``coef_`` and ``intercept_``."""
        scores = X @ self.coef_.T + self.intercept_
        scores -= scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        rows, codes = np.arange(len(y)), np.searchsorted(self.classes_, y)
        loss = self.alpha / 2 * np.sum(self.coef_**2) - logs[rows, codes].mean()
        residual = np.exp(logs)
        residual[rows, codes] -= 1
        residual /= len(y)
        return float(loss), (residual.T @ X + self.alpha * self.coef_, residual.sum(axis=0))

    def partial_fit(self, X: Array, y: Array, classes: Array | None = None) -> SoftmaxRegression:
        """Make one update; the first call needs the classes."""
        if not hasattr(self, "coef_"):
            self._start(X.shape[1], np.unique(y) if classes is None else classes)
        _, (dcoef, dintercept) = self.loss_and_gradients(X, y)
        self.coef_ = self.coef_ - self.learning_rate * dcoef
        self.intercept_ = self.intercept_ - self.learning_rate * dintercept
        return self

    @with_callbacks
    def fit(self, X: Array, y: Array) -> SoftmaxRegression:
        """Make ``max_iter`` updates from the start, each a task of scikit-learn's callbacks."""
        self._start(X.shape[1], np.unique(y))
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        random = np.random.default_rng(self.random_state)
        for _ in range(self.max_iter):
            rows = random.choice(len(X), self.batch_size, replace=False)
            task = context.subcontext(task_name="minibatch")
            task.call_on_fit_task_begin(estimator=self, X=X[rows], y=y[rows])
            self.partial_fit(X[rows], y[rows])
            if task.call_on_fit_task_end(estimator=self, X=X[rows], y=y[rows]):
                break
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def predict(self, X: Array) -> Array:
        """Return the most probable class of each row."""
        return self.classes_[(X @ self.coef_.T + self.intercept_).argmax(axis=1)]

    def _start(self, features: int, classes: Array) -> None:
        self.classes_ = classes
        self.coef_, self.intercept_ = np.zeros((len(classes), features)), np.zeros(len(classes))


class InterceptAveraged(SoftmaxRegression):
    """The estimator with a mistake: the gradient of ``intercept_`` is a mean of a mean."""

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[float, tuple[Array, Array]]:
        """Return the loss and its gradients."""
        loss, (dcoef, dintercept) = super().loss_and_gradients(X, y)
        return loss, (dcoef, dintercept / len(y))


def train(
    estimator: type[SoftmaxRegression] = SoftmaxRegression,
    *,
    partial: bool = False,
    **check_options: Any,
) -> tuple[SoftmaxRegression, GradCheckCallback]:
    """Fit an estimator to the digits and return it and the callback."""
    X, X_test, y, y_test = digits()
    model = estimator()
    check = scikit_learn_fit.attach(
        model,
        hook="partial_fit" if partial else "fit",
        penalty="alpha",
        schedule=schedules.at(10, 50),
        **check_options,
    )
    if partial:
        for rows in np.array_split(np.random.default_rng(0).permutation(len(X)), 60):
            model.partial_fit(X[rows], y[rows], classes=np.arange(10))
            check.on_step_end(batch=(X[rows], y[rows]))
        check.on_train_end()
    else:
        model.fit(X, y)
    print(f"test accuracy {np.mean(model.predict(X_test) == y_test):.1%}")
    return model, check


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Check the gradient of a scikit-learn estimator.")
    parser.add_argument("--plant-bug", action="store_true", help="average the intercept's gradient")
    parser.add_argument("--partial-fit", action="store_true", help="loop over partial_fit")
    options = parser.parse_args(arguments)
    estimator = InterceptAveraged if options.plant_bug else SoftmaxRegression
    _, check = train(estimator, partial=options.partial_fit, enabled=True, on_fail="record")
    for report in check.history:
        print(report)


if __name__ == "__main__":
    main()
