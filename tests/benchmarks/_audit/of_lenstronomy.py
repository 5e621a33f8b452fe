"""lenstronomy: deflections of the lens models as derivatives of the potential, and Hessians."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "lenstronomy",
    "lenstronomy",
    "lenstronomy",
    conventions=(
        "`f_xy` of `hessian` is the derivative of `f_x` in `y`, `f_yx` that of `f_y` in `x`.",
        (
            "`TNFWC`, `PseudoDoublePowerlaw`, `SPLCORE` and `Dipole` have no potential (that of "
            "`Dipole` is 0): only their Hessians are checked."
        ),
    ),
    left_out=(
        "profiles with numerical integrals (`BPL`, `GNFW`, `PEMD`, Sérsic, elliptical Gaussian), "
        "interpolation or tables; Hessians by differences (chameleons, `NIE` and others); "
        "derivatives in a profile's parameters."
    ),
)

FAULTS = (
    Fault(
        "`Dipole.hessian` (a profile said to be experimental)",
        ("Dipole.hessian",),
        "The deflection is `(coupling * x' / r, 0)` along the dipole's axes and has a curl; its "
        "Jacobian is turned back as if it were symmetric, so that `f_xy = f_yx`.",
        "`Rᵀ [[f_xx', f_xy'], [0, 0]] R` with the rotation `R`; without rotation `f_yx = 0`.",
        "Algebra (the formula agrees with differences of `derivatives` to 1e-10); the trace is "
        "right.",
        "",
        """\
import numpy as np; from lenstronomy.LensModel.Profiles.dipole import Dipole
p = Dipole(); f = lambda x, y: p.derivatives(x, y, 0.2, -0.1, 0.5, 0.3)
print(p.hessian(0.9, -0.5, 0.2, -0.1, 0.5, 0.3)[2],
      (f(0.9 + 1e-6, -0.5)[1] - f(0.9 - 1e-6, -0.5)[1]) / 2e-6)""",
    ),
)

# Classes by module.
PROFILES = {
    "arc_perturbations": "ArcPerturbations",
    "chameleon": "Chameleon DoubleChameleon TripleChameleon DoubleChameleonPointMass",
    "cnfw": "CNFW",
    "cnfw_ellipse_potential": "CNFWEllipsePotential",
    "const_mag": "ConstMag",
    "convergence": "Convergence",
    "coreBurkert": "CoreBurkert",
    "cored_density": "CoredDensity",
    "cored_density_2": "CoredDensity2",
    "cored_density_exp": "CoredDensityExp",
    "cored_density_mst": "CoredDensityMST",
    "cored_steep_ellipsoid": "CSE",
    "curved_arc_sis_mst": "CurvedArcSISMST",
    "curved_arc_spp": "CurvedArcSPP",
    "curved_arc_tan_diff": "CurvedArcTanDiff",
    "dipole": "Dipole",
    "elliptical_density_slice": "ElliSLICE",
    "epl": "EPL EPLQPhi",
    "epl_boxydisky": "EPL_BOXYDISKY EPL_BOXYDISKY_ELL",
    "epl_multipole_m1m3m4": "EPL_MULTIPOLE_M1M3M4 EPL_MULTIPOLE_M1M3M4_ELL",
    "epl_multipole_m3m4": "EPL_MULTIPOLE_M3M4 EPL_MULTIPOLE_M3M4_ELL",
    "flexion": "Flexion",
    "flexionfg": "Flexionfg",
    "gaussian": "Gaussian",
    "gaussian_ellipse_potential": "GaussianEllipsePotential",
    "gaussian_potential": "GaussianPotential",
    "hernquist": "Hernquist",
    "hernquist_ellipse_cse": "HernquistEllipseCSE",
    "hernquist_ellipse_potential": "HernquistEllipsePotential",
    "hessian": "Hessian",
    "multipole": "Multipole EllipticalMultipole",
    "nfw": "NFW",
    "nfw_core_truncated": "TNFWC",
    "nfw_ellipse_cse": "NFW_ELLIPSE_CSE",
    "nfw_ellipse_potential": "NFWEllipsePotential",
    "nie": "NIE",
    "nie_potential": "NIE_POTENTIAL",
    "point_mass": "PointMass",
    "point_mass_log_scaled": "PointMassLogScaled",
    "pseudo_double_powerlaw": "PseudoDoublePowerlaw",
    "pseudo_jaffe": "PseudoJaffe",
    "pseudo_jaffe_ellipse_potential": "PseudoJaffeEllipsePotential",
    "shear": "Shear ShearGammaPsi ShearReduced",
    "sie": "SIE",
    "sis": "SIS",
    "sis_truncate": "SIS_truncate",
    "spep": "SPEP",
    "splcore": "SPLCORE",
    "spp": "SPP",
    "tnfw": "TNFW",
    "tnfw_ellipse_potential": "TNFWELLIPSEPotential",
}

NO_POTENTIAL = ("Dipole", "TNFWC", "PseudoDoublePowerlaw", "SPLCORE")

# Their Hessians are one-sided differences of the deflections.
NUMERICAL = (
    *("Chameleon", "DoubleChameleon", "TripleChameleon", "DoubleChameleonPointMass"),
    "CurvedArcTanDiff",
    *("ElliSLICE", "Hernquist", "HernquistEllipsePotential", "GaussianEllipsePotential"),
    *("CNFWEllipsePotential", "NFWEllipsePotential", "PseudoJaffeEllipsePotential"),
    *("TNFWELLIPSEPotential", "NIE", "SIE"),
)

VALUES = {
    "theta_E": 1.1, "gamma": 1.9, "e1": 0.12, "e2": -0.07, "center_x": 0.05, "center_y": -0.08,
    "e11": 0.1, "e21": -0.05, "e12": -0.06, "e22": 0.08, "e13": 0.03, "e23": 0.04, "q": 0.8,
    "phi": 0.4, "ra_0": 0.1, "dec_0": -0.2, "Rs": 1.3, "alpha_Rs": 0.9, "r_core": 0.4,
    "r_trunc": 2.5, "gamma_in": 1.3, "gamma_inner": 1.3, "gamma_outer": 3.2, "sigma0": 0.7,
    "Ra": 0.3, "sigma_0": 0.7, "kappa_0": 0.1, "theta_c": 0.9, "slope": 5.5,
    "lambda_approx": 0.9, "b": 1.1, "a": 1.6, "a_c": 0.8, "r_c": 0.5, "s": 0.3, "t": 0.9,
    "alpha_1": 1.1, "ratio": 1.7, "ratio12": 1.7, "ratio13": 2.1, "w_c": 0.2, "w_t": 0.9,
    "w_c1": 0.2, "w_t1": 0.9, "w_c2": 0.4, "w_t2": 1.4, "w_c3": 0.3, "w_t3": 1.1,
    "ratio_chameleon": 1.5, "ratio_pointmass": 3.0, "coeff": 0.1, "d_r": 0.7, "d_phi": 0.6,
    "mu_r": 1.1, "mu_t": 3.0, "parity": 1, "phi_G": 0.3, "alpha_x": 0.2, "alpha_y": -0.1,
    "kappa": 0.2, "tangential_stretch": 3.0, "radial_stretch": 1.2, "curvature": 0.3,
    "direction": 0.4, "dtan_dtan": 0.1, "gamma1": 0.1, "gamma2": -0.05, "gamma_ext": 0.1,
    "psi_ext": 0.6, "com_x": 0.2, "com_y": -0.1, "phi_dipole": 0.5, "coupling": 0.3, "psi": 0.3,
    "a4_a": 0.05, "a1_a": 0.04, "a3_a": 0.03, "delta_phi_m1": 0.2, "delta_phi_m3": 0.3,
    "delta_phi_m4": 0.1, "g1": 0.02, "g2": 0.03, "g3": -0.04, "g4": 0.01, "F1": 0.02, "F2": 0.03,
    "G1": -0.04, "G2": 0.01, "amp": 1.2, "sigma": 0.8, "sigma_x": 0.8, "sigma_y": 1.1,
    "f_xx": 0.2, "f_yy": -0.1, "f_xy": 0.05, "f_yx": 0.05, "m": 4, "a_m": 0.05, "phi_m": 0.3,
    "r_E": 1.0, "eps": 0.1, "s_scale": 0.2, "log10_theta_E": 0.1, "k_eff": 0.4, "R_sersic": 1.2,
    "n_sersic": 2.5,
}  # fmt: skip


def derivatives() -> Iterator[Derivative]:
    for module, names in PROFILES.items():
        found = importlib.import_module(f"lenstronomy.LensModel.Profiles.{module}")
        for name in names.split():
            profile = getattr(found, name)
            yield from _of(name, profile(), {key: VALUES[key] for key in profile.param_names})


def _of(name: str, profile: Any, parameters: Any) -> Iterator[Derivative]:
    """The deflections of the potential and the Hessian of the deflections, at five places."""
    at = {
        "x": np.array([0.9, -1.2, 0.4, -0.7, 1.6]),
        "y": np.array([-0.5, 0.8, 1.3, -1.1, 0.3]),
    }

    def potential(point: Any) -> Any:
        return profile.function(point["x"].copy(), point["y"].copy(), **parameters)

    def deflections(point: Any) -> Any:
        return np.array(profile.derivatives(point["x"].copy(), point["y"].copy(), **parameters))

    def first(point: Any, c: Any) -> Any:
        f_x, f_y = deflections(point)
        return {"x": c * f_x, "y": c * f_y}

    def second(point: Any, c: Any) -> Any:
        f_xx, f_xy, f_yx, f_yy = profile.hessian(point["x"].copy(), point["y"].copy(), **parameters)
        return {"x": c[0] * f_xx + c[1] * f_yx, "y": c[0] * f_xy + c[1] * f_yy}

    if name not in NO_POTENTIAL:
        yield Derivative(f"{name}.derivatives", potential, first, at)
    if name not in NUMERICAL:
        yield Derivative(f"{name}.hessian", deflections, second, at)
