"""SciPy: special functions, interpolators, densities, Rosenbrock, robust losses, adjoints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise, jacobian

LIBRARY = Library(
    "SciPy",
    "scipy",
    "scipy",
    conventions=(
        "`rv_continuous.pdf` is checked as the derivative of `cdf` where neither is integrated.",
        "`jvp(v, z)` and the like are derivatives in `z`, never in the order `v`.",
    ),
    left_out="ends of domains, where only one side can be seen (`assoc_legendre_p` at z = -1, "
    "[#26229](https://github.com/scipy/scipy/issues/26229)); distributions whose `cdf` SciPy "
    "integrates numerically; derivatives that SciPy itself takes by differences.",
    seen=(
        (
            "`pro_rad2` and `obl_rad2` with m > 0 do not satisfy the Wronskian near the origin: "
            "`c (x² - 1) (R1 R2' - R1' R2)` for `pro_rad2(1, 1, 5, 1.2)` is -23.5 and must be 1."
        ),
        "`obl_rad2(0, 1, 1.3, 1.2)` returns -5e-321.",
    ),
)

FAULTS = (
    Fault(
        "`obl_rad2` with odd n - m and m > 0 near the origin: the derivative",
        ("obl_rad2(1, 2, 1.3, x)", "obl_rad2(2, 3, 1.3, x)"),
        "Value and derivative are not of one function. Neither satisfies the Wronskian: for m, n, "
        "c, x = 1, 2, 1.3, 1.2 the expression on the right is -9.1, and 0.58 with the derivative "
        "of the value returned.",
        "`c (x² + 1) (R1 R2' - R1' R2) = 1`, the Wronskian.",
        "The Wronskian; central differences of every element.",
        "",
        """\
from scipy.special import obl_rad1, obl_rad2
m, n, c, x, h = 1, 2, 1.3, 1.2, 1e-5
slope = (obl_rad2(m, n, c, x + h)[0] - obl_rad2(m, n, c, x - h)[0]) / (2 * h)
print(obl_rad2(m, n, c, x)[1], slope)""",
    ),
)

SLOW_OR_INTEGRATED = {
    "genhyperbolic", "levy_stable", "studentized_range", "ksone", "kstwo", "dpareto_lognorm",
    "landau", "geninvgauss", "irwinhall",
}  # fmt: skip


def derivatives() -> Iterator[Derivative]:
    yield from _special()
    yield from _legendre()
    yield from _interpolators()
    yield from _surfaces()
    yield from _optimize()
    yield from _adjoints()
    yield from _densities()


def _special() -> Iterator[Derivative]:
    from scipy import special as sp

    x = np.array([0.3, 0.9, 1.7, 2.6, 4.1, 7.3])
    for name in ("jvp", "yvp", "kvp", "ivp", "h1vp", "h2vp"):
        derivative = getattr(sp, name)
        for order in (0, 1, 3.5):
            for n in (1, 2, 3):
                yield Derivative(
                    f"{name}({order}, x, {n})",
                    lambda x, f=derivative, v=order, n=n: f(v, x, n - 1),
                    elementwise(lambda x, f=derivative, v=order, n=n: np.conj(f(v, x, n))),
                    x,
                )
    for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"):
        function = getattr(sp, name)
        for n in (0, 1, 2, 5):
            yield Derivative(
                f"{name}({n}, x, derivative=True)",
                lambda x, f=function, n=n: f(n, x),
                elementwise(lambda x, f=function, n=n: f(n, x, derivative=True)),
                x,
            )
    for name in ("ber", "bei", "ker", "kei"):
        yield _of_pair(f"{name}p", getattr(sp, name), getattr(sp, f"{name}p"), x)
    for k, name in enumerate(("Be", "Ke")):
        yield _of_pair(
            f"kelvin {name}p", lambda x, k=k: sp.kelvin(x)[k].real,
            lambda x, k=k: sp.kelvin(x)[k + 2].real, x,
        )  # fmt: skip
    signed = np.array([-4.2, -1.3, -0.4, 0.6, 1.1, 2.9])
    for k, name in ((0, "Ai"), (2, "Bi")):
        yield _of_pair(
            f"airy {name}p", lambda x, k=k: sp.airy(x)[k], lambda x, k=k: sp.airy(x)[k + 1], signed
        )
    for order in (-1.5, 0.5, 2.0):
        for name in ("pbdv", "pbvv"):
            f = getattr(sp, name)
            yield _of_pair(
                f"{name}({order}, x)", lambda x, f=f, v=order: f(v, x)[0],
                lambda x, f=f, v=order: f(v, x)[1], signed,
            )  # fmt: skip
    for a in (-1.0, 0.4, 2.0):
        yield _of_pair(
            f"pbwa({a}, x)",
            lambda x, a=a: sp.pbwa(a, x)[0],
            lambda x, a=a: sp.pbwa(a, x)[1],
            signed,
        )
    degrees = np.array([11.0, 47.0, 83.0, 140.0, 205.0])
    for name, least in (("mathieu_cem", 0), ("mathieu_sem", 1)):
        f = getattr(sp, name)
        for m in (least, 2, 5):
            # The angle is in degrees, the derivative is that in radians.
            yield _of_pair(
                f"{name}({m}, 1.7, x)", lambda x, f=f, m=m: f(m, 1.7, x)[0],
                lambda x, f=f, m=m: f(m, 1.7, x)[1] * np.pi / 180, degrees,
            )  # fmt: skip
    for name, least in (("mathieu_modcem1", 0), ("mathieu_modcem2", 0), ("mathieu_modsem1", 1),
                        ("mathieu_modsem2", 1)):  # fmt: skip
        f = getattr(sp, name)
        for m in (least, 3):
            yield _of_pair(
                f"{name}({m}, 1.7, x)", lambda x, f=f, m=m: f(m, 1.7, x)[0],
                lambda x, f=f, m=m: f(m, 1.7, x)[1], np.array([0.2, 0.7, 1.1, 1.6]),
            )  # fmt: skip
    inside, outside = np.array([-0.8, -0.3, 0.2, 0.7]), np.array([1.2, 1.8, 2.7])
    for kind in ("pro", "obl"):
        for part, where in (("ang1", inside), ("rad1", outside), ("rad2", outside)):
            f = getattr(sp, f"{kind}_{part}")
            for m, n in ((0, 0), (1, 2), (2, 3)):
                yield _of_pair(
                    f"{kind}_{part}({m}, {n}, 1.3, x)", lambda x, f=f, m=m, n=n: f(m, n, 1.3, x)[0],
                    lambda x, f=f, m=m, n=n: f(m, n, 1.3, x)[1], where,
                )  # fmt: skip
    for n in range(4):
        yield _of_pair(
            f"polygamma({n + 1}, x)", lambda x, n=n: sp.polygamma(n, x),
            lambda x, n=n: sp.polygamma(n + 1, x), x,
        )  # fmt: skip
    yield _of_pair("psi", sp.gammaln, sp.psi, x)
    for name in ("riccati_jn", "riccati_yn"):
        f = getattr(sp, name)
        yield Derivative(
            f"{name}(4, x)",
            lambda x, f=f: f(4, float(x))[0],
            jacobian(lambda x, f=f: f(4, float(x))[1]),
            np.array(1.7),
        )
    yield Derivative(
        "softmax as gradient of logsumexp", sp.logsumexp, lambda x, c: c * sp.softmax(x), signed
    )


def _of_pair(name, function, derivative, at) -> Derivative:
    return Derivative(name, function, elementwise(derivative), at)


def _legendre() -> Iterator[Derivative]:
    from scipy import special as sp

    z = np.array([-0.83, -0.31, 0.14, 0.62, 0.91])
    angle = np.array([0.3, 0.9, 1.4, 2.2, 2.8])
    for k in (1, 2):
        for n in (k, k + 1, 5):
            yield _of_pair(
                f"legendre_p({n}, z) derivative {k}",
                lambda z, n=n, k=k: sp.legendre_p(n, z, diff_n=k)[k - 1],
                lambda z, n=n, k=k: sp.legendre_p(n, z, diff_n=k)[k], z,
            )  # fmt: skip
            for m in (-n, 0, 1):
                for norm in (False, True):
                    yield _of_pair(
                        f"assoc_legendre_p({n}, {m}, z, norm={norm}) derivative {k}",
                        lambda z, a=(n, m), w=norm, k=k: sp.assoc_legendre_p(
                            *a, z, norm=w, diff_n=k
                        )[k - 1],
                        lambda z, a=(n, m), w=norm, k=k: sp.assoc_legendre_p(
                            *a, z, norm=w, diff_n=k
                        )[k],
                        z,
                    )
                yield _of_pair(
                    f"sph_legendre_p({n}, {m}, theta) derivative {k}",
                    lambda z, a=(n, m), k=k: sp.sph_legendre_p(*a, z, diff_n=k)[k - 1],
                    lambda z, a=(n, m), k=k: sp.sph_legendre_p(*a, z, diff_n=k)[k], angle,
                )  # fmt: skip
    for n, m in ((1, 1), (2, 1), (3, -2), (5, 3)):

        def harmonic(x, n=n, m=m):
            return sp.sph_harm_y(n, m, x["theta"], x["phi"], diff_n=2)

        at = {"theta": angle, "phi": np.array([0.2, 1.1, 2.9, 4.0, 5.5])}
        yield Derivative(
            f"sph_harm_y({n}, {m}) gradient",
            lambda x, f=harmonic: f(x)[0],
            lambda x, c, f=harmonic: _by_angle(np.conj(c) * f(x)[1].T),
            at,
        )
        for row in (0, 1):
            yield Derivative(
                f"sph_harm_y({n}, {m}) Hessian row {row}",
                lambda x, f=harmonic, row=row: f(x)[1][..., row],
                lambda x, c, f=harmonic, row=row: _by_angle(np.conj(c) * f(x)[2][..., row, :].T),
                at,
            )


def _by_angle(gradient: np.ndarray) -> dict[str, np.ndarray]:
    return {"theta": gradient[0].real, "phi": gradient[1].real}


def _interpolators() -> Iterator[Derivative]:
    from scipy import interpolate as si

    random = np.random.default_rng(0)
    knots = np.sort(random.uniform(0, 5, 10))
    values = random.normal(size=10)
    x = random.uniform(knots[1], knots[-2], 8)
    coefficients = random.normal(size=(4, 9))
    built = {
        "CubicSpline": si.CubicSpline(knots, values),
        "CubicSpline natural": si.CubicSpline(knots, values, bc_type="natural"),
        "CubicSpline clamped": si.CubicSpline(knots, values, bc_type="clamped"),
        "CubicHermiteSpline": si.CubicHermiteSpline(knots, values, random.normal(size=10)),
        "PchipInterpolator": si.PchipInterpolator(knots, values),
        "Akima1DInterpolator": si.Akima1DInterpolator(knots, values),
        "Akima1DInterpolator makima": si.Akima1DInterpolator(knots, values, method="makima"),
        "PPoly": si.PPoly(coefficients, knots),
        "BPoly": si.BPoly(coefficients, knots),
        "BPoly from_derivatives": si.BPoly.from_derivatives(knots, random.normal(size=(10, 3))),
        **{f"BSpline degree {k}": si.make_interp_spline(knots, values, k=k) for k in (1, 2, 3, 5)},
        "BSpline smoothing": si.make_smoothing_spline(knots, values),
        "UnivariateSpline": si.UnivariateSpline(knots, values, k=4, s=0.5),
        "InterpolatedUnivariateSpline": si.InterpolatedUnivariateSpline(knots, values, k=5),
        "LSQUnivariateSpline": si.LSQUnivariateSpline(knots, values, knots[3:8:2]),
    }
    for name, f in built.items():
        once = f.derivative()
        yield _of_pair(f"{name}.derivative()", f, once, x)
        yield _of_pair(f"{name} nu=1", f, lambda x, f=f: f(x, 1), x)
        if "degree 1" not in name:
            yield _of_pair(f"{name}.derivative() twice", once, f.derivative(2), x)
        yield _of_pair(f"{name}.antiderivative()", f.antiderivative(), f, x)
    t = si.splrep(knots, values)
    for n in (1, 2):
        yield _of_pair(
            f"splev der={n}", lambda x, n=n: si.splev(x, t, der=n - 1),
            lambda x, n=n: si.splev(x, t, der=n), x,
        )  # fmt: skip
    yield _of_pair("splder", lambda x: si.splev(x, t), lambda x: si.splev(x, si.splder(t)), x)
    yield _of_pair(
        "splantider", lambda x: si.splev(x, si.splantider(t)), lambda x: si.splev(x, t), x
    )
    few, high = np.linspace(0, 1, 6), values[:6]
    for kind in (si.KroghInterpolator, si.BarycentricInterpolator):
        f = kind(few, high)
        for n in (1, 2):
            yield _of_pair(
                f"{kind.__name__}.derivative {n}",
                lambda x, f=f, n=n: f.derivative(x, n - 1),
                lambda x, f=f, n=n: f.derivative(x, n), np.array([0.13, 0.37, 0.71, 0.88]),
            )  # fmt: skip
    basis = si.BSpline.basis_element([0, 0.7, 1.1, 2.4, 3.0])
    yield _of_pair(
        "BSpline.basis_element", basis, basis.derivative(), np.array([0.4, 1.3, 2.1, 2.8])
    )


def _surfaces() -> Iterator[Derivative]:
    from scipy import interpolate as si

    random = np.random.default_rng(1)
    gx, gy = np.linspace(0, 2, 7), np.linspace(0, 3, 8)
    z = random.normal(size=(7, 8))
    at = {"x": random.uniform(0.3, 1.7, 5), "y": random.uniform(0.3, 2.7, 5)}
    px, py = (a.ravel() for a in np.meshgrid(gx, gy, indexing="ij"))
    bivariate = {
        "RectBivariateSpline": si.RectBivariateSpline(gx, gy, z),
        "SmoothBivariateSpline": si.SmoothBivariateSpline(px, py, z.ravel(), s=20),
        "LSQBivariateSpline": si.LSQBivariateSpline(px, py, z.ravel(), [0.9], [1.4]),
    }
    for name, f in bivariate.items():
        yield _surface(
            f"{name}.ev dx, dy", lambda p, f=f: f.ev(p["x"], p["y"]),
            lambda p, f=f: (f.ev(p["x"], p["y"], dx=1), f.ev(p["x"], p["y"], dy=1)), at,
        )  # fmt: skip
        fx = f.partial_derivative(1, 0)
        yield _surface(
            f"{name}.partial_derivative", lambda p, fx=fx: fx(p["x"], p["y"], grid=False),
            lambda p, f=f: (f.ev(p["x"], p["y"], dx=2), f.ev(p["x"], p["y"], dx=1, dy=1)), at,
        )  # fmt: skip
    pp = si.NdPPoly(random.normal(size=(4, 3, 2, 3)), (np.array([0, 1, 2]), np.array([0, 1, 2, 3])))
    bs = si.NdBSpline(
        (np.r_[[0] * 3, gx, [2] * 3], np.r_[[0] * 3, gy, [3] * 3]), random.normal(size=(9, 10)), 3
    )
    rgi = si.RegularGridInterpolator((gx, gy), z, method="cubic")
    for name, f in (("NdPPoly", pp), ("NdBSpline", bs), ("RegularGridInterpolator", rgi)):

        def of(p, nu=None, f=f):
            return f(np.column_stack([p["x"], p["y"]]), nu=nu)

        yield _surface(f"{name} nu", of, lambda p, of=of: (of(p, (1, 0)), of(p, (0, 1))), at)
        yield _surface(
            f"{name} nu (1, 0)", lambda p, of=of: of(p, (1, 0)),
            lambda p, of=of: (of(p, (2, 0)), of(p, (1, 1))), at,
        )  # fmt: skip


def _surface(name, function, partials, at) -> Derivative:
    return Derivative(
        name, function, lambda p, c: dict(zip("xy", (c * d for d in partials(p)), strict=True)), at
    )


def _optimize() -> Iterator[Derivative]:
    from scipy import optimize as so
    from scipy.optimize._lsq.least_squares import IMPLEMENTED_LOSSES

    random = np.random.default_rng(2)
    for n in (2, 3, 7):
        x = random.normal(size=n)
        yield Derivative(f"rosen_der {n}", so.rosen, jacobian(so.rosen_der), x)
        yield Derivative(f"rosen_hess {n}", so.rosen_der, jacobian(so.rosen_hess), x)
        yield Derivative(f"rosen_hess_prod {n}", so.rosen_der, so.rosen_hess_prod, x)
    squared = random.uniform(0.1, 4, 7)
    for name in ("huber", "soft_l1", "cauchy", "arctan"):
        loss = IMPLEMENTED_LOSSES[name]
        for order in (1, 2):

            def rho(z, row, loss=loss):
                values = np.empty((3, z.size))
                loss(z, values, cost_only=False)
                return values[row]

            yield _of_pair(
                f"least_squares loss {name}, rho[{order}]",
                lambda z, rho=rho, k=order: rho(z, k - 1),
                lambda z, rho=rho, k=order: rho(z, k), squared,
            )  # fmt: skip


def _adjoints() -> Iterator[Derivative]:
    from scipy import linalg
    from scipy.sparse import linalg as sl

    random = np.random.default_rng(3)
    A, Z = random.normal(size=(4, 4)), random.normal(size=(3, 5)) + 1j * random.normal(size=(3, 5))
    operators = {
        "MatrixLinearOperator": sl.aslinearoperator(A),
        "MatrixLinearOperator complex": sl.aslinearoperator(Z),
        "product of operators": sl.aslinearoperator(Z) @ sl.aslinearoperator(Z.conj().T),
        "sum and scaled": 2j * sl.aslinearoperator(Z) + sl.aslinearoperator(Z),
        "power": sl.aslinearoperator(A) ** 3,
        "adjoint": sl.aslinearoperator(Z).H,
        "transpose": sl.aslinearoperator(Z).T,
        "LaplacianNd neumann": sl.LaplacianNd((3, 4), boundary_conditions="neumann"),
        "LaplacianNd dirichlet": sl.LaplacianNd((3, 4), boundary_conditions="dirichlet"),
        "LaplacianNd periodic": sl.LaplacianNd((3, 4), boundary_conditions="periodic"),
    }
    for name, operator in operators.items():
        x = random.normal(size=operator.shape[1])
        if np.issubdtype(operator.dtype, np.complexfloating):
            x = x + 1j * random.normal(size=operator.shape[1])
        yield Derivative(
            f"{name} rmatvec", operator.matvec, lambda x, c, o=operator: o.rmatvec(c), x
        )
    yield Derivative(
        "expm_frechet",
        lambda M: linalg.expm(M),
        # The adjoint of the Fréchet derivative at M is the derivative at its transpose.
        lambda M, c: linalg.expm_frechet(M.T, c, compute_expm=False),
        0.5 * A,
    )


def _densities() -> Iterator[Derivative]:
    from scipy import stats
    from scipy.stats._distr_params import distcont

    shapes: dict[str, tuple[float, ...]] = {}
    for name, shape in distcont:
        shapes.setdefault(name, shape)
    for name, shape in shapes.items():
        family = getattr(stats, name) if isinstance(name, str) else name
        kind = type(family)
        named = all(
            getattr(kind, m) is not getattr(stats.rv_continuous, m) for m in ("_pdf", "_cdf")
        )
        if not named or family.name in SLOW_OR_INTEGRATED:
            continue
        frozen = family(*shape)
        x = frozen.ppf(np.array([0.15, 0.35, 0.5, 0.7, 0.85]))
        yield _of_pair(f"{family.name} pdf of cdf", frozen.cdf, frozen.pdf, x)
        if kind._sf is not stats.rv_continuous._sf:
            yield _of_pair(f"{family.name} -pdf of sf", frozen.sf, lambda x, f=frozen: -f.pdf(x), x)
