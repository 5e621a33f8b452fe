"""NumPy: derivatives and integrals of its polynomial series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "NumPy",
    "numpy",
    "numpy",
    conventions=("`deriv` and `integ` count in the series' own variable, not in its window.",),
)

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    random = np.random.default_rng(0)
    x = np.array([-0.9, -0.4, 0.1, 0.6, 1.1])
    for name in ("Polynomial", "Chebyshev", "Legendre", "Laguerre", "Hermite", "HermiteE"):
        kind = getattr(np.polynomial, name)
        for domain in (None, [-1.5, 2.5]):
            series = kind(random.normal(size=6), domain=domain)
            by = "" if domain is None else " on another domain"
            for m in (1, 2, 3):
                lower = series.deriv(m - 1) if m > 1 else series
                yield _pair(f"{name}.deriv({m}){by}", lower, series.deriv(m), x)
            yield _pair(f"{name}.integ{by}", series.integ(1, k=[0.7]), series, x)
    plain = np.poly1d(random.normal(size=6))
    yield _pair("poly1d.deriv", plain, plain.deriv(), x)
    yield _pair("poly1d.integ", plain.integ(), plain, x)


def _pair(name, function, derivative, x) -> Derivative:
    return Derivative(name, function, elementwise(derivative), x)
