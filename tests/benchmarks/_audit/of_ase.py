"""ASE: forces and stresses of its own calculators, force-field terms, internal coordinates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "ASE",
    "ase",
    "ase",
    conventions=(
        (
            "Forces are minus the gradient of `get_potential_energy()`; for `EMT` and others with "
            "a cut-off the energy jumps where a pair crosses it."
        ),
        "Stress is the derivative of the energy in the symmetric strain divided by the volume.",
    ),
    left_out="filters of the cell; calculators that run an external program; machine-learned "
    "potentials.",
)

FAULTS: tuple[Fault, ...] = ()

CLOSE = {"points": ("current",)}
"""A displacement of positions by a tenth of themselves would leave the structure."""


def derivatives() -> Iterator[Derivative]:
    yield from _calculators()
    yield from _terms()
    yield from _internal_coordinates()


def _forces(name: str, atoms: Any) -> Iterator[Derivative]:
    def placed(x: np.ndarray) -> Any:
        moved = atoms.copy()
        moved.calc = atoms.calc
        moved.positions = x
        return moved

    yield Derivative(
        f"{name} forces", lambda x: placed(x).get_potential_energy(),
        lambda x, c: -c * placed(x).get_forces(), atoms.positions.copy(), CLOSE,
    )  # fmt: skip


def _stress(name: str, atoms: Any) -> Iterator[Derivative]:
    def strained(e: np.ndarray) -> Any:
        moved = atoms.copy()
        moved.calc = atoms.calc
        moved.set_cell(atoms.cell.array @ (np.eye(3) + (e + e.T) / 2), scale_atoms=True)
        return moved

    def gradient(e: np.ndarray, c: float) -> np.ndarray:
        here = strained(e)
        deformed = np.linalg.inv(np.eye(3) + (e + e.T) / 2)
        full = here.get_volume() * here.get_stress(voigt=False) @ deformed
        return c * (full + full.T) / 2

    yield Derivative(
        f"{name} stress", lambda e: strained(e).get_potential_energy(), gradient,
        0.01 * np.random.default_rng(5).normal(size=(3, 3)), CLOSE,
    )  # fmt: skip


def _calculators() -> Iterator[Derivative]:
    from ase import Atoms
    from ase.build import bulk, molecule
    from ase.calculators.emt import EMT
    from ase.calculators.harmonic import HarmonicCalculator, HarmonicForceField
    from ase.calculators.lj import LennardJones
    from ase.calculators.mixing import LinearCombinationCalculator
    from ase.calculators.morse import MorsePotential
    from ase.calculators.tersoff import Tersoff, TersoffParameters
    from ase.calculators.tip3p import TIP3P
    from ase.calculators.tip4p import TIP4P

    random = np.random.default_rng(0)
    cluster = Atoms(
        "Ar5", 1.1 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.2]])
    )
    cluster.positions += 0.05 * random.normal(size=(5, 3))
    crystal = bulk("Ar", "fcc", a=1.6, cubic=True)
    crystal.rattle(0.03, seed=1)
    for smooth in (False, True):
        for name, atoms in (("cluster", cluster), ("crystal", crystal)):
            made = atoms.copy()
            made.calc = LennardJones(rc=2.6, ro=1.9, smooth=smooth)
            yield from _forces(f"LennardJones smooth={smooth} {name}", made)
            if name == "crystal":
                yield from _stress(f"LennardJones smooth={smooth}", made)
    for name, atoms in (("cluster", cluster), ("crystal", crystal)):
        made = atoms.copy()
        made.calc = MorsePotential()
        yield from _forces(f"MorsePotential {name}", made)
        if name == "crystal":
            yield from _stress("MorsePotential", made)
    for symbols in ("Cu", "Al", "Pt", "Ni"):
        metal = bulk(symbols, cubic=True)
        metal.rattle(0.05, seed=2)
        metal.calc = EMT()
        yield from _forces(f"EMT {symbols}", metal)
        yield from _stress(f"EMT {symbols}", metal)
    alloy = bulk("Cu", cubic=True)
    alloy.symbols[:2] = "Au"
    alloy.rattle(0.05, seed=3)
    alloy.calc = EMT()
    yield from _forces("EMT CuAu", alloy)
    for name in ("H2O", "CH4", "NH3"):
        made = molecule(name)
        made.rattle(0.05, seed=4)
        made.calc = EMT()
        yield from _forces(f"EMT {name}", made)
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.05, seed=5)
    parameters = TersoffParameters(
        A=1830.8, B=471.18, lambda1=2.4799, lambda2=1.7322, lambda3=0.0, beta=1.1e-6, gamma=1.0,
        m=3.0, n=0.78734, c=1.0039e5, d=16.217, h=-0.59825, R=2.85, D=0.15,
    )  # fmt: skip
    silicon.calc = Tersoff({("Si", "Si", "Si"): parameters})
    yield from _forces("Tersoff", silicon)
    yield from _stress("Tersoff", silicon)
    water = molecule("H2O")
    root = random.normal(size=(9, 9))
    field = HarmonicForceField(water, root @ root.T)
    water.rattle(0.05, seed=6)
    water.calc = HarmonicCalculator(field)
    yield from _forces("HarmonicCalculator", water)
    one = molecule("H2O").positions
    for kind in (TIP3P, TIP4P):
        pair = Atoms(
            "OH2OH2",
            np.vstack([one, one + np.array([0, 0.4, 2.9])]),
        )
        pair.positions += 0.05 * random.normal(size=(6, 3))
        pair.cell, pair.pbc = [20, 20, 20], True
        pair.calc = kind(rc=9.0)
        yield from _forces(kind.__name__, pair)
    mixed = cluster.copy()
    mixed.calc = LinearCombinationCalculator([LennardJones(), MorsePotential()], [0.7, 0.3])
    yield from _forces("LinearCombinationCalculator", mixed)


def _terms() -> Iterator[Derivative]:
    from ase import Atoms
    from ase.calculators.ff import ForceField
    from ase.utils import ff

    positions = np.array([[0.0, 0.1, 0.2], [1.3, 0.0, -0.1], [1.8, 1.2, 0.3], [2.9, 1.4, 1.1]])
    chain = Atoms("C4", positions, cell=[20, 20, 20])
    terms = {
        "morses": ff.Morse(0, 1, 2.1, 1.7, 1.2),
        "bonds": ff.Bond(0, 1, 3.1, 1.2),
        "angles": ff.Angle(0, 1, 2, 1.4, 105.0),
        "angles cos": ff.Angle(0, 1, 2, 1.4, 105.0, cos=True),
        "dihedrals": ff.Dihedral(0, 1, 2, 3, 0.7, d0=160.0, n=3),
        "dihedrals harmonic": ff.Dihedral(0, 1, 2, 3, 0.7, d0=150.0),
        "vdws": ff.VdW(0, 3, epsilonij=0.4, sigmaij=2.6),
        "coulombs": ff.Coulomb(0, 3, chargeij=0.7),
    }
    for name, term in terms.items():
        made = chain.copy()
        made.calc = ForceField(**{name.split()[0]: [term]})
        yield from _forces(f"ForceField {name}", made)
    kinds = {"morses": "morse", "bonds": "bond", "angles": "angle", "dihedrals": "dihedral",
             "vdws": "vdw", "coulombs": "coulomb"}  # fmt: skip
    for name, term in terms.items():
        kind = kinds[name.split()[0]]
        gradient = getattr(ff, f"get_{kind}_potential_gradient")
        hessian = getattr(ff, f"get_{kind}_potential_hessian")

        def at(x: np.ndarray) -> Any:
            moved = chain.copy()
            moved.positions = x
            return moved

        def scattered(result: Any, rank: int) -> np.ndarray:
            """Put what belongs to a term's atoms where they are."""
            *atoms, values = result
            where = (3 * np.array(atoms)[:, None] + np.arange(3)).ravel()
            full = np.zeros((12,) * rank)
            full[np.ix_(*[where] * rank)] = np.reshape(values, (where.size,) * rank)
            return full

        yield Derivative(
            f"ff {name} gradient",
            lambda x, k=kind, t=term: getattr(ff, f"get_{k}_potential_value")(at(x), t)[-1],
            lambda x, c, g=gradient, t=term: c * scattered(g(at(x), t), 1),
            positions,
            CLOSE,
        )
        yield Derivative(
            f"ff {name} hessian",
            lambda x, g=gradient, t=term: scattered(g(at(x), t), 1),
            lambda x, c, h=hessian, t=term: c @ scattered(h(at(x), t), 2),
            positions,
            CLOSE,
        )


def _internal_coordinates() -> Iterator[Derivative]:
    from ase import geometry as g

    random = np.random.default_rng(1)
    v0, v1, v2 = random.normal(size=(3, 4, 3))
    points = {"a": v0, "b": v1, "c": v2, "d": random.normal(size=(4, 3))}

    def vectors(p: Any, names: str) -> list[np.ndarray]:
        return [p[later] - p[first] for first, later in itertools.pairwise(names)]

    def spread(c: np.ndarray, derivative: np.ndarray, names: str) -> dict[str, np.ndarray]:
        return {n: c[:, None] * derivative[:, i] for i, n in enumerate(names)}

    yield Derivative(
        "get_distances_derivatives",
        lambda p: g.conditional_find_mic([p["b"] - p["a"]], None, None)[1][0],
        lambda p, c: spread(c, g.get_distances_derivatives(p["b"] - p["a"]), "ab"),
        {k: points[k] for k in "ab"},
    )
    yield Derivative(
        "get_angles_derivatives",
        lambda p: g.get_angles(p["a"] - p["b"], p["c"] - p["b"]),
        lambda p, c: spread(c, g.get_angles_derivatives(p["a"] - p["b"], p["c"] - p["b"]), "abc"),
        {k: points[k] for k in "abc"},
    )
    yield Derivative(
        "get_dihedrals_derivatives",
        lambda p: g.get_dihedrals(*vectors(p, "abcd")),
        lambda p, c: spread(c, g.get_dihedrals_derivatives(*vectors(p, "abcd")), "abcd"),
        points,
    )
