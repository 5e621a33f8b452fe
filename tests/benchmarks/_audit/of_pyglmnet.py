"""pyglmnet: gradients of every distribution's loss, and of one coordinate at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "pyglmnet",
    "pyglmnet",
    "pyglmnet",
    conventions=(
        (
            "Version 1.1 asks for `numpy.float`, which NumPy 1.24 removed; the audit lends it the "
            "name."
        ),
        "The loss adds `eps` inside a logarithm, the gradient does not: they agree to 1e-15.",
    ),
)

FAULTS = (
    Fault(
        "`_gradhess_logloss_1d` for softplus: the Hessian",
        ("_gradhess_logloss_1d softplus Hessian",),
        "`s / mu**2` stands in the derivative of `s / mu`.",
        "`(s / mu)' = s (1 - s) / mu - s**2 / mu**2`, since `mu' = s`.",
        "Algebra; differences of the first derivative.",
        "Not looked for.",
        """\
import numpy as np; np.float = float; from pyglmnet.pyglmnet import _gradhess_logloss_1d as gh
x, y, z, h = np.array([1.0]), np.array([2.0]), np.array([0.3]), 1e-6
f = lambda b: gh("softplus", x, y, z + b * x, 2.0)
print(f(0)[1], (f(h)[0] - f(-h)[0]) / (2 * h))""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    vars(np)["float"] = float  # See the conventions.
    from pyglmnet import pyglmnet as p

    random = np.random.default_rng(0)
    X = random.normal(size=(15, 3))
    counts, reals = random.poisson(2, 15).astype(float), random.normal(size=15)
    binary, positive = np.arange(15.0) % 2, random.gamma(2, size=15)
    z = np.array([-2.1, -0.8, 0.3, 1.4, 2.9])
    targets = {
        "softplus": counts, "poisson": counts, "gaussian": reals, "binomial": binary,
        "probit": binary, "gamma": positive,
    }  # fmt: skip
    for distr, y in targets.items():
        if distr != "gaussian":  # Constant.
            yield Derivative(
                f"_grad_mu {distr}",
                lambda z, d=distr: np.array(p._mu(d, z.copy(), 2.0, True)),
                elementwise(lambda z, d=distr: p._grad_mu(d, z.copy(), 2.0)),
                z,
            )
        for intercept in (True, False):
            for Tau in (None, random.normal(size=(3, 3))):
                beta = 0.4 * random.normal(size=3 + intercept)
                if not intercept:
                    continue  # The first coefficient then stands for no column of its own.
                yield Derivative(
                    f"_grad_L2loss {distr} Tau={'none' if Tau is None else 'matrix'}",
                    lambda b, d=distr, y=y, T=Tau: p._L2loss(d, 0.3, T, 0.7, X, y, 2.0, None, b),
                    lambda b, c, d=distr, y=y, T=Tau: p._grad_L2loss(d, 0.3, T, 0.7, X, y, 2.0, b),
                    beta,
                )
        if distr != "gamma":
            yield from _coordinate(p, distr, X[:, 0].copy(), y, reals)


def _coordinate(p: Any, distr: str, x: np.ndarray, y: Any, rest: Any) -> Iterator[Derivative]:
    """One coefficient moves the linear predictor along one column."""

    def loss(b: np.ndarray) -> float:
        z = np.asarray(rest + float(b) * x)
        return -p._logL(distr, y, p._mu(distr, z, 2.0, True), z) / x.size

    def steps(b: np.ndarray, k: int) -> Any:
        return p._gradhess_logloss_1d(distr, x, y, rest + float(b) * x, 2.0)[k]

    at = np.array(0.3)
    yield Derivative(
        f"_gradhess_logloss_1d {distr} gradient", loss, lambda b, c: c * steps(b, 0), at
    )
    if distr != "gaussian":
        yield Derivative(
            f"_gradhess_logloss_1d {distr} Hessian",
            lambda b: steps(b, 0),
            lambda b, c: c * steps(b, 1),
            at,
        )
