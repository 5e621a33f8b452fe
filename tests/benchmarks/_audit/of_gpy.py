"""GPy and paramz: kernels, likelihoods, links, mappings, transformations of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "GPy",
    "gpy",
    "GPy",
    conventions=(
        (
            "`gradfactor(f, df)` of paramz takes the derivative in the model's parameter and "
            "returns the one in the optimiser's."
        ),
        (
            "`gradients_X(dL_dK, X)` counts both arguments of a kernel matrix of one set of "
            "inputs; with one set, `dL_dK` must be symmetric."
        ),
    ),
    left_out="psi statistics, ODE and latent-force kernels, whole models.",
)

FAULTS = (
    Fault(
        "paramz `NegativeExponent.gradfactor`: the sign",
        ("NegativeExponent.gradfactor",),
        "`-Exponent.gradfactor(self, f, df)` is `-df * f`; `f(x) = -exp(x)` is its own derivative.",
        "`df * f`.",
        "Algebra; differences of `f`.",
        "Not looked for.",
        """\
import numpy as np; from paramz.transformations import NegativeExponent
t, x = NegativeExponent(), np.array([0.3])
print(t.gradfactor(t.f(x), np.ones(1))[0], (t.f(x + 1e-6)[0] - t.f(x - 1e-6)[0]) / 2e-6)""",
    ),
    Fault(
        "`LogisticBasisFuncKernel.update_gradients_full` with two sets of inputs: the slope",
        ("kernel LogisticBasisFuncKernel update_gradients_full of two",),
        "The second term takes `dL_dK` untransposed (it raises unless both sets are of one size), "
        "and the variance multiplies the first term alone.",
        "`variance * (einsum('ij,iq,jq->q', dL_dK, phi1, dphi2) + einsum('ij,iq,jq->q', dL_dK.T, "
        "phi2, dphi1))`.",
        "Algebra; differences of `K(X, X2)`.",
        "Not looked for.",
        """\
import numpy as np; from GPy.kern import LogisticBasisFuncKernel
X, Z, c = np.array([[0.3], [1.2]]), np.array([[0.8], [2.1]]), np.array([[1.0, 2.0], [0.0, 1.0]])
k = lambda s: LogisticBasisFuncKernel(1, [0.9], 1.3, s)
m = k(1.4); m.update_gradients_full(c, X, Z)
print(m.slope.gradient[0], np.sum(c * (k(1.4 + 1e-6).K(X, Z) - k(1.4 - 1e-6).K(X, Z))) / 2e-6)""",
    ),
    Fault(
        "`LogisticBasisFuncKernel.update_gradients_diag` leaves out the slope",
        ("kernel LogisticBasisFuncKernel update_gradients_diag",),
        "The method is inherited and sets the gradient of the variance alone; that of the slope "
        "stays what it was.",
        "`slope.gradient = 2 * variance * einsum('i,iq,iq->q', dL_dKdiag, phi, dphi)`.",
        "Algebra; differences of `Kdiag`.",
        "Not looked for.",
        """\
import numpy as np; from GPy.kern import LogisticBasisFuncKernel
k, X = (lambda s: LogisticBasisFuncKernel(1, [0.9], 1.3, s)), np.array([[0.3]])
m = k(1.4); m.update_gradients_diag(np.ones(1), X)
print(m.slope.gradient[0], (k(1.4 + 1e-6).Kdiag(X)[0] - k(1.4 - 1e-6).Kdiag(X)[0]) / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    yield from _transformations()
    yield from _links()
    yield from _likelihoods()
    yield from _kernels()
    yield from _mappings()


def _transformations() -> Iterator[Derivative]:
    from paramz import transformations as t

    x = np.array([-1.6, -0.4, 0.3, 1.2, 2.4])
    for kind in (
        t.Logexp(), t.Exponent(), t.NegativeLogexp(), t.NegativeExponent(), t.Square(),
        t.Logistic(-0.7, 2.3),
    ):  # fmt: skip
        yield Derivative(
            f"{type(kind).__name__}.gradfactor",
            kind.f,
            lambda x, c, k=kind: k.gradfactor(k.f(x), c),
            np.abs(x) if type(kind) is t.Square else x,
        )


def _links() -> Iterator[Derivative]:
    from GPy.likelihoods import link_functions as links

    x = np.array([-1.6, -0.4, 0.3, 1.2, 2.1])
    for kind in (
        links.Identity(), links.Probit(), links.ScaledProbit(1.4), links.Cloglog(), links.Log(),
        links.Log_ex_1(), links.Reciprocal(),
    ):  # fmt: skip
        steps = ("transf", "dtransf_df", "d2transf_df2", "d3transf_df3")
        constant = {"Identity": 1}.get(type(kind).__name__, 3)
        for function, derivative in list(itertools.pairwise(steps))[:constant]:
            yield Derivative(
                f"link {type(kind).__name__}.{derivative}",
                getattr(kind, function),
                elementwise(getattr(kind, derivative)),
                np.abs(x) if isinstance(kind, links.Reciprocal) else x,
            )


def _likelihoods() -> Iterator[Derivative]:
    from GPy import likelihoods as lik
    from GPy.likelihoods.loglogistic import LogLogistic
    from GPy.likelihoods.weibull import Weibull

    random = np.random.default_rng(0)
    f = random.normal(size=(7, 1))
    share, positive = random.uniform(0.1, 0.9, (7, 1)), random.gamma(2, size=(7, 1)) + 0.2
    counts, binary = random.poisson(2, (7, 1)).astype(float), np.arange(7.0)[:, None] % 2
    trials = {"trials": np.full((7, 1), 6.0)}
    censored = {"censored": np.arange(7)[:, None] % 2}
    for name, kind, y, inverse, metadata in (
        ("Bernoulli", lik.Bernoulli(), binary, share, None),
        ("Binomial", lik.Binomial(), counts, share, trials),
        ("Exponential", lik.Exponential(), positive, positive[::-1].copy(), None),
        ("Gamma", lik.Gamma(), positive, positive[::-1].copy(), None),
        ("Gaussian", lik.Gaussian(variance=0.7), f[::-1].copy(), f, None),
        ("Poisson", lik.Poisson(), counts, positive, None),
        ("StudentT", lik.StudentT(deg_free=4.5, sigma2=0.8), f[::-1].copy(), f, None),
        ("LogLogistic", LogLogistic(), positive, positive[::-1].copy(), censored),
        ("Weibull", Weibull(beta=1.4), positive, positive[::-1].copy(), censored),
    ):
        steps = ("logpdf_link", "dlogpdf_dlink", "d2logpdf_dlink2", "d3logpdf_dlink3")
        for function, derivative in itertools.pairwise(steps):
            if name == "Gaussian" and derivative == "d3logpdf_dlink3":
                continue  # Constant.
            yield _in_the_link(name, kind, function, derivative, y, inverse, metadata)
        latent = ("logpdf", "dlogpdf_df", "d2logpdf_df2", "d3logpdf_df3")
        for function, derivative in itertools.pairwise(latent):
            if name == "Gaussian" and derivative == "d3logpdf_df3":
                continue
            yield _in_the_link(name, kind, function, derivative, y, f, metadata)
        if kind.size:
            yield from _in_parameters(name, kind, y, inverse, metadata)


def _in_the_link(name, kind, function, derivative, y, at, metadata) -> Derivative:
    return Derivative(
        f"likelihood {name}.{derivative}",
        lambda z: np.reshape(getattr(kind, function)(z, y, Y_metadata=metadata), z.shape),
        elementwise(
            lambda z: np.reshape(getattr(kind, derivative)(z, y, Y_metadata=metadata), z.shape)
        ),
        at,
    )


def _in_parameters(name, kind, y, at, metadata) -> Iterator[Derivative]:
    for function, derivative in (
        ("logpdf_link", "dlogpdf_link_dtheta"),
        ("dlogpdf_dlink", "dlogpdf_dlink_dtheta"),
        ("d2logpdf_dlink2", "d2logpdf_dlink2_dtheta"),
    ):

        def moved(theta: np.ndarray, kind: Any = kind) -> Any:
            kind[:] = theta
            return kind

        def slope(theta, c, moved=moved, derivative=derivative):
            d = np.asarray(getattr(moved(theta), derivative)(at, y, Y_metadata=metadata))
            return np.einsum("pij,ij->p", np.reshape(d, (theta.size, *c.shape)), c)

        yield Derivative(
            f"likelihood {name}.{derivative}",
            lambda theta, moved=moved, function=function: np.reshape(
                getattr(moved(theta), function)(at, y, Y_metadata=metadata), at.shape
            ),
            slope,
            np.array(kind.param_array) * 1.1,
        )


def _kernels() -> Iterator[Derivative]:
    from GPy import kern as k

    random = np.random.default_rng(1)
    X, Z = random.normal(size=(6, 2)), random.normal(size=(6, 2))
    line, times = random.normal(size=(6, 1)), np.sort(random.uniform(0.2, 3, (6, 1)), axis=0)
    ard = {"lengthscale": [0.8, 1.7], "ARD": True}
    for name, kind, inputs in (
        ("RBF", k.RBF(2, 1.3, 0.8), X),
        ("RBF ARD", k.RBF(2, 1.3, **ard), X),
        ("Exponential", k.Exponential(2, 1.3, 0.8), X),
        ("OU", k.OU(1, 1.3, 0.8), line),
        ("Matern32", k.Matern32(2, 1.3, 0.8), X),
        ("Matern32 ARD", k.Matern32(2, 1.3, **ard), X),
        ("Matern52", k.Matern52(2, 1.3, 0.8), X),
        ("Matern52 ARD", k.Matern52(2, 1.3, **ard), X),
        ("ExpQuad", k.ExpQuad(2, 1.3, 0.8), X),
        ("Cosine", k.Cosine(2, 1.3, 0.8), X),
        ("ExpQuadCosine", k.ExpQuadCosine(2, 1.3, 0.8, 1.4), X),
        ("Sinc", k.Sinc(2, 1.3, 0.8), X),
        ("RatQuad", k.RatQuad(2, 1.3, 0.8, 1.9), X),
        ("RatQuad ARD", k.RatQuad(2, 1.3, power=1.9, **ard), X),
        ("Linear", k.Linear(2, 1.3), X),
        ("Linear ARD", k.Linear(2, [0.8, 1.7], ARD=True), X),
        ("LinearFull", k.LinearFull(2, 1, random.normal(size=(2, 1)), np.array([0.4, 0.9])), X),
        ("MLP", k.MLP(2, 1.3, 0.8, 0.6), X),
        ("MLP ARD", k.MLP(2, 1.3, [0.8, 1.7], 0.6, ARD=True), X),
        ("Poly", k.Poly(2, 1.3, 0.8, 0.6, order=3.0), X),
        ("StdPeriodic", k.StdPeriodic(2, 1.3, 1.7, 0.8), X),
        ("StdPeriodic ARD", k.StdPeriodic(2, 1.3, [1.7, 2.3], [0.8, 1.2], ARD1=True, ARD2=True), X),
        ("PeriodicExponential", k.PeriodicExponential(1, 1.3, 0.8, 6.1), line),
        ("PeriodicMatern32", k.PeriodicMatern32(1, 1.3, 0.8, 6.1), line),
        ("PeriodicMatern52", k.PeriodicMatern52(1, 1.3, 0.8, 6.1), line),
        ("Brownian", k.Brownian(1, 1.3), times),
        ("Spline", k.Spline(1, 1.3), times),
        ("TruncLinear", k.TruncLinear(2, 1.3, 0.2), X),
        ("White", k.White(2, 1.3), X),
        ("Bias", k.Bias(2, 1.3), X),
        ("sum", k.RBF(2, 1.3, 0.8) + k.Linear(2, 0.7), X),
        ("product", k.RBF(2, 1.3, 0.8) * k.Matern32(2, 0.7, 1.4), X),
        ("active dimensions", k.RBF(1, 1.3, 0.8, active_dims=[1]) + k.Bias(2, 0.3), X),
        ("LogisticBasisFuncKernel", k.LogisticBasisFuncKernel(1, [0.2, 1.1], 1.3, 1.4), times),
        ("PolynomialBasisFuncKernel", k.PolynomialBasisFuncKernel(1, 3, 1.3), line),
        ("LinearSlopeBasisFuncKernel", k.LinearSlopeBasisFuncKernel(1, 0.1, 3.1, 1.3), times),
        ("ChangePointBasisFuncKernel", k.ChangePointBasisFuncKernel(1, 0.9, 1.3), times),
    ):
        yield from _of_kernel(name, kind, inputs, Z[:, : inputs.shape[1]])


def _of_kernel(name: str, kind: Any, X: np.ndarray, Z: np.ndarray) -> Iterator[Derivative]:
    start = np.array(kind.param_array)
    if name in ("Brownian", "Spline", "LinearSlopeBasisFuncKernel", "ChangePointBasisFuncKernel",
                "LogisticBasisFuncKernel"):  # fmt: skip
        Z = np.abs(Z) + 0.3

    def moved(theta: np.ndarray) -> Any:
        kind[:] = theta
        return kind

    def parameters(theta: np.ndarray, c: np.ndarray, form: str, *inputs: Any) -> np.ndarray:
        # A kernel matrix of one set of inputs is symmetric, and so must be what is handed back.
        c = (c + c.T) / 2 if inputs[-1] is None else c
        getattr(moved(theta), form)(c, *inputs)
        return np.array(kind.gradient)

    yield Derivative(
        f"kernel {name} update_gradients_full", lambda t: moved(t).K(X),
        lambda t, c: parameters(t, c, "update_gradients_full", X, None), start,
    )  # fmt: skip
    if name not in ("White",):
        yield Derivative(
            f"kernel {name} update_gradients_full of two", lambda t: moved(t).K(X, Z),
            lambda t, c: parameters(t, c, "update_gradients_full", X, Z), start,
        )  # fmt: skip
    if name in ("Poly", "Brownian", "Spline") or "Periodic" in name[:8]:
        return  # No derivative of the diagonal, nor in the inputs.
    yield Derivative(
        f"kernel {name} update_gradients_diag", lambda t: moved(t).Kdiag(X),
        lambda t, c: parameters(t, c, "update_gradients_diag", X), start,
    )  # fmt: skip
    if name in ("White", "Bias") or "Basis" in name:
        return  # Constant, or not implemented.
    yield Derivative(
        f"kernel {name} gradients_X", lambda x: moved(start).K(x, Z),
        lambda x, c: moved(start).gradients_X(c, x, Z), X,
    )  # fmt: skip
    yield Derivative(
        f"kernel {name} gradients_X of one", lambda x: moved(start).K(x),
        lambda x, c: moved(start).gradients_X((c + c.T) / 2, x, None), X,
    )  # fmt: skip


def _mappings() -> Iterator[Derivative]:
    from GPy import kern, mappings

    random = np.random.default_rng(2)
    X = random.normal(size=(6, 2))
    for name, mapping in (
        ("Linear", mappings.Linear(2, 3)),
        ("MLP", mappings.MLP(2, 3, hidden_dim=4)),
        ("MLPext", mappings.MLPext(2, 3, hidden_dims=[4, 3])),
        ("Kernel", mappings.Kernel(2, 3, random.normal(size=(4, 2)), kern.RBF(2))),
        ("Constant", mappings.Constant(2, 3, 0.7)),
        ("Additive", mappings.Additive(mappings.Linear(2, 3), mappings.MLP(2, 3, hidden_dim=2))),
        ("Compound", mappings.Compound(mappings.Linear(2, 3), mappings.MLP(3, 2, hidden_dim=2))),
    ):
        start = 0.5 * random.normal(size=mapping.size) + 0.1

        def moved(theta: np.ndarray, mapping: Any = mapping) -> Any:
            mapping[:] = theta
            return mapping

        def gradient(theta, c, moved=moved) -> np.ndarray:
            moved(theta).update_gradients(c, X)
            return np.array(moved(theta).gradient)

        yield Derivative(
            f"mapping {name} update_gradients", lambda t, m=moved: m(t).f(X), gradient, start
        )
        if name != "Constant":
            yield Derivative(
                f"mapping {name} gradients_X",
                lambda x, m=moved, s=start: m(s).f(x),
                lambda x, c, m=moved, s=start: m(s).gradients_X(c, x),
                X,
            )
