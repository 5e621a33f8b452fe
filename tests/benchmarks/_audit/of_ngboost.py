"""NGBoost: ``d_score`` of every distribution under every score, in its internal parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "NGBoost",
    "ngboost",
    "ngboost",
    conventions=("`d_score` is in the internal parameters: logarithms of scales and shapes.",),
    left_out="natural gradients (`metric`); scores by Monte Carlo.",
)

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    from ngboost import distns
    from ngboost.distns.cauchy import CauchyFixedVar
    from ngboost.distns.distn import Distn
    from ngboost.distns.multivariate_normal import MultivariateNormal
    from ngboost.distns.normal import NormalFixedMean
    from ngboost.helpers import Y_from_censored
    from ngboost.manifold import manifold
    from ngboost.scores import CRPScore, LogScore

    random = np.random.default_rng(0)
    n = 9
    reals, positive, share = (
        random.normal(size=n),
        random.gamma(2, size=n),
        random.uniform(0.1, 0.9, n),
    )
    counts, binary = random.poisson(2, n), np.arange(n) % 2
    times = Y_from_censored(positive, random.uniform(size=n) > 0.4)
    found = {
        name: kind
        for name, kind in vars(distns).items()
        if isinstance(kind, type) and issubclass(kind, Distn) and hasattr(kind, "n_params")
    }
    found |= {"CauchyFixedVar": CauchyFixedVar, "NormalFixedMean": NormalFixedMean}
    observed = {
        "Poisson": counts, "Exponential": positive, "Gamma": positive, "HalfNormal": positive,
        "Weibull": positive, "Beta": share, "LogitNormal": share, "LogNormal": positive,
        "BetaBernoulli": binary, "BetaBinomial": binary, "Bernoulli": binary,
    }  # fmt: skip

    def of(name: str, kind: Any, score: Any, y: Any) -> Derivative:
        if "censored" in name:
            kind = type(kind.__name__, (kind,), {"scores": kind.censored_scores})
        made = manifold(score, kind)
        return Derivative(
            name,
            lambda x: made(x).score(y),
            lambda x, c: (c[:, None] * made(x).d_score(y)).T,
            0.4 * random.normal(size=(kind.n_params, n)),
        )

    for name, kind in found.items():
        y = observed.get(name, reals)
        for score in (LogScore, CRPScore):
            for listed, data, by in (
                (getattr(kind, "scores", ()), y, ""),
                (getattr(kind, "censored_scores", ()), times, " censored"),
            ):
                if any(issubclass(one, score) for one in listed):
                    yield of(f"{name} {score.__name__}{by} d_score", kind, score, data)
    for classes in (2, 3, 4):
        kind = distns.k_categorical(classes)
        yield of(
            f"k_categorical({classes}) LogScore d_score", kind, LogScore, np.arange(n) % classes
        )
    for size in (1, 2, 3):
        kind = MultivariateNormal(size)
        y = random.normal(size=(n, size))
        yield of(f"MultivariateNormal({size}) LogScore d_score", kind, LogScore, y)
