"""glum: links, unit deviances, rows of gradient and Hessian of every distribution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "glum",
    "glum",
    "glum",
    conventions=(
        (
            "`rowwise_gradient_hessian` returns the gradient of the log-likelihood, minus half "
            "the deviance's, and as Hessian the expected one (Fisher information) where the link "
            "is not canonical."
        ),
    ),
    left_out="the solvers; formulas.",
)

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    import glum
    from glum import _distribution as dist
    from glum import _link as links

    random = np.random.default_rng(0)
    share, positive = random.uniform(0.1, 0.9, 8), random.gamma(3, size=8) + 0.2
    reals = random.normal(size=8)
    for name, link, mu in (
        ("IdentityLink", links.IdentityLink(), reals),
        ("LogLink", links.LogLink(), positive),
        ("LogitLink", links.LogitLink(), share),
        ("CloglogLink", links.CloglogLink(), share),
        *((f"TweedieLink {p}", links.TweedieLink(p), positive) for p in (0, 1, 1.5, 2, 3)),
    ):
        eta = link.link(mu)
        yield Derivative(f"{name} derivative", link.link, elementwise(link.derivative), mu)
        yield Derivative(
            f"{name} inverse_derivative", link.inverse, elementwise(link.inverse_derivative), eta
        )
        if name not in ("IdentityLink", "TweedieLink 0"):  # Constant.
            yield Derivative(
                f"{name} inverse_derivative2",
                link.inverse_derivative,
                elementwise(link.inverse_derivative2),
                eta,
            )
    log, identity, w = links.LogLink(), links.IdentityLink(), random.uniform(0.5, 2, 8)
    counts = np.floor(positive)
    for name, family, y, mu, its in (
        ("Normal", glum.NormalDistribution(), reals, reals + 0.5, (identity, log)),
        ("Poisson", glum.PoissonDistribution(), counts, positive + 0.3, (log, identity)),
        ("Gamma", glum.GammaDistribution(), positive, positive + 0.3, (log, identity)),
        ("InverseGaussian", glum.InverseGaussianDistribution(), positive, positive + 0.3, (log,)),
        ("Binomial", glum.BinomialDistribution(), share, share[::-1].copy(),
         (links.LogitLink(), links.CloglogLink())),
        ("NegativeBinomial", glum.NegativeBinomialDistribution(0.7), counts, positive + 0.3,
         (log,)),
        ("GeneralizedHyperbolicSecant", dist.GeneralizedHyperbolicSecant(), reals,
         reals + 0.5, (identity,)),
        *(
            (f"Tweedie {p}", glum.TweedieDistribution(p), positive, positive + 0.3, (log, identity))
            for p in (0, 1, 1.5, 2, 3)
        ),
    ):  # fmt: skip
        yield from _family(name, family, y, mu, its, w)


def _family(name: str, family: Any, y: Any, mu: Any, its: Any, w: Any) -> Iterator[Derivative]:
    yield Derivative(
        f"{name} unit_deviance_derivative",
        lambda mu: family.unit_deviance(y, mu),
        elementwise(lambda mu: family.unit_deviance_derivative(y, mu)),
        mu,
    )
    yield Derivative(
        f"{name} deviance_derivative",
        lambda mu: family.deviance(y, mu, sample_weight=w),
        lambda mu, c: family.deviance_derivative(y, mu, sample_weight=w),
        mu,
    )
    if name not in ("Normal", "Tweedie 0"):  # Constant.
        yield Derivative(
            f"{name} unit_variance_derivative",
            family.unit_variance,
            elementwise(family.unit_variance_derivative),
            mu,
        )
    for link in its:

        def rows(eta: np.ndarray, link: Any = link) -> Any:
            return family.rowwise_gradient_hessian(
                link, None, 1.0, None, y, w, eta, link.inverse(eta)
            )

        eta = link.link(np.abs(mu) + 0.1 if type(link).__name__ == "LogLink" else mu)
        yield Derivative(
            f"{name} {type(link).__name__} gradient rows",
            lambda eta, link=link: -0.5 * family.deviance(y, link.inverse(eta), sample_weight=w),
            lambda eta, c, rows=rows: rows(eta)[0],
            eta,
        )
