"""skglm: datafits, dense and sparse, by coordinate, group and task; derivatives of penalties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "skglm",
    "skglm",
    "skglm",
    conventions=(
        (
            "`raw_hessian` of `Cox` and `SqrtQuadratic` is a diagonal upper bound, so stated; "
            "`intercept_update_step` is a scaled gradient, not the gradient."
        ),
        (
            "`derivative` of `L0_5`, `L2_3` and `LogSumPenalty` is that of the penalty without "
            "`alpha`, in `|w|`: the weights that `IterativeReweightedL1` needs."
        ),
    ),
    left_out="penalties without a derivative (their proximal operators are no derivatives).",
)

FAULTS = (
    Fault(
        "`Poisson.full_grad_sparse`: a parenthesis",
        ("Poisson full_grad_sparse",),
        "`np.exp(Xw[i] - y[i])` stands for `np.exp(Xw[i]) - y[i]`.",
        "`grad[j] += X_data[i] * (np.exp(Xw[X_indices[i]]) - y[X_indices[i]]) / len(y)`; "
        "`gradient_scalar_sparse` in the same class has it right.",
        "Algebra; differences of `value`; `gradient` on the same matrix, dense.",
        "",
        """\\
import numpy as np; from skglm.datafits import Poisson
x, y, w, h = np.array([1.0, 2.0]), np.array([1.0, 3.0]), 0.4, 1e-6  # one column, no zeros
f, column = lambda w: Poisson().value(y, w, x * w), (x, np.array([0, 2]), np.array([0, 1]))
print(Poisson().full_grad_sparse(*column, y, x * w)[0], (f(w + h) - f(w - h)) / (2 * h))""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    from scipy import sparse
    from skglm import datafits, penalties
    from skglm.experimental.quantile_huber import QuantileHuber
    from skglm.experimental.sqrt_lasso import SqrtQuadratic

    random = np.random.default_rng(0)
    X = random.normal(size=(15, 5)) * (random.uniform(size=(15, 5)) > 0.2)
    reals, signs = random.normal(size=15), random.choice([-1.0, 1.0], 15)
    counts, positive = random.poisson(2, 15).astype(float), random.gamma(2, size=15)
    survival = np.column_stack([np.ceil(6 * positive), random.uniform(size=15) > 0.3]).astype(float)
    w = 0.3 * random.normal(size=5)
    fits: dict[str, tuple[Any, np.ndarray]] = {
        "Quadratic": (datafits.Quadratic(), reals),
        "WeightedQuadratic": (datafits.WeightedQuadratic(random.uniform(0.5, 2, 15)), reals),
        "Logistic": (datafits.Logistic(), signs),
        "Huber": (datafits.Huber(0.7), reals),
        "Poisson": (datafits.Poisson(), counts),
        "Gamma": (datafits.Gamma(), positive),
        "Cox": (datafits.Cox(), survival),
        "Cox Efron": (datafits.Cox(use_efron=True), survival),
        "QuantileHuber": (QuantileHuber(delta=0.6, quantile=0.3), reals),
    }
    columns = sparse.csc_array(X)
    arrays = (columns.data, columns.indptr, columns.indices)
    for name, (fit, y) in fits.items():
        if hasattr(fit, "initialize"):
            fit.initialize(X, y)
        for form, gradient in _forms(fit, X, arrays, y).items():

            def value(w: np.ndarray, fit: Any = fit, y: np.ndarray = y) -> float:
                return float(fit.value(y, w, X @ w))

            yield Derivative(f"{name} {form}", value, lambda w, c, g=gradient: g(w), w)
        if hasattr(fit, "raw_grad"):
            yield Derivative(
                f"{name} raw_grad",
                lambda v, fit=fit, y=y: float(fit.value(y, w, v)),
                lambda v, c, fit=fit, y=y: fit.raw_grad(y, v),
                X @ w,
            )
            if not name.startswith("Cox"):
                yield Derivative(
                    f"{name} raw_hessian",
                    lambda v, fit=fit, y=y: fit.raw_grad(y, v),
                    elementwise(lambda v, fit=fit, y=y: fit.raw_hessian(y, v)),
                    X @ w,
                )
    root = SqrtQuadratic()
    yield Derivative(
        "SqrtQuadratic raw_grad", lambda v: root.value(reals, w, v),
        lambda v, c: root.raw_grad(reals, v), X @ w,
    )  # fmt: skip
    yield from _machines_and_groups(random, X, arrays, reals, signs, counts, w)
    for name, penalty in (
        ("L0_5", penalties.L0_5(0.7)),
        ("L2_3", penalties.L2_3(0.7)),
        ("LogSumPenalty", penalties.LogSumPenalty(0.7, 0.4)),
    ):
        yield Derivative(
            f"{name} derivative in |w|",
            lambda v, p=penalty: p.value(v) / p.alpha,
            elementwise(lambda v, p=penalty: p.derivative(v)),
            random.uniform(0.2, 2, 5),
        )
    ridge = penalties.L2(0.7)
    yield Derivative("L2 gradient", ridge.value, elementwise(ridge.gradient), w)


FORMS = ("gradient", "gradient_sparse", "full_grad_sparse", "gradient_scalar",
         "gradient_scalar_sparse")  # fmt: skip


def _forms(fit: Any, X: np.ndarray, arrays: Any, y: np.ndarray) -> dict[str, Any]:
    """Every way in which a datafit offers its gradient in ``w``."""

    def of(name: str) -> Any:
        call = getattr(fit, name)

        def gradient(w: np.ndarray) -> Any:
            # Some datafits keep products of the data, dense or sparse.
            if "sparse" in name and hasattr(fit, "initialize_sparse"):
                fit.initialize_sparse(*arrays, y)
            elif hasattr(fit, "initialize"):
                fit.initialize(X, y)
            if name == "gradient":
                return call(X, y, X @ w)
            if name == "gradient_scalar":
                return np.array([call(X, y, w, X @ w, j) for j in range(w.size)])
            if name == "gradient_scalar_sparse":
                return np.array([call(*arrays, y, X @ w, j) for j in range(w.size)])
            return call(*arrays, y, X @ w)

        return gradient

    def offered(name: str) -> bool:
        return hasattr(fit, name) and not (type(fit).__name__ == "Cox" and "scalar" in name)

    return {name: of(name) for name in FORMS if offered(name)}


def _machines_and_groups(random, X, arrays, reals, signs, counts, w) -> Iterator[Derivative]:
    from scipy import sparse
    from skglm import datafits
    from skglm.datafits.group import PoissonGroup

    svc, yX = datafits.QuadraticSVC(), signs[:, None] * X
    dual = random.uniform(0.1, 1, 15)
    flipped = sparse.csc_array(yX.T)
    parts = (flipped.data, flipped.indptr, flipped.indices)
    for form, gradient in {
        "gradient_scalar": lambda a: np.array(
            [svc.gradient_scalar(yX.T, signs, a, yX.T @ a, j) for j in range(15)]
        ),
        "gradient_scalar_sparse": lambda a: np.array(
            [svc.gradient_scalar_sparse(*parts, signs, yX.T @ a, j) for j in range(15)]
        ),
        "full_grad_sparse": lambda a: svc.full_grad_sparse(*parts, signs, yX.T @ a),
    }.items():
        yield Derivative(
            f"QuadraticSVC {form}",
            lambda a: float(svc.value(signs, a, yX.T @ a)),
            lambda a, c, g=gradient: g(a),
            dual,
        )
    pointer, indices = np.array([0, 2, 5], np.int32), np.array([3, 0, 4, 1, 2], np.int32)
    for kind, y in (
        (datafits.QuadraticGroup, reals),
        (datafits.LogisticGroup, signs),
        (PoissonGroup, counts),
    ):
        group = kind(pointer, indices)
        for form in ("gradient_g", "gradient_g_sparse"):
            if not hasattr(group, form):
                continue

            def gathered(w: np.ndarray, group=group, form=form, y=y) -> np.ndarray:
                matrix = (X,) if form == "gradient_g" else arrays
                parts = [getattr(group, form)(*matrix, y, w, X @ w, g) for g in range(2)]
                full = np.empty(5)
                full[indices] = np.concatenate(parts)
                return full

            yield Derivative(
                f"{kind.__name__} {form}",
                lambda w, group=group, y=y: float(group.value(y, w, X @ w)),
                lambda w, c, gathered=gathered: gathered(w),
                w,
            )
    Y, W = random.normal(size=(15, 3)), random.normal(size=(5, 3))
    for form in ("gradient_j", "gradient_j_sparse", "full_grad_sparse"):
        task = datafits.QuadraticMultiTask()
        task.initialize(X, Y) if form == "gradient_j" else task.initialize_sparse(*arrays, Y)

        def tasks(W: np.ndarray, task=task, form=form) -> np.ndarray:
            call = getattr(task, form)
            if form == "full_grad_sparse":
                return call(*arrays, Y, X @ W)
            if form == "gradient_j":
                return np.array([call(X, Y, W, X @ W, j) for j in range(5)])
            return np.array([call(*arrays, Y, X @ W, j) for j in range(5)])

        yield Derivative(
            f"QuadraticMultiTask {form}",
            lambda W, task=task: float(task.value(Y, W, X @ W)),
            lambda W, c, tasks=tasks: tasks(W),
            W,
        )
