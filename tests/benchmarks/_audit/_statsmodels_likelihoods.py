"""statsmodels: scores and Hessians of its likelihoods; ``of_statsmodels`` lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, elementwise, jacobian

__all__ = ["likelihoods"]


def likelihoods() -> Iterator[Derivative]:
    yield from _counts_and_choices()
    yield from _zero_inflated_and_truncated()
    yield from _generalized_linear()
    yield from _other_likelihoods()


def _likelihood(name: str, model: Any, at: Any, keywords: Any = None, **which: bool) -> Iterator:
    """The score of the log-likelihood, by row, and the Hessian of the score."""
    k = keywords or {}
    if which.get("score", True):
        yield Derivative(
            f"{name} score", lambda b: model.loglike(b, **k), lambda b, c: model.score(b, **k), at
        )
    if which.get("obs", True):
        yield Derivative(
            f"{name} score_obs",
            lambda b: model.loglikeobs(b),
            jacobian(lambda b: model.score_obs(b)),
            at,
        )
    if which.get("hessian", True):
        yield Derivative(
            f"{name} hessian",
            lambda b: np.asarray(model.score(b, **k)),
            jacobian(lambda b: model.hessian(b, **k)),
            at,
        )


def _data() -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = np.column_stack([np.ones(40), random.normal(size=(40, 2))])
    return random, X, random.poisson(np.exp(0.6 + 0.3 * X[:, 1])).astype(float)


def _counts_and_choices() -> Iterator[Derivative]:
    from statsmodels.discrete import conditional_models as conditional
    from statsmodels.discrete import discrete_model as dm
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    random, X, y = _data()
    binary = (X[:, 1] + random.logistic(size=40) > 0).astype(float)
    b = np.array([0.3, -0.2, 0.4])
    yield from _likelihood("Logit", dm.Logit(binary, X), b)
    yield from _likelihood("Probit", dm.Probit(binary, X), b)
    yield from _likelihood("Poisson", dm.Poisson(y, X), b)
    yield from _likelihood(
        "Poisson offset", dm.Poisson(y, X, offset=0.1 * X[:, 2], exposure=np.full(40, 1.3)), b
    )
    for kind in ("nb2", "nb1"):
        for logarithm in (False, True):
            model = dm.NegativeBinomial(y, X, loglike_method=kind)
            model._transparams = logarithm
            name = f"NegativeBinomial {kind}{' ln alpha' if logarithm else ''}"
            yield from _likelihood(name, model, np.append(b, 0.7), obs=False)
    yield from _likelihood(
        "NegativeBinomial geometric", dm.NegativeBinomial(y, X, loglike_method="geometric"), b
    )
    for p in (1, 2, 3):
        yield from _likelihood(
            f"NegativeBinomialP p={p}", dm.NegativeBinomialP(y, X, p=p), np.append(b, 0.7)
        )
    for p in (0, 0.5, 1, 2):
        yield from _likelihood(
            f"GeneralizedPoisson p={p}", dm.GeneralizedPoisson(y, X, p=p), np.append(b, 0.4)
        )
    for kind in (dm.NegativeBinomialP, dm.GeneralizedPoisson):
        model = kind(y, X)
        model._transparams = True  # As fit(use_transparams=True) has it.
        yield from _likelihood(
            f"{kind.__name__} ln alpha", model, np.append(b, -0.4), obs=False, hessian=False
        )
    choice = np.arange(40) % 3
    logit = dm.MNLogit(choice, X)
    yield from _likelihood("MNLogit", logit, 0.3 * random.normal(size=6), obs=False)
    groups = np.repeat(np.arange(10), 4)
    for name, model, size in (
        ("ConditionalLogit", conditional.ConditionalLogit(binary, X[:, 1:], groups=groups), 2),
        ("ConditionalPoisson", conditional.ConditionalPoisson(y, X[:, 1:], groups=groups), 2),
        ("ConditionalMNLogit", conditional.ConditionalMNLogit(choice, X[:, 1:], groups=groups), 4),
    ):
        at = 0.3 * random.normal(size=size)
        yield from _likelihood(name, model, at, obs=False, hessian=False)
    for distr in ("logit", "probit"):
        ordered = OrderedModel(choice, X[:, 1:], distr=distr)
        yield Derivative(
            f"OrderedModel {distr} score_obs_",
            lambda b, m=ordered: m.loglikeobs(np.append(b, [-0.4, 0.2])),
            jacobian(lambda b, m=ordered: m.score_obs_(np.append(b, [-0.4, 0.2]))),
            np.array([0.2, -0.3]),
        )


def _zero_inflated_and_truncated() -> Iterator[Derivative]:
    from statsmodels.discrete import count_model as cm
    from statsmodels.discrete import truncated_model as tm

    random, X, y = _data()
    y = y * (random.uniform(size=40) > 0.3)
    Z = X[:, :2]
    b = np.array([0.3, -0.2, 0.4])
    inflation = {"logit": np.array([-0.4, 0.3]), "probit": np.array([-0.3, 0.2])}
    for link, a in inflation.items():
        keywords = {"exog_infl": Z, "inflation": link}
        yield from _likelihood(
            f"ZeroInflatedPoisson {link}",
            cm.ZeroInflatedPoisson(y, X, **keywords), np.append(a, b),
            hessian=link == "logit",
        )  # fmt: skip
        for p in (1, 2):
            at = np.concatenate([a, b, [0.6]])
            yield from _likelihood(
                f"ZeroInflatedGeneralizedPoisson p={p} {link}",
                cm.ZeroInflatedGeneralizedPoisson(y, X, p=p, **keywords), at, hessian=False,
            )  # fmt: skip
            yield from _likelihood(
                f"ZeroInflatedNegativeBinomialP p={p} {link}",
                cm.ZeroInflatedNegativeBinomialP(y, X, p=p, **keywords), at, hessian=False,
            )  # fmt: skip
    for truncation in (0, 1):
        kept = y > truncation
        yt, Xt = y[kept], X[kept]
        yield from _likelihood(
            f"TruncatedLFPoisson {truncation}",
            tm.TruncatedLFPoisson(yt, Xt, truncation=truncation),
            b, hessian=truncation == 0,
        )  # fmt: skip
        for p in (1, 2):
            at = np.append(b, 0.4)
            yield from _likelihood(
                f"TruncatedLFNegativeBinomialP p={p} {truncation}",
                tm.TruncatedLFNegativeBinomialP(yt, Xt, truncation=truncation, p=p), at,
                hessian=False,
            )  # fmt: skip
            yield from _likelihood(
                f"TruncatedLFGeneralizedPoisson p={p} {truncation}",
                tm.TruncatedLFGeneralizedPoisson(yt, Xt, truncation=truncation, p=p), at,
                hessian=False,
            )  # fmt: skip
    yield from _likelihood("_RCensoredPoisson", tm._RCensoredPoisson(y, X), b, hessian=False)
    for name, model in (
        ("_RCensoredGeneralizedPoisson", tm._RCensoredGeneralizedPoisson),
        ("_RCensoredNegativeBinomialP", tm._RCensoredNegativeBinomialP),
    ):
        for p in (1, 2):
            yield from _likelihood(
                f"{name} p={p}", model(y, X, p=p), np.append(b, 0.4), hessian=False
            )


def _generalized_linear() -> Iterator[Derivative]:
    from statsmodels.genmod import families as f
    from statsmodels.genmod.generalized_linear_model import GLM

    random, X, y = _data()
    positive, share = random.gamma(3, size=40), random.uniform(0.1, 0.9, 40)
    links = f.links
    b, small = np.array([0.4, -0.1, 0.2]), np.array([1.6, 0.1, -0.1])
    cases: list[tuple[Any, tuple[Any, ...], np.ndarray]] = [
        (f.Poisson, (links.Log, links.Sqrt, links.Identity), y),
        (f.Gaussian, (links.Identity, links.Log, links.InversePower), positive),
        (f.Gamma, (links.InversePower, links.Log, links.Identity), positive),
        (f.InverseGaussian, (links.InverseSquared, links.Log, links.InversePower), positive),
        (
            f.Binomial,
            (links.Logit, links.Probit, links.CLogLog, links.LogLog, links.Cauchy, links.LogC),
            share,
        ),
        (f.NegativeBinomial, (links.Log, links.Identity), y),
        (lambda link: f.Tweedie(link, var_power=1.5, eql=True), (links.Log,), positive),
    ]
    for family, its_links, endog in cases:
        for link in its_links:
            made = family(link=link())
            name = f"GLM {type(made).__name__} {link.__name__}"
            model = GLM(endog, X, family=made, var_weights=random.uniform(0.5, 2, 40))
            at = b if link in (links.Log, links.Logit, links.Probit, links.CLogLog, links.LogLog,
                               links.Cauchy) else small  # fmt: skip
            if link is links.LogC:
                at = np.array([-1.1, 0.1, -0.1])
            yield from _likelihood(name, model, at, {"scale": 1.0}, obs=False)
            yield Derivative(
                f"{name} score_obs",
                lambda b, m=model: m.family.loglike_obs(
                    m.endog, m.predict(b), m.var_weights, scale=1.0
                ),
                jacobian(lambda b, m=model: m.score_obs(b, scale=1.0)),
                at,
            )
            yield Derivative(
                f"{name} _deriv_mean_dparams",
                model.predict,
                jacobian(lambda b, m=model: m._deriv_mean_dparams(b)),
                at,
            )

            def scored(y: np.ndarray, link=link, family=family, at=at) -> np.ndarray:
                return GLM(y, X, family=family(link=link())).score_obs(at, scale=1.0).sum(1)

            yield Derivative(
                f"{name} _deriv_score_obs_dendog",
                scored,
                elementwise(
                    lambda y, link=link, family=family, at=at: (
                        GLM(y, X, family=family(link=link()))
                        ._deriv_score_obs_dendog(at, scale=1.0)
                        .sum(1)
                    )
                ),
                endog + 0.5 if endog is y else endog,
            )


def _other_likelihoods() -> Iterator[Derivative]:
    from statsmodels.duration.hazard_regression import PHReg
    from statsmodels.genmod import bayes_mixed_glm as bayes
    from statsmodels.multivariate.factor import Factor
    from statsmodels.othermod.betareg import BetaModel
    from statsmodels.regression.dimred import CovarianceReduction, SlicedInverseReg
    from statsmodels.regression.linear_model import OLS
    from statsmodels.regression.mixed_linear_model import MixedLM
    from statsmodels.regression.process_regression import GaussianCovariance, ProcessMLE

    random, X, y = _data()
    b = np.array([0.3, -0.2, 0.4])
    share = random.beta(2, 3, 40)
    for link in (None, "CLogLog"):
        from statsmodels.genmod.families import links

        keywords = {} if link is None else {"link": links.CLogLog(), "link_precision": links.Log()}
        beta = BetaModel(share, X, exog_precision=X[:, :2], **keywords)
        yield from _likelihood(f"BetaModel {link or 'Logit'}", beta, np.append(b, [1.1, 0.2]))
    status, strata = (random.uniform(size=40) > 0.3).astype(int), np.arange(40) % 2
    time = np.ceil(8 * random.exponential(size=40)) + 1
    for ties in ("breslow", "efron"):
        for name, extra in (
            ("", {}),
            (" strata", {"strata": strata}),
            (" entry", {"entry": 0.4 * time * random.uniform(size=40)}),
            (" offset", {"offset": 0.3 * X[:, 1]}),
        ):
            model = PHReg(time, X[:, 1:], status=status, ties=ties, **extra)
            yield from _likelihood(f"PHReg {ties}{name}", model, np.array([0.3, -0.4]), obs=False)
    linear = OLS(y, X)
    yield from _likelihood("OLS scale=1.3", linear, b, {"scale": 1.3}, score=False, obs=False)
    yield Derivative("OLS score", linear.loglike, lambda b, c: linear.score(b), b)
    groups = np.repeat(np.arange(10), 4)
    for reml in (True, False):
        for square_root in (True, False):
            mixed = MixedLM(y, X, groups=groups, exog_re=X[:, :2], use_sqrt=square_root)
            mixed.reml, mixed.cov_pen, mixed.fe_pen, mixed._freepat = reml, None, None, None
            yield Derivative(
                f"MixedLM score reml={reml} use_sqrt={square_root}",
                mixed.loglike,
                lambda v, c, m=mixed: m.score(v),
                np.array([0.8, 0.1, 0.5]),
            )
    yield from _processes(GaussianCovariance, ProcessMLE, random, X, y)
    data = random.normal(size=(60, 5)) @ random.normal(size=(5, 5))
    factor = Factor(data, n_factor=2, method="ml")
    yield Derivative(
        "Factor score",
        lambda v: factor.loglike(v),
        lambda v, c: factor.score(v),
        np.concatenate([random.uniform(0.5, 1, 5), 0.5 * random.normal(size=10)]),
    )
    reduction = CovarianceReduction(np.arange(60) % 3, data, 2)
    yield Derivative(
        "CovarianceReduction score",
        lambda v: reduction.loglike(v),
        lambda v, c: np.ravel(reduction.score(v)),
        np.linalg.qr(random.normal(size=(5, 2)))[0].ravel(),
    )
    sliced = SlicedInverseReg(data @ np.ones(5), data)
    sliced.fit_regularized(2, np.ones((2, 5)), n_slice=6, maxiter=1)
    yield Derivative(
        "SlicedInverseReg _regularized_grad",
        sliced._regularized_objective,
        lambda v, c: sliced._regularized_grad(v),
        random.normal(size=10),
    )
    counts = y
    ident = np.repeat([0, 1], [6, 4])
    random_effects = (groups[:, None] == np.arange(10)).astype(float)
    for name, model in (
        ("Binomial", bayes.BinomialBayesMixedGLM),
        ("Poisson", bayes.PoissonBayesMixedGLM),
    ):
        endog = (counts > 1).astype(float) if name == "Binomial" else counts
        made = model(endog, X, random_effects, ident, vcp_p=0.6, fe_p=1.4)
        yield Derivative(
            f"{name}BayesMixedGLM logposterior_grad",
            lambda v, m=made: m.logposterior(v),
            lambda v, c, m=made: m.logposterior_grad(v),
            0.3 * random.normal(size=15),
        )
        yield Derivative(
            f"{name}BayesMixedGLM vb_elbo_grad",
            lambda v, m=made: m.vb_elbo(v["mean"], v["sd"]),
            lambda v, c, m=made: dict(
                zip(("mean", "sd"), m.vb_elbo_grad(v["mean"], v["sd"]), strict=True)
            ),
            {"mean": 0.3 * random.normal(size=15), "sd": random.uniform(0.3, 0.8, 15)},
        )


def _processes(covariance, process, random, X, y) -> Iterator[Derivative]:
    times = np.sort(random.uniform(0, 3, 6))
    kernel = covariance()
    at = {"scale": random.uniform(0.5, 2, 6), "smooth": random.uniform(0.5, 2, 6)}
    yield Derivative(
        "GaussianCovariance.jac",
        lambda v: kernel.get_cov(times, v["scale"], v["smooth"]),
        lambda v, c: {
            name: np.array([np.sum(c * d) for d in part])
            for name, part in zip(
                ("scale", "smooth"), kernel.jac(times, v["scale"], v["smooth"]), strict=True
            )
        },
        at,
    )
    groups, time = np.repeat(np.arange(10), 4), np.tile(np.arange(4.0), 10)
    for noise in (False, True):
        model = process(y, X, X[:, :2], X[:, :1], X[:, :1] if noise else None, time, groups)
        yield Derivative(
            f"ProcessMLE score noise={noise}",
            lambda v, m=model: m.loglike(v),
            lambda v, c, m=model: m.score(v),
            0.3 * random.normal(size=6 + noise),
        )
