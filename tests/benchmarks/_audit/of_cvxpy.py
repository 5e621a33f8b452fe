"""cvxpy: ``grad`` of the atoms, which CVXPY uses for linearisation and sensitivity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "cvxpy",
    "cvxpy",
    "cvxpy",
    conventions=(
        (
            "`grad` maps a variable to a sparse matrix of shape (variable.size, expression.size), "
            "both flattened column by column."
        ),
        "Where an atom has a kink, `grad` is one subgradient.",
    ),
    left_out="`cummax` and `cumprod`, whose `grad` raises on a matrix; atoms without `grad`; "
    "`loggamma` (a piecewise approximation); complex variables; `perspective` and `suppfunc`.",
    seen=(("`cummax(X).grad` and `cumprod(X).grad` raise for a matrix `X`."),),
)

FAULTS = (
    Fault(
        "`(x / y).grad` where the denominator is not constant",
        (
            "divide by an expression",
            "divide one expression by another",
            "divide by a scalar expression",
        ),
        "`DivExpression` inherits the gradient of affine atoms, which divides by the value of the "
        "denominator and has no derivative in it. For matrices of two rows and more the process "
        "ends with a segmentation fault in `cvxcore`.",
        "`d(x / y) = dx / y - x / y² dy`, element by element.",
        "Algebra; differences of `value`.",
        "",
        """\
import cvxpy as cp
x = cp.Variable(value=2.0); y = cp.exp(x) / x; g = y.grad[x]
f = lambda v: (setattr(x, "value", v), y.value)[1]
print(g, (f(2 + 1e-6) - f(2 - 1e-6)) / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    import cvxpy as cp

    for name, atom, at in _atoms():
        x = cp.Variable(np.shape(at))
        expression = atom(x)

        def function(value: Any, x: Any = x, e: Any = expression) -> Any:
            x.value = value
            return np.array(e.value)

        def pullback(value: Any, c: Any, x: Any = x, e: Any = expression) -> Any:
            x.value = value
            matrix = e.grad[x]
            column = np.atleast_1d(c).ravel(order="F")
            flat = (
                matrix @ column
                if hasattr(matrix, "shape") and matrix.ndim == 2
                else matrix * column
            )
            return np.reshape(flat, np.shape(value), order="F")

        yield Derivative(name, function, pullback, at)


def _atoms() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    import cvxpy as cp

    random = np.random.default_rng(0)
    v, M = np.array([-1.7, -0.6, 0.4, 1.3, 2.2]), random.normal(size=(3, 4))
    positive, P = np.array([0.3, 0.8, 1.4, 2.6, 3.1]), random.uniform(0.3, 2, (3, 4))
    share, S = np.array([0.1, 0.3, 0.5, 0.8]), random.normal(size=(4, 4))
    spd, B = S @ S.T + np.eye(4), random.normal(size=(4, 2))
    w = np.array([0.7, 1.3, 0.4, 2.1, 0.9])
    for name in ("abs", "exp", "logistic", "pos", "neg", "square", "sin", "cos", "tan", "sinh",
                 "tanh", "asinh", "normcdf", "log_normcdf"):  # fmt: skip
        if (atom := getattr(cp, name, None)) is not None:
            yield name, atom, np.array([-1.2, -0.6, 0.4, 0.9, 1.2]) if name == "tan" else v
    for name in ("log", "log1p", "entr", "sqrt", "inv_pos", "xexp"):
        if (atom := getattr(cp, name, None)) is not None:
            yield name, atom, positive
            yield f"{name} of a matrix", atom, P
    for p in (-1.5, -1, 0.4, 1.7, 2, 3):
        yield f"power {p}", lambda x, p=p: cp.power(x, p), positive
    yield "huber", lambda x: cp.huber(x, 0.8), v
    yield "scalene", lambda x: cp.scalene(x, 0.7, 1.6), v
    yield (
        "logit",
        cp.logit if hasattr(cp, "logit") else (lambda x: cp.log(x) - cp.log(1 - x)),
        share,
    )
    yield "kl_div first", lambda x: cp.kl_div(x, w), positive
    yield "kl_div second", lambda x: cp.kl_div(w, x), positive
    yield "rel_entr first", lambda x: cp.rel_entr(x, w), positive
    yield "rel_entr second", lambda x: cp.rel_entr(w, x), positive
    yield "maximum", lambda x: cp.maximum(x, w), v
    yield "maximum of three", lambda x: cp.maximum(x, 2 * x - 1, w), v
    yield "minimum", lambda x: cp.minimum(x, w), v
    yield "max", cp.max, M
    yield "max axis=0", lambda x: cp.max(x, axis=0), M
    yield "min axis=1", lambda x: cp.min(x, axis=1), M
    yield "cumsum", lambda x: cp.cumsum(x, axis=1), M
    yield "prod", cp.prod, P
    yield "prod axis=1", lambda x: cp.prod(x, axis=1), P
    yield "geo_mean", cp.geo_mean, positive
    yield "geo_mean weighted", lambda x: cp.geo_mean(x, [1, 2, 1, 0, 3]), positive
    yield "harmonic_mean", cp.harmonic_mean, positive
    yield "inv_prod", cp.inv_prod, positive
    for p in (1, 1.5, 2, 3):
        yield f"norm {p}", lambda x, p=p: cp.norm(x, p), v
    for axis in (0, 1):
        yield f"norm 2 axis={axis}", lambda x, a=axis: cp.norm(x, 2, axis=a), M
    for p in (0.5, -1):
        yield f"pnorm {p}", lambda x, p=p: cp.pnorm(x, p), positive
    yield "mixed_norm", lambda x: cp.mixed_norm(x, 2, 1), M
    yield "norm nuc", lambda x: cp.norm(x, "nuc"), M
    yield "norm fro", lambda x: cp.norm(x, "fro"), M
    yield "sigma_max", cp.sigma_max, M
    yield "lambda_max", lambda x: cp.lambda_max((x + x.T) / 2), S
    yield "lambda_min", lambda x: cp.lambda_min((x + x.T) / 2), S
    yield "lambda_sum_largest", lambda x: cp.lambda_sum_largest((x + x.T) / 2, 2), S
    yield "lambda_sum_smallest", lambda x: cp.lambda_sum_smallest((x + x.T) / 2, 2), S
    yield "log_det", lambda x: cp.log_det((x + x.T) / 2), spd
    yield "tr_inv", lambda x: cp.tr_inv((x + x.T) / 2), spd
    yield "log_sum_exp", cp.log_sum_exp, M
    yield "log_sum_exp axis=1", lambda x: cp.log_sum_exp(x, axis=1), M
    yield "matrix_frac in the vector", lambda x: cp.matrix_frac(x, spd), v[:4].copy()
    yield "matrix_frac in the matrix", lambda x: cp.matrix_frac(B, (x + x.T) / 2), spd
    yield "quad_form", lambda x: cp.quad_form(x, spd), v[:4].copy()
    yield "quad_over_lin first", lambda x: cp.quad_over_lin(x, 1.7), v
    yield "quad_over_lin second", lambda x: cp.quad_over_lin(w, x), np.array(1.7)
    yield "sum_largest", lambda x: cp.sum_largest(x, 3), M
    yield "sum_smallest", lambda x: cp.sum_smallest(x, 3), M
    yield "sum_squares", cp.sum_squares, M
    yield "dotsort", lambda x: cp.dotsort(x, w), v
    yield "cvar", lambda x: cp.cvar(x, 0.5), v
    yield "ptp", cp.ptp, v
    yield "var", cp.var, v
    yield "std", cp.std, v
    yield "total variation", cp.tv, v
    yield "total variation of an image", cp.tv, M
    yield "one_minus_pos", cp.one_minus_pos, share
    yield from _binary_and_affine(random, v, M, P, S, w)


def _binary_and_affine(random, v, M, P, S, w) -> Iterator[tuple[str, Any, Any]]:
    import cvxpy as cp

    C = random.normal(size=(4, 3))
    yield "matmul, variable first", lambda x: x @ C, M
    yield "matmul, variable second", lambda x: C @ x, M
    yield "matmul of two expressions", lambda x: x @ x.T, M
    yield "multiply by a constant", lambda x: cp.multiply(P, x), M
    yield "multiply of two expressions", lambda x: cp.multiply(x, cp.exp(x)), M
    yield "multiply by a scalar expression", lambda x: cp.multiply(x, cp.sum(x)), M
    yield "divide by a constant", lambda x: x / P, M
    yield "divide by an expression", lambda x: v / x, w
    yield "divide one expression by another", lambda x: x / cp.exp(x), v
    yield "divide by a scalar expression", lambda x: x / cp.sum(cp.exp(x)), v
    yield "convolve", lambda x: cp.convolve(w, x), v
    yield "kron", lambda x: cp.kron(C, x), M
    yield "trace", cp.trace, S
    yield "diag of a vector", cp.diag, v
    yield "diag of a matrix", cp.diag, S
    yield "upper_tri", cp.upper_tri, S
    yield "vec", lambda x: cp.vec(x, order="F"), M
    yield "vec row by row", lambda x: cp.vec(x, order="C"), M
    yield "reshape", lambda x: cp.reshape(x, (4, 3), order="F"), M
    yield "reshape row by row", lambda x: cp.reshape(x, (4, 3), order="C"), M
    yield "transpose", lambda x: x.T, M
    yield "index", lambda x: x[1:, ::2], M
    yield "fancy index", lambda x: x[[0, 2, 0], [1, 1, 3]], M
    yield "hstack", lambda x: cp.hstack([x, 2 * x]), M
    yield "vstack", lambda x: cp.vstack([x, C.T]), M
    yield "sum axis=0", lambda x: cp.sum(x, axis=0), M
    yield "sum axis=1", lambda x: cp.sum(x, axis=1), M
    yield "diff", lambda x: cp.diff(x, k=2), v
    yield "promote", lambda x: x + np.ones((2, 3)), np.array(0.7)
    yield "outer", lambda x: cp.outer(x, w), v
    yield "partial_trace", lambda x: cp.partial_trace(x, (2, 2), 0), S
    yield "partial_transpose", lambda x: cp.partial_transpose(x, (2, 2), 1), S
    yield "composition", lambda x: cp.log_sum_exp(cp.square(x @ C) - cp.exp(x @ C)), M
