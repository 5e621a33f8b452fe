"""statsmodels: likelihoods, links, norms, penalties, copulas, rotations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise, jacobian
from ._statsmodels_likelihoods import likelihoods

LIBRARY = Library(
    "statsmodels",
    "statsmodels",
    "statsmodels",
    conventions=(
        "`SCAD` and other penalties return the diagonal of the Hessian from `deriv2`.",
        (
            "Second derivatives of zero-inflated, truncated and censored count models other than "
            "`ZeroInflatedPoisson` are numerical: not checked."
        ),
        "`PSD.deriv` is packed: entries below the diagonal count twice.",
    ),
    left_out="state-space models (their scores are numerical or by complex step); GEE; the "
    "sandbox.",
)

FAULTS = (
    Fault(
        "`ZeroInflatedPoisson.hessian`: the block between inflation and mean",
        ("ZeroInflatedPoisson logit hessian",),
        "`GenericZeroInflated.hessian` writes the block into the upper triangle and then copies "
        "the lower one, zeros, over it. The block of `_hessian_logit` lacks a factor besides.",
        "`d²l/dβ dγ = Σ_{y=0} w (1 - w) μ exp(-μ) / p0² · x zᵀ` with `p0 = w + (1 - w) exp(-μ)`; "
        "`_hessian_logit` has `w (1 - w) μ / p0`.",
        "Algebra; differences of `score` (agree with the formula to 1e-9).",
        "[#7632](https://github.com/statsmodels/statsmodels/issues/7632), open, says that the "
        "code does not look correct.",
        """\
import numpy as np; from statsmodels.discrete.count_model import ZeroInflatedPoisson
y, x = np.array([0, 0, 1, 0, 2, 3.0]), np.ones((6, 1)); b = np.array([-0.4, 0.3])
m = ZeroInflatedPoisson(y, x, exog_infl=x); e = np.array([0, 1e-6])
print(m.hessian(b)[0, 1], (m.score(b + e)[0] - m.score(b - e)[0]) / 2e-6)""",
    ),
    Fault(
        "Truncated count models: `score` and `score_obs` with another power than the default",
        ("TruncatedLFNegativeBinomialP p=1 *", "TruncatedLFGeneralizedPoisson p=2 *"),
        "`TruncatedLFGeneric.score_obs` makes `model_main.__class__(...)` anew without `p`: the "
        "term of the truncation belongs to `p=2` (negative binomial) or `p=1` (generalized "
        "Poisson) whatever `p` is. `p=2` is the default of `TruncatedLFGeneralizedPoisson`.",
        "The model in the loop needs the `p` of `model_main` (`model_main._get_init_kwds()` holds "
        "it).",
        "Differences of `loglike`; with `p` handed on the two agree to 1e-8.",
        "",
        """\
import numpy as np; from statsmodels.discrete.truncated_model import TruncatedLFGeneralizedPoisson
y, b, e = np.array([1, 1, 2, 4.0]), np.array([0.5, 0.4]), np.array([0, 1e-6])
m = TruncatedLFGeneralizedPoisson(y, np.ones((4, 1)))
print(m.score(b)[1], (m.loglike(b + e) - m.loglike(b - e)) / 2e-6)""",
    ),
    Fault(
        "`NegativeBinomialP.hessian` and `hessian_factor` with p other than 1 and 2",
        ("NegativeBinomialP p=3 hessian",),
        "In the block between mean and `alpha` stands `p / mu * (a3 + p * a1) / a2`.",
        "`p / mu * (a3 + a1) / a2` (in the code's letters; the two agree where `p`, that is `2 - "
        "parameterization`, is 1 or 0); likewise `a4` in `hessian_factor` without its `p`.",
        "Algebra; differences of `score`.",
        "Not looked for.",
        """\
import numpy as np; from statsmodels.discrete.discrete_model import NegativeBinomialP
y, b, e = np.array([0, 1, 2, 5.0]), np.array([0.5, 0.7]), np.array([0, 1e-6])
m = NegativeBinomialP(y, np.ones((4, 1)), p=3)
print(m.hessian(b)[0, 1], (m.score(b + e)[0] - m.score(b - e)[0]) / 2e-6)""",
    ),
    Fault(
        "`NegativeBinomialP` and `GeneralizedPoisson`: score with `use_transparams=True`",
        ("NegativeBinomialP ln alpha score", "GeneralizedPoisson ln alpha score"),
        "The parameter is `ln alpha`, and the score's last entry is squared.",
        "Multiplied by `alpha = exp(params[-1])`.",
        "Algebra (chain rule); differences of `loglike`.",
        "[#7522](https://github.com/statsmodels/statsmodels/issues/7522), open.",
        """\
import numpy as np; from statsmodels.discrete.discrete_model import NegativeBinomialP
y, b, e = np.array([0, 1, 2, 5.0]), np.array([0.5, -0.4]), np.array([0, 1e-6])
m = NegativeBinomialP(y, np.ones((4, 1))); m._transparams = True  # fit(use_transparams=True)
print(m.score(b)[1], (m.loglike(b + e) - m.loglike(b - e)) / 2e-6)""",
    ),
    Fault(
        "`NegativeBinomial.hessian` of a model before `fit`",
        ("NegativeBinomial nb? ln alpha hessian",),
        "Until `fit` is over, `_transparams` is true: the last parameter is `ln alpha`, `loglike` "
        "and `score` are in it, `hessian` is the one in `alpha`.",
        "Row and column of the parameter times `alpha`, and `alpha * dl/dalpha` added to the last "
        "entry.",
        "Algebra (chain rule); differences of `score`. With `_transparams = False` all agree.",
        "Not looked for.",
        """\
import numpy as np; from statsmodels.discrete.discrete_model import NegativeBinomial
y, b, e = np.array([0, 1, 2, 5.0]), np.array([0.5, -0.4]), np.array([0, 1e-6])
m = NegativeBinomial(y, np.ones((4, 1)))
print(m.hessian(b)[1, 1], (m.score(b + e)[1] - m.score(b - e)[1]) / 2e-6)""",
    ),
    Fault(
        "Frank copula: `TransfFrank.deriv` and `deriv2` have the other sign",
        ("copula Frank * deriv", "copula Frank * deriv2_inverse"),
        "`-theta * exp(-t theta) / (exp(-t theta) - 1)` is positive, the generator falls. "
        "`deriv2` is the derivative of that, negative, where the generator is convex. "
        "(`deriv2_inverse` itself is right; it is checked against `1 / deriv`.)",
        "`deriv = theta / (1 - exp(theta t))`, `deriv2 = theta² exp(theta t) / (exp(theta t) - "
        "1)²`.",
        "Algebra; complex step of `evaluate`.",
        "",
        """\
import numpy as np; from statsmodels.distributions.copula.transforms import TransfFrank
f = TransfFrank()
print(f.deriv(0.4, 2.0), np.imag(f.evaluate(0.4 + 1e-20j, 2.0)) / 1e-20)""",
    ),
    Fault(
        "Gumbel copula: `TransfGumbel.deriv2` is NaN unless theta is whole",
        ("copula Gumbel theta=1.4 deriv2",),
        "`log(t) ** (theta - 1)` takes a power of a negative number, and `(-1) ** (1 + theta)` "
        "makes the result complex.",
        "With `s = -log(t)`: `theta s**(theta - 2) (theta - 1 + s) / t²`.",
        "Algebra; complex step of `deriv` (agrees with the formula to 1e-15).",
        "",
        """\
import numpy as np; from statsmodels.distributions.copula.transforms import TransfGumbel
f = TransfGumbel()
print(np.real(f.deriv2(np.float64(0.4), 1.4)), np.imag(f.deriv(0.4 + 1e-20j, 1.4)) / 1e-20)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    yield from likelihoods()
    yield from _links_and_variances()
    yield from _norms_and_penalties()
    yield from _copulas()
    yield from _rotations()


def _links_and_variances() -> Iterator[Derivative]:
    from scipy import stats
    from statsmodels.genmod.families import links, varfuncs

    share = np.array([0.07, 0.2, 0.35, 0.5, 0.66, 0.9])
    positive = np.array([0.2, 0.7, 1.4, 2.2, 3.9, 6.1])
    for link, p in (
        (links.Logit(), share),
        (links.Probit(), share),
        (links.Cauchy(), share),
        (links.CLogLog(), share),
        (links.LogLog(), share),
        (links.LogC(), share),
        (links.CDFLink(stats.logistic), share),
        (links.CDFLink(stats.gumbel_r), share),
        (links.Log(), positive),
        (links.Identity(), positive),
        (links.Sqrt(), positive),
        (links.InversePower(), positive),
        (links.InverseSquared(), positive),
        (links.Power(0.3), positive),
        (links.Power(-1.7), positive),
        (links.NegativeBinomial(0.6), positive),
    ):
        detail = {"CDFLink": lambda k: f" {k.dbn.name}", "Power": lambda k: f" {k.power}"}
        name = type(link).__name__
        name = f"link {name}{detail.get(name, lambda k: '')(link)}"
        z = link(p)
        yield Derivative(f"{name} deriv", link, elementwise(link.deriv), p)
        yield Derivative(f"{name} inverse_deriv", link.inverse, elementwise(link.inverse_deriv), z)
        if name != "link Identity":  # Constant.
            yield Derivative(f"{name} deriv2", link.deriv, elementwise(link.deriv2), p)
            yield Derivative(
                f"{name} inverse_deriv2", link.inverse_deriv, elementwise(link.inverse_deriv2), z
            )
    for name, variance, mu in (
        ("Power 1", varfuncs.Power(1), positive),
        ("Power 2", varfuncs.Power(2), positive),
        ("Power 1.5", varfuncs.Power(1.5), positive),
        ("Binomial", varfuncs.Binomial(), share),
        ("Binomial n=7", varfuncs.Binomial(7), 7 * share),
        ("NegativeBinomial", varfuncs.NegativeBinomial(0.6), positive),
    ):
        yield Derivative(f"variance {name} deriv", variance, elementwise(variance.deriv), mu)


def _norms_and_penalties() -> Iterator[Derivative]:
    from statsmodels.base import _penalties as penalties
    from statsmodels.gam import gam_penalties, smooth_basis
    from statsmodels.robust import norms

    z = np.array([-4.3, -2.4, -1.7, -0.9, -0.2, 0.4, 1.2, 2.1, 3.3, 5.6])
    for norm in (
        norms.LeastSquares(),
        norms.HuberT(),
        norms.RamsayE(),
        norms.AndrewWave(),
        norms.TrimmedMean(),
        norms.Hampel(),
        norms.TukeyBiweight(),
        norms.TukeyQuartic(),
        norms.StudentT(),
        norms.MQuantileNorm(0.3, norms.HuberT()),
    ):
        name = f"norm {type(norm).__name__}"
        yield Derivative(f"{name} psi", norm.rho, elementwise(norm.psi), z)
        yield Derivative(f"{name} psi_deriv", norm.psi, elementwise(norm.psi_deriv), z)
    b = np.array([-2.9, -0.6, -0.05, 0.3, 1.1, 4.7])
    w = np.array([0.5, 1.0, 1.5, 2.0, 0.7, 1.2])
    for penalty in (
        penalties.L2(w),
        penalties.PseudoHuber(0.7, w),
        penalties.SCAD(0.6, weights=w),
        penalties.SCADSmoothed(0.6, weights=w),
    ):
        name = f"penalty {type(penalty).__name__}"
        yield Derivative(f"{name} deriv", penalty.func, jacobian(penalty.deriv), b)
        yield Derivative(f"{name} deriv2", penalty.deriv, elementwise(penalty.deriv2), b)
    univariate = penalties.L2Univariate(w)
    yield Derivative(
        "penalty L2Univariate deriv", univariate.func, elementwise(univariate.deriv), b
    )
    yield Derivative(
        "penalty L2Univariate deriv2", univariate.deriv, elementwise(univariate.deriv2), b
    )
    restriction = np.diff(np.eye(6), axis=0)
    for name, base in (
        ("L2", penalties.L2Univariate()),
        ("SCADSmoothed", penalties.SCADSmoothed(0.6)),
    ):
        constrained = penalties.ConstraintsPenalty(base, weights=None, restriction=restriction)
        yield Derivative(
            f"penalty Constraints {name} deriv", constrained.func, jacobian(constrained.deriv), b
        )
        yield Derivative(
            f"penalty Constraints {name} deriv2", constrained.deriv, jacobian(constrained.deriv2), b
        )
    psd = penalties.PSD(1.3)
    matrix = np.cov(np.random.default_rng(1).normal(size=(3, 20)))
    yield Derivative(
        "penalty PSD deriv",
        lambda M: psd.func((M + M.T) / 2, np.linalg.inv((M + M.T) / 2)),
        lambda M, c: _square(psd.deriv((M + M.T) / 2, np.linalg.inv((M + M.T) / 2)), 3),
        matrix,
    )
    x = np.random.default_rng(2).uniform(size=(30, 2))
    splines = smooth_basis.BSplines(x, df=[6, 5], degree=[3, 3], include_intercept=False)
    one = gam_penalties.UnivariateGamPenalty(splines.smoothers[0], alpha=0.8)
    many = gam_penalties.MultivariateGamPenalty(splines, alpha=[0.8, 1.7])
    for name, gam, size in (
        ("Univariate", one, splines.smoothers[0].dim_basis),
        ("Multivariate", many, splines.dim_basis),
    ):
        at = np.random.default_rng(3).normal(size=size)
        yield Derivative(f"penalty {name}Gam deriv", gam.func, jacobian(gam.deriv), at)
        yield Derivative(f"penalty {name}Gam deriv2", gam.deriv, jacobian(gam.deriv2), at)
    for smoother in (0, 1):
        basis = splines.smoothers[smoother]
        for order in (1, 2):
            yield Derivative(
                f"BSplines basis {smoother} derivative {order}",
                lambda x, s=basis, k=order: (
                    s.transform(x, deriv=k - 1) @ np.arange(1.0, s.dim_basis + 1)
                ),
                elementwise(
                    lambda x, s=basis, k=order: (
                        s.transform(x, deriv=k) @ np.arange(1.0, s.dim_basis + 1)
                    )
                ),
                np.array([0.15, 0.33, 0.52, 0.71, 0.87]),
            )


def _square(packed: np.ndarray, n: int) -> np.ndarray:
    """Unpack the gradient on the lower triangle, each entry below the diagonal counting twice."""
    full = np.zeros((n, n))
    full[np.tril_indices(n)] = packed
    return (full + full.T) / 2


def _copulas() -> Iterator[Derivative]:
    from statsmodels.distributions.copula import depfunc_ev as ev
    from statsmodels.distributions.copula import transforms as tr

    t = np.array([0.08, 0.23, 0.41, 0.64, 0.83, 0.95])
    phi = np.array([0.11, 0.42, 0.9, 1.7, 3.1])
    for name, transform, thetas in (
        ("Frank", tr.TransfFrank(), (0.7, 3.1)),
        ("Clayton", tr.TransfClayton(), (0.6, 2.3)),
        ("Gumbel", tr.TransfGumbel(), (1.4, 2.0, 3.0)),
        ("Indep", tr.TransfIndep(), (0.5,)),
    ):
        for a in thetas:
            of = f"copula {name} theta={a}"
            pairs = [("deriv", "evaluate", t), ("deriv2", "deriv", t)]
            pairs += [(f"deriv{k}_inverse", f"deriv{k - 1}_inverse", phi) for k in (3, 4)]
            if hasattr(transform, "deriv_inverse"):
                pairs += [
                    ("deriv_inverse", "inverse", phi),
                    ("deriv2_inverse", "deriv_inverse", phi),
                ]
            for derivative, function, at in pairs:
                f, slope = getattr(transform, function), getattr(transform, derivative)
                yield Derivative(
                    f"{of} {derivative}",
                    lambda x, f=f, a=a: f(x, a),
                    elementwise(lambda x, f=slope, a=a: f(x, a)),
                    at,
                )
            if not hasattr(transform, "deriv_inverse"):
                # The first derivative of the inverse is 1 / deriv at the inverse.
                yield Derivative(
                    f"{of} deriv2_inverse",
                    lambda p, f=transform, a=a: 1 / f.deriv(f.inverse(p, a), a),
                    elementwise(lambda p, f=transform, a=a: f.deriv2_inverse(p, a)),
                    phi,
                )
            if name == "Clayton":
                for k in (1, 2, 3):
                    yield Derivative(
                        f"{of} derivk_inverse k={k}",
                        (lambda p, f=transform, a=a: f.inverse(p, a))
                        if k == 1
                        else (lambda p, f=transform, a=a, k=k: f.derivk_inverse(k - 1, p, a)),
                        elementwise(lambda p, f=transform, a=a, k=k: f.derivk_inverse(k, p, a)),
                        phi,
                    )
    for dependence, arguments in (
        (ev.AsymLogistic(), (0.6, 0.8, 0.5)),
        (ev.AsymNegLogistic(), (0.6, 0.8, 0.7)),
        (ev.AsymMixed(), (0.4, 0.1)),
        (ev.HR(), (1.3,)),
    ):
        of = f"dependence {type(dependence).__name__}"
        yield Derivative(
            f"{of} deriv",
            lambda x, d=dependence, a=arguments: d.evaluate(x, *a),
            elementwise(lambda x, d=dependence, a=arguments: d.deriv(x, *a)),
            t,
        )
        yield Derivative(
            f"{of} deriv2",
            lambda x, d=dependence, a=arguments: d.deriv(x, *a),
            elementwise(lambda x, d=dependence, a=arguments: d.deriv2(x, *a)),
            t,
        )


def _rotations() -> Iterator[Derivative]:
    from statsmodels.multivariate.factor_rotation import _gpa_rotation as gpa

    random = np.random.default_rng(4)
    L, H = random.normal(size=(6, 3)), random.normal(size=(6, 3))
    W = (random.uniform(size=(6, 3)) > 0.4).astype(float)
    for method in ("orthogonal", "oblique"):
        for gamma in (0, 0.5, 1):
            yield Derivative(
                f"oblimin_objective {method} gamma={gamma}",
                lambda L, m=method, g=gamma: gpa.oblimin_objective(
                    L=L, gamma=g, rotation_method=m, return_gradient=False
                ),
                lambda L, c, m=method, g=gamma: gpa.oblimin_objective(
                    L=L, gamma=g, rotation_method=m
                )[1],
                L,
            )
        for kappa in (0, 0.3, 1):
            yield Derivative(
                f"CF_objective {method} kappa={kappa}",
                lambda L, m=method, k=kappa: gpa.CF_objective(
                    L=L, kappa=k, rotation_method=m, return_gradient=False
                ),
                lambda L, c, m=method, k=kappa: gpa.CF_objective(L=L, kappa=k, rotation_method=m)[
                    1
                ],
                L,
            )
    for gamma in (0, 0.5, 1):
        yield Derivative(
            f"orthomax_objective gamma={gamma}",
            lambda L, g=gamma: gpa.orthomax_objective(L=L, gamma=g, return_gradient=False),
            lambda L, c, g=gamma: gpa.orthomax_objective(L=L, gamma=g)[1],
            L,
        )
    yield Derivative(
        "vgQ_target", lambda L: gpa.vgQ_target(H, L=L)[0], lambda L, c: gpa.vgQ_target(H, L=L)[1], L
    )
    yield Derivative(
        "vgQ_partial_target",
        lambda L: gpa.vgQ_partial_target(H, W, L=L)[0],
        lambda L, c: gpa.vgQ_partial_target(H, W, L=L)[1],
        L,
    )
