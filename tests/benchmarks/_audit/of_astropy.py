"""astropy.modeling: ``fit_deriv`` of every model, in all its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "astropy",
    "astropy",
    "astropy",
    conventions=(
        (
            "`fit_deriv` of a series returns the matrix of its terms, one column a coefficient; "
            "that of other models a list, one array a parameter."
        ),
    ),
    left_out="models without `fit_deriv`; compound models; derivatives with units.",
)

FAULTS = (
    Fault(
        "`Drude1D.fit_deriv`: the derivative in `x_0`",
        ("Drude1D.fit_deriv",),
        "The inner derivative is written `(-x / x_0 - 1 / x) * (x / x_0 - x_0 / x) - 2 * fwhm**2 "
        "/ x_0**3`.",
        "`(-x / x_0**2 - 1 / x) * (x / x_0 - x_0 / x) - fwhm**2 / x_0**3`.",
        "Algebra; complex step of `evaluate` (agrees with the formula to 1e-15).",
        "Not found; [#16828](https://github.com/astropy/astropy/issues/16828), open, asks to "
        "verify the derivatives of all models.",
        """\
import numpy as np; from astropy.modeling.physical_models import Drude1D
x = np.array([0.7])
print(Drude1D.fit_deriv(x, 1.3, 1.1, 0.7)[1][0],
      Drude1D.evaluate(x, 1.3, 1.1 + 1e-20j, 0.7)[0].imag / 1e-20)""",
    ),
    Fault(
        "`Hermite2D.evaluate`: the polynomials in y from degree 2 on",
        ("Hermite2D degrees 2, 3.fit_deriv",),
        "`_fcache` keeps the terms in x and in y in one dictionary and uses the index there, "
        "which starts at `x_degree + 1` for y, as the degree: `2 * (n - 1)`. `fit_deriv` is "
        "right, and so disagrees with the function.",
        "`2 * (n - x_terms - 1)` in the loop over y: `H_n(y) = 2 y H_{n-1}(y) - 2 (n - 1) "
        "H_{n-2}(y)`.",
        "`numpy.polynomial.hermite`: `H_2(0.7) = -0.04`, `evaluate` has -2.04.",
        "",
        """\
import numpy as np; from astropy.modeling.polynomial import Hermite2D
m, x, y = Hermite2D(0, 2), np.array([0.5]), np.array([0.7])
print(m.evaluate(x, y, 0, 0, 1)[0], np.polynomial.hermite.hermval(0.7, [0, 0, 1]))""",
    ),
)

ON_A_LINE: dict[str, list[float]] = {
    "Gaussian1D": [1.3, 0.4, 0.8],
    "Shift": [0.7],
    "Scale": [1.4],
    "Multiply": [1.4],
    "RedshiftScaleFactor": [0.6],
    "Sine1D": [1.3, 0.21, 0.3],
    "Cosine1D": [1.3, 0.21, 0.3],
    "Tangent1D": [1.3, 0.04, 0.03],
    "ArcSine1D": [4.9, 0.31, 0.2],
    "ArcCosine1D": [4.9, 0.31, 0.2],
    "ArcTangent1D": [1.3, 0.4, 0.2],
    "Linear1D": [0.7, -0.4],
    "Lorentz1D": [1.3, 0.4, 0.9],
    "Voigt1D": [0.4, 1.3, 0.9, 0.7],
    "Const1D": [1.3],
    "Moffat1D": [1.3, 0.4, 0.9, 1.6],
    "KingProjectedAnalytic1D": [1.3, 1.1, 3.9],
    "Logarithmic1D": [1.3, 0.7],
    "Exponential1D": [1.3, 1.7],
    "PowerLaw1D": [1.3, 0.8, 1.7],
    "BrokenPowerLaw1D": [1.3, 1.2, 1.1, 2.3],
    "SmoothlyBrokenPowerLaw1D": [1.3, 1.2, 1.1, 2.3, 0.4],
    "ExponentialCutoffPowerLaw1D": [1.3, 0.8, 1.7, 2.2],
    "LogParabola1D": [1.3, 0.8, 1.7, 0.4],
    "Schechter1D": [1.3, 0.9, -1.2],
    "Drude1D": [1.3, 1.1, 0.7],
    "Plummer1D": [1.3, 0.9],
}

ON_A_PLANE: dict[str, list[float]] = {
    "Gaussian2D": [1.3, 0.4, 0.2, 0.8, 1.2, 0.5],
    "Planar2D": [0.7, -0.4, 0.2],
    "Lorentz2D": [1.3, 0.4, 0.2, 0.9],
    "Moffat2D": [1.3, 0.4, 0.2, 0.9, 1.6],
}

SERIES_1D = ("Polynomial1D", "Chebyshev1D", "Legendre1D", "Hermite1D")
SERIES_2D = ("Chebyshev2D", "Legendre2D", "Hermite2D")


def derivatives() -> Iterator[Derivative]:
    from astropy.modeling import functional_models, physical_models, polynomial, powerlaws

    found: dict[str, Any] = {}
    for module in (functional_models, powerlaws, physical_models, polynomial):
        found.update(vars(module))
    random = np.random.default_rng(0)
    x, y = np.sort(random.uniform(0.3, 3.1, 12)), random.uniform(-1.2, 1.4, 12)
    for name, at in ON_A_LINE.items():
        yield _model(name, found[name], at, x)
    for name, at in ON_A_PLANE.items():
        yield _model(name, found[name], at, x, y)
    yield _model("Gaussian2D round", found["Gaussian2D"], [1.3, 0.4, 0.2, 0.9, 0.9, 0.0], x, y)
    z, w = random.uniform(-1, 1, 12), random.uniform(-1, 1, 12)
    for name in SERIES_1D:
        for degree in (0, 1, 4):
            made = found[name](degree)
            at = random.normal(size=degree + 1)
            yield _series(f"{name} degree {degree}", made, at, z)
    for name in SERIES_2D:
        for degrees in ((1, 1), (2, 3)):
            made = found[name](*degrees)
            at = random.normal(size=len(made.param_names))
            yield _series(f"{name} degrees {degrees[0]}, {degrees[1]}", made, at, z, w)
    for degree in (1, 3):
        made = found["Polynomial2D"](degree)
        at = random.normal(size=len(made.param_names))
        yield _series(f"Polynomial2D degree {degree}", made, at, z, w)


def _model(name: str, model: Any, at: list[float], *x: np.ndarray) -> Derivative:
    """All parameters in one array: ``fit_deriv`` returns a derivative for each."""
    model = model(*at)
    return Derivative(
        f"{name}.fit_deriv",
        lambda p: np.asarray(model.evaluate(*x, *p)) + np.zeros(x[0].shape),
        lambda p, c: np.array([np.sum(c * d) for d in model.fit_deriv(*x, *p)]),
        np.array(at),
    )


def _series(name: str, model: Any, at: np.ndarray, *x: np.ndarray) -> Derivative:
    """``fit_deriv`` of a series is the matrix of its terms."""
    return Derivative(
        f"{name}.fit_deriv",
        lambda p: np.asarray(model.evaluate(*x, *p)) + np.zeros(x[0].shape),
        lambda p, c: c @ np.reshape(model.fit_deriv(*x, *p), (x[0].size, -1)),
        at,
    )
