"""george: kernels in hyperparameters and in both inputs; likelihoods of Gaussian processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "george",
    "george",
    "george",
    conventions=("`x1` and `x2` gradients are per pair: `(i, j, k)` in the k-th input dimension.",),
)

FAULTS = (
    Fault(
        "Kernels with a full metric: the gradient in the metric's parameters",
        ("kernel ExpSquared full metric get_gradient*",),
        "`GeneralMetric` keeps `1 / L_ii = exp(-p)` for a parameter `p = log L_ii`; its gradient "
        "multiplies by `exp(vector_[k])`, the exponential of the number kept. From three "
        "dimensions on the elements are also written column by column and read row by row.",
        "`-2 r_i Lir_i / vector_[k]`, at the place where `set_parameter` keeps the element.",
        "Algebra (`metrics.h`); differences of `get_value`.",
        "",
        """\
import numpy as np; from george.kernels import ExpSquaredKernel
k, x, h = ExpSquaredKernel([[1.2, 0.3], [0.3, 0.9]], ndim=2), np.eye(2), np.array([1e-6, 0, 0])
p = k.get_parameter_vector()
f = lambda p: (k.set_parameter_vector(p), k.get_value(x)[0, 1], k.get_gradient(x)[0, 1, 0])
print(f(p)[2], (f(p + h)[1] - f(p - h)[1]) / 2e-6)""",
    ),
    Fault(
        "Kernels with a full metric: the gradients in the inputs",
        ("kernel ExpSquared full metric get_x?_gradient",),
        "`GeneralMetric.x1_gradient` returns `L⁻¹ r`.",
        "`(L Lᵀ)⁻¹ r`: the backward substitution that `gradient` makes is missing.",
        "Algebra (`metrics.h`); differences of `get_value`.",
        "",
        """\
import numpy as np; from george.kernels import ExpSquaredKernel
k, z = ExpSquaredKernel([[1.2, 0.3], [0.3, 0.9]], ndim=2), np.array([[0.0, 1.0]])
x, h = np.array([[1.0, 0.0]]), np.array([[1e-6, 0]])
print(k.get_x1_gradient(x, z)[0, 0, 0],
      (k.get_value(x + h, z) - k.get_value(x - h, z))[0, 0] / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    from george import GP, kernels
    from george.modeling import CallableModel

    random = np.random.default_rng(0)
    X, Z = random.normal(size=(6, 2)), random.normal(size=(4, 2))
    line = np.sort(random.uniform(0, 4, 8))
    two: dict[str, Any] = {
        "ExpSquared": kernels.ExpSquaredKernel(0.8, ndim=2),
        "ExpSquared axes": kernels.ExpSquaredKernel([0.8, 1.7], ndim=2),
        "ExpSquared full metric": kernels.ExpSquaredKernel([[1.2, 0.3], [0.3, 0.9]], ndim=2),
        "Exp": kernels.ExpKernel(0.8, ndim=2),
        "Matern32": kernels.Matern32Kernel(0.8, ndim=2),
        "Matern32 axes": kernels.Matern32Kernel([0.8, 1.7], ndim=2),
        "Matern52": kernels.Matern52Kernel(0.8, ndim=2),
        "RationalQuadratic": kernels.RationalQuadraticKernel(log_alpha=0.3, metric=0.8, ndim=2),
        "Constant": kernels.ConstantKernel(log_constant=0.4, ndim=2),
        "Polynomial": kernels.PolynomialKernel(log_sigma2=0.4, order=3, ndim=2),
        "Linear": kernels.LinearKernel(log_gamma2=0.4, order=1, ndim=2),
        "DotProduct and constant": kernels.DotProductKernel(ndim=2)
        * kernels.ConstantKernel(log_constant=0.4, ndim=2),
        "sum": kernels.ExpSquaredKernel(0.8, ndim=2) + kernels.Matern32Kernel(1.3, ndim=2),
        "product": kernels.ExpSquaredKernel(0.8, ndim=2) * kernels.Matern32Kernel(1.3, ndim=2),
        "one axis": kernels.ExpSquaredKernel(0.8, ndim=2, axes=1),
    }
    one: dict[str, Any] = {
        "Cosine": kernels.CosineKernel(log_period=0.4),
        "ExpSine2": kernels.ExpSine2Kernel(gamma=1.3, log_period=0.4),
        "LocalGaussian": kernels.LocalGaussianKernel(location=0.7, log_width=0.4),
    }
    for name, kernel in two.items():
        yield from _kernel(name, kernel, X, Z)
    for name, kernel in one.items():
        yield from _kernel(name, kernel, line[:5, None], line[5:, None])
    y = np.sin(line)
    mean = CallableModel(lambda x: 0.3 * x)
    for name in ("ExpSquared", "Matern32", "RationalQuadratic"):
        kernel = getattr(kernels, f"{name}Kernel")
        for fits, keywords in (
            ("", {}),
            (" mean and noise", {"mean": 0.3, "fit_mean": True, "white_noise": -1.2,
                                 "fit_white_noise": True}),
            (" given mean", {"mean": mean}),
        ):  # fmt: skip
            more = {"log_alpha": 0.2} if name == "RationalQuadratic" else {}
            gp = GP(0.7 * kernel(metric=0.9, **more), **keywords)
            gp.compute(line, 0.3)
            yield Derivative(
                f"GP {name}{fits} grad_log_likelihood",
                lambda v, gp=gp: _set(gp, v).log_likelihood(y),
                lambda v, c, gp=gp: _set(gp, v).grad_log_likelihood(y),
                np.array(gp.get_parameter_vector()),
            )


def _set(model: Any, vector: np.ndarray) -> Any:
    model.set_parameter_vector(vector)
    return model


def _kernel(name: str, kernel: Any, X: np.ndarray, Z: np.ndarray) -> Iterator[Derivative]:
    start = np.array(kernel.get_parameter_vector())
    for by, inputs in (("", (X,)), (" of two", (X, Z))):
        yield Derivative(
            f"kernel {name} get_gradient{by}",
            lambda v, i=inputs: _set(kernel, v).get_value(*i),
            lambda v, c, i=inputs: np.tensordot(c, _set(kernel, v).get_gradient(*i), 2),
            start,
        )
    if name == "Constant":
        return
    yield Derivative(
        f"kernel {name} get_x1_gradient",
        lambda x: _set(kernel, start).get_value(x, Z),
        lambda x, c: np.einsum("ij,ijk->ik", c, _set(kernel, start).get_x1_gradient(x, Z)),
        X,
    )
    yield Derivative(
        f"kernel {name} get_x2_gradient",
        lambda z: _set(kernel, start).get_value(X, z),
        lambda z, c: np.einsum("ij,ijk->jk", c, _set(kernel, start).get_x2_gradient(X, z)),
        Z,
    )
