"""copt: the losses, with and without a penalty, an intercept and a sparse matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "copt",
    "copt",
    "copt",
    left_out="constraints and penalties (proximal operators); the solvers.",
    seen=(
        "`LogLoss.f_grad` with `intercept = True` returns the gradient alone.",
        "`LogLoss.hessian_trace` is `hessian_mv` under another name.",
    ),
)

FAULTS = (
    Fault(
        "`LogLoss.hessian_mv` with a penalty",
        ("LogLoss.hessian_mv * alpha=0.3*",),
        "`ret / n_samples` divides the penalty's part `alpha * s` too, which the loss does not.",
        "`(A.T @ (d * (A @ s))) / n_samples + alpha * s`.",
        "Algebra; differences of the gradient; with `alpha = 0` the two agree.",
        "",
        """\
import numpy as np; from copt.loss import LogLoss
f = LogLoss(np.array([[1.0], [-2], [0.5]]), np.array([0, 1, 1.0]), alpha=0.3)
x, e = np.array([0.4]), np.array([1e-6])
print(f.hessian_mv(x)(np.ones(1))[0], ((f.f_grad(x + e)[1] - f.f_grad(x - e)[1]) / 2e-6)[0])""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    from copt.loss import HuberLoss, LogLoss, SquareLoss
    from scipy import sparse

    random = np.random.default_rng(0)
    A, x = random.normal(size=(9, 4)), random.normal(size=4)
    labels, reals = np.arange(9.0) % 2, random.normal(size=9)
    for kind, data in (("dense", A), ("sparse", sparse.csr_matrix(A))):
        for alpha in (0.0, 0.3):
            words = f"{kind} alpha={alpha}"
            log = LogLoss(data, labels, alpha)
            for loss in (log, SquareLoss(data, reals, alpha), HuberLoss(data, reals, alpha, 0.7)):
                yield Derivative(
                    f"{type(loss).__name__}.f_grad {words}",
                    lambda x, f=loss: f(x),
                    lambda x, c, f=loss: c * f.f_grad(x)[1],
                    x,
                )
            yield Derivative(
                f"LogLoss.hessian_mv {words}",
                lambda x, f=log: f.f_grad(x)[1],
                lambda x, c, f=log: f.hessian_mv(x)(c),
                x,
            )
            yield from _with_intercept(LogLoss(data, labels, alpha), words, np.append(x, 0.3))
    z = np.array([-2.1, -0.8, 0.3, 1.4, 2.9])
    for name, loss, y, value in (
        ("LogLoss", LogLoss(None, labels), labels[:5], lambda z, y: np.logaddexp(0, z) - y * z),
        ("SquareLoss", SquareLoss(None, reals), reals[:5], lambda z, y: 0.5 * (z - y) ** 2),
    ):
        yield Derivative(
            f"{name}.partial_deriv",
            lambda z, f=value, y=y: f(z, y),
            elementwise(lambda z, f=loss.partial_deriv, y=y: f(z, y)),
            z,
        )


def _with_intercept(loss: Any, words: str, x: np.ndarray) -> Iterator[Derivative]:
    loss.intercept = True
    yield Derivative(
        f"LogLoss.f_grad {words} intercept", lambda x: loss(x), lambda x, c: c * loss.f_grad(x), x
    )
    yield Derivative(
        f"LogLoss.hessian_mv {words} intercept",
        lambda x: loss.f_grad(x),
        lambda x, c: loss.hessian_mv(x)(c),
        x,
    )
