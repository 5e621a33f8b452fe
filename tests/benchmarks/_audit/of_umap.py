"""umap-learn: the distances with a gradient, in the first argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "umap-learn",
    "umap-learn",
    "umap",
    conventions=(
        (
            "Euclidean, standardised Euclidean, Mahalanobis and haversine gradients have 1e-6 "
            "added to a denominator: they agree to 1e-6 of the distance only."
        ),
        "Several gradients are float32: they agree to 1e-7.",
    ),
    left_out="distances without a gradient; discrete distances.",
    seen=(
        "`symmetric_kl`, its gradient and `gaussian_energy_grad` overwrite both arguments.",
        "The gradient of `diagonal_gaussian_energy_grad` has two entries more, never set.",
    ),
)

FAULTS = (
    Fault(
        "`bray_curtis_grad` where some `x + y` is negative",
        ("bray_curtis_grad, any sign",),
        "`dist` stands for the derivative of the denominator `Σ |x + y|` times `dist`: the "
        "coordinates of an embedding have either sign.",
        "`(sign(x - y) - dist * sign(x + y)) / denominator`.",
        "Algebra; differences of `bray_curtis`; where all of `x + y` is positive the two agree.",
        "",
        """\
import numpy as np; from umap.distances import bray_curtis, bray_curtis_grad
x, y, e = np.array([0.7, -1.5]), np.array([0.2, -0.4]), np.array([0, 1e-6])
print(bray_curtis_grad(x, y)[1][1], (bray_curtis(x + e, y) - bray_curtis(x - e, y)) / 2e-6)""",
    ),
    Fault(
        "`symmetric_kl_grad`: the arguments are exchanged, their normalisation is left out",
        ("symmetric_kl_grad*",),
        "`(log(y / x) - x / y + 1) / 2`, with both divided by their sums, is the derivative in "
        "the normalised `y`; the other gradients are in `x`.",
        "With `p`, `q` the normalised arguments and `g = (log(p / q) - q / p + 1) / 2`: "
        "`(g - p·g) / sum(x)`.",
        "Algebra; differences of `symmetric_kl` (agree with the formula to 1e-9).",
        "",
        """\
import numpy as np; from umap.distances import symmetric_kl, symmetric_kl_grad
x, y, e = np.array([0.2, 0.8]), np.array([0.5, 0.5]), np.array([0, 1e-6])
f = lambda x: symmetric_kl(x.copy(), y.copy())
print(symmetric_kl_grad(x.copy(), y.copy())[1][1], (f(x + e) - f(x - e)) / 2e-6)""",
    ),
    Fault(
        "`gaussian_energy_grad` in widths and angle",
        ("gaussian_energy_grad",),
        "The derivative of `log(det_sigma)` is left out of `grad[2]`, `grad[3]` and `grad[4]`; "
        "besides, the products `mu_1 * mu_2` of `grad[3]` and `2 * sigma_12` of `grad[4]` have "
        "the other sign.",
        "With `N` the numerator and `D` the determinant, `(N' D - N D' + D D') / D²`, where "
        "`N'` in `x[3]` holds `+ 2 * mu_1 * mu_2 * cos * sin` and `D'` in `x[4]` "
        "`- 2 * sigma_12 * (x[2] - x[3]) * cos(2 * x[4])`.",
        "Algebra; differences of the distance; the other three Gaussian energies are right.",
        "",
        """\
import numpy as np; from umap.distances import gaussian_energy_grad as f
x, y = np.array([0.3, -0.2, 1.0, 2, 0.4]), np.array([1.0, 0.5, 0.8, 0.6, -0.3])
e = np.array([0, 0, 1e-6, 0, 0])
up, down = (f(x + s * e, y.copy())[0] for s in (1, -1))
print(f(x.copy(), y.copy())[1][2], (up - down) / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    from umap import distances as d

    random = np.random.default_rng(0)
    x, y = 2.3 * random.normal(size=6), 2.3 * random.normal(size=6)
    positive, other = random.uniform(0.5, 2, 6), random.uniform(0.5, 2, 6)
    root = random.normal(size=(6, 6))
    inverse = root @ root.T + np.eye(6)
    scales = random.uniform(0.5, 2, 6)
    for name, two, more in (
        ("euclidean_grad", (x, y), ()),
        ("standardised_euclidean_grad", (x, y), (scales,)),
        ("manhattan_grad", (x, y), ()),
        ("chebyshev_grad", (x, y), ()),
        ("minkowski_grad p=2.5", (x, y), (2.5,)),
        ("minkowski_grad p=1.5", (x, y), (1.5,)),
        ("weighted_minkowski_grad p=3", (x, y), (scales, 3.0)),
        ("hyperboloid_grad", (x, y), ()),
        ("canberra_grad", (x, y), ()),
        ("cosine_grad", (x, y), ()),
        ("correlation_grad", (x, y), ()),
        ("softmax_hellinger_grad", (x, y), ()),
        ("hellinger_grad", (positive, other), ()),
        ("haversine_grad", (x[:2] / 4, y[:2] / 4), ()),
        ("bray_curtis_grad, positive", (positive, other), ()),
        ("bray_curtis_grad, any sign", (x, y), ()),
        ("symmetric_kl_grad", (positive, other), ()),
        (
            "symmetric_kl_grad, normalised",
            (positive / positive.sum(), other / other.sum()),
            (),
        ),
    ):
        yield _of(name, getattr(d, name.split()[0].rstrip(",")), two, more)
    yield Derivative(  # Its own distance takes the difference of x and y in float32.
        "mahalanobis_grad",
        lambda x: d.mahalanobis_f64(x, y, inverse),
        lambda x, c: c * d.mahalanobis_grad(x, y, inverse)[1],
        x,
    )
    one, two = np.array([0.3, -0.2, 1.1, 0.7, 0.4]), np.array([1.0, 0.5, 0.8, 0.6, -0.3])
    yield _of("spherical_gaussian_energy_grad", d.spherical_gaussian_energy_grad, (one[:3], two))
    yield _of("spherical_gaussian_grad", d.spherical_gaussian_grad, (one[:3], two))
    yield _of("diagonal_gaussian_energy_grad", d.diagonal_gaussian_energy_grad, (one[:4], two))
    yield _of("gaussian_energy_grad", d.gaussian_energy_grad, (one, two))


def _of(name: str, distance: Any, pair: tuple[Any, Any], more: tuple[Any, ...] = ()) -> Derivative:
    """The distance is what the function with the gradient returns first."""
    x, y = pair

    def both(at: Any) -> Any:
        return distance(np.array(at, float), y.copy(), *more)  # Some overwrite their arguments.

    return Derivative(name, lambda x: both(x)[0], lambda x, c: c * both(x)[1][: x.size], x)
